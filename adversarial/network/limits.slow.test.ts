import { bytesToBase64url, formatId } from "@keyferry/base"
import { startOpaqueLogin } from "@keyferry/crypto"
import { afterAll, beforeAll, describe, expect, test } from "vitest"

import { inviteLink } from "../world/intruder.ts"
import { identityOf, knock, randomBytes, type RawReply, stealFrom } from "../world/raw-client.ts"
import {
  ADDRESS,
  type AttackWorld,
  codeOf,
  createAttackWorld,
  login,
  must,
  PASSWORD,
  type Settled,
  settleAccount,
} from "../world/world.ts"

/*
 * Guessing and flooding, against the limits that a server really has. The proxy in front of it is believed, so that one test
 * can come from many networks.
 */
const HOUR = 3_600_000
let world: AttackWorld
let a: Settled
let request: string

beforeAll(async () => {
  world = await createAttackWorld(["--trusted-proxies", "127.0.0.1"])
  a = await settleAccount(world)
  must(await a.device.kf.add(login("one")))
  must(await a.device.kf.syncNow())
  request = bytesToBase64url((await startOpaqueLogin("a guess")).request)
})
afterAll(() => world.close())

let network = 0
const guess = (
  deviceId?: string,
  from = `203.0.${Math.trunc(network / 250)}.${(network++ % 250) + 1}`,
): Promise<RawReply> =>
  knock(world.origin(), "login.start", {
    body: { address: ADDRESS, startLoginRequest: request, ...(deviceId === undefined ? {} : { deviceId }) },
    headers: { "x-forwarded-for": from },
  })

describe("AU-05", () => {
  test("AU-05 hostile outsider: an address is hammered from a thousand networks until it refuses; its owner's devices unlock, sync and confirm as before", async () => {
    let answered = 0
    for (let i = 0; i < 60; i++) if ((await guess()).status === 200) answered++
    expect(answered).toBeLessThanOrEqual(20)
    expect((await guess()).code).toBe("rate-limited")
    // A name of a device that is none does not help the attacker …
    expect((await guess(formatId("dev", randomBytes(16)))).code).toBe("rate-limited")
    // … the owner's known device has a bucket of its own, and does not even need it.
    const own = await stealFrom(a.device.folder)
    expect((await guess(formatId("dev", own.deviceId))).status).toBe(200)
    await a.device.kf.lock()
    expect(must(await a.device.kf.unlock(PASSWORD)).lock).toBe("unlocked")
    must(await a.device.kf.syncNow())
    must(await a.device.kf.twoFactorCheck("totp", a.code()))
    expect(codeOf(await a.device.kf.twoFactorOff({ password: PASSWORD, suspendSync: false }))).toBe(
      "two-factor-disable-blocked",
    )
  })

  test("X-46 hostile outsider: one network, many addresses: it is the network that is slowed down, and a forged proxy line from outside does not change whose it is", async () => {
    world.advance(2 * HOUR)
    let answered = 0
    for (let i = 0; i < 40; i++) {
      const reply = await knock(world.origin(), "login.start", {
        body: { address: `nobody${i}@example.org`, startLoginRequest: request },
        headers: { "x-forwarded-for": "198.51.100.77" },
      })
      if (reply.status === 200) answered++
    }
    expect(answered).toBeLessThanOrEqual(20)
    // Only the nearest hop that is not a trusted proxy counts: what a client writes before it is noise.
    for (const forged of ["1.1.1.1, 198.51.100.77", "127.0.0.1, 198.51.100.77", "::1, 198.51.100.77"])
      expect(
        (
          await knock(world.origin(), "login.start", {
            body: { address: "nobody@example.org", startLoginRequest: request },
            headers: { "x-forwarded-for": forged },
          })
        ).code,
      ).toBe("rate-limited")
    // The same /64 is the same network.
    let six = 0
    for (let i = 0; i < 40; i++)
      if (
        (
          await knock(world.origin(), "login.start", {
            body: { address: `six${i}@example.org`, startLoginRequest: request },
            headers: { "x-forwarded-for": `2001:db8:1:2::${i.toString(16)}` },
          })
        ).status === 200
      )
        six++
    expect(six).toBeLessThanOrEqual(20)
  })

  test("X-40 thief: a stolen, locked device tries the account's password at the server: few an hour, whatever network it is in", async () => {
    world.advance(2 * HOUR)
    const as = identityOf(await stealFrom(a.device.folder))
    let answered = 0
    let n = 0
    for (let i = 0; i < 120; i++) {
      const reply = await knock(world.origin(), "password.check-start", {
        as,
        nowMs: world.nowMs(),
        body: { startLoginRequest: request },
        headers: { "x-forwarded-for": `192.0.2.${n++ % 250}` },
      })
      if (reply.status === 200) answered++
    }
    expect(answered).toBeLessThanOrEqual(40)
    await world.kill()
    await world.start()
    expect(
      (
        await knock(world.origin(), "password.check-start", {
          as,
          nowMs: world.nowMs(),
          body: { startLoginRequest: request },
          headers: { "x-forwarded-for": "192.0.2.251" },
        })
      ).code,
    ).toBe("rate-limited")
    // In its own time the owner's device may again.
    world.advance(2 * HOUR)
    must(await a.device.kf.twoFactorCheck("totp", a.code()))
    expect(codeOf(await a.device.kf.twoFactorOff({ password: PASSWORD, suspendSync: false }))).toBe(
      "two-factor-disable-blocked",
    )
  })

  test("X-47 hostile outsider with many sign-ups: a mailbox that is not its own is not filled", async () => {
    world.advance(2 * HOUR)
    const victim = "victim@example.org"
    const before = (await world.mails()).filter((m) => m.to === victim).length
    const { makeIntruder } = await import("../world/intruder.ts")
    const { startOpaqueRegistration } = await import("@keyferry/crypto")
    const registration = bytesToBase64url((await startOpaqueRegistration("x")).request)
    for (let i = 0; i < 15; i++) {
      const intruder = await makeIntruder()
      await knock(world.origin(), "signup.start", {
        body: {
          invitation: new URL(await inviteLink(world)).hash.slice(3),
          address: victim,
          registrationRequest: registration,
          device: intruder.device,
        },
        headers: { "x-forwarded-for": `198.18.${i}.1` },
      })
    }
    // Beginning a sign-up mails nobody; mails follow an invitation that was used up, a password and a key.
    expect((await world.mails()).filter((m) => m.to === victim).length).toBe(before)
    // A taken address is told to its owner a few times, not each time.
    for (let i = 0; i < 12; i++) {
      const intruder = await makeIntruder()
      await knock(world.origin(), "signup.start", {
        body: {
          invitation: new URL(await inviteLink(world)).hash.slice(3),
          address: ADDRESS,
          registrationRequest: registration,
          device: intruder.device,
        },
        headers: { "x-forwarded-for": `198.19.${i}.1` },
      })
    }
    expect(
      (await world.mails()).filter((m) => m.to === ADDRESS && /tried to sign up|somebody|address/i.test(m.subject))
        .length,
    ).toBeLessThanOrEqual(6)
  })
})
