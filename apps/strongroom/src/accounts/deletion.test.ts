import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

import { hexToBytes } from "@keyferry/base"
import { afterEach, beforeEach, describe, expect, test } from "vitest"

import { allHandlers } from "../all-handlers.ts"
import { createWorld, must, reachOf } from "../fixture.ts"
import { runUntilKilled } from "../fixture-crash.ts"

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "kf-deletion-"))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

interface Story {
  readonly accountUuid: string
  readonly accountId: string
  readonly devices: readonly string[]
  readonly other: string
  readonly otherDevice: string
}
const bytes = (hex: string): Uint8Array => hexToBytes(hex) ?? new Uint8Array()

const runUntil = async (step: string): Promise<Story> =>
  JSON.parse(await runUntilKilled(new URL("deletion-crash.ts", import.meta.url), folder, step)) as Story

describe("[LS13] [DV21] kill -9 while an account is deleted", () => {
  test.each([
    ["before-kill", "kept"],
    ["after-kill", "gone"],
    ["after-commit", "gone"],
    ["after-confirm", "gone"],
  ] as const)("%s: after the start it is whole or gone, and its keys with it", async (step, outcome) => {
    const story = await runUntil(step)
    const world = await createWorld(allHandlers, { folder })
    const { ctx, leases } = world.room()
    const look = async () => {
      const rows = await ctx.store.read(async (db) => ({
        account: await db.selectFrom("account").select("uuid").where("uuid", "=", story.accountUuid).execute(),
        devices: await db.selectFrom("device").select("id").where("account_uuid", "=", story.accountUuid).execute(),
      }))
      const leaseRows = await Promise.all(story.devices.map((id) => leases.read(bytes(id))))
      return {
        account: rows.account.length,
        devices: rows.devices.length,
        keys: leaseRows.filter((row) => row !== undefined && row.sealed !== null).length,
        intents: (await leases.openIntents()).length,
        buried: await leases.isBuried("account", bytes(story.accountId)),
        deviceBuried: await leases.isBuried("device", bytes(story.devices[0] ?? "")),
      }
    }
    const kept = { account: 1, devices: 2, keys: 2, intents: 0, buried: false, deviceBuried: false }
    const gone = { account: 0, devices: 0, keys: 0, intents: 0, buried: true, deviceBuried: true }
    expect(await look()).toEqual(outcome === "kept" ? kept : gone)
    // The server hears of it exactly once, and deletes what it has of the account on the strength of it.
    const { events } = await must(reachOf(world).call("events", { after: 0, max: 1000 }))
    const told = events.filter((e) => e.kind === "account-deleted")
    expect(told.map((e) => e.accountUuid)).toEqual(outcome === "kept" ? [] : [story.accountUuid])
    // Asked again, as its server does after its own crash, it answers the same; another account is untouched.
    await must(reachOf(world).call("deleteAccount", { accountUuid: story.accountUuid }))
    expect(await look()).toEqual(gone)
    const other = await ctx.store.read((db) =>
      db.selectFrom("account").select("uuid").where("uuid", "=", story.other).executeTakeFirst(),
    )
    expect(other).toBeDefined()
    expect((await leases.read(bytes(story.otherDevice)))?.sealed).not.toBeNull()
    await world.close()
  })
})
