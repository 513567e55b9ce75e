import { join } from "node:path"

import { concatBytes, err, ok } from "@keyferry/base"
import { afterEach, beforeEach, describe, expect, test } from "vitest"

import { createKek, createLeaseWorld, id, type LeaseWorld, type OpenKek, type Place, UNTIL_MS } from "./fixture.ts"
import type { LeaseDatabase } from "./store.ts"

const REFUSED = { ok: false, error: { code: "lease-refused" } }

let world: LeaseWorld
let kek: OpenKek
let leases: LeaseDatabase

beforeEach(async () => {
  world = await createLeaseWorld()
  ;({ kek, leases } = world)
})
afterEach(() => world.close())

describe("a reservation", () => {
  test("[LS6] is a new key that counts nothing yet, wrapped for its place and wiped", async () => {
    const deviceId = id()
    const { leaseId, leasePk } = await leases.reserve(deviceId, UNTIL_MS)
    const row = await leases.read(deviceId)
    expect(row).toEqual({
      device_id: deviceId,
      state: "reserved",
      frozen: 0,
      attempts: 0,
      evaluations: 0,
      lease_id: leaseId,
      lease_pk: leasePk,
      kek_id: "kek:1",
      sealed: row?.sealed,
      serial: 0,
      expires_ms: 0,
      reserved_until_ms: UNTIL_MS,
    })
    expect(row?.sealed?.slice(0, 32)).toEqual(concatBytes(deviceId, leaseId))
    expect(leaseId.length).toBe(16)
    expect(row?.sealed?.slice(32).some((byte) => byte !== 0)).toBe(true)
    expect(kek.seen.every((bytes) => bytes.every((byte) => byte === 0))).toBe(true)
  })

  test("[LS6] asked for again it is the same key until its end, and then another one", async () => {
    const deviceId = id()
    const first = await leases.reserve(deviceId, UNTIL_MS)
    expect(await leases.reserve(deviceId, UNTIL_MS + 1)).toEqual(first)
    world.now.ms = UNTIL_MS - 1
    expect(await leases.reserve(deviceId, UNTIL_MS + 1)).toEqual(first)
    expect(kek.seen.length).toBe(1)
    world.now.ms = UNTIL_MS
    const second = await leases.reserve(deviceId, UNTIL_MS + 60_000)
    expect(second.leaseId).not.toEqual(first.leaseId)
    expect(await leases.read(deviceId)).toMatchObject({
      lease_id: second.leaseId,
      reserved_until_ms: UNTIL_MS + 60_000,
    })
  })

  test("[LS6] asked for twice at once it is one key", async () => {
    const deviceId = id()
    const [a, b] = await Promise.all([leases.reserve(deviceId, UNTIL_MS), leases.reserve(deviceId, UNTIL_MS)])
    expect(a).toEqual(b)
    expect((await leases.read(deviceId))?.lease_id).toEqual(a?.leaseId)
  })

  test("[LS6] becomes live once, before its end, and stays it", async () => {
    const deviceId = id()
    expect(await leases.makeLive(deviceId)).toBe(false)
    await leases.reserve(deviceId, UNTIL_MS)
    world.now.ms = UNTIL_MS
    expect(await leases.makeLive(deviceId)).toBe(false)
    expect((await leases.read(deviceId))?.state).toBe("reserved")
    world.now.ms = UNTIL_MS - 1
    expect(await leases.makeLive(deviceId)).toBe(true)
    expect(await leases.read(deviceId)).toMatchObject({ state: "live", reserved_until_ms: 0 })
    world.now.ms = UNTIL_MS + 1
    expect(await leases.makeLive(deviceId)).toBe(true)
    await leases.kill([deviceId], [])
    expect(await leases.makeLive(deviceId)).toBe(false)
  })

  test("[LS6] is not made for a device that has, or had, a lease", async () => {
    const { deviceId } = await world.live()
    await expect(leases.reserve(deviceId, UNTIL_MS)).rejects.toThrow("a device id with a lease reserves another")
    await leases.kill([deviceId], [])
    await expect(leases.reserve(deviceId, UNTIL_MS)).rejects.toThrow("a device id with a lease reserves another")
  })

  test("[LS11] is made again where the KEK was replaced while it was wrapped", async () => {
    kek.onWrap = () => (kek.current = "kek:2")
    const deviceId = id()
    await leases.reserve(deviceId, UNTIL_MS)
    expect((await leases.read(deviceId))?.kek_id).toBe("kek:2")
    expect(kek.seen.length).toBe(2)
  })

  test("[LS6] that cannot be wrapped is a defect", async () => {
    const broken = createKek({ wrap: async () => err({ code: "kms-unavailable" }) })
    const other = await world.openWith(() => ok(broken), `sqlite:${join(world.folder, "other.db")}`)
    if (!other.ok) throw new Error(other.error.code)
    const refused = other.value.reserve(id(), UNTIL_MS)
    await expect(refused).rejects.toThrow("the lease key could not be wrapped")
    await expect(refused).rejects.toMatchObject({ cause: "kms-unavailable" })
    await other.value.close()
  })

  test("[LS6] is forgotten with its key; a live lease is not", async () => {
    const deviceId = id()
    await leases.reserve(deviceId, UNTIL_MS)
    await leases.forget(deviceId)
    expect(await leases.read(deviceId)).toBeUndefined()
    const other = await world.live()
    await leases.forget(other.deviceId)
    expect((await leases.read(other.deviceId))?.state).toBe("live")
    await leases.forget(id())
  })
})

describe("a row that no call here writes", () => {
  const broken = async (change: {
    state?: "reserved" | "live" | "dead"
    sealed?: null
    reserved_until_ms?: number
  }): Promise<Place> => {
    const place = await world.live()
    const { deviceId } = place
    await leases.store.transaction((tx) =>
      tx.updateTable("lease").set(change).where("device_id", "=", deviceId).execute(),
    )
    return place
  }

  test("[LS3] dead with a key, or live without one, evaluates nothing", async () => {
    for (const change of [{ state: "dead" }, { sealed: null }] as const) {
      const { deviceId, leaseId } = await broken(change)
      expect(await leases.beginEvaluation(deviceId, leaseId)).toEqual(REFUSED)
      expect(await leases.settle(deviceId, leaseId, 1)).toEqual(REFUSED)
      expect(await leases.unlocked(deviceId, leaseId, 0)).toBe(false)
    }
  })

  test("[LS6] live or dead with a time left is no reservation", async () => {
    for (const state of ["live", "dead"] as const) {
      const { deviceId } = await broken({ state, reserved_until_ms: UNTIL_MS })
      await expect(leases.reserve(deviceId, UNTIL_MS)).rejects.toThrow("a device id with a lease reserves another")
      expect(await leases.makeLive(deviceId)).toBe(state === "live")
      expect((await leases.read(deviceId))?.state).toBe(state)
    }
  })
})
