import { expect, test } from "vitest"

import { createSightings } from "./sightings.ts"

const device = (n: number): Uint8Array => new Uint8Array(16).fill(n)

test("[DV1] of two times the later one counts, and the device that asked longest ago is forgotten first", () => {
  const sightings = createSightings(2)
  expect(sightings.lastMs(device(1), 5)).toBe(5)
  sightings.note(device(1), 10)
  sightings.note(device(2), 20)
  expect(sightings.lastMs(device(1), 5)).toBe(10)
  expect(sightings.lastMs(device(1), 15)).toBe(15)
  sightings.note(device(1), 30)
  sightings.note(device(3), 40)
  expect([1, 2, 3].map((n) => sightings.lastMs(device(n), 0))).toEqual([30, 0, 40])
})
