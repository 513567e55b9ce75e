import { bytesToBase64url } from "@keyferry/base"
import { afterEach, beforeEach, describe, expect, test } from "vitest"

import { noTransport } from "../mail/transport.ts"
import { invite } from "../service/operator.ts"
import { findAccount } from "../store/accounts.ts"
import { FAKE_CODE, FAKE_PASSWORD } from "../testing/fake-strongroom.ts"
import {
  createWorld,
  deviceId,
  deviceKeys,
  finishBody,
  linkToken,
  signIn,
  signUp,
  type World,
} from "../testing/world.ts"

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

describe("the mailed link", () => {
  let token = ""
  let session = ""
  beforeEach(async () => {
    await signUp(world, "ada@example.org", 1)
    session = await signIn(world, "ada@example.org", 2)
    await world.call("enrol.start", { body: { device: deviceKeys(2) }, session })
    token = linkToken((await world.mails())[0]?.body ?? "")
  })

  test("GET, HEAD, an empty POST, a form and a foreign page change nothing", async () => {
    const before = world.fake.devices.size
    for (const method of ["GET", "HEAD"] as const)
      expect((await world.app.inject({ method, url: "/v/", headers: { host: "localhost:8420" } })).statusCode).toBe(200)
    const url = "/api/v1/confirm"
    const payload = JSON.stringify({ token, code: FAKE_CODE })
    for (const attempt of [
      { method: "POST", url },
      { method: "POST", url, payload: "", headers: { "content-type": "application/json" } },
      {
        method: "POST",
        url,
        payload: `token=${token}&code=${FAKE_CODE}`,
        headers: { "content-type": "application/x-www-form-urlencoded" },
      },
      { method: "POST", url, payload, headers: { "content-type": "text/plain" } },
      { method: "POST", url, payload, headers: { "content-type": "application/json", "sec-fetch-site": "cross-site" } },
      { method: "GET", url: `${url}?token=${token}&code=${FAKE_CODE}` },
      { method: "POST", url, payload: JSON.stringify({ token }), headers: { "content-type": "application/json" } },
    ] as const) {
      const reply = await world.app.inject(attempt)
      expect(reply.statusCode).toBeGreaterThanOrEqual(400)
    }
    expect(world.fake.devices.size).toBe(before)
    expect(world.fake.calls).not.toContain("confirmCode")
    expect((await world.call("enrol.state", { session })).json["state"]).toBe("pending")
  })

  test("its page is neutral about why a link fails", async () => {
    const body = { token: bytesToBase64url(new Uint8Array(32)), code: FAKE_CODE }
    await world.call("confirm.code", { body: { token, code: FAKE_CODE } })
    const answers = [
      await world.call("confirm.code", { body: { token, code: FAKE_CODE } }),
      await world.call("confirm.code", { body }),
      await world.call("confirm.describe", { body: { token: body.token } }),
      await world.call("confirm.deny", { body: { token: "short" } }),
    ]
    expect(answers.map((a) => a.json["code"])).toEqual(Array(4).fill("verify-link-not-valid"))
  })

  test("it holds the configured origin, whatever a request calls this server", async () => {
    await world.call("enrol.mail", { session, headers: { host: "evil.example", "x-forwarded-host": "evil.example" } })
    const bodies = (await world.mails()).map((m) => m.body).join()
    expect(bodies).not.toContain("evil")
    expect(bodies).toContain("http://localhost:8420/v/#")
  })

  test("five mails an hour for one account", async () => {
    const codes = []
    for (let i = 0; i < 6; i++) codes.push((await world.call("enrol.mail", { session })).json["code"])
    expect(codes).toEqual([undefined, undefined, undefined, undefined, "rate-limited", "rate-limited"])
    world.time.nowMs += 3_600_000
    expect((await world.call("enrol.mail", { session })).status).toBe(200)
  })

  test("a queued mail keeps its link only until it has left", async () => {
    const rows = await world.context.store.read((db) => db.selectFrom("mail").select(["fields", "state"]).execute())
    expect(rows.every((r) => r.state === "sent" && r.fields === "{}")).toBe(true)
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

describe("the freeze link of a security mail", () => {
  const notice = async (): Promise<string> => {
    await signUp(world, "ada@example.org", 1)
    const session = await signIn(world, "ada@example.org", 1)
    await world.call("login.second-factor-reset", { session, body: {} })
    const mail = (await world.mails()).find((m) => m.subject.includes("factor reset requested"))
    return mail?.body ?? ""
  }

  test("[DV24] opening its page changes nothing; pressing its button freezes, twice the same, and nothing else", async () => {
    const body = await notice()
    expect(body).toContain("/freeze/#")
    const token = linkToken(body)
    for (const method of ["GET", "HEAD"] as const)
      expect((await world.app.inject({ method, url: "/freeze/" })).statusCode).toBe(200)
    for (const payload of ["", "token=" + token])
      expect((await world.app.inject({ method: "POST", url: "/api/v1/freeze", payload })).statusCode).toBe(400)
    expect(world.fake.frozen.size).toBe(0)
    // It is no link of another page, nor the other way round.
    expect((await world.call("confirm.code", { body: { token, code: FAKE_CODE } })).json["code"]).toBe(
      "verify-link-not-valid",
    )
    expect((await world.call("address.confirm", { body: { token } })).json["code"]).toBe("verify-link-not-valid")
    expect((await world.call("freeze.link", { body: { token: "A".repeat(43) } })).json["code"]).toBe(
      "verify-link-not-valid",
    )
    expect((await world.call("freeze.link", { body: { token } })).json).toEqual({ frozen: true })
    expect((await world.call("freeze.link", { body: { token } })).json).toEqual({ frozen: true })
    expect(world.fake.frozen.size).toBe(1)
  })

  test("[DV22] freezing ends every session and an address that waits to be confirmed", async () => {
    const token = linkToken(await notice())
    const session = await signIn(world, "ada@example.org", 1)
    const device = world.fake.devices.get("01".repeat(16))
    if (device !== undefined) Object.assign(device, { state: "active", lastFactorMs: world.time.nowMs })
    await world.call("address.start", { device: deviceId(1), body: { address: "eve@example.org" } })
    const asked = (await world.mails()).find((m) => m.to === "eve@example.org")
    await world.call("freeze.link", { body: { token } })
    const factor = { session, body: { kind: "totp", code: FAKE_CODE } }
    expect((await world.call("login.second-factor", factor)).json["code"]).toBe("signed-out")
    const change = linkToken(asked?.body ?? "")
    expect((await world.call("address.confirm", { body: { token: change } })).json["code"]).toBe(
      "verify-link-not-valid",
    )
  })

  test("[DV24] it ends after seven days, and with a thaw", async () => {
    const token = linkToken(await notice())
    const [uuid] = [...world.fake.accounts.keys()]
    world.fake.addEvent({ kind: "account-thawed", accountUuid: uuid ?? "" })
    await world.context.events.catchUp()
    expect((await world.call("freeze.link", { body: { token } })).json["code"]).toBe("verify-link-not-valid")
    const newer = (await world.mails()).find((m) => m.subject.includes("account thawed"))
    world.time.nowMs += 7 * 24 * 3_600_000
    expect((await world.call("freeze.link", { body: { token: linkToken(newer?.body ?? "") } })).json["code"]).toBe(
      "verify-link-not-valid",
    )
  })
})

describe("change of address", () => {
  const active = (lastFactorMs: number): void => {
    const device = world.fake.devices.get("01".repeat(16))
    if (device !== undefined) Object.assign(device, { state: "active", lastFactorMs })
  }
  test("[mail-not-deliverable] without mail an address cannot be changed, and the answer says so", async () => {
    await signUp(world, "ada@example.org", 1)
    active(world.time.nowMs)
    const mute = await createWorld({ transport: noTransport, fake: world.fake, time: world.time })
    const asked = { device: deviceId(1), body: { address: "ada@new.example" } }
    expect((await mute.call("address.start", asked)).json["code"]).toBe("mail-not-deliverable")
    await mute.close()
  })
  test("needs a fresh factor, the new mailbox, and tells the old one", async () => {
    const uuid = await signUp(world, "ada@example.org", 1)
    active(world.time.nowMs - 300_001)
    const body = { address: "ada@new.example" }
    expect((await world.call("address.start", { device: deviceId(1), body })).json["code"]).toBe("second-factor-needed")
    active(world.time.nowMs)
    expect((await world.call("address.start", { device: deviceId(1), body })).json).toEqual({ mail: "queued" })
    const mails = await world.mails()
    expect(mails.map((m) => m.to).toSorted()).toEqual(["ada@example.org", "ada@new.example"])
    const token = linkToken(mails.find((m) => m.to === "ada@new.example")?.body ?? "")
    expect((await world.call("address.confirm", { body: { token } })).json).toEqual({ address: "ada@new.example" })
    expect((await world.call("address.confirm", { body: { token } })).json["code"]).toBe("verify-link-not-valid")
    expect((await world.context.store.read((db) => findAccount(db, uuid)))?.address).toBe("ada@new.example")
    const told = (await world.mails()).find((m) => m.subject === "Security notice: address changed")
    expect(told?.to).toBe("ada@example.org")
    const lines = await world.call("activity", { device: deviceId(1) })
    expect(JSON.stringify(lines.json)).toContain("address-changed")
    expect(JSON.stringify(lines.json)).not.toContain("new.example")
  })
})
