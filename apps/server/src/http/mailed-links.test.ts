import { bytesToBase64url } from "@keyferry/base"
import { afterEach, beforeEach, describe, expect, test } from "vitest"

import { noTransport } from "../mail/transport.ts"
import { findAccount } from "../store/accounts.ts"
import { FAKE_CODE } from "../testing/fake-strongroom.ts"
import { createWorld, deviceId, deviceKeys, linkToken, signIn, signUp, type World } from "../testing/world.ts"

let world: World
beforeEach(async () => {
  world = await createWorld()
})
afterEach(() => world.close())

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

  // The server learns of what the strongroom answered a moment later; whoever comes in between must not profit.
  for (const first of ["address", "session"] as const)
    test(`[DV22] a freeze by a device holds from its answer on: the ${first} is refused before its event has come`, async () => {
      await signUp(world, "ada@example.org", 1)
      const session = await signIn(world, "ada@example.org", 1)
      const device = world.fake.devices.get("01".repeat(16))
      if (device !== undefined) Object.assign(device, { state: "active", lastFactorMs: world.time.nowMs })
      await world.call("address.start", { device: deviceId(1), body: { address: "eve@example.org" } })
      const asked = (await world.mails()).find((m) => m.to === "eve@example.org")
      world.fake.addEvent({ kind: "account-frozen", accountUuid: [...world.fake.accounts.keys()][0] ?? "" })
      const answer =
        first === "address"
          ? await world.call("address.confirm", { body: { token: linkToken(asked?.body ?? "") } })
          : await world.call("login.second-factor", { session, body: { kind: "totp", code: FAKE_CODE } })
      expect(answer.json["code"]).toBe(first === "address" ? "verify-link-not-valid" : "signed-out")
    })

  test("[DV24] it ends after seven days, and with a thaw", async () => {
    const token = linkToken(await notice())
    const [uuid] = [...world.fake.accounts.keys()]
    // Nobody has told the server of it yet: the press itself must learn it.
    world.fake.addEvent({ kind: "account-thawed", accountUuid: uuid ?? "" })
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
