import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"

import { afterAll, beforeAll, expect, test } from "vitest"

import { createWorld, enrolByKit, login, must, PASSWORD, signUpWithSync, type World } from "./world.ts"

let world: World
beforeAll(async () => {
  world = await createWorld()
})
afterAll(() => world.close())

/** What nobody waits for has nobody who could hear that it was thrown: the process would end. */
test("[store-in-use] a store that takes no writing while changes arrive is told in the status; sync goes on by itself when it takes them again", async () => {
  const a = await world.device("a")
  const { kit, code } = await signUpWithSync(world, a)
  const b = await world.device("b")
  await enrolByKit(world, b, { password: PASSWORD, kit, code: await code(), name: "b" })
  must(await b.syncOn({ items: "none", autoNew: true }))
  const sync = async () => (await a.status()).sync
  await expect.poll(sync, { timeout: 60_000 }).toMatchObject({ state: "up-to-date" })

  const other = new DatabaseSync(join(world.folderOf("a"), "device.db"))
  other.exec("BEGIN IMMEDIATE")
  must(await b.add(login("Wi-Fi")))
  await expect.poll(sync, { timeout: 60_000 }).toMatchObject({ state: "refused", code: "store-in-use" })
  expect((await a.status({ fresh: true })).lock).toBe("unlocked")
  expect(must(await a.list())).toEqual([])
  other.exec("ROLLBACK")
  other.close()
  await expect.poll(sync, { timeout: 60_000 }).toMatchObject({ state: "up-to-date" })
  expect(must(await a.list()).map(({ title }) => title)).toEqual(["Wi-Fi"])
})
