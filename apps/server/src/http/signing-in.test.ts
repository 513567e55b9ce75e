import { bytesToBase64url } from "@keyferry/base"
import { afterEach, beforeEach, describe, expect, test } from "vitest"

import { FAKE_CODE, FAKE_PASSWORD } from "../testing/fake-strongroom.ts"
import { createWorld, deviceId, deviceKeys, linkToken, signIn, signUp, type World } from "../testing/world.ts"

let world: World
beforeEach(async () => {
  world = await createWorld()
})
afterEach(() => world.close())

describe("signing in", () => {
  beforeEach(() => signUp(world, "ada@example.org", 1))

  test("the token is new at each level and the older one is dead", async () => {
    const one = await signIn(world, "ada@example.org", 2, 1)
    const raised = await world.call("login.second-factor", { body: { kind: "totp", code: FAKE_CODE }, session: one })
    const two = raised.text("session", "token")
    expect(raised.json).toMatchObject({ session: { level: 2 } })
    expect(two).not.toBe(one)
    const enrol = (session: string) => world.call("enrol.start", { body: { device: deviceKeys(2) }, session })
    expect((await enrol(one)).json["code"]).toBe("signed-out")
    expect((await enrol(two)).status).toBe(200)
    const [mail] = (await world.mails()).filter((m) => m.body.includes("/v/#"))
    const token = linkToken(mail?.body ?? "")
    expect((await world.call("enrol.state", { session: two })).json).toMatchObject({ state: "pending", mail: "sent" })
    expect((await world.call("confirm.describe", { body: { token } })).json).toMatchObject({
      platform: "Linux terminal",
    })
    await world.call("confirm.code", { body: { token, code: FAKE_CODE } })
    const state = await world.call("enrol.state", { session: two })
    expect(state.json).toMatchObject({ state: "confirmed", session: { level: 3 } })
    const three = state.text("session", "token")
    expect((await world.call("enrol.state", { session: two })).json["code"]).toBe("signed-out")
    expect((await world.call("enrol.state", { session: three })).json["session"]).toBeUndefined()
    expect((await world.call("enrol.chain", { session: three, device: deviceId(2) })).status).toBe(200)
    // The session alone, or with another device's signature, reads nothing.
    expect((await world.call("enrol.chain", { session: three })).json["code"]).toBe("signature-invalid")
    expect((await world.call("enrol.chain", { session: three, device: deviceId(1) })).json["code"]).toBe(
      "signature-invalid",
    )
  })

  test("an unknown address and a wrong password look alike", async () => {
    const attempt = async (address: string) => {
      const started = await world.call("login.start", { body: { address, startLoginRequest: "AAAA" } })
      const finished = await world.call("login.finish", {
        body: {
          loginId: started.text("loginId"),
          finishLoginRequest: bytesToBase64url(new Uint8Array(8)),
          authPk: bytesToBase64url(new Uint8Array(32)),
          binding: bytesToBase64url(new Uint8Array(32)),
        },
      })
      return { started, finished }
    }
    const known = await attempt("ada@example.org")
    const unknown = await attempt("nobody@example.org")
    const again = await attempt("NOBODY@example.org ")
    expect(Object.keys(unknown.started.json)).toEqual(Object.keys(known.started.json))
    expect(unknown.started.text("accountUuid")).toMatch(
      /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
    )
    expect(again.started.json["accountUuid"]).toBe(unknown.started.json["accountUuid"])
    const { requestId: a, ...one } = known.finished.json
    const { requestId: b, ...two } = unknown.finished.json
    expect(a).not.toBe(b)
    expect(one).toEqual(two)
    expect(known.finished.json["code"]).toBe("wrong-credentials")
  })

  test("an unconfirmed account cannot be signed in to elsewhere", async () => {
    const uuid = await signUp(world, "bob@example.org", 2, false)
    const started = await world.call("login.start", { body: { address: "bob@example.org", startLoginRequest: "AAAA" } })
    expect(started.json["accountUuid"]).not.toBe(uuid)
  })

  test("a device that another one will approve has no link mailed, until it asks for one", async () => {
    const session = await signIn(world, "ada@example.org", 2)
    const asked = await world.call("enrol.start", { body: { device: deviceKeys(2), mail: false }, session })
    expect(asked.json).toMatchObject({ state: "pending", mail: "none" })
    const linked = async () => (await world.mails()).filter((m) => m.body.includes("/v/#"))
    expect(await linked()).toEqual([])
    expect((await world.call("enrol.mail", { session })).json["mail"]).toBe("queued")
    expect(await linked()).toHaveLength(1)
  })

  test("the keys that enrol are the keys that signed in", async () => {
    const session = await signIn(world, "ada@example.org", 2)
    const other = await world.call("enrol.start", { body: { device: deviceKeys(3) }, session })
    expect(other.json["code"]).toBe("signature-invalid")
    expect(world.fake.calls).not.toContain("enrol")
  })

  test("a session ends when idle, after 30 days, and with its device", async () => {
    const web = await world.call("login.start", { body: { address: "ada@example.org", startLoginRequest: "AAAA" } })
    const finished = await world.call("login.finish", {
      body: {
        loginId: web.text("loginId"),
        finishLoginRequest: bytesToBase64url(FAKE_PASSWORD),
        authPk: bytesToBase64url(new Uint8Array(32)),
        binding: bytesToBase64url(new Uint8Array(32)),
      },
      headers: { "keyferry-client": "web/1.0.0 protocol/1" },
    })
    const browser = finished.text("session", "token")
    const terminal = await signIn(world, "ada@example.org", 3, 2)
    await world.call("enrol.start", { body: { device: deviceKeys(3) }, session: terminal })
    const look = async (session: string) => (await world.call("enrol.state", { session })).json["code"]
    world.time.nowMs += 30 * 60_000
    expect(await look(browser)).toBe("signed-out")
    expect(await look(terminal)).toBeUndefined()
    for (let day = 0; day < 60; day++) {
      world.time.nowMs += 11 * 3_600_000
      expect(await look(terminal)).toBeUndefined()
    }
    world.time.nowMs += 5.9 * 3_600_000 * 10
    expect(await look(terminal)).toBe("signed-out")
    const next = await signIn(world, "ada@example.org", 4, 2)
    await world.call("enrol.start", { body: { device: deviceKeys(4) }, session: next })
    expect(await look(next)).toBeUndefined()
    const [mail] = (await world.mails()).filter((m) => m.body.includes("/v/#"))
    await world.call("confirm.deny", { body: { token: linkToken(mail?.body ?? "") } })
    expect(await look(next)).toBe("signed-out")
  })

  test("wrong codes raise nothing and are logged without the code", async () => {
    const session = await signIn(world, "ada@example.org", 2, 1)
    const wrong = await world.call("login.second-factor", { body: { kind: "totp", code: "654321" }, session })
    expect(wrong.json["code"]).toBe("second-factor-wrong")
    expect((await world.call("enrol.start", { body: { device: deviceKeys(2) }, session })).json["code"]).toBe(
      "second-factor-needed",
    )
    expect(world.logged()).not.toContain("654321")
    const lines = await world.call("activity", { device: deviceId(1) })
    expect(lines.json["code"]).toBe("device-not-verified")
  })

  test("a lost second factor: 72 hours, or at once where the operator opened it", async () => {
    const session = await signIn(world, "ada@example.org", 2, 1)
    const asked = await world.call("login.second-factor-reset", { session })
    expect(asked.json).toEqual({ readyAtMs: world.time.nowMs + 72 * 3_600_000 })
    const notice = await world.mails()
    expect(notice[0]?.subject).toBe("Security notice: factor reset requested")
    for (const uuid of world.fake.accounts.keys()) world.fake.resetOpen.add(uuid)
    const opened = await world.call("login.second-factor-reset", { session })
    expect(opened.json).toMatchObject({ session: { level: 2 } })
    const enrolled = await world.call("enrol.start", {
      body: { device: deviceKeys(2) },
      session: opened.text("session", "token"),
    })
    expect(enrolled.status).toBe(200)
  })
})

describe("messages of a pairing", () => {
  test("reach the other side of the same account only", async () => {
    const ada = await signUp(world, "ada@example.org", 1)
    const session = await signIn(world, "ada@example.org", 2)
    await world.call("enrol.start", { body: { device: deviceKeys(2) }, session })
    const approver = world.fake.devices.get("01".repeat(16))
    if (approver !== undefined) Object.assign(approver, { state: "active" })
    expect((await world.call("enrol.relay-send", { session, body: { body: "QUJD" } })).json).toEqual({ n: 1 })
    const read = await world.call("devices.relay-read", { device: deviceId(1), query: `device=${deviceId(2)}&after=0` })
    expect(read.json).toEqual({ messages: [{ n: 1, from: "new", body: "QUJD" }] })
    await world.call("devices.relay-send", { device: deviceId(1), body: { deviceId: deviceId(2), body: "REVG" } })
    const back = await world.call("enrol.relay-read", { session, query: "after=1" })
    expect(back.json).toEqual({ messages: [{ n: 2, from: "approver", body: "REVG" }] })

    const bob = await signUp(world, "bob@example.org", 5)
    expect(bob).not.toBe(ada)
    const stranger = world.fake.devices.get("05".repeat(16))
    if (stranger !== undefined) Object.assign(stranger, { state: "active" })
    const none = await world.call("devices.relay-read", { device: deviceId(5), query: `device=${deviceId(2)}&after=0` })
    expect(none.json).toEqual({ messages: [] })
  })
})

describe("a write that arrives twice", () => {
  test("is carried out once and gets its first answer; another body under its key is refused", async () => {
    await signUp(world, "ada@example.org", 1)
    const session = await signIn(world, "ada@example.org", 2)
    await world.call("enrol.start", { body: { device: deviceKeys(2) }, session })
    const send = (body: string, key: string) =>
      world.call("enrol.relay-send", { session, body: { body }, headers: { "idempotency-key": key } })
    const first = await send("QUJD", "req_1")
    const again = await send("QUJD", "req_1")
    expect([first.json, again.json]).toEqual([{ n: 1 }, { n: 1 }])
    expect([first.headers["idempotent-replayed"], again.headers["idempotent-replayed"]]).toEqual([undefined, "true"])
    expect((await send("REVG", "req_1")).json["code"]).toBe("idempotency-mismatch")
    expect((await send("REVG", "req_2")).json).toEqual({ n: 2 })
    const many = await Promise.all(Array.from({ length: 6 }, () => send("R0hJ", "req_3")))
    for (const reply of many) expect([3, "idempotency-in-progress"]).toContain(reply.json["n"] ?? reply.json["code"])
    const { json } = await world.call("enrol.relay-read", { session, query: "after=0" })
    expect(json["messages"]).toHaveLength(3)
  })
})
