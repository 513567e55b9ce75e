import { putU32, putU64, utf8 } from "./bytes.ts"

/** What may stand inside `LP`: bytes as they are, an ASCII label, or an integer as 8 bytes big-endian. */
export type LpPart = Uint8Array | string | number

/**
 * Length-prefixed concatenation: for each part a 4-byte big-endian length and its bytes.
 * Injective, so that no two different lists of parts give the same bytes.
 * Source   spec/protocol.md, "Notation"
 */
export const lp = (...parts: readonly LpPart[]): Uint8Array => {
  // Hashed for every leaf and node of a trie, so it writes into one buffer instead of joining many.
  const bytes: (Uint8Array | number)[] = []
  let length = 0
  for (const part of parts) {
    const one = typeof part === "string" ? label(part) : part
    bytes.push(one)
    length += 4 + (typeof one === "number" ? 8 : one.length)
  }
  const out = new Uint8Array(length)
  let at = 0
  for (const one of bytes) {
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
  return out
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
