import {
  bytesOf,
  compareBytes,
  Defect,
  equalBytes,
  err,
  type Field,
  lp,
  ok,
  type Random,
  type Result,
  type Secret,
  secret,
  struct,
} from "@keyferry/base"

import { H } from "./hash.ts"
import { hpkeOpen, hpkeSeal, KEM_ENC_LENGTH, KEM_PUBLIC_KEY_LENGTH } from "./hazmat/hpke.ts"
import type { KemKeyPair } from "./kem.ts"
import type { Primitives } from "./primitives/primitives.ts"

const CT_LENGTH = 48

const recipientId: Field<Uint8Array> = {
  toCbor: (v) => v,
  fromCbor: (v) => bytesOf(v instanceof Uint8Array && v.length === 16 ? 16 : 32).fromCbor(v),
}

/** One key for one recipient: a holder of an account (16 bytes) or a member of a vault (32 bytes). Source   spec/keys.md KE12 */
export const wrapEntryStruct = struct({
  recipient: [1, recipientId],
  kemPkHash: [2, bytesOf(32)],
  enc: [3, bytesOf(KEM_ENC_LENGTH)],
  ct: [4, bytesOf(CT_LENGTH)],
})

export interface WrapEntry {
  readonly recipient: Uint8Array
  readonly kemPkHash: Uint8Array
  readonly enc: Uint8Array
  readonly ct: Uint8Array
}

/** The most that an encoded entry can be. */
export const MAX_WRAP_ENTRY = 1_300

export const encodeWrapEntry = (entry: WrapEntry): Uint8Array => wrapEntryStruct.encode(entry)

/** Errors: malformed. */
export const decodeWrapEntry = (bytes: Uint8Array): Result<WrapEntry, "malformed"> =>
  wrapEntryStruct.decode(bytes, MAX_WRAP_ENTRY)

/** 1: an account's key for its holders. 3: a vault's key for its members. The numbers are the chain kinds. */
export type WrapKind = 1 | 3
export type WrappedKey<K extends WrapKind> = Secret<WrappedName<K>>
type WrappedName<K extends WrapKind> = K extends 1 ? "AccountSeed" : "VaultKey"

/** The link that a wrap belongs to; a wrap copied to any other link does not open. */
export interface WrapContext<K extends WrapKind> {
  readonly kind: K
  /** Zeros in a genesis. */
  readonly chainId: Uint8Array
  readonly epoch: number
  /** Zeros in the genesis of an account. */
  readonly byUid: Uint8Array
  readonly by: Uint8Array
  readonly seq: number
  readonly prev: Uint8Array
}

/** HPKE base mode to the recipient's X-Wing key. Authorship comes from the signed link. Source   spec/keys.md KE12 */
export const makeWrap = async <K extends WrapKind>(
  p: Primitives,
  random: Random,
  context: WrapContext<K>,
  recipient: { readonly id: Uint8Array; readonly kemPk: Uint8Array },
  key: WrappedKey<K>,
): Promise<WrapEntry> => {
  if (key.length !== 32 || recipient.kemPk.length !== KEM_PUBLIC_KEY_LENGTH) throw new Defect("wrap of a wrong length")
  const kemPkHash = H(p, recipient.kemPk)
  const info = wrapInfo(context, recipient.id, kemPkHash)
  const { enc, ct } = await hpkeSeal(random, recipient.kemPk, info, wrapAad(context), key.reveal())
  return { recipient: recipient.id, kemPkHash, enc, ct }
}

/**
 * Opens the own entry. The caller has verified the link and found the entry in its wraps hash.
 * Errors: cannot-open, for another recipient, another link, another key and any changed byte.
 * Source   spec/keys.md KE12
 */
export const openWrap = async <K extends WrapKind>(
  p: Primitives,
  context: WrapContext<K>,
  recipient: { readonly id: Uint8Array; readonly kem: KemKeyPair },
  entry: WrapEntry,
): Promise<Result<WrappedKey<K>, "cannot-open">> => {
  const kemPkHash = H(p, recipient.kem.publicKey)
  if (!equalBytes(entry.recipient, recipient.id) || !equalBytes(entry.kemPkHash, kemPkHash)) return err("cannot-open")
  if (entry.enc.length !== KEM_ENC_LENGTH || entry.ct.length !== CT_LENGTH) return err("cannot-open")
  const info = wrapInfo(context, recipient.id, kemPkHash)
  const opened = await hpkeOpen(
    { seed: recipient.kem.seed.reveal(), half: recipient.kem.half },
    entry.enc,
    info,
    wrapAad(context),
    entry.ct,
  )
  return opened === undefined ? err("cannot-open") : ok(secret<WrappedName<K>>(opened))
}

/** Commits a link to its wraps, whatever order they came in. Two entries for one recipient are a defect. Source   spec/keys.md KE13 */
export const wrapsHash = (p: Primitives, entries: readonly WrapEntry[]): Uint8Array => {
  const sorted = entries.toSorted((a, b) => compareBytes(a.recipient, b.recipient))
  for (const [i, entry] of sorted.entries()) {
    const next = sorted[i + 1]
    if (next !== undefined && equalBytes(entry.recipient, next.recipient)) throw new Defect("two wraps for a recipient")
  }
  return wrapsHashOfHashes(
    p,
    sorted.map((entry) => wrapEntryHash(p, entry)),
  )
}

/** The same from the entries' hashes, sorted by recipient: what a recipient computes who was sent only its own entry. */
export const wrapsHashOfHashes = (p: Primitives, hashes: readonly Uint8Array[]): Uint8Array =>
  H(p, lp("kf1/wraps", ...hashes))

export const wrapEntryHash = (p: Primitives, entry: WrapEntry): Uint8Array => H(p, encodeWrapEntry(entry))

const wrapInfo = (c: WrapContext<WrapKind>, recipient: Uint8Array, kemPkHash: Uint8Array): Uint8Array =>
  lp("kf1/wrap", c.kind, c.chainId, c.epoch, recipient, kemPkHash, c.byUid, c.by)

const wrapAad = (c: WrapContext<WrapKind>): Uint8Array => lp("kf1/wrap-aad", c.chainId, c.seq, c.prev)
