import { ok, type Result } from "@keyferry/base"
import type { Failure } from "@keyferry/protocol"

import type { AccountLogLine } from "./api.ts"
import { deviceCalls } from "./device-calls.ts"
import type { Device } from "./device.ts"

/**
 * What the server wrote down about this account, newest first: who signed in, which device came and went, what was changed.
 * It holds ids only. Also while this device is locked: its request key is enough.
 */
export const accountLog = async (device: Device): Promise<Result<readonly AccountLogLine[], Failure>> => {
  const calls = await deviceCalls(device)
  if (!calls.ok) return calls
  const asked = await calls.value.transport.json("activity", {}, calls.value.as)
  return asked.ok ? ok(asked.value.events) : asked
}
