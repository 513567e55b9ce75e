import { createServer as createHttpServer } from "node:http"
import { createServer } from "node:net"

import { utf8 } from "@keyferry/base"
import { createNodeHttp } from "@keyferry/sdk/node"
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest"

import type { Rewrite } from "../world/hostile-server.ts"
import {
  type AttackWorld,
  codeOf,
  createAttackWorld,
  login,
  must,
  PASSWORD,
  type Settled,
  settleAccount,
  titlesOf,
} from "../world/world.ts"

/*
 * A server that does what it is asked and then says nothing more: every connection is taken and none is answered. The device
 * speaks through its own network port, whose limits are the ones that are shipped but for their length.
 */
const NEXT = "another long password"
const LIMIT_MS = 700
let world: AttackWorld
let a: Settled
let silentUrl: string
let asked = 0
const deaf = createServer((socket) => {
  asked++
  socket.on("error", () => undefined)
})

beforeAll(async () => {
  world = await createAttackWorld()
  a = await settleAccount(world)
  must(await a.device.kf.add(login("one")))
  must(await a.device.kf.syncNow())
  await new Promise<void>((resolve) => void deaf.listen(0, "127.0.0.1", resolve))
  const address = deaf.address()
  silentUrl = `http://127.0.0.1:${typeof address === "object" && address !== null ? address.port : 0}/`
})
afterEach(() => a.device.server.honest())
afterAll(async () => {
  await world.close()
  deaf.close()
})

const silent: Rewrite = (_, request) => createNodeHttp().send({ ...request, url: silentUrl, timeoutMs: LIMIT_MS })
/** What it answered, and that it did not take longer than a few limits. */
const inTime = async <T>(work: Promise<T>): Promise<T> => {
  const beganMs = performance.now()
  const answer = await work
  expect(performance.now() - beganMs).toBeLessThan(20 * LIMIT_MS)
  return answer
}

describe("after a change of the account", () => {
  test("X-95 hostile server: silent from the moment the password was changed: the change stands, the device says offline, nothing is lost", async () => {
    const { kf, server } = a.device
    must(await kf.twoFactorCheck("totp", a.code()))
    server.rewrite("account.status", silent)
    must(await inTime(kf.changePassword({ password: PASSWORD, newPassword: NEXT, exposed: false })))
    expect((await inTime(kf.status({ fresh: true }))).account).toMatchObject({ frozen: false })
    expect(asked).toBeGreaterThan(0)
    server.rewriteAll(silent)
    expect((await inTime(kf.status({ fresh: true }))).lock).toBe("unlocked")
    const added = must(await inTime(kf.add(login("two"))))
    expect(codeOf(await inTime(kf.syncNow()))).toBe("network-unreachable")
    await kf.lock()
    expect(codeOf(await inTime(kf.unlock(PASSWORD)))).not.toBe("ok")
    server.honest()
    must(await kf.unlock(NEXT))
    must(await kf.syncNow())
    expect((await titlesOf(kf)).toSorted()).toEqual(["one", "two"])
    expect(must(await kf.get(added.id)).title).toBe("two")
  })

  test("X-95 hostile server: silent from the moment the account was frozen: the status ends in time, and says frozen once it is heard again", async () => {
    const { kf, server } = a.device
    server.rewrite("account.status", silent)
    must(await inTime(kf.freezeAccount()))
    await inTime(kf.status({ fresh: true }))
    server.honest()
    expect((await kf.status({ fresh: true })).account?.frozen).toBe(true)
    must(await kf.twoFactorCheck("totp", a.code()))
    must(await kf.thawAccount())
    must(await kf.unlock(NEXT))
    expect((await titlesOf(kf)).toSorted()).toEqual(["one", "two"])
  })

  test("X-95 hostile server: silent before it answers the change itself: the change is told as not known, and the device goes on with whichever password holds", async () => {
    const { kf, server } = a.device
    must(await kf.twoFactorCheck("totp", a.code()))
    server.rewrite("account.append", silent)
    const changed = await inTime(kf.changePassword({ password: NEXT, newPassword: PASSWORD, exposed: false }))
    expect(codeOf(changed)).not.toBe("ok")
    server.honest()
    await kf.syncNow()
    await kf.lock()
    const answers = [codeOf(await kf.unlock(NEXT)), codeOf(await kf.unlock(PASSWORD))]
    expect(answers).toContain("ok")
    must(await kf.syncNow())
    expect((await titlesOf(kf)).toSorted()).toEqual(["one", "two"])
  })
})

describe("an answer without an end", () => {
  test("X-97 hostile server: an answer a byte at a time, of whatever call, is given up in its time; what was typed is kept", async () => {
    const { kf, server } = a.device
    const timers: NodeJS.Timeout[] = []
    const dripping = createHttpServer((_, reply) => {
      reply.writeHead(200, { "content-type": "application/json" })
      timers.push(setInterval(() => void reply.write(" "), 50))
    })
    await new Promise<void>((resolve) => void dripping.listen(0, "127.0.0.1", resolve))
    const address = dripping.address()
    const url = `http://127.0.0.1:${typeof address === "object" && address !== null ? address.port : 0}/`
    server.rewriteAll((_, request) => createNodeHttp().send({ ...request, url, timeoutMs: LIMIT_MS }))
    must(await inTime(kf.add(login("three"))))
    expect(codeOf(await inTime(kf.syncNow()))).toBe("network-unreachable")
    expect(codeOf(await inTime(kf.devices()))).toBe("network-unreachable")
    for (const timer of timers) clearInterval(timer)
    dripping.closeAllConnections()
    dripping.close()
    server.honest()
    must(await kf.syncNow())
    expect((await titlesOf(kf)).toSorted()).toEqual(["one", "three", "two"])
  })

  test("X-98 hostile server: an event of 64 MiB in one piece is hung up on, takes no more room than an event may, and the stream is opened again", async () => {
    const { kf, server } = a.device
    await a.device.quiet()
    const opened = server.requestsTo("feed").length
    expect(opened).toBeGreaterThan(0)
    const piece = new Uint8Array(64 * 1024 * 1024).fill(0x41)
    const beforeBytes = process.memoryUsage().arrayBuffers
    server.streamBytes(piece)
    expect(process.memoryUsage().arrayBuffers - beforeBytes).toBeLessThan(110 * 1024 * 1024)
    for (let i = 0; i < 300 && server.requestsTo("feed").length === opened; i++)
      await new Promise((resolve) => setTimeout(resolve, 50))
    expect(server.requestsTo("feed").length).toBeGreaterThan(opened)
    must(await kf.syncNow())
    expect((await titlesOf(kf)).toSorted()).toEqual(["one", "three", "two"])
  })

  test("X-100 hostile server: streams that end as soon as they are opened are opened less and less; an edit is sent at once, and an honest stream is kept", async () => {
    const { kf, server } = a.device
    await a.device.quiet()
    const opened = (): number => server.requestsTo("feed").length
    const before = opened()
    // As an honest server ends the streams of a removed device.
    server.streamBytes(utf8("event: closed\n\n"))
    server.endStreams()
    await new Promise((resolve) => setTimeout(resolve, 12_000))
    // Waits of 1, 2, 4 and 8 seconds at most, of half of that at least.
    expect(opened() - before).toBeLessThanOrEqual(5)
    expect(opened() - before).toBeGreaterThan(1)
    must(await kf.add(login("four")))
    await expect.poll(async () => (await kf.status()).sync.waiting, { timeout: 5_000 }).toBe(0)
    server.honest()
    // Whoever turns sync on wants it now.
    must(await kf.syncOff())
    must(await kf.syncOn({ items: "none", autoNew: true }))
    await a.device.quiet()
    const kept = opened()
    await new Promise((resolve) => setTimeout(resolve, 1_500))
    expect(opened()).toBe(kept)
  })
})
