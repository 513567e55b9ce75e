import { bytesToHex } from "@keyferry/base"
import { describe, expect, test } from "vitest"

import type { Device } from "./device.ts"
import { KEPT_MS, staleKept } from "./kept.ts"
import type { Row } from "./ports.ts"

const DAY_MS = 24 * 3_600_000
const vault = (n: number): string => bytesToHex(new Uint8Array(32).fill(n))
const keyOf = (n: number, seq: number, atMs: number): string => `${vault(n)}:${String(seq).padStart(12, "0")}:${atMs}`

const deviceWith = (keys: Set<string>, nowMs: () => number): Device =>
  ({
    ports: {
      clock: { nowMs },
      store: { list: async () => [...keys].map((key) => ({ key, value: new Uint8Array() })) },
    },
  }) as unknown as Device
const namesOf = (rows: readonly Row[]): readonly string[] => rows.map(({ table, key }) => `${table} ${key}`).toSorted()

describe("[SY94] links that are kept for a repair", () => {
  test("go after thirty days, all but the newest of each vault; those of another vault do not keep them", async () => {
    const now = 100 * DAY_MS
    const old = now - KEPT_MS - 1
    const keys = new Set([
      keyOf(1, 1, old - DAY_MS),
      keyOf(1, 2, old),
      keyOf(1, 3, now - KEPT_MS),
      keyOf(1, 4, now),
      // Nothing happened in this one for a hundred days: its newest link stays, and alone.
      keyOf(2, 7, 1),
      keyOf(2, 8, 2),
      keyOf(3, 1, 5),
    ])
    const stale = await staleKept(deviceWith(keys, () => now))
    expect(stale.every((row) => row.value === undefined)).toBe(true)
    expect(namesOf(stale)).toEqual(
      [keyOf(1, 1, old - DAY_MS), keyOf(1, 2, old), keyOf(2, 7, 1)].map((key) => `kept ${key}`).toSorted(),
    )
  })

  test("are looked through once a day", async () => {
    let now = 100 * DAY_MS
    const keys = new Set([keyOf(1, 1, 1), keyOf(1, 2, now)])
    const device = deviceWith(keys, () => now)
    expect(await staleKept(device)).toHaveLength(1)
    now += DAY_MS - 1
    expect(await staleKept(device)).toEqual([])
    now += 1
    expect(await staleKept(device)).toHaveLength(1)
  })
})
