import { afterAll, beforeAll, describe, expect, test } from "vitest"

import type { Keyferry } from "@keyferry/sdk"

import {
  ADDRESS,
  createWorld,
  enrolByKit,
  exchangeKey,
  login,
  must,
  PASSWORD,
  signUpWithSync,
  until,
  type World,
} from "./world.ts"

let world: World
let a: Keyferry
let b: Keyferry
let kit: string
let code: () => Promise<string>
const frozenNow = { ok: false, error: { code: "account-frozen" } }

beforeAll(async () => {
  world = await createWorld()
  a = await world.device("a")
  ;({ kit, code } = await signUpWithSync(world, a))
  must(await a.add(login("standard")))
  must(await a.add(exchangeKey("Strict")))
  must(await a.syncNow())
  b = await world.device("b")
  await enrolByKit(world, b, { password: PASSWORD, kit, code: await code(), name: "Desk" })
  must(await b.syncOn({ items: "none", autoNew: true }))
})
afterAll(() => world.close())

const press = (token: string): Promise<Response> =>
  fetch(`${world.origin()}/api/v1/freeze`, {
    method: "POST",
    headers: { "content-type": "application/json", "sec-fetch-site": "same-origin" },
    body: JSON.stringify({ token }),
  })

// One story, in order.
describe("an account that is frozen", () => {
  test("[DV24] by the link of a security mail, without signing in: every open device locks", async () => {
    // The mail about the new device.
    const token = await world.takeToken("freeze")
    expect((await fetch(`${world.origin()}/freeze/#${token}`)).status).toBe(200)
    expect((await a.status({ fresh: true })).account?.frozen).toBe(false)
    expect((await press(token)).status).toBe(200)
    await until(async () => (await a.status()).lock === "locked" && (await b.status()).lock === "locked", "both lock")
    expect((await a.status({ fresh: true })).account?.frozen).toBe(true)
  })

  test("[DV22] opens nothing, strict or standard, on any device, and lets no new one in", async () => {
    expect(await a.unlock(PASSWORD)).toMatchObject(frozenNow)
    expect(await b.unlock(PASSWORD)).toMatchObject(frozenNow)
    const c = await world.device("c")
    must(await c.loginStart({ server: world.origin(), address: ADDRESS, password: PASSWORD, deviceName: "New" }))
    expect(await c.loginSecondFactor("totp", await code())).toMatchObject(frozenNow)
    // Signed in and without a device: the 72 hours, which another device's freeze stops.
    expect(await c.waitForThaw()).toMatchObject({ ok: false, error: { code: "recovery-waiting" } })
    expect((await b.status({ fresh: true })).account?.thawAtMs).toBeGreaterThan(world.nowMs() + 71 * 3_600_000)
    must(await b.freezeAccount())
    expect((await b.status({ fresh: true })).account?.thawAtMs).toBeUndefined()
  }, 120_000)

  test("[DV22] stays frozen when everything was killed and started again", async () => {
    await world.kill()
    await world.start()
    expect(await a.unlock(PASSWORD)).toMatchObject(frozenNow)
  }, 120_000)

  test("[DV23] is thawed by a locked device and its second factor, and everything is there", async () => {
    // The factor of this device may still be fresh from the enrolment; the other's is asked for again.
    must(await a.twoFactorCheck("totp", await code()))
    must(await a.thawAccount())
    expect((await a.status({ fresh: true })).account?.frozen).toBe(false)
    expect(must(await a.unlock(PASSWORD)).lock).toBe("unlocked")
    expect(must(await b.unlock(PASSWORD)).lock).toBe("unlocked")
    expect(must(await a.list()).map((i) => i.title)).toEqual(["standard", "Strict"])
    must(await b.add(login("after")))
    await until(async () => must(await a.list()).length === 3, "sync goes on")
  }, 120_000)

  test("[DV22] a device freezes the account, and locks itself", async () => {
    must(await a.freezeAccount())
    expect((await a.status()).lock).toBe("locked")
    expect(await b.syncNow()).toMatchObject({ ok: false })
    await until(async () => (await b.status()).lock === "locked", "the other locks")
    must(await b.twoFactorCheck("totp", await code()))
    must(await b.thawAccount())
  }, 120_000)
})
