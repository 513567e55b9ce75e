import { type RouteName, type Route, routes, syncRequestStruct } from "@keyferry/protocol"
import { afterAll, beforeAll, describe, expect, test } from "vitest"

import {
  createWorld,
  deviceId,
  deviceKeys,
  linkToken,
  type Reply,
  signIn,
  signUp,
  type World,
} from "../testing/world.ts"
import { FAKE_CODE } from "../testing/fake-strongroom.ts"

/*
 * Knocks on every door of the route table as everybody, and compares with what the table declares. The body is empty on
 * purpose: whoever may pass gets as far as `malformed` or the strongroom, everybody else is refused before.
 */
let world: World
const sessions: Record<number, string> = {}
beforeAll(async () => {
  world = await createWorld()
  await signUp(world, "ada@example.org", 1)
  sessions[1] = await signIn(world, "ada@example.org", 2, 1)
  sessions[2] = await signIn(world, "ada@example.org", 3, 2)
  await world.call("enrol.start", { body: { device: deviceKeys(3) }, session: sessions[2] })
  const third = await signIn(world, "ada@example.org", 4, 2)
  await world.call("enrol.start", { body: { device: deviceKeys(4) }, session: third })
  const token = linkToken((await world.mails())[0]?.body ?? "")
  await world.call("confirm.code", { body: { token, code: FAKE_CODE } })
  sessions[3] = (await world.call("enrol.state", { session: third })).text("session", "token")
  if (sessions[3] === "") throw new Error("no session at level 3")
})
afterAll(() => world.close())

let network = 0
const knock = (name: RouteName, who: { session?: string | undefined; device?: number }): Promise<Reply> => {
  const cbor = syncRequestStruct.encode({ account: [0, new Uint8Array(32)], cursors: [], pushes: [], maxBytes: 0 })
  network++
  return world.call(name, {
    body: routes[name].body === "cbor" ? cbor : {},
    session: who.session,
    ...(who.device === undefined ? {} : { device: deviceId(who.device) }),
    from: `192.0.2.${network % 250}`,
  })
}
const NEEDED: Readonly<Record<string, number>> = { session1: 1, session2: 2, session3: 3 }
const REFUSAL = ["signed-out", "second-factor-needed", "device-not-verified"]
const STATES = [
  "pending",
  "pending-first",
  "confirmed",
  "active",
  "lease-locked",
  "removed",
  "retired",
  "rejected",
  "expired",
]

const all = Object.keys(routes) as RouteName[]
const byActor = (...actors: readonly Route["actor"][]): RouteName[] =>
  all.filter((name) => actors.includes(routes[name].actor))

test("every route is behind one of these doors", () => {
  const known = byActor("public", "session1", "session2", "session3", "reserved", "device", "recovery")
  expect(known.toSorted()).toEqual(all.toSorted())
})

describe.each(byActor("session1", "session2", "session3"))("%s", (name) => {
  const needed = NEEDED[routes[name].actor] ?? 0
  test.each([0, 1, 2, 3])(`passes from level ${needed} on: level %i`, async (level) => {
    const reply = await knock(name, { session: sessions[level], ...(needed === 3 ? { device: 4 } : {}) })
    if (level >= needed) expect(REFUSAL).not.toContain(reply.json["code"])
    else {
      expect(reply.status).toBeGreaterThanOrEqual(401)
      expect(reply.json["code"]).toBe(REFUSAL[level])
    }
  })
})

describe.each(byActor("device", "reserved"))("%s", (name) => {
  test("neither nobody nor a session opens it", async () => {
    for (const session of [undefined, sessions[1], sessions[2], sessions[3]]) {
      const before = world.fake.calls.length
      const reply = await knock(name, { session })
      expect(reply.status).toBeGreaterThanOrEqual(400)
      // Only the verifier was asked, if anybody.
      expect(world.fake.calls.slice(before).every((call) => ["authenticate", "execute"].includes(call))).toBe(true)
    }
  })
})

// The state of a device that signs up is judged in the strongroom, behind the invitation that this server judges first.
describe.each(byActor("device"))("%s", (name) => {
  const { states, reply: form }: Route = routes[name]
  const tried = STATES.filter((state) => form !== "stream" || !states.includes(state as never))
  test.each(tried)("in state %s it passes exactly if the table says so", async (state) => {
    const device = world.fake.devices.get("01".repeat(16)) ?? {}
    Object.assign(device, { state, lastFactorMs: world.time.nowMs, lastPasswordMs: world.time.nowMs })
    const reply = await knock(name, { device: 1 })
    expect([401, 403].includes(reply.status)).toBe(!states.includes(state as never))
  })
})

describe.each(byActor("recovery"))("%s", (name) => {
  test("the key of the kit is judged by the strongroom alone", async () => {
    const before = world.fake.calls.length
    await knock(name, { device: 1 })
    expect(world.fake.calls.slice(before)).toEqual(["recoveryStart"])
  })
})

describe.each(byActor("public"))("%s", (name) => {
  test("is open, and says malformed to an empty body", async () => {
    expect((await knock(name, {})).json["code"]).toBe("malformed")
  })
})

describe("form", () => {
  test.each([
    ["another content type", "text/plain", '{"address":"a@b","startLoginRequest":""}', "malformed"],
    ["no JSON", "application/json", "{", "malformed"],
    ["bytes that are no text", "application/json", "\ud800", "malformed"],
    [
      "an unknown property",
      "application/json",
      '{"address":"a@b","startLoginRequest":"","role":"operator"}',
      "malformed",
    ],
    ["a wrong type", "application/json", '{"address":1,"startLoginRequest":""}', "malformed"],
    ["more than 64 KiB", "application/json", `{"address":"${"a".repeat(70_000)}"}`, "too-large"],
  ])("%s is refused with its code", async (_, type, payload, code) => {
    const url = routes["login.start"].path
    const reply = await world.app.inject({ method: "POST", url, payload, headers: { "content-type": type } })
    const body = JSON.parse(reply.body) as Record<string, unknown>
    expect(body["code"]).toBe(code)
    expect(reply.headers["content-type"]).toBe("application/problem+json")
    expect(reply.body).not.toContain("operator")
  })

  test("a program of another protocol version is told so", async () => {
    const headers = { "keyferry-client": "kf/9.0.0 protocol/9" }
    const reply = await world.call("login.start", { body: { address: "a@b", startLoginRequest: "" }, headers })
    expect([reply.status, reply.json["code"]]).toEqual([426, "unsupported-version"])
  })

  test("an unknown path and a wrong method are problems too, and nothing is cached", async () => {
    for (const [method, url] of [
      ["GET", "/api/v1/none"],
      ["POST", "/api/v1/enrol/chain"],
      ["PUT", "/"],
    ] as const) {
      const reply = await world.app.inject({ method, url })
      expect(reply.statusCode).toBe(404)
      expect(JSON.parse(reply.body)).toMatchObject({ code: "not-found", status: 404 })
      expect(reply.headers["cache-control"]).toBe("no-store")
      expect(reply.headers["x-request-id"]).toMatch(/^req_/)
    }
  })

  test("a defect answers 500 with a request id and without its text", async () => {
    world.fake.failNext("loginStart", { code: "internal" })
    const body = { address: "a@b.example", startLoginRequest: "AAAA" }
    const reply = await world.call("login.start", { body, from: "198.51.100.9" })
    expect(reply.status).toBe(500)
    expect(reply.json).toMatchObject({ code: "internal", retryable: true })
  })

  test.each([
    ["activity", "authenticate"],
    ["lease.evaluate", "execute"],
    ["feed", "execute"],
  ] as const)("[HT4] a wrong clock is told the time of the strongroom, not of this server: %s", async (name, call) => {
    const serverTimeMs = world.time.nowMs + 617
    world.fake.failNext(call, { code: "clock-skew", serverTimeMs })
    const reply = await knock(name, { device: 1 })
    expect(reply.json).toMatchObject({ code: "clock-skew", serverTimeMs })
  })

  test("the strongroom away answers 503 with a time to come back", async () => {
    world.fake.failNext("loginStart", { code: "strongroom-unavailable", retryAfterS: 5 })
    const body = { address: "a@b.example", startLoginRequest: "AAAA" }
    const reply = await world.call("login.start", { body, from: "198.51.100.8" })
    expect([reply.status, reply.headers["retry-after"], reply.json["retryAfter"]]).toEqual([503, "5", 5])
  })

  test("one network has its limit, says so, and others are not affected", async () => {
    const body = { address: "limit@example.org", startLoginRequest: "AAAA" }
    const codes = []
    for (let i = 0; i < 22; i++)
      codes.push(
        (await world.call("login.start", { body: { ...body, address: `${i}@x.org` }, from: "203.0.113.1" })).json[
          "code"
        ],
      )
    expect(codes.indexOf("rate-limited")).toBe(20)
    const other = await world.call("login.start", { body, from: "203.0.113.2" })
    expect(other.status).toBe(200)
    expect(other.headers["ratelimit-policy"]).toMatch(/^"default";q=\d+;w=60$/)
    const refused = await world.call("login.start", { body, from: "203.0.113.1" })
    expect(Number(refused.headers["retry-after"])).toBeGreaterThan(0)
  })

  test("one address has its limit from everywhere, and a known device is not locked out by it", async () => {
    const active = world.fake.devices.get("01".repeat(16))
    if (active !== undefined) active.state = "active"
    world.fake.addEvent({
      kind: "device-active",
      accountUuid: active?.accountUuid ?? "",
      deviceId: new Uint8Array(16).fill(1),
    })
    await world.context.events.catchUp()
    const body = { address: "ada@example.org", startLoginRequest: "AAAA" }
    let last: Reply | undefined
    for (let i = 0; i < 25; i++) last = await world.call("login.start", { body, from: `198.18.0.${i}` })
    expect(last?.json["code"]).toBe("rate-limited")
    const stranger = await world.call("login.start", { body: { ...body, deviceId: deviceId(9) }, from: "198.18.1.1" })
    expect(stranger.json["code"]).toBe("rate-limited")
    const known = await world.call("login.start", { body: { ...body, deviceId: deviceId(1) }, from: "198.18.1.2" })
    expect(known.status).toBe(200)
  })
})

test("no line of the log holds an address, a token, a code or a network", () => {
  const log = world.logged()
  expect(log).toContain('"route":"/api/v1/login/start"')
  for (const secret of [
    "ada@",
    "example.org",
    FAKE_CODE,
    "198.18.",
    "192.0.2.",
    sessions[1] ?? "?",
    sessions[2] ?? "?",
  ])
    expect(log).not.toContain(secret)
})
