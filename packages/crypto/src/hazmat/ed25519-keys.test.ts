import { expect, test } from "vitest"

import { isAcceptableEd25519Key } from "./ed25519-keys.ts"

// The field's prime is 2^255 - 19: little-endian ed ff … ff 7f.
const y = (first: number, middle = 0xff, last = 0x7f, at = 15): Uint8Array =>
  new Uint8Array(32).fill(0xff).with(0, first).with(at, middle).with(31, last)

test.each([
  ["the prime itself", y(0xed), false],
  ["one above it", y(0xee), false],
  ["the largest number of 255 bits", y(0xff), false],
  ["the same with the sign bit", y(0xff, 0xff, 0xff), false],
  ["two below the prime", y(0xeb), true],
  ["two below it, with the sign bit", y(0xeb, 0xff, 0xff), true],
  ["one below it, a point of small order", y(0xec), false],
  ["a large first byte, and less in the middle", y(0xff, 0xfe), true],
  ["less in the second byte", y(0xff, 0xfe, 0x7f, 1), true],
  ["less in the byte before the last", y(0xff, 0xfe, 0x7f, 30), true],
  ["a small last byte", y(0xff, 0xff, 0x7e), true],
  ["the neutral element", new Uint8Array(32).with(0, 1), false],
  ["a byte too few", y(0xeb).subarray(1), false],
  ["a byte too many", new Uint8Array(33).with(0, 9), false],
] as const)("[KE2] a public key is canonical and of no small order: %s", (_what, key, isGood) => {
  expect(isAcceptableEd25519Key(key)).toBe(isGood)
})
