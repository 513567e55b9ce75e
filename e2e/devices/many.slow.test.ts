import { afterAll, beforeAll, expect, test } from "vitest"

import type { Keyferry } from "@keyferry/sdk"

import { createWorld, enrolByKit, exchangeKey, login, must, PASSWORD, signUpWithSync, type World } from "./world.ts"

const MANY = 10_000
let world: World
let a: Keyferry
let b: Keyferry

beforeAll(async () => {
  world = await createWorld()
  a = await world.device("a")
  b = await world.device("b")
  const { kit, code } = await signUpWithSync(world, a)
  must(await a.addMany([...Array.from({ length: MANY }, (_, i) => login(`login ${i}`)), exchangeKey("Strict")]))
  must(await a.syncNow())
  await enrolByKit(world, b, { password: PASSWORD, kit, code: await code(), name: "b" })
  must(await b.syncOn({ items: "none", autoNew: true }))
}, 300_000)
afterAll(() => world.close())

test("ten thousand credentials leave the server at once, stay on the other device as copies, and come back", async () => {
  const custody = async (kf: Keyferry, what: string): Promise<number> =>
    must(await kf.list()).filter((item) => item.custody === what).length
  expect(await custody(b, "synced")).toBe(MANY + 1)
  must(await b.edit(must(await b.list())[7]?.id ?? "", { title: "edited on b" }))
  must(await b.syncNow())
  expect(must(await a.setCredentialSync(false, "keep")).items).toBe(MANY + 1)
  must(await a.syncNow())
  must(await b.syncNow())
  for (const kf of [a, b]) {
    expect(await custody(kf, "local")).toBe(MANY + 1)
    expect(must(await kf.bin())).toEqual([])
    expect(must(await kf.list()).filter((item) => item.title === "edited on b")).toHaveLength(1)
  }
  must(await a.setCredentialSync(true))
  must(await a.syncNow())
  must(await b.syncNow())
  must(await a.syncNow())
  expect(await custody(a, "synced")).toBe(MANY + 1)
  expect(await custody(b, "synced")).toBe(MANY + 1)
}, 300_000)
