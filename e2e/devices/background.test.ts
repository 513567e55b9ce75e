import { join } from "node:path"

import { createSecretFile } from "@keyferry/sdk/node"
import { afterAll, beforeAll, expect, test } from "vitest"

import { ADDRESS, createAuthenticator, createWorld, must, PASSWORD, type World } from "./world.ts"

let world: World
beforeAll(async () => {
  world = await createWorld()
})
afterAll(() => world.close())

/** What nobody waits for has nobody who could hear that it was thrown: the process would end. */
test("[keychain-unavailable] a keychain that locks while a device runs is told in its status, and sync goes on by itself when it opens", async () => {
  const kept = createSecretFile(join(world.folderOf("a"), "device.secret"))
  let isLocked = false
  const a = await world.device("a", {
    secrets: {
      ...kept,
      load: () => (isLocked ? Promise.reject(new Error("keychain-unavailable")) : kept.load()),
    },
  })
  must(await a.signUp({ link: world.firstLink(), address: ADDRESS, password: PASSWORD, deviceName: "Laptop" }))
  const code = createAuthenticator(must(await a.twoFactorStart()).otpauth, world)
  must(await a.twoFactorConfirm(await code()))
  must(await a.syncOn({ items: "all", autoNew: true }))
  const sync = async () => (await a.status()).sync
  await expect.poll(sync, { timeout: 10_000 }).toMatchObject({ state: "up-to-date", waiting: 0 })

  isLocked = true
  must(await a.add({ kind: "note", title: "Wi-Fi", fields: [{ name: "text", value: "x", secret: true }] }))
  await expect.poll(sync).toMatchObject({ state: "refused", code: "keychain-unavailable", waiting: 1 })
  expect((await a.status({ fresh: true })).lock).toBe("unlocked")
  expect(must(await a.list()).map(({ title }) => title)).toEqual(["Wi-Fi"])
  isLocked = false
  await expect.poll(sync, { timeout: 10_000 }).toMatchObject({ state: "up-to-date", waiting: 0 })
})
