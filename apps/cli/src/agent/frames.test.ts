import fc from "fast-check"
import { expect, test } from "vitest"

import { createFrameReader, encodeFrame } from "./frames.ts"

const roundTrip = (message: unknown): unknown => createFrameReader().push(encodeFrame(message))[0]

test("whatever JSON can say comes back, and bytes with it", () => {
  const value = fc.letrec((tie) => ({
    any: fc.oneof(
      { maxDepth: 4 },
      fc.string(),
      fc.integer(),
      fc.boolean(),
      fc.constant(null),
      fc.uint8Array({ maxLength: 40 }).map((bytes) => new Uint8Array(bytes)),
      fc.array(tie("any"), { maxLength: 4 }),
      fc.dictionary(fc.oneof(fc.string(), fc.constantFrom("$bytes", "$object", "id")), tie("any"), {
        maxKeys: 4,
        noNullPrototype: true,
      }),
    ),
  })).any
  fc.assert(
    fc.property(value, (message) => {
      expect(roundTrip(message)).toEqual(message)
    }),
  )
})

test("text that looks like packed bytes stays text", () => {
  expect(roundTrip({ $bytes: "AAAA" })).toEqual({ $bytes: "AAAA" })
  expect(roundTrip({ $object: { $bytes: "AAAA" } })).toEqual({ $object: { $bytes: "AAAA" } })
})

test("frames may arrive in any pieces", () => {
  const stream = Buffer.concat([encodeFrame({ a: 1 }), encodeFrame(["ü"]), encodeFrame(3)])
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: stream.length }), { maxLength: 12 }), (cuts) => {
      const reader = createFrameReader()
      const points = [0, ...new Set(cuts)].toSorted((x, y) => x - y)
      const got = points.flatMap((from, i) => reader.push(stream.subarray(from, points[i + 1] ?? stream.length)))
      expect(got).toEqual([{ a: 1 }, ["ü"], 3])
    }),
  )
})

test("a length that no frame of ours has is refused at once", () => {
  expect(() => createFrameReader().push(Buffer.from("ffffffff", "hex"))).toThrow("too large")
})

test("what is not JSON is refused", () => {
  expect(() => createFrameReader().push(Buffer.from("0000000178", "hex"))).toThrow()
})
