import type { Http } from "@keyferry/sdk"
import { createNodeHttp } from "@keyferry/sdk/node"
import { afterAll, beforeAll, expect, test } from "vitest"

import { createWorld, enrolByKit, login, must, PASSWORD, signUpWithSync, until, type World } from "./world.ts"

/** A device whose clock is wrong, and always equally so. */
const BEHIND_MS = 12 * 60_000
let world: World
beforeAll(async () => {
  world = await createWorld()
})
afterAll(() => world.close())

test("[HT4] a device whose clock is twelve minutes behind sends, and what others change comes to it by itself", async () => {
  const a = await world.device("a")
  const { kit, code } = await signUpWithSync(world, a)
  const real = createNodeHttp()
  const sent: string[] = []
  const http: Http = {
    ...real,
    send: (request) => {
      sent.push(new URL(request.url).pathname)
      return real.send(request)
    },
  }
  const b = await world.device("b", {
    http,
    clock: { nowMs: () => world.nowMs() - BEHIND_MS, monotonicMs: () => performance.now() },
  })
  await enrolByKit(world, b, { password: PASSWORD, kit, code: await code(), name: "b" })
  must(await b.syncOn({ items: "none", autoNew: true }))
  must(await b.add(login("from b")))
  const titles = async (kf: typeof a): Promise<readonly string[]> => must(await kf.list()).map(({ title }) => title)
  await until(async () => (await titles(a)).includes("from b"), "it went up")
  must(await a.add(login("from a")))
  await until(async () => (await titles(b)).includes("from a"), "the feed brings it")
  await until(async () => (await b.status()).sync.state === "up-to-date", "it has nothing left to do")
  // The first of its requests was refused for the time, and what it learnt from that holds for all later ones.
  sent.length = 0
  must(await b.devices())
  expect(sent.filter((path) => path.endsWith("/devices"))).toHaveLength(1)
})
