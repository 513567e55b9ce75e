import { afterAll, beforeAll, expect, test } from "vitest"

import type { Keyferry, Progress } from "@keyferry/sdk"

import { createWorld, enrolByKit, must, PASSWORD, signUpWithSync, until, type World } from "./world.ts"

/** More than two pages of a first read. */
const COUNT = 48
const TEXT = "a line of a long note\n".repeat(2700)

let world: World
let a: Keyferry
let b: Keyferry
let kit: string
let code: () => Promise<string>
const ids: string[] = []

const retrieveOf = async (kf: Keyferry) => (await kf.status()).sync.retrieve
const here = async (kf: Keyferry) => must(await kf.list()).length

beforeAll(async () => {
  world = await createWorld()
  a = await world.device("a")
  ;({ kit, code } = await signUpWithSync(world, a))
  const notes = Array.from({ length: COUNT }, (_, n) => ({
    kind: "note",
    title: `note ${n}`,
    fields: [{ name: "text", value: TEXT, secret: true }],
  }))
  ids.push(...must(await a.addMany(notes)).map(({ id }) => id))
  must(await a.syncNow())
  b = await world.device("b")
  await enrolByKit(world, b, { password: PASSWORD, kit, code: await code(), name: "Desk" })
}, 120_000)
afterAll(() => world.close())

test("a first read counts what is there, stops when it is told to, and keeps what came", async () => {
  const told: Progress[] = []
  const done = b.syncOn({ items: "none", autoNew: true }, (progress) => {
    told.push(progress)
    if (progress.done > 0) void b.pauseRetrieve()
  })
  must(await done)
  const paused = await retrieveOf(b)
  // Beside the notes there are the records with the devices' names, which nobody sees as items.
  expect(paused).toMatchObject({ total: COUNT, paused: true })
  expect(paused?.done).toBeGreaterThan(0)
  expect(paused?.done).toBeLessThan(COUNT)
  expect(await here(b)).toBe(paused?.done)
  expect(told.every(({ total }) => total === COUNT)).toBe(true)
})

test("while it is paused another device changes what came already; going on brings that too, and not the rest again", async () => {
  const before = (await retrieveOf(b))?.done ?? 0
  const came = must(await b.list()).map(({ id }) => id)
  must(await a.edit(came[0] ?? "", { title: "changed meanwhile" }))
  must(await a.remove(ids.find((id) => !came.includes(id)) ?? ""))
  must(await a.syncNow())
  const told: number[] = []
  must(await b.syncNow((progress) => void told.push(progress.done)))
  expect(await retrieveOf(b)).toBeUndefined()
  const titles = must(await b.list()).map(({ title }) => title)
  expect(titles).toContain("changed meanwhile")
  expect(titles.length).toBe(COUNT - 1)
  // What follows the changed one is read again; nothing here is told apart by a date.
  expect(before).toBeGreaterThan(0)
  expect(Math.max(...told)).toBeLessThanOrEqual(COUNT)
  must(await a.add({ kind: "note", title: "later", fields: [{ name: "text", value: "x", secret: true }] }))
  await until(async () => (await here(b)) === COUNT, "the feed brings what comes later")
})

test("paused, closed and opened again, it goes on by itself, from where it was", async () => {
  const c = await world.device("c")
  await enrolByKit(world, c, { password: PASSWORD, kit, code: await code(), name: "Third" })
  must(await c.syncOn({ items: "none", autoNew: true }, ({ done }) => void (done > 0 ? c.pauseRetrieve() : undefined)))
  const paused = await retrieveOf(c)
  expect(paused?.paused).toBe(true)
  await c.close()
  const again = await world.device("c")
  const seen: (number | undefined)[] = []
  again.onChange(() => void retrieveOf(again).then((now) => seen.push(now?.done)))
  must(await again.unlock(PASSWORD))
  await until(async () => (await here(again)) === COUNT, "it went on")
  expect(await retrieveOf(again)).toBeUndefined()
  expect(seen.some((done) => done !== undefined)).toBe(true)
  expect(seen.filter((done) => done !== undefined && done < (paused?.done ?? COUNT))).toEqual([])
})
