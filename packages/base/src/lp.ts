import { concatBytes, u32be, u64be, utf8 } from "./bytes.ts"

/** What may stand inside `LP`: bytes as they are, an ASCII label, or an integer as 8 bytes big-endian. */
export type LpPart = Uint8Array | string | number

/**
 * Length-prefixed concatenation: for each part a 4-byte big-endian length and its bytes.
 * Injective, so that no two different lists of parts give the same bytes.
 * Source   spec/protocol.md, "Notation"
 */
export const lp = (...parts: readonly LpPart[]): Uint8Array => {
  const out: Uint8Array[] = []
  for (const part of parts) {
    const bytes = typeof part === "string" ? utf8(part) : typeof part === "number" ? u64be(part) : part
    out.push(u32be(bytes.length), bytes)
  }
  return concatBytes(...out)
}
