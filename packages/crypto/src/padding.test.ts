import fc from "fast-check"
import { describe, expect, test } from "vitest"

import { ITEM_LIMIT, pad, PADDED_LIMIT, paddedLength, unpad } from "./padding.ts"
import { systemRandom as random } from "./primitives/conformance.ts"

describe("padding", () => {
  test("[RC3] every length comes back, at a size that is one of few", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: ITEM_LIMIT }), (length) => {
        const bytes = random.bytes(length)
        const padded = pad(bytes)
        expect(padded.length).toBe(paddedLength(length))
        expect(unpad(padded)).toEqual({ ok: true, value: bytes })
      }),
      { numRuns: 300 },
    )
  })

  test("[RC3] 113 sizes up to the limit, at most 6.3 % added above the smallest", () => {
    const sizes = new Set<number>()
    let worst = 0
    for (let length = 0; length <= ITEM_LIMIT - 4; length++) {
      const size = paddedLength(length)
      sizes.add(size)
      expect(size).toBeGreaterThanOrEqual(length + 4)
      if (size > 512) worst = Math.max(worst, size / (length + 4) - 1)
    }
    expect(sizes.size).toBe(113)
    expect(worst).toBeLessThan(0.063)
    expect(paddedLength(0)).toBe(512)
    expect(paddedLength(508)).toBe(512)
    expect(paddedLength(509)).toBe(544)
    expect(PADDED_LIMIT).toBe(67_584)
  })

  test("[RC3] an item above its limit is a defect of the caller", () => {
    expect(() => pad(new Uint8Array(ITEM_LIMIT + 1))).toThrow("item larger than its limit")
    expect(pad(new Uint8Array(ITEM_LIMIT)).length).toBe(PADDED_LIMIT)
  })

  const padded = pad(Uint8Array.of(1, 2, 3))
  test.each([
    ["nothing", new Uint8Array()],
    ["one byte short", padded.subarray(0, 511)],
    ["one byte long", new Uint8Array([...padded, 0])],
    ["a byte after the end", padded.with(7, 1)],
    ["a byte in the last place", padded.with(511, 1)],
    ["a length that does not fit", padded.with(2, 2)],
    ["a length that belongs to another size", pad(random.bytes(600)).with(2, 0).with(3, 3)],
    ["a length above the limit", padded.with(0, 255)],
    // The size is right, the length is one too many.
    ["one above the limit", new Uint8Array(PADDED_LIMIT).with(1, 1).with(3, 1)],
  ])("[RC3] refuses %s", (_name, bytes) => {
    expect(unpad(bytes)).toEqual({ ok: false, error: "malformed" })
  })
})
