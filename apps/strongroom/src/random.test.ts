import { bytesToHex } from "@keyferry/base"
import { expect, test } from "vitest"

import { createPooledRandom } from "./random.ts"

test("gives every byte of the source once, in every length", () => {
  let next = 0
  const pools: Uint8Array[] = []
  const random = createPooledRandom((bytes) => {
    pools.push(bytes)
    const view = new DataView(bytes.buffer, bytes.byteOffset)
    for (let i = 0; i + 4 <= bytes.length; i += 4) view.setUint32(i, next++)
  })
  const seen = new Set<string>()
  for (let i = 0; i < 20_000; i++) {
    const bytes = random.bytes(i % 3 === 0 ? 32 : 16)
    expect(bytes.length).toBe(i % 3 === 0 ? 32 : 16)
    expect(bytes.byteOffset).toBe(0)
    for (let at = 0; at < bytes.length; at += 4) {
      const word = bytesToHex(bytes.subarray(at, at + 4))
      if (seen.has(word)) throw new Error(`${word} was given twice`)
      seen.add(word)
    }
  }
  expect(random.bytes(0)).toEqual(new Uint8Array())
  expect(random.bytes(10_000).length).toBe(10_000)
  expect(pools[0]?.length).toBe(16 * 1024)
})

test("what was given stands in the pool no longer", () => {
  let pool = new Uint8Array()
  const random = createPooledRandom((bytes) => {
    pool = bytes as Uint8Array<ArrayBuffer>
    bytes.fill(7)
  })
  const given = random.bytes(32)
  expect(given).toEqual(new Uint8Array(32).fill(7))
  expect(pool.subarray(0, 33)).toEqual(Uint8Array.of(...new Uint8Array(32), 7))
})
