import { bytesToBase64url } from "@keyferry/base"
import { afterEach, beforeEach, describe, expect, test } from "vitest"

import { invite } from "../service/operator.ts"
import { findAccount } from "../store/accounts.ts"
import { FAKE_CODE } from "../testing/fake-strongroom.ts"
import { createWorld, deviceId, deviceKeys, finishBody, linkToken, signUp, type World } from "../testing/world.ts"

let world: World
beforeEach(async () => {
  world = await createWorld()
})
afterEach(() => world.close())

const tokenOf = async (): Promise<string> => {
  const made = await invite(world.context)
  if (!made.ok) throw new Error(made.error.code)
  return new URL(made.value.link).hash.slice(3)
}
const start = (invitation: string, address = "ada@example.org", n = 1) =>
  world.call("signup.start", { body: { invitation, address, registrationRequest: "AAAA", device: deviceKeys(n) } })

describe("signing up", () => {
  test("the first account comes by its link, is confirmed by it and becomes operator", async () => {
    const uuid = await signUp(world, "Ada@Example.org", 1)
    const account = await world.context.store.read((db) => findAccount(db, uuid))
    expect(account).toMatchObject({
      confirmed: 1,
      operator: 1,
      address: "Ada@Example.org",
      address_key: "ada@example.org",
    })
    expect(world.fake.calls).toContain("confirmFirst")
    expect(await world.mails()).toEqual([])
  })

  test("without a link, with an unknown, an old or a used one, nobody does", async () => {
    expect((await start("")).json["code"]).toBe("registration-closed")
    expect((await start(bytesToBase64url(new Uint8Array(32)))).json["code"]).toBe("invitation-invalid")
    expect((await start("nonsense")).json["code"]).toBe("invitation-invalid")
    const old = await tokenOf()
    world.time.nowMs += 3_600_000
    expect((await start(old)).json["code"]).toBe("invitation-invalid")
    await signUp(world, "ada@example.org", 1)
    const used = await tokenOf()
    expect((await start(used, "bob@example.org", 2)).status).toBe(200)
  })

  test("only the newest first link works", async () => {
    const older = await tokenOf()
    const newer = await tokenOf()
    expect((await start(older)).json["code"]).toBe("invitation-invalid")
    expect((await start(newer)).status).toBe(200)
  })

  test("two sign-ups with one link: one succeeds, the other may not even reach the strongroom", async () => {
    await signUp(world, "ada@example.org", 1)
    const link = await tokenOf()
    const bob = await start(link, "bob@example.org", 2)
    const eve = await start(link, "eve@example.org", 3)
    const finish = (reply: typeof bob, n: number) =>
      world.call("signup.finish", { body: finishBody(reply.text("accountUuid")), device: deviceId(n) })
    const both = await Promise.all([finish(bob, 2), finish(eve, 3)])
    expect(both.map((r) => r.status).toSorted((a, b) => a - b)).toEqual([200, 403])
    expect(both.find((r) => r.status === 403)?.json["code"]).toBe("invitation-invalid")
    expect((await start(link, "mia@example.org", 4)).json["code"]).toBe("invitation-invalid")
  })

  test("a sign-up that failed gives its link back", async () => {
    const link = await tokenOf()
    const bob = await start(link, "bob@example.org", 2)
    world.fake.failNext("execute", { code: "strongroom-unavailable" })
    const failed = await world.call("signup.finish", { body: finishBody(bob.text("accountUuid")), device: deviceId(2) })
    expect(failed.status).toBe(503)
    const again = await start(link, "bob@example.org", 3)
    const done = await world.call("signup.finish", { body: finishBody(again.text("accountUuid")), device: deviceId(3) })
    expect(done.status).toBe(200)
  })

  test("a taken address answers like a free one, and its owner is told", async () => {
    const owner = await signUp(world, "ada@example.org", 1)
    world.fake.accounts.get(owner)?.factors.push("totp")
    const free = await start(await tokenOf(), "bob@example.org", 2)
    const taken = await start(await tokenOf(), "ADA@example.org", 3)
    expect(taken.status).toBe(free.status)
    expect(Object.keys(taken.json)).toEqual(Object.keys(free.json))
    const mails = await world.mails()
    expect(mails.map((m) => [m.to, m.subject])).toEqual([["ada@example.org", "Somebody tried to use your address"]])
    // It goes on like any other, but its mail never leaves, so it is never confirmed.
    await world.call("signup.finish", { body: finishBody(taken.text("accountUuid")), device: deviceId(3) })
    const mailed = await world.call("first.mail", { device: deviceId(3) })
    expect(mailed.json).toMatchObject({ mail: "queued", code: FAKE_CODE })
    expect((await world.mails()).some((m) => m.body.includes("/v/#"))).toBe(false)
  })

  test("an account without second factor gives way to a newly confirmed sign-up of its address", async () => {
    const old = await signUp(world, "ada@example.org", 1)
    const taken = await signUp(world, "ada@example.org", 2)
    const [before, after] = await world.context.store.read(async (db) => [
      await findAccount(db, old),
      await findAccount(db, taken),
    ])
    expect(before).toBeUndefined()
    expect(after?.confirmed).toBe(1)
    expect(world.fake.accounts.has(old)).toBe(false)
  })

  test("[DV30] a first device that asks again goes on with the mail that it has, unless it asks for another", async () => {
    await signUp(world, "ada@example.org", 1)
    await signUp(world, "bob@example.org", 2, false)
    const ask = (body: object) => world.call("first.mail", { device: deviceId(2), body })
    expect((await ask({ running: true })).json).toMatchObject({ mail: "queued", code: FAKE_CODE })
    expect(await world.mails()).toHaveLength(1)
    for (let i = 0; i < 8; i++)
      expect((await ask({ running: true })).json).toMatchObject({ code: FAKE_CODE, mailedTo: "b…@e….org" })
    expect(await world.mails()).toHaveLength(1)
    await ask({})
    expect(await world.mails()).toHaveLength(2)
  })

  test("the first device is confirmed by link and code, and so is the address", async () => {
    await signUp(world, "ada@example.org", 1)
    const bob = await signUp(world, "bob@example.org", 2, false)
    const mailed = await world.call("first.mail", { device: deviceId(2) })
    expect(mailed.json).toMatchObject({ mail: "queued", mailedTo: "b…@e….org", code: FAKE_CODE })
    const [mail] = await world.mails()
    expect(mail?.body).not.toContain(FAKE_CODE)
    expect((await world.context.store.read((db) => findAccount(db, bob)))?.confirmed).toBe(0)
    const token = linkToken(mail?.body ?? "")
    expect((await world.call("confirm.code", { body: { token, code: "000000" } })).json["code"]).toBe(
      "verify-code-wrong",
    )
    expect((await world.call("confirm.code", { body: { token, code: "123 456" } })).json).toEqual({
      state: "confirmed",
    })
    expect((await world.context.store.read((db) => findAccount(db, bob)))?.confirmed).toBe(1)
  })
})
