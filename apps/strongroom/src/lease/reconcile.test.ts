import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

import { hexToBytes } from "@keyferry/base"
import { afterEach, beforeEach, describe, expect, test } from "vitest"

import { allHandlers } from "../all-handlers.ts"
import { moveDevice, WAITING_STATES } from "../accounts/devices.ts"
import { createWorld, enrolDevice, makeActive, NO_LIMITS, random, reachOf, signUp, type World } from "../fixture.ts"
import { runCrashing } from "../fixture-crash.ts"
import { createVaultHandlers } from "../vaults/index.ts"
import { compareHeads } from "./heads.ts"
import { reconcile } from "./reconcile.ts"

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "kf-removal-"))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

interface Story {
  readonly accountUuid: string
  readonly accountId: string
  readonly remover: string
  readonly removed: string
  readonly leaseId: string
  readonly linkHash: string
  readonly link: string
  readonly wraps: readonly string[]
  readonly prevSealed: string
}
const bytes = (hex: string): Uint8Array => hexToBytes(hex) ?? new Uint8Array()

/** Runs the removal in a process of its own until it dies; says what it was about to do. */
const runUntil = async (step: string): Promise<{ readonly story: Story; readonly signal: NodeJS.Signals | null }> => {
  const { told, signal } = await runCrashing(new URL("removal-crash.ts", import.meta.url), folder, step)
  return { story: JSON.parse(told) as Story, signal }
}

const look = async (world: World, { removed, linkHash }: Story) => {
  const { ctx, leases } = world.room()
  const device = await ctx.store.read((db) =>
    db.selectFrom("device").select("state").where("id", "=", bytes(removed)).executeTakeFirst(),
  )
  const link = await ctx.store.read((db) =>
    db.selectFrom("account_link").select("seq").where("hash", "=", bytes(linkHash)).executeTakeFirst(),
  )
  const lease = await leases.read(bytes(removed))
  return {
    device: device?.state,
    link: link !== undefined,
    lease: lease === undefined ? "gone" : lease.state,
    key: lease?.sealed === null || lease === undefined ? "destroyed" : "there",
    intents: (await leases.openIntents()).length,
    buried: await leases.isBuried("device", bytes(removed)),
  }
}

describe("[LS10] kill -9 in a removal", () => {
  test.each([
    ["before-kill", { device: "approved", link: false, lease: "live", key: "there", intents: 0, buried: false }],
    ["after-kill", { device: "approved", link: false, lease: "dead", key: "destroyed", intents: 4, buried: true }],
    ["after-commit", { device: "removed", link: true, lease: "dead", key: "destroyed", intents: 0, buried: true }],
    ["after-confirm", { device: "removed", link: true, lease: "dead", key: "destroyed", intents: 0, buried: true }],
    ["none", { device: "removed", link: true, lease: "dead", key: "destroyed", intents: 0, buried: true }],
  ])("%s: the stores agree again after the start", async (step, expected) => {
    const { story, signal } = await runUntil(step)
    expect(signal).toBe(step === "none" ? null : "SIGKILL")
    const world = await createWorld(allHandlers, { folder })
    expect(await look(world, story)).toEqual(expected)
    await world.close()
  })

  test("a device whose key was destroyed stays dark, and the same removal can be signed again", async () => {
    const { story } = await runUntil("after-kill")
    const world = await createWorld(allHandlers, { folder })
    const { ctx, leases } = world.room()
    expect(await leases.beginEvaluation(bytes(story.removed), bytes(story.leaseId))).toEqual({
      ok: false,
      error: { code: "lease-refused" },
    })
    const device = {
      accountUuid: story.accountUuid,
      accountId: bytes(story.accountId),
      deviceId: bytes(story.remover),
      state: "active",
      sigPk: random.bytes(32),
      lastFactorMs: 0,
      lastPasswordMs: 0,
    } as const
    const body = {
      link: bytes(story.link),
      wraps: story.wraps.map(bytes),
      prevSealed: bytes(story.prevSealed),
      rotations: [],
    }
    const done = await createVaultHandlers(ctx, leases)["account.append"](
      ctx,
      { device, query: "", createdS: 0, limits: NO_LIMITS, origins: [] },
      body,
    )
    expect(done.ok && done.value.reply.outcome).toBe(0)
    expect(await look(world, story)).toEqual({
      device: "removed",
      link: true,
      lease: "dead",
      key: "destroyed",
      intents: 0,
      buried: true,
    })
    await world.close()
  })
})

describe("[LS13] at the start", () => {
  test("an intent of a slot or a record whose link never came is void, and can be used again", async () => {
    const world = await createWorld(allHandlers, { folder })
    const id = random.bytes(16)
    await world.room().leases.kill([], [{ what: "slot", id, linkHash: random.bytes(32) }])
    expect(await world.room().leases.isBuried("slot", id)).toBe(true)
    await world.restart()
    expect(await world.room().leases.isBuried("slot", id)).toBe(false)
    await world.close()
  })

  test("a lease that nobody needs any more is deleted", async () => {
    const world = await createWorld(allHandlers, { folder })
    const [over, unknown] = [random.bytes(16), random.bytes(16)]
    await world.room().leases.reserve(over, world.clock.nowMs() + 1)
    await world.room().leases.reserve(unknown, world.clock.nowMs() + 100_000)
    await world.room().leases.makeLive(unknown)
    world.clock.add(1)
    const { ctx, leases } = world.room()
    expect((await reconcile(ctx, leases, await compareHeads(ctx, leases))).leasesEnded).toBe(2)
    expect([await leases.read(over), await leases.read(unknown)]).toEqual([undefined, undefined])
    await world.close()
  })

  test("a key that became live for a link that never came is reserved again, and that of a refused device is deleted", async () => {
    const world = await createWorld(allHandlers, { folder })
    const reach = reachOf(world)
    const person = await signUp(reach)
    await makeActive(reach, person)
    const [waiting, refused] = [await enrolDevice(reach, person), await enrolDevice(reach, person)] as const
    for (const { device } of [waiting, refused])
      expect(await world.room().leases.makeLive(device.deviceId), "live").toBe(true)
    await world.room().ctx.store.transaction(async (tx) => {
      await moveDevice(tx, refused.device.deviceId, WAITING_STATES, "rejected", world.clock.nowMs())
    })
    await world.restart()
    const { leases } = world.room()
    const [first, second, third] = await Promise.all(
      [waiting.device, refused.device, person.device].map(({ deviceId }) => leases.read(deviceId)),
    )
    expect([first?.state, second?.state, third?.state]).toEqual(["reserved", undefined, "live"])
    expect(first?.reserved_until_ms).toBeGreaterThan(world.clock.nowMs())
    await world.close()
  })

  test("a device that a restored store knows as active and that was certainly removed is removed", async () => {
    const world = await createWorld(allHandlers, { folder })
    const reach = reachOf(world)
    const [gone, other] = [await signUp(reach), await signUp(reach)] as const
    for (const person of [gone, other]) await makeActive(reach, person)
    const { ctx, leases } = world.room()
    const { hash } = await ctx.store.read((db) =>
      db.selectFrom("account_link").select("hash").limit(1).executeTakeFirstOrThrow(),
    )
    const tombstone = { what: "device", id: gone.device.deviceId, linkHash: hash } as const
    await leases.kill([], [tombstone])
    await leases.confirm([tombstone])
    await world.restart()
    const states = await Promise.all(
      [gone, other].map(({ device }) =>
        world.room().ctx.store.read(async (db) => {
          const row = await db.selectFrom("device").select("state").where("id", "=", device.deviceId).executeTakeFirst()
          return row?.state
        }),
      ),
    )
    expect(states).toEqual(["removed", "active"])
    await world.close()
  })
})
