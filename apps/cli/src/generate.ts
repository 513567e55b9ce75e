import type { Random } from "@keyferry/base"

/** A number below `limit`, each equally likely: draws that would favour small numbers are thrown away. */
export const drawBelow = (limit: number, random: Random): number => {
  const ceiling = Math.floor(0x1_0000_0000 / limit) * limit
  for (;;) {
    const bytes = random.bytes(4)
    const drawn = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0)
    if (drawn < ceiling) return drawn % limit
  }
}

// Without characters that look alike in print or need escaping in shells and addresses.
const ALPHABET = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789-_.+"

export const generatePassword = (length: number, random: Random): string =>
  Array.from({ length }, () => ALPHABET[drawBelow(ALPHABET.length, random)]).join("")

export const generateWords = (howMany: number, words: readonly string[], random: Random): string =>
  Array.from({ length: howMany }, () => words[drawBelow(words.length, random)]).join("-")

export const passwordBits = (length: number): number => Math.floor(length * Math.log2(ALPHABET.length))
