import { type CborValue, decodeCbor, encodeCbor, equalBytes, hexToBytes } from "@keyferry/base"

import { type Topic, type Vector, vector } from "./vector.ts"

const LIMIT = 1 << 20

const GOOD: readonly (readonly [string, CborValue])[] = [
  ["zero", 0],
  ["one-byte-integer", 23],
  ["two-byte-integer", 24],
  ["three-byte-integer", 256],
  ["five-byte-integer", 65_536],
  ["nine-byte-integer", 2 ** 32],
  ["largest-integer", Number.MAX_SAFE_INTEGER],
  ["bytes", Uint8Array.of(1, 2, 3)],
  ["empty-bytes", new Uint8Array()],
  ["text", "Straße 東京"],
  ["booleans-and-null", [true, false, null]],
  [
    "map-in-key-order",
    new Map<number, CborValue>([
      [1, 7],
      [2, "x"],
      [24, []],
      [256, new Map()],
    ]),
  ],
  ["sixteen-deep", nested(16)],
]

const BAD: readonly (readonly [string, string, string])[] = [
  ["empty", "no bytes at all", ""],
  ["long-integer", "23 in two bytes", "1817"],
  ["long-length", "a byte string whose length is not in its shortest form", "580101"],
  ["indefinite-bytes", "an indefinite byte string", "5f4101ff"],
  ["indefinite-map", "an indefinite map", "bf0101ff"],
  ["key-order", "keys 2, 1", "a202010102"],
  ["duplicate-key", "key 1 twice", "a201010102"],
  ["text-key", "a text as key", "a1616101"],
  ["negative", "a negative integer", "20"],
  ["negative-key", "a negative key", "a12001"],
  ["float", "a half-precision float", "f93c00"],
  ["tag", "a tag", "c101"],
  ["undefined", "the undefined value", "f7"],
  ["simple-value", "an unassigned simple value", "f0"],
  ["too-large-integer", "2^53", "1b0020000000000000"],
  ["trailing-byte", "a byte after the end", "0100"],
  ["truncated", "a byte string that ends early", "430102"],
  ["invalid-utf8", "a text that is not UTF-8", "61ff"],
  ["surrogate", "a text with an encoded surrogate", "63eda080"],
  ["seventeen-deep", "nesting of seventeen", `${"81".repeat(16)}80`],
  ["reserved-length", "additional information 28", "1c"],
]

function nested(depth: number): CborValue {
  return depth === 1 ? [] : [nested(depth - 1)]
}

/** Source   spec/records.md RC1 */
export const cbor: Topic = {
  name: "cbor",
  generate: async () => {
    const out = new Map<string, Vector>()
    for (const [name, value] of GOOD) {
      out.set(name, vector(`[RC1] ${name.replaceAll("-", " ")}`, { bytes: encodeCbor(value) }))
    }
    for (const [name, comment, hex] of BAD) {
      out.set(`bad-${name}`, vector(`[RC1] ${comment}`, { bytes: hexToBytes(hex) ?? new Uint8Array() }, "malformed"))
    }
    return out
  },
  check: async (fields) => {
    const decoded = decodeCbor(fields.bytes("bytes"), LIMIT)
    if (!decoded.ok) return "malformed"
    return equalBytes(encodeCbor(decoded.value), fields.bytes("bytes")) ? "ok" : "differs: bytes"
  },
}
