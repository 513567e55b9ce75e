import { putU32, putU64, utf8 } from "./bytes.ts"

/** What may stand inside `LP`: bytes as they are, an ASCII label, or an integer as 8 bytes big-endian. */
export type LpPart = Uint8Array | string | number

/**
 * Length-prefixed concatenation: for each part a 4-byte big-endian length and its bytes.
 * Injective, so that no two different lists of parts give the same bytes.
 * Source   spec/protocol.md, "Notation"
 */
export const lp = (...parts: readonly LpPart[]): Uint8Array => {
  const out = new Uint8Array(lengthOf(parts))
  write(out, parts)
  return out
}

/**
 * The same bytes for one use at once, such as hashing them: the next call overwrites them. For what is public and large
 * and comes by the thousand, where every piece of memory of its own costs more than the hash.
 */
export const lpAtOnce = <R>(use: (bytes: Uint8Array) => R, ...parts: readonly LpPart[]): R => {
  const length = lengthOf(parts)
  if (length > MAX_KEPT) return use(lp(...parts))
  if (scratch.length < length) scratch = new Uint8Array(Math.min(MAX_KEPT, 2 * length))
  write(scratch, parts)
  return use(scratch.subarray(0, length))
}
const MAX_KEPT = 65_536
let scratch = new Uint8Array(2048)

const lengthOf = (parts: readonly LpPart[]): number => {
  let length = 0
  for (const part of parts) {
    if (typeof part === "number") length += 12
    else length += 4 + (typeof part === "string" ? label(part) : part).length
  }
  return length
}

const write = (out: Uint8Array, parts: readonly LpPart[]): void => {
  let at = 0
  for (const part of parts) {
    const one = typeof part === "string" ? label(part) : part
    if (typeof one === "number") {
      putU32(out, at, 8)
      putU64(out, at + 4, one)
      at += 12
      continue
    }
    putU32(out, at, one.length)
    out.set(one, at + 4)
    at += 4 + one.length
  }
}

const labels = new Map<string, Uint8Array>()
const MAX_LABELS = 256

/** Labels are few and come again and again; any other text is encoded each time. */
const label = (text: string): Uint8Array => {
  const known = labels.get(text)
  if (known !== undefined) return known
  const bytes = utf8(text)
  if (labels.size < MAX_LABELS && text.startsWith("kf1/")) labels.set(text, bytes)
  return bytes
}
