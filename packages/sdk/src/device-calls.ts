import { err, ok, type Result } from "@keyferry/base"
import type { Failure } from "@keyferry/protocol"

import { type Device, deviceSigner, transportOf } from "./device.ts"
import type { AccountRecord } from "./formats.ts"
import type { Credentials, Transport } from "./transport.ts"

type Done<T> = Promise<Result<T, Failure>>

/** The server as this device speaks to it, also while locked. */
export const deviceCalls = async (
  device: Device,
): Done<{ readonly transport: Transport; readonly as: Credentials; readonly account: AccountRecord }> => {
  const account = device.record?.account
  if (account === undefined) return err({ code: "sync-not-enabled-here", detail: "This device has no account." })
  const signer = await deviceSigner(device, account.deviceId)
  if (signer === undefined) return err({ code: "store-corrupt" })
  return ok({ transport: transportOf(device, account.server.origin), as: { signer }, account })
}
