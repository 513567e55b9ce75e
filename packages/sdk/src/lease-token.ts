import { err, type Result } from "@keyferry/base"
import { verifyLabel } from "@keyferry/crypto"
import { leaseTokenStruct, type Failure, type LeaseToken, signedLeaseTokenStruct } from "@keyferry/protocol"

import { b64 } from "./wire.ts"
import type { Device } from "./device.ts"
import type { AccountRecord } from "./formats.ts"

/** What a lease is for: this device of this account. */
export const placeOf = (account: AccountRecord): { uid: Uint8Array; deviceId: Uint8Array; leaseId: Uint8Array } => ({
  uid: account.accountId,
  deviceId: account.deviceId,
  leaseId: account.leaseId,
})

/** Errors: lease-key-changed, for a token that the pinned key did not sign for this device. */
export const readToken = async (
  device: Device,
  account: Pick<AccountRecord, "server" | "deviceId" | "leaseId">,
  bytes: Uint8Array,
): Promise<Result<LeaseToken, Failure>> => {
  const refused = err({ code: "lease-key-changed" } as const)
  const signed = signedLeaseTokenStruct.decode(bytes, 2048)
  if (!signed.ok) return refused
  const { payload, signature } = signed.value
  if (!(await verifyLabel(device.ports.primitives, account.server.leaseTokenPk, signature, "kf1/lease-token", payload)))
    return refused
  const token = leaseTokenStruct.decode(payload, 2048)
  if (!token.ok) return refused
  const same = b64(token.value.deviceId) === b64(account.deviceId) && b64(token.value.leaseId) === b64(account.leaseId)
  return same ? token : refused
}
