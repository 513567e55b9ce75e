import { readFileSync, readdirSync } from "node:fs"
import { join } from "node:path"

import { bytesToHex } from "@keyferry/base"
import { afterEach, beforeEach, describe, expect, test } from "vitest"

import type { Tombstone } from "../lease-store.ts"
import { createLeaseWorld, id, type LeaseWorld, random, START_MS, UNTIL_MS } from "./fixture.ts"
import type { LeaseDatabase } from "./store.ts"

let world: LeaseWorld
let leases: LeaseDatabase

beforeEach(async () => {
  world = await createLeaseWorld()
  ;({ leases } = world)
})
afterEach(() => world.close())

describe("an end", () => {
  const tombstone = (over: Partial<Tombstone> = {}): Tombstone => ({
    what: "device",
    id: id(),
    linkHash: random.bytes(32),
    ...over,
  })
  const phases = async (): Promise<readonly string[]> => {
    const rows = await leases.store.read((db) =>
      db.selectFrom("tombstone").select(["phase", "at_ms"]).orderBy("n").execute(),
    )
    expect(rows.every((row) => row.at_ms === world.now.ms)).toBe(true)
    return rows.map((row) => row.phase)
  }
  const retired = (): Promise<unknown> => leases.store.read((db) => db.selectFrom("retired_kek").selectAll().execute())

  test("[LS10] destroys the keys, leaves an intent, and marks the KEK for its end", async () => {
    const [one, two, other] = [await world.live(), await world.live(), await world.live()] as const
    const sealed = (await leases.read(one.deviceId))?.sealed ?? new Uint8Array()
    const buried = [tombstone({ id: one.deviceId }), tombstone({ what: "holder-key", id: random.bytes(32) })]
    await leases.kill([one.deviceId, two.deviceId], buried)
    for (const { deviceId } of [one, two])
      expect(await leases.read(deviceId)).toMatchObject({ state: "dead", sealed: null, reserved_until_ms: 0 })
    expect((await leases.read(other.deviceId))?.state).toBe("live")
    expect(await phases()).toEqual(["intent", "intent"])
    expect(await leases.openIntents()).toEqual(buried.map((entry) => ({ ...entry, phase: "intent" })))
    for (const { what, id: named } of buried) expect(await leases.isBuried(what, named)).toBe(true)
    expect(await leases.isBuried("slot", one.deviceId)).toBe(false)
    expect(await leases.isBuried("device", other.deviceId)).toBe(false)
    expect(await retired()).toEqual([{ kek_id: "kek:1", since_ms: world.now.ms }])
    // No file of the store has the key any more, not even where it was.
    const secret = bytesToHex(sealed.slice(32))
    expect(secret.length).toBeGreaterThanOrEqual(64)
    for (const name of readdirSync(world.folder))
      expect(readFileSync(join(world.folder, name)).toString("hex")).not.toContain(secret)
  })

  test("[LS10] a second time is the same; without a device the KEK stays", async () => {
    const { deviceId } = await world.live()
    const entry = tombstone({ id: deviceId })
    await leases.kill([], [tombstone({ what: "slot" })])
    expect(await retired()).toEqual([])
    await leases.kill([deviceId], [entry])
    await leases.kill([deviceId], [entry])
    expect(await phases()).toEqual(["intent", "intent"])
    expect(await retired()).toEqual([{ kek_id: "kek:1", since_ms: START_MS }])
  })

  test("[LS10] the key of a reservation that is forgotten is in no file either", async () => {
    const deviceId = id()
    await leases.reserve(deviceId, UNTIL_MS)
    const secret = bytesToHex((await leases.read(deviceId))?.sealed?.slice(32) ?? new Uint8Array())
    await leases.forget(deviceId)
    expect(secret.length).toBeGreaterThanOrEqual(64)
    for (const name of readdirSync(world.folder))
      expect(readFileSync(join(world.folder, name)).toString("hex")).not.toContain(secret)
  })

  test("[LS13] an intent becomes done or void, each once, and only a void one may be meant again", async () => {
    const entry = tombstone()
    await leases.kill([], [entry])
    await leases.void([entry])
    await leases.void([entry])
    expect(await phases()).toEqual(["intent", "void"])
    expect(await leases.isBuried(entry.what, entry.id)).toBe(false)
    expect(await leases.openIntents()).toEqual([])
    await leases.kill([], [entry])
    expect(await leases.openIntents()).toEqual([{ ...entry, phase: "intent" }])
    await leases.confirm([entry])
    await leases.confirm([entry])
    await leases.kill([], [entry])
    expect(await phases()).toEqual(["intent", "void", "intent", "done"])
    expect(await leases.isBuried(entry.what, entry.id)).toBe(true)
    expect(await leases.openIntents()).toEqual([])
  })

  test("[LS13] each link has its own intent", async () => {
    const entry = tombstone()
    const other = { ...entry, linkHash: random.bytes(32) }
    await leases.kill([], [entry])
    await leases.kill([], [other])
    await leases.void([entry])
    expect(await phases()).toEqual(["intent", "intent", "void"])
    expect(await leases.openIntents()).toEqual([{ ...other, phase: "intent" }])
    expect(await leases.isBuried(entry.what, entry.id)).toBe(true)
    await leases.confirm([tombstone({ what: "slot" })])
    expect(await phases()).toEqual(["intent", "intent", "void", "done"])
  })
})
