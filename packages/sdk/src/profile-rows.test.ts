import { bytesToHex, hexToBytes } from "@keyferry/base"
import { nodePrimitives } from "@keyferry/crypto/node"
import { createSeededRandom } from "@keyferry/testkit"
import { describe, expect, test } from "vitest"

import type { Device } from "./device.ts"
import type { LocalItem } from "./formats.ts"
import { encodeProfile, mergeProfileBodies, NEW_PROFILE, PROFILE_PARTS } from "./profile.ts"
import { changedProfileRows, departuresItemId, profileItemIds, vaultProfileOf } from "./profile-rows.ts"

const vaultId = new Uint8Array(32).fill(7)
const MAX_BODY = 65_532
const MANY = 10_000
const random = createSeededRandom("departures")
const ids = Array.from({ length: MANY }, () => bytesToHex(random.bytes(16)))

const deviceWith = (rows: readonly LocalItem[]): Device =>
  ({
    items: new Map(rows.map((row) => [bytesToHex(row.itemId), row])),
    ports: { primitives: nodePrimitives },
  }) as unknown as Device
const bodiesOf = (rows: readonly LocalItem[]): ReadonlyMap<string, Uint8Array> =>
  new Map(rows.map((row) => [bytesToHex(row.itemId), row.body]))

describe("[RC18] what left, over several records", () => {
  const left = new Map(ids.map((id, i) => [id, [i + 1, i % 3 === 0 ? "delete" : "keep"] as const]))

  test("ten thousand departures fit, each record for itself, and are read back whole", () => {
    const rows = changedProfileRows(deviceWith([]), vaultId, { credentials: false, left })
    expect(rows).toHaveLength(1 + PROFILE_PARTS)
    for (const row of rows) expect(row.body.length).toBeLessThanOrEqual(MAX_BODY)
    expect(vaultProfileOf(deviceWith([]), vaultId, bodiesOf(rows))).toEqual({ credentials: false, left })
    expect(vaultProfileOf(deviceWith(rows), vaultId).left.size).toBe(MANY)
  })

  test("only the parts that change are written, and taking one departure out writes one", () => {
    const device = deviceWith(changedProfileRows(deviceWith([]), vaultId, { credentials: false, left }))
    expect(changedProfileRows(device, vaultId, { credentials: false, left })).toEqual([])
    const [first = ""] = ids
    const fewer = new Map([...left].filter(([id]) => id !== first))
    const changed = changedProfileRows(device, vaultId, { credentials: false, left: fewer })
    const part = Number.parseInt(first.slice(0, 1), 16)
    expect(changed.map((row) => row.itemId)).toEqual([departuresItemId(device, vaultId, part)])
    expect(changedProfileRows(device, vaultId, { credentials: true, left }).map((row) => row.itemId)).toEqual(
      profileItemIds(device, vaultId).slice(0, 1),
    )
  })

  test("a profile that holds departures itself is read, and gives them away when it is written next", () => {
    const [first = ""] = ids
    const old = changedProfileRows(deviceWith([]), vaultId, { credentials: false, left: new Map() }).map((row) => ({
      ...row,
      body: encodeProfile({
        ...NEW_PROFILE,
        credentials: false,
        left: [[hexToBytes(first) ?? new Uint8Array(), 4, 1]],
      }),
    }))
    const device = deviceWith(old)
    const before = vaultProfileOf(device, vaultId)
    expect(before.left.get(first)).toEqual([4, "keep"])
    const rows = changedProfileRows(device, vaultId, before)
    expect(rows).toHaveLength(2)
    expect(vaultProfileOf(deviceWith(rows), vaultId)).toEqual(before)
  })

  test("[SY34] a part that two devices changed at once has the departures of both", () => {
    const inPart = ids.filter((id) => id.startsWith("a")).slice(0, 3)
    const bodyOf = (...of: readonly string[]): Uint8Array =>
      changedProfileRows(deviceWith([]), vaultId, {
        credentials: true,
        left: new Map(of.map((id) => [id, [2, "keep"] as const])),
      })[0]?.body ?? new Uint8Array()
    const [one = "", two = "", three = ""] = inPart
    expect(mergeProfileBodies(bodyOf(one), bodyOf(one, two), bodyOf(one, three))).toEqual(bodyOf(one, two, three))
    expect(mergeProfileBodies(bodyOf(one, two), bodyOf(two), bodyOf(one, two, three))).toEqual(bodyOf(two, three))
    expect(mergeProfileBodies(undefined, bodyOf(one), bodyOf(two))).toEqual(bodyOf(one, two))
    // A whole profile at the place of a part, or the other way round, is not merged with it.
    expect(mergeProfileBodies(undefined, encodeProfile(NEW_PROFILE), bodyOf(two))).toEqual(encodeProfile(NEW_PROFILE))
  })
})
