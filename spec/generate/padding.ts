import { ITEM_LIMIT, pad, unpad } from "@keyferry/crypto"

import { compare, fixedRandom, type Topic, type Vector, vector } from "./vector.ts"

/** Source   spec/records.md RC3 */
export const padding: Topic = {
  name: "padding",
  generate: async () => {
    const random = fixedRandom("padding")
    const out = new Map<string, Vector>()
    for (const length of [0, 1, 300, 508, 509, 1_000, 4_096, ITEM_LIMIT]) {
      const plaintext = random.bytes(length)
      out.set(`length-${length}`, vector(`[RC3] ${length} bytes`, { plaintext, padded: pad(plaintext) }))
    }
    const padded = pad(Uint8Array.of(1, 2, 3))
    const bad = (name: string, comment: string, bytes: Uint8Array): void => {
      out.set(`bad-${name}`, vector(`[RC3] ${comment}`, { padded: bytes }, "malformed"))
    }
    bad("short", "one byte short", padded.slice(0, 511))
    bad("long", "one byte long", new Uint8Array([...padded, 0]))
    bad("after-end", "a byte right after the end", padded.with(7, 1))
    bad("last", "a byte in the last place", padded.with(511, 1))
    bad("length", "a length beyond the end", padded.with(2, 2))
    bad("other-size", "a length that belongs to a smaller size", pad(new Uint8Array(600)).with(2, 0).with(3, 3))
    bad("limit", "a length above the item limit", padded.with(0, 255))
    bad("empty", "nothing", new Uint8Array())
    return out
  },
  check: async (fields) => {
    const plaintext = unpad(fields.bytes("padded"))
    if (!plaintext.ok) return plaintext.error
    return compare(fields, { plaintext: plaintext.value, padded: pad(plaintext.value) })
  },
}
