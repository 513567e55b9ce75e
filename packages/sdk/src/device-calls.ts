import { err, ok, type Result } from "@keyferry/base"
import type { Failure } from "@keyferry/protocol"

import { type Device, loadAuthSeed, requestSigner, transportOf } from "./device.ts"
import type { AccountRecord } from "./formats.ts"
import type { Credentials, Transport } from "./transport.ts"
import { keyIdOf } from "./wire.ts"

type Done<T> = Promise<Result<T, Failure>>

/** The server as this device speaks to it, also while locked. */
export const deviceCalls = async (
  device: Device,
): Done<{ readonly transport: Transport; readonly as: Credentials; readonly account: AccountRecord }> => {
  const account = device.record?.account
  if (account === undefined) return err({ code: "sync-not-enabled-here", detail: "This device has no account." })
  const authSeed = await loadAuthSeed(device.ports)
  if (authSeed === undefined) return err({ code: "store-corrupt" })
  const signer = requestSigner(device.ports, keyIdOf(account.deviceId), "kf1-dev", authSeed)
  return ok({ transport: transportOf(device, account.server.origin), as: { signer }, account })
}
