import { bytesToBase64url } from "@keyferry/base"
import { leaseTokenStruct, signedLeaseTokenStruct } from "@keyferry/protocol"

import type { LeaseTokenSigner } from "../context.ts"

/** How often a device may open its standard items before it must ask again. */
export const MAX_OFFLINE_UNLOCKS = 50

export interface LeaseGrant {
  readonly deviceId: Uint8Array
  readonly leaseId: Uint8Array
  readonly nowMs: number
  readonly graceS: number
  /** The account's head as the strongroom has it; [0, zeros] before there is a chain. */
  readonly account: readonly [seq: number, hash: Uint8Array]
  readonly serial: number
}

export const expiryMs = (nowMs: number, graceS: number): number => (Math.floor(nowMs / 1000) + graceS) * 1000

/** The signed token as base64url text of `signedLeaseTokenStruct`. Source   spec/leases.md LS7 */
export const makeLeaseToken = async (signer: LeaseTokenSigner, grant: LeaseGrant): Promise<string> => {
  const issuedAtS = Math.floor(grant.nowMs / 1000)
  const payload = leaseTokenStruct.encode({
    leaseId: grant.leaseId,
    deviceId: grant.deviceId,
    issuedAtS,
    expiresAtS: issuedAtS + grant.graceS,
    graceS: grant.graceS,
    maxOfflineUnlocks: MAX_OFFLINE_UNLOCKS,
    account: grant.account,
    serial: grant.serial,
  })
  return bytesToBase64url(signedLeaseTokenStruct.encode({ payload, signature: await signer.sign(payload) }))
}
