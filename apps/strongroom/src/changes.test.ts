import { err } from "@keyferry/base"
import { rollBack } from "@keyferry/store"
import { afterEach, beforeEach, describe, expect, it } from "vitest"

import { createWorld, must, reachOf, type Reach, type World } from "./fixture.ts"
import { coreOnly } from "./fixture-core.ts"

let world: World
let reach: Reach
beforeEach(async () => {
  world = await createWorld(coreOnly)
  reach = reachOf(world)
})
afterEach(() => world.close())

const kinds = async (): Promise<readonly string[]> =>
  (await must(reach.call("events", { after: 0, max: 1000 }))).events.map((event) => `${event.n} ${event.accountUuid}`)
const commits = (): readonly number[] => world.notices.map((notice) => notice.commit)

describe("commits", () => {
  it("[ST6] an undone or failed change leaves neither event nor number nor notice", async () => {
    const { change } = world.room().ctx
    const undone = await change(async ({ event }) => {
      await event({ accountUuid: "a", kind: "sync-resumed" })
      return rollBack(err("no"))
    })
    expect(undone).toEqual({ value: err("no"), commit: 0 })
    await expect(
      change(async ({ event }) => {
        await event({ accountUuid: "b", kind: "sync-resumed" })
        throw new Error("broken")
      }),
    ).rejects.toThrow("broken")
    const failed = await change(async ({ event }) => {
      await event({ accountUuid: "c", kind: "sync-resumed" })
      return err("kept")
    })
    expect(failed).toEqual({ value: err("kept"), commit: 1 })
    expect(await kinds()).toEqual(["1 c"])
    expect(commits()).toEqual([1])
  })

  it("[ST6] events are read by position, oldest first, with the log's id", async () => {
    const { ctx } = world.room()
    for (const accountUuid of ["a", "b", "c"])
      await ctx.change(({ event }) => event({ accountUuid, kind: "sync-resumed", detail: "x" }))
    const page = await must(reach.call("events", { after: 1, max: 1 }))
    expect(page.events).toEqual([
      { n: 2, logId: ctx.logId, atMs: world.clock.nowMs(), accountUuid: "b", kind: "sync-resumed", detail: "x" },
    ])
    expect((await must(reach.call("events", { after: 3, max: 10 }))).events).toEqual([])
    expect(world.notices.map((notice) => notice.eventsTo)).toEqual([1, 2, 3])
  })

  it("[ST7] numbers rise without holes, alone, together and over a restart, and notices leave in their order", async () => {
    const { change } = world.room().ctx
    const all = await Promise.all(
      Array.from({ length: 120 }, (_, i) => {
        const run = i % 2 === 0 ? change.grouped : change
        return run(async ({ notify }) => {
          notify({ accountUuid: `account ${i}` })
          return i % 5 === 0 ? rollBack(i) : i
        })
      }),
    )
    expect(all.map(({ value }) => value)).toEqual(Array.from({ length: 120 }, (_, i) => i))
    expect(all.filter(({ commit }) => commit === 0)).toHaveLength(24)
    expect(commits()).toEqual(Array.from({ length: 96 }, (_, i) => i + 1))
    for (const { value, commit } of all)
      if (commit > 0) expect(world.notices[commit - 1]?.accountUuid).toBe(`account ${value}`)
    await world.restart()
    const after = await world.room().ctx.change(async ({ notify }) => notify({ accountUuid: "after" }))
    expect(after.commit).toBe(97)
    expect(commits().at(-1)).toBe(97)
  })

  it("[ST7] a change that says nothing takes no number", async () => {
    const quiet = await world.room().ctx.change(async ({ tx }) => tx.selectFrom("account").select("uuid").execute())
    expect(quiet.commit).toBe(0)
    expect(commits()).toEqual([])
  })

  it("[ST7] gives each notice its own number to encode", async () => {
    const done = await world.room().ctx.change(async ({ notify }) => {
      notify({ accountUuid: "a", event: (commit) => Uint8Array.of(commit), closed: [new Uint8Array(16)] })
    })
    expect(world.notices[0]).toMatchObject({
      commit: done.commit,
      event: Uint8Array.of(done.commit),
      closed: [new Uint8Array(16)],
    })
  })
})
