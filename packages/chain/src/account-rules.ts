import { bytesToHex, equalBytes, err, isZero, ok } from "@keyferry/base"
import { type Primitives, verifyRetire } from "@keyferry/crypto"

import { type AccountEpoch, HOLDER_DEVICE, HOLDER_PASSWORD, HOLDER_RECOVERY, type Holder } from "./format.ts"
import {
  type AccountKeyEntry,
  type AccountState,
  activeHolders,
  hashAt,
  type HolderEntry,
  holderOf,
  newestAccountKey,
} from "./account-state.ts"
import type { ChainError } from "./errors.ts"
import { areDistinct, type OpenLink } from "./link.ts"
import type { Checked } from "./ports.ts"

/*
 * The rules that several account links share: shapes of holders, keys that never come back, new key epochs, removals.
 * Source: spec/chains.md, CH17–CH23
 */

export const malformed = (what: string): { readonly ok: false; readonly error: ChainError } =>
  err({ code: "chain-malformed", what })

/** Which of the optional keys a holder of each kind has (CH17). */
export const isHolderShape = (holder: Holder): boolean => {
  const device = holder.authPk !== undefined && holder.leasePk !== undefined && holder.leaseId !== undefined
  const noDevice = holder.authPk === undefined && holder.leasePk === undefined && holder.leaseId === undefined
  return (
    (holder.kind === HOLDER_DEVICE ? device : noDevice) &&
    (holder.kind === HOLDER_RECOVERY) === (holder.recPk !== undefined)
  )
}

/** One pool for every Ed25519 key, so that an old auth key cannot return as a chain key either. */
const fingerprints = (holder: Holder): readonly string[] => {
  const out = [`id ${bytesToHex(holder.id)}`, `sig ${bytesToHex(holder.sigPk)}`, `kem ${bytesToHex(holder.kemPk)}`]
  if (holder.authPk !== undefined) out.push(`sig ${bytesToHex(holder.authPk)}`)
  if (holder.recPk !== undefined) out.push(`sig ${bytesToHex(holder.recPk)}`)
  if (holder.leasePk !== undefined) out.push(`lease ${bytesToHex(holder.leasePk)}`)
  if (holder.leaseId !== undefined) out.push(`lease id ${bytesToHex(holder.leaseId)}`)
  return out
}

/** The first of `added` that reuses an id or a key of any holder that ever was, or of another one in the same link (CH18). */
export const reusedHolder = (state: AccountState | undefined, added: readonly Holder[]): Holder | undefined => {
  const used = new Set<string>()
  for (const entry of state?.holders.values() ?? []) for (const f of fingerprints(entry.holder)) used.add(f)
  for (const key of state?.keys ?? []) used.add(`kem ${bytesToHex(key.kemPk)}`)
  for (const holder of added) {
    for (const f of fingerprints(holder)) {
      if (used.has(f)) return holder
      used.add(f)
    }
  }
  return undefined
}

/** A new epoch follows the newest one and can be walked back from (CH21). */
export const checkAccountEpoch = (
  state: AccountState,
  key: AccountEpoch,
  added: readonly Holder[],
): Checked<undefined> => {
  const expected = newestAccountKey(state).epoch + 1
  if (key.epoch !== expected) return err({ code: "epoch-wrong", expected, epoch: key.epoch })
  if (key.prevSealedHash === undefined) return malformed("prev_sealed_hash")
  const known = [...state.keys, ...[...state.holders.values()].map((entry) => entry.holder), ...added]
  return known.some((other) => equalBytes(other.kemPk, key.kemPk)) ? malformed("account key reused") : ok(undefined)
}

export const keyEntry = (open: OpenLink, key: AccountEpoch): AccountKeyEntry => ({
  ...key,
  seq: open.payload.seq,
  prev: open.payload.prev,
  byHolder: open.payload.byHolder,
})

/** The entries behind `ids`. Errors: chain-malformed (none or doubled), not-allowed (unknown or no longer active). */
export const checkRemovable = (
  state: AccountState,
  ids: readonly Uint8Array[],
  seq: number,
): Checked<readonly HolderEntry[]> => {
  if (ids.length === 0 || !areDistinct(ids)) return malformed("removed ids")
  const entries: HolderEntry[] = []
  for (const id of ids) {
    const entry = holderOf(state, id)
    if (entry === undefined || entry.removedAt !== undefined)
      return err({ code: "not-allowed", seq, what: "removes a holder that is not active" })
    entries.push(entry)
  }
  return ok(entries)
}

/** `removed` is what `checkRemovable` answered: at least one. */
export const withRemoved = (state: AccountState, removed: readonly HolderEntry[], seq: number): AccountState => {
  const holders = new Map(state.holders)
  for (const entry of removed) holders.set(bytesToHex(entry.holder.id), { ...entry, removedAt: seq })
  return { ...state, holders, lastRemovalSeq: seq }
}

export const withAdded = (state: AccountState, added: readonly HolderEntry[]): AccountState => {
  const holders = new Map(state.holders)
  for (const entry of added) holders.set(bytesToHex(entry.holder.id), entry)
  return { ...state, holders }
}

export const withKey = (
  state: AccountState,
  open: OpenLink,
  key: AccountEpoch,
  skSealed: Uint8Array,
): AccountState => ({
  ...state,
  keys: [...state.keys, keyEntry(open, key)],
  skSealed,
})

export type Retirement = readonly [deviceId: Uint8Array, seq: number, head: Uint8Array, signature: Uint8Array]

/** A retirement is genuine if the device signed a head that this account really had (CH26). */
export const isRetirement = async (p: Primitives, state: AccountState, retirement: Retirement): Promise<boolean> => {
  const [deviceId, seq, head, signature] = retirement
  const device = holderOf(state, deviceId)
  const hash = hashAt(state, seq)
  if (device === undefined || device.holder.kind !== HOLDER_DEVICE || hash === undefined || !equalBytes(hash, head))
    return false
  return verifyRetire(p, device.holder.sigPk, { uid: state.id, deviceId, seq, head }, signature)
}

/** After every link: one password slot, one recovery slot. They are replaced, never only removed (CH23). */
export const checkSlots = (state: AccountState, seq: number): Checked<undefined> => {
  const count = (kind: number): number => activeHolders(state).filter((entry) => entry.holder.kind === kind).length
  if (count(HOLDER_RECOVERY) === 0) return err({ code: "last-recovery-holder", seq })
  if (count(HOLDER_RECOVERY) > 1) return err({ code: "not-allowed", seq, what: "a second recovery slot" })
  if (count(HOLDER_PASSWORD) !== 1) return err({ code: "not-allowed", seq, what: "other than one password slot" })
  return ok(undefined)
}

/** No bytes, or only zeros: nothing was sealed. */
export const isEmptySealed = (sealed: Uint8Array): boolean => isZero(sealed)
