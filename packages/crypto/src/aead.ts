import {
  bytesOf,
  bytesUpTo,
  equalBytes,
  err,
  lp,
  ok,
  type Random,
  type Result,
  type Secret,
  struct,
} from "@keyferry/base"

import { H } from "./hash.ts"
import type { Primitives } from "./primitives/primitives.ts"

/** What `sealCommitting` makes. `commit` binds the key, the label and the header, so that a second key opens nothing. */
export interface Sealed {
  readonly salt: Uint8Array
  readonly commit: Uint8Array
  readonly ct: Uint8Array
}

export interface SealInput {
  /** Any length; never used for anything but this construction. */
  readonly key: Secret<string>
  /** `kf1/…`, one for each use of a key. */
  readonly label: string
  /** Authenticated, not secret, not part of the output. */
  readonly header: Uint8Array
  readonly plaintext: Uint8Array
}

export interface OpenInput extends Omit<SealInput, "plaintext"> {
  readonly sealed: Sealed
}

/** Larger than any sealed thing that has no limit of its own. */
const MAX_SEALED_CT = 1 << 26

/** Sealed bytes as they travel inside other structures. Source   spec/keys.md KE7 */
export const sealedStruct = struct({
  salt: [1, bytesOf(32)],
  commit: [2, bytesOf(32)],
  ct: [3, bytesUpTo(MAX_SEALED_CT)],
})

/** A one-time key from the given key and a fresh salt, AES-256-GCM under it, and a commitment. Source   spec/keys.md KE6 */
export const sealCommitting = async (p: Primitives, random: Random, input: SealInput): Promise<Sealed> => {
  const salt = random.bytes(32)
  const { key, nonce, commit } = await oneTimeKey(p, input, salt)
  return { salt, commit, ct: await p.aesGcmSeal(key, nonce, input.header, input.plaintext) }
}

/** Errors: cannot-open, for a wrong key, label or header and for any changed byte, with no further detail. Source   spec/keys.md KE6 */
export const openCommitting = async (p: Primitives, input: OpenInput): Promise<Result<Uint8Array, "cannot-open">> => {
  const { salt, commit, ct } = input.sealed
  if (salt.length !== 32) return err("cannot-open")
  const derived = await oneTimeKey(p, input, salt)
  if (!equalBytes(derived.commit, commit)) return err("cannot-open")
  const plaintext = await p.aesGcmOpen(derived.key, derived.nonce, input.header, ct)
  return plaintext === undefined ? err("cannot-open") : ok(plaintext)
}

/** What a signed link says about something sealed beside it. Source   spec/keys.md KE7 */
export const sealedHash = (p: Primitives, sealed: Sealed): Uint8Array =>
  H(p, lp("kf1/sealed", sealed.salt, sealed.commit, sealed.ct))

const oneTimeKey = async (
  p: Primitives,
  input: Omit<SealInput, "plaintext">,
  salt: Uint8Array,
): Promise<{ key: Uint8Array; nonce: Uint8Array; commit: Uint8Array }> => {
  const okm = await p.hkdfSha512(input.key.reveal(), salt, lp(input.label, H(p, input.header)), 76)
  return { key: okm.subarray(0, 32), nonce: okm.subarray(32, 44), commit: okm.subarray(44, 76) }
}
