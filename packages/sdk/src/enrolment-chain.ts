import { equalBytes, err, formatId, ok, type Result } from "@keyferry/base"
import { type AccountState, newestAccountKey, verifyAccountChain } from "@keyferry/chain"
import { type AccountSeed, decodeWrapEntry, kemKeyPairFromSeed, type SlotKeys } from "@keyferry/crypto"
import { accountChainReplyStruct, accountKeysReplyStruct, type Failure } from "@keyferry/protocol"

import { openAccountWrap } from "./account-keys.ts"
import { decodeLinks, type Device, transportOf } from "./device.ts"
import { credentialsOf } from "./enrolment.ts"
import type { Enrolment } from "./formats.ts"

type Done<T> = Promise<Result<T, Failure>>

/** The account chain as served to a confirmed device, verified whole, and of the account that was signed in to. */
export const readChain = async (
  device: Device,
  e: Enrolment,
): Done<{ readonly state: AccountState; readonly links: readonly Uint8Array[] }> => {
  const reply = await transportOf(device, e.server.origin).cbor("enrol.chain", undefined, credentialsOf(device, e))
  if (!reply.ok) return reply
  return verifyServedChain(device, reply.value, e.accountId)
}

export const verifyServedChain = async (
  device: Device,
  bytes: Uint8Array,
  accountId: Uint8Array,
): Done<{ readonly state: AccountState; readonly links: readonly Uint8Array[] }> => {
  const served = accountChainReplyStruct.decode(bytes, 80 * 1024 * 1024)
  const links = served.ok ? decodeLinks(served.value.links) : undefined
  if (!served.ok || links === undefined) return err({ code: "chain-invalid" })
  const verified = await verifyAccountChain(device.ports.primitives, links)
  if (!verified.ok || !equalBytes(verified.value.id, accountId)) return err({ code: "chain-invalid" })
  return ok({ state: verified.value, links: served.value.links })
}

export const openSlot = async (
  device: Device,
  e: Enrolment,
  state: AccountState,
  slotId: Uint8Array,
  slot: SlotKeys,
): Done<AccountSeed> => {
  const query = `slot=${formatId("slt", slotId)}`
  const reply = await transportOf(device, e.server.origin).cbor(
    "enrol.slot-wraps",
    undefined,
    credentialsOf(device, e),
    query,
  )
  if (!reply.ok) return reply
  const served = accountKeysReplyStruct.decode(reply.value, 4 * 1024 * 1024)
  if (!served.ok) return err({ code: "malformed" })
  const { epoch } = newestAccountKey(state)
  for (const [wrapEpoch, bytes] of served.value.wraps) {
    const wrap = wrapEpoch === epoch ? decodeWrapEntry(bytes) : undefined
    if (wrap?.ok === true && equalBytes(wrap.value.recipient, slotId))
      return openAccountWrap(device, state, { id: slotId, kem: await kemKeyPairFromSeed(slot.kemSeed) }, wrap.value)
  }
  return err({ code: "key-not-trusted" })
}
