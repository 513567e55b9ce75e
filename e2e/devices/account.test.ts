import { afterAll, beforeAll, describe, expect, test } from "vitest"

import type { Keyferry } from "@keyferry/sdk"

import {
  ADDRESS,
  createAuthenticator,
  createWorld,
  enrolByKit,
  exchangeKey,
  login,
  must,
  PASSWORD,
  signUpWithSync,
  type World,
} from "./world.ts"

const DAY_S = 24 * 3600
let world: World
let a: Keyferry
let b: Keyferry
let kit: string
let code: () => Promise<string>

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

describe("a device that ten failed unlocks locked", () => {
  const lockOut = async (): Promise<void> => {
    await b.lock()
    for (let i = 0; i < 10; i++) await b.unlock("wrong horse battery")
    expect(await b.unlock(PASSWORD)).toMatchObject({ ok: false, error: { code: "lease-locked" } })
  }
  const factor = async () => ({ kind: "totp", code: await code() }) as const
  const own = async () => (await b.status()).account?.deviceId ?? ""

  test("[DV20] opens by the kit, after signing in again; not by another kit or password", async () => {
    await lockOut()
    const wrong = { password: PASSWORD, factor: await factor(), kitCode: `${kit.slice(0, -1)}!` }
    expect(await b.resetLease(wrong)).toMatchObject({ ok: false, error: { code: "kit-code-wrong" } })
    expect(await b.resetLease({ password: "not the password 1", factor: await factor(), kitCode: kit })).toMatchObject({
      ok: false,
      error: { code: "wrong-credentials" },
    })
    must(await b.resetLease({ password: PASSWORD, factor: await factor(), kitCode: kit }))
    expect(must(await b.unlock(PASSWORD)).lock).toBe("unlocked")
  }, 180_000)

  test("[DV25] without the kit it waits; another device stops it, or opens it", async () => {
    await lockOut()
    const waiting = { ok: false, error: { code: "recovery-waiting" } }
    const id = await own()
    expect(await b.resetLease({ password: PASSWORD, factor: await factor() })).toMatchObject(waiting)
    expect(must(await a.devices()).find((d) => d.id === id)?.leaseResetAtMs).toBeGreaterThan(world.nowMs())
    expect(must(await a.denyLeaseReset(id)).cancelled).toBe(true)
    expect(await a.approveLeaseReset(id)).toMatchObject({ ok: false, error: { code: "not-found" } })
    expect(await b.resetLease({ password: PASSWORD, factor: await factor() })).toMatchObject(waiting)
    must(await a.confirmPassword(PASSWORD))
    must(await a.twoFactorCheck("totp", await code()))
    must(await a.approveLeaseReset(id))
    expect(must(await b.unlock(PASSWORD)).lock).toBe("unlocked")
    expect(must(await b.list()).map((i) => i.title)).toEqual(["standard", "Strict"])
  }, 240_000)
})

describe("rules of the account", () => {
  const fresh = async (): Promise<void> => must(await a.confirmPassword(PASSWORD))

  test("[CH23] approval only: the kit adds no device, and the other devices know the rule", async () => {
    await fresh()
    expect(await a.setAccountPolicy({ graceMaxS: 8 * DAY_S })).toMatchObject({
      ok: false,
      error: { code: "usage-wrong" },
    })
    const set = must(await a.setAccountPolicy({ requireDeviceApproval: true }))
    expect(set).toEqual({
      graceMaxS: DAY_S,
      requireDeviceApproval: true,
      reloginMaxS: 30 * DAY_S,
      unlockMaxS: DAY_S / 2,
    })
    must(await b.syncNow())
    expect(must(await b.accountPolicy())).toEqual(set)
    const c = await world.device("c")
    must(await c.loginStart({ server: world.origin(), address: ADDRESS, password: PASSWORD, deviceName: "New" }))
    const waiting = must(await c.loginSecondFactor("totp", await code()))
    expect(await world.confirm(await world.takeToken(), waiting.code ?? "")).toBe(200)
    must(await c.confirmation())
    expect(await c.finishWithKit(kit)).toMatchObject({ ok: false, error: { code: "not-allowed" } })
    must(await a.setAccountPolicy({ requireDeviceApproval: false }))
    must(await c.finishWithKit(kit))
    await c.close()
  }, 180_000)

  test("[LS21] a shorter time open and no grace hold at once, also on another device", async () => {
    await fresh()
    must(await a.setAccountPolicy({ unlockMaxS: 600, graceMaxS: 0 }))
    for (const kf of [a, b]) {
      if (kf === b) must(await kf.syncNow())
      expect((await kf.status()).unlockedUntilMs).toBeLessThanOrEqual(world.nowMs() + 600_000)
    }
    await a.lock()
    await b.lock()
    await world.stop()
    for (const kf of [a, b])
      expect(await kf.unlock(PASSWORD)).toMatchObject({ ok: false, error: { code: "lease-expired" } })
    await world.start()
    for (const kf of [a, b]) expect(must(await kf.unlock(PASSWORD)).lock).toBe("unlocked")
    must(await a.setAccountPolicy({ unlockMaxS: DAY_S / 2, graceMaxS: DAY_S }))
    await a.lock()
    await world.stop()
    expect(must(await a.unlock(PASSWORD)).lock).toBe("standard-only")
    await world.start()
    expect(must(await a.unlock(PASSWORD)).lock).toBe("unlocked")
  }, 180_000)

  test("[ST5] a login that is too old gives nothing but the way to log in again", async () => {
    await fresh()
    must(await a.twoFactorCheck("totp", await code()))
    must(await a.setAccountPolicy({ reloginMaxS: 120 }))
    for (let step = 0; step < 5; step++) await world.nextStep()
    expect(await a.syncNow()).toMatchObject({ ok: false, error: { code: "reauth-required" } })
    await a.lock()
    expect(await a.unlock(PASSWORD)).toMatchObject({ ok: false, error: { code: "reauth-required" } })
    must(await a.twoFactorCheck("totp", await code()))
    expect(must(await a.unlock(PASSWORD)).lock).toBe("unlocked")
    must(await a.setAccountPolicy({ reloginMaxS: 30 * DAY_S }))
    must(await a.syncNow())
  }, 180_000)
})

describe("the address", () => {
  const confirm = (token: string): Promise<Response> =>
    fetch(`${world.origin()}/api/v1/address/confirm`, {
      method: "POST",
      headers: { "content-type": "application/json", "sec-fetch-site": "same-origin" },
      body: JSON.stringify({ token }),
    })

  test("changes when the new mailbox answers; both mailboxes are told, and the device knows it", async () => {
    must(await a.twoFactorCheck("totp", await code()))
    must(await a.changeAddress("ada@new.example"))
    expect(must(await a.address())).toEqual({ address: ADDRESS, waiting: true })
    const token = await world.takeToken("address")
    expect((await fetch(`${world.origin()}/address/#${token}`)).status).toBe(200)
    expect(must(await a.address()).address).toBe(ADDRESS)
    expect((await confirm(token)).status).toBe(200)
    expect(must(await a.address())).toEqual({ address: "ada@new.example", waiting: false })
    expect((await a.status()).account?.address).toBe("ada@new.example")
    const told = async (): Promise<ReadonlySet<string>> => {
      const mailbox = (await (await fetch(`${world.origin()}/dev/mailbox.json`)).json()) as {
        mails: { to: string; subject: string }[]
      }
      const notices = mailbox.mails.filter((mail) => mail.subject.startsWith("Security notice: address"))
      return new Set(notices.map((mail) => `${mail.to}: ${mail.subject.slice("Security notice: ".length)}`))
    }
    // A mail leaves after the answer that caused it.
    await expect
      .poll(told)
      .toEqual(
        new Set([
          `${ADDRESS}: address change requested`,
          `${ADDRESS}: address changed`,
          "ada@new.example: address confirmed",
        ]),
      )
    expect((await confirm(token)).status).not.toBe(200)
  }, 120_000)
})

test("the server's log of the account is read on any of its devices, newest first, with ids and no names", async () => {
  const log = must(await b.accountLog())
  const kinds = log.map(({ kind }) => kind)
  expect(kinds).toEqual(expect.arrayContaining(["account-created", "factor-added", "signed-in", "device-active"]))
  expect(kinds.indexOf("signed-in")).toBeLessThan(kinds.indexOf("account-created"))
  const own = (await b.status()).account?.deviceId
  expect(log.some(({ deviceId }) => deviceId === own)).toBe(true)
  expect(JSON.stringify(log)).not.toMatch(/Desk|ada@|standard/)
  await b.lock()
  expect(must(await b.accountLog()).length).toBeGreaterThanOrEqual(log.length)
  must(await b.unlock(PASSWORD))
})

test("another authenticator takes the place of the first, with the password and a code of the first", async () => {
  // Five minutes after the password, however many of them the codes before took.
  for (let step = 0; step < 11; step++) await world.nextStep()
  must(await a.twoFactorCheck("totp", await code()))
  expect(await a.twoFactorStart()).toMatchObject({ ok: false, error: { code: "reauth-required" } })
  expect(await a.twoFactorStart({ password: "not the password 1" })).toMatchObject({
    ok: false,
    error: { code: "wrong-credentials" },
  })
  const next = createAuthenticator(must(await a.twoFactorStart({ password: PASSWORD })).otpauth, world)
  must(await a.twoFactorConfirm(await next()))
  expect(await a.twoFactorCheck("totp", await code())).toMatchObject({ ok: false })
  must(await a.twoFactorCheck("totp", await next()))
})
