import { expect, test } from "vitest"
import { createSeededRandom } from "./seeded-random.ts"

test("the same seed gives the same bytes, however they are asked for", () => {
  const whole = createSeededRandom("a").bytes(100)
  const random = createSeededRandom("a")
  const parts = [1, 0, 31, 33, 35].map((length) => random.bytes(length))
  expect(Buffer.concat(parts)).toEqual(Buffer.from(whole))
  expect(createSeededRandom("b").bytes(100)).not.toEqual(whole)
})

test("the bytes never change: vectors depend on them", () => {
  expect(Buffer.from(createSeededRandom("keyferry").bytes(8)).toString("hex")).toBe("58ba85f69ab2f31d")
})

test("a fork does not depend on what was taken before", () => {
  const random = createSeededRandom("a")
  const before = random.fork("x").bytes(8)
  random.bytes(77)
  expect(random.fork("x").bytes(8)).toEqual(before)
  expect(random.fork("y").bytes(8)).not.toEqual(before)
})

test("integers fill their range evenly enough", () => {
  const random = createSeededRandom("a")
  const counts = Array.from({ length: 6 }, () => 0)
  for (let n = 0; n < 6000; n++) {
    const face = random.integer(6)
    counts[face] = (counts[face] ?? 0) + 1
  }
  for (const count of counts) expect(Math.abs(count - 1000)).toBeLessThan(150)
  expect(() => random.integer(0)).toThrow(RangeError)
  expect(() => random.pick([])).toThrow(RangeError)
  expect(["a", "b"]).toContain(random.pick(["a", "b"]))
})
