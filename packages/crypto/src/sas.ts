import { Defect, err, lp, ok, type Result } from "@keyferry/base"

import { H } from "./hash.ts"
import type { Primitives } from "./primitives/primitives.ts"
import { WORDS } from "./words.ts"

const BITS_PER_WORD = 10
const NUMBER_OF_WORD = new Map(WORDS.map((word, i) => [word, i]))

/** The public keys of a device that asks to be let in. */
export interface DeviceKeys {
  readonly sigPk: Uint8Array
  readonly kemPk: Uint8Array
  readonly authPk: Uint8Array
}

/** "N keys" of the formulas below. Source   spec/keys.md KE19 */
export const deviceKeysBytes = (keys: DeviceKeys): Uint8Array => lp(keys.sigPk, keys.kemPk, keys.authPk)

/** What the QR code of the new device carries. */
export const deviceKeysHash = (p: Primitives, keys: DeviceKeys): Uint8Array => H(p, deviceKeysBytes(keys))

/** The new device fixes its keys and its 32-byte nonce before it hears from the approver. Source   spec/keys.md KE19 */
export const sasCommit = (p: Primitives, keys: DeviceKeys, nonceNew: Uint8Array): Uint8Array =>
  H(p, lp("kf1/sas-commit", deviceKeysBytes(keys), nonceNew))

export interface SasTranscript {
  readonly uid: Uint8Array
  readonly newKeys: DeviceKeys
  /** The holder id of the approving device. */
  readonly approver: Uint8Array
  readonly nonceApprover: Uint8Array
  readonly nonceNew: Uint8Array
  /** Hash of the account chain's newest link. */
  readonly head: Uint8Array
}

/** Three words, shown on the new device and typed into the approving one. Source   spec/keys.md KE19 */
export const sasWords = (p: Primitives, t: SasTranscript): readonly string[] =>
  wordsOf(H(p, lp("kf1/sas", ...transcriptParts(t))), 3)

/** Two words, shown on the approving device and typed into the new one. Source   spec/keys.md KE19 */
export const sasReplyWords = (p: Primitives, t: SasTranscript): readonly string[] =>
  wordsOf(H(p, lp("kf1/sas-reply", ...transcriptParts(t))), 2)

/** What the `holder.add` link says about the approval. Source   spec/keys.md KE19 */
export const sasTranscriptHash = (p: Primitives, t: SasTranscript): Uint8Array =>
  H(p, lp("kf1/sas-transcript", ...transcriptParts(t)))

/**
 * Words that a person typed: any case, any spaces or dashes, each word may stop after its fourth letter.
 * Errors: wrong-count, unknown-word.
 */
export const parseWords = (text: string, count: number): Result<readonly string[], "wrong-count" | "unknown-word"> => {
  const typed = text
    .toLowerCase()
    .split(/[^a-z]+/)
    .filter((word) => word !== "")
  if (typed.length !== count) return err("wrong-count")
  const words: string[] = []
  for (const word of typed) {
    const found = NUMBER_OF_WORD.has(word) ? word : word.length < 4 ? undefined : WORDS.find((w) => w.startsWith(word))
    if (found === undefined) return err("unknown-word")
    words.push(found)
  }
  return ok(words)
}

/** Four words that name a server on the kit. Source   spec/keys.md KE20 */
export const serverWords = (p: Primitives, staticPk: Uint8Array): readonly string[] =>
  wordsOf(H(p, lp("kf1/server-words", staticPk)), 4)

/** The account id for a person to compare: as a big-endian number modulo 10^30, in six groups. Source   spec/keys.md KE20 */
export const fingerprintDigits = (uid: Uint8Array): string => {
  if (uid.length !== 32) throw new Defect("an account id has 32 bytes")
  let value = 0n
  for (const byte of uid) value = (value << 8n) | BigInt(byte)
  const digits = String(value % 10n ** 30n).padStart(30, "0")
  return (digits.match(/.{5}/g) ?? []).join(" ")
}

const transcriptParts = (t: SasTranscript): readonly Uint8Array[] => [
  t.uid,
  deviceKeysBytes(t.newKeys),
  t.approver,
  t.nonceApprover,
  t.nonceNew,
  t.head,
]

/** The first bits of a hash, ten for each word. */
const wordsOf = (hash: Uint8Array, count: number): readonly string[] => {
  const words: string[] = []
  let bits = 0n
  for (const byte of hash.subarray(0, 8)) bits = (bits << 8n) | BigInt(byte)
  for (let i = 1; i <= count; i++) {
    words.push(WORDS[Number((bits >> BigInt(64 - i * BITS_PER_WORD)) & 1023n)] ?? "")
  }
  return words
}
