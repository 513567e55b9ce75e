import { bytesToBase64url, formatId, utf8 } from "@keyferry/base"
import { type Route, type RouteName, routes, syncRequestStruct } from "@keyferry/protocol"
import { afterAll, beforeAll, describe, expect, test } from "vitest"

import { enrolRaw, levelTwo, makeIntruder } from "../world/intruder.ts"
import { deploymentOf, tokenOf } from "../world/password-client.ts"
import {
  buildRequest,
  type Identity,
  identityOf,
  knock,
  randomBytes,
  type RawRequest,
  sendRaw,
  stealFrom,
} from "../world/raw-client.ts"
import { type AttackWorld, createAttackWorld, login, must, type Settled, settleAccount } from "../world/world.ts"

/*
 * Requests themselves: recorded, changed, sent again, sent by a page of another site, or with more in them than there should be.
 */
let world: AttackWorld
let a: Settled
let device: Identity
const all = Object.keys(routes) as RouteName[]
const emptySync = syncRequestStruct.encode({ account: [0, new Uint8Array(32)], cursors: [], pushes: [], maxBytes: 1e6 })

beforeAll(async () => {
  world = await createAttackWorld()
  a = await settleAccount(world)
  must(await a.device.kf.add(login("one")))
  must(await a.device.kf.syncNow())
  device = identityOf(await stealFrom(a.device.folder))
})
afterAll(() => world.close())

describe("AU-14", () => {
  test("AU-14 web page of another site: no route of this server answers its forms, fetches or navigations", async () => {
    for (const name of all) {
      const route: Route = routes[name]
      if (route.method !== "POST") continue
      const body = route.body === "cbor" ? emptySync : utf8("{}")
      for (const headers of [
        { "sec-fetch-site": "cross-site" },
        { "sec-fetch-site": "same-site" },
        { origin: "https://evil.example", "sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors" },
        // What a form can send: no other content type than these, and it cannot sign.
        { "content-type": "application/x-www-form-urlencoded" },
        { "content-type": "multipart/form-data; boundary=x" },
        { "content-type": "text/plain" },
        { "content-type": "text/plain; application/json" },
      ]) {
        const reply = await knock(world.origin(), name, { body, headers: headers })
        expect([name, headers, reply.status >= 400]).toEqual([name, headers, true])
        expect(["not-allowed", "malformed"]).toContain(reply.code)
      }
    }
    // No page of another origin is ever told that it may read an answer.
    const preflight = await fetch(`${world.origin()}/api/v1/login/start`, {
      method: "OPTIONS",
      headers: { origin: "https://evil.example", "access-control-request-method": "POST" },
    })
    expect([preflight.status, preflight.headers.get("access-control-allow-origin")]).toEqual([404, null])
  })

  test("X-52 web page: what the server shows itself runs no script of others, is not framed, and takes no form", async () => {
    for (const path of ["/", "/v/", "/address/", "/setup", "/errors"]) {
      const reply = await fetch(`${world.origin()}${path}`)
      const policy = reply.headers.get("content-security-policy") ?? ""
      for (const rule of ["default-src 'none'", "form-action 'none'", "frame-ancestors 'none'", "base-uri 'none'"])
        expect([path, policy.includes(rule)]).toEqual([path, true])
      expect(policy).not.toContain("unsafe")
      expect(reply.headers.get("x-content-type-options")).toBe("nosniff")
      expect(reply.headers.get("referrer-policy")).toBe("no-referrer")
      expect(reply.headers.get("set-cookie")).toBeNull()
    }
    // The development mailbox is for this machine: not for a name that points at it, and not through a proxy.
    const { request } = await import("node:http")
    const ask = (headers: Record<string, string>): Promise<number> =>
      new Promise((resolve) =>
        request({ host: "127.0.0.1", port: new URL(world.origin()).port, path: "/dev/mailbox.json", headers }, (r) =>
          resolve(r.statusCode ?? 0),
        ).end(),
      )
    expect(await ask({ host: "rebound.evil.example" })).toBe(404)
    expect(await ask({ host: new URL(world.origin()).host, "x-forwarded-for": "203.0.113.9" })).toBe(404)
    expect(await ask({ host: new URL(world.origin()).host })).toBe(200)
  })
})

describe("recorded requests", () => {
  const as = (): RawRequest => ({ as: device, nowMs: world.nowMs() })

  test("X-53 network: a signed request is good once: at once, in a minute, after a restart it is refused", async () => {
    const wire = await buildRequest(world.origin(), "sync", { ...as(), body: emptySync })
    expect((await sendRaw(world.origin(), wire)).status).toBe(200)
    expect((await sendRaw(world.origin(), wire)).code).toBe("replay-rejected")
    const many = await buildRequest(world.origin(), "account.status", as())
    const replies = await Promise.all(Array.from({ length: 20 }, () => sendRaw(world.origin(), many)))
    expect(replies.filter((r) => r.status === 200)).toHaveLength(1)
    const held = await buildRequest(world.origin(), "account.status", as())
    await world.kill()
    await world.start()
    expect((await sendRaw(world.origin(), held)).code).toBe("clock-skew")
    const late = await buildRequest(world.origin(), "account.status", as())
    world.advance(61_000)
    expect((await sendRaw(world.origin(), late)).code).toBe("clock-skew")
  })

  test("X-54 network: a signature is over this method, host, path, query and body, and over nothing that is not there", async () => {
    const refusals: readonly (readonly [string, RawRequest])[] = [
      [
        "another body",
        {
          body: syncRequestStruct.encode({ account: [1, new Uint8Array(32)], cursors: [], pushes: [], maxBytes: 1 }),
          signedBody: emptySync,
        },
      ],
      ["another path", { body: emptySync, path: "/api/v1/bootstrap" }],
      ["another query", { body: emptySync, path: "/api/v1/sync?after=1" }],
      ["another host", { body: emptySync, authority: "keys.evil.example" }],
      ["another method", { body: emptySync, method: "PUT" }],
      ["of tomorrow", { body: emptySync, createdS: Math.floor(world.nowMs() / 1000) + 86_400 }],
      ["of yesterday", { body: emptySync, createdS: Math.floor(world.nowMs() / 1000) - 86_400 }],
      ["for a lease", { body: emptySync, tag: "kf1-lease" }],
      ["for a kit", { body: emptySync, tag: "kf1-rec" }],
      ["a short nonce", { body: emptySync, nonce: randomBytes(8) }],
      ["no content type", { body: emptySync, headers: { "content-type": "" } }],
      ["another idempotency key", { body: emptySync, headers: { "idempotency-key": "another" } }],
      ["another digest", { body: emptySync, headers: { "content-digest": "sha-256=:AAAA:" } }],
    ]
    for (const [what, options] of refusals) {
      const reply = await knock(world.origin(), "sync", { ...as(), ...options })
      expect([what, [400, 401, 404].includes(reply.status)]).toEqual([what, true])
    }
    const good = await buildRequest(world.origin(), "sync", { ...as(), body: emptySync })
    const input = String(good.headers["signature-input"])
    const value = String(good.headers["signature"])
    for (const [what, headers] of [
      [
        "a second label",
        { "signature-input": `${input}, sig2=("@method");created=1;keyid="x"`, signature: `${value}, sig2=:AAAA:` },
      ],
      ["another label", { "signature-input": input.replace("sig1", "sig2"), signature: value.replace("sig1", "sig2") }],
      ["no components", { "signature-input": input.replace(/\(.*\)/, "()") }],
      ["fewer components", { "signature-input": input.replace(' "content-digest"', "") }],
      ["another order", { "signature-input": input.replace('"@method" "@authority"', '"@authority" "@method"') }],
      ["one component twice", { "signature-input": input.replace('"@method"', '"@method" "@method"') }],
      ["an algorithm", { "signature-input": `${input};alg="none"` }],
      ["an expiry", { "signature-input": `${input};expires=9999999999` }],
      [
        "another key",
        { "signature-input": input.replace(/keyid="[^"]*"/, `keyid="${formatId("dev", randomBytes(16))}"`) },
      ],
      ["the header twice", { "signature-input": [input, input] }],
      ["the signature twice", { signature: [value, value] }],
      [
        "the digest twice",
        { "content-digest": [String(good.headers["content-digest"]), String(good.headers["content-digest"])] },
      ],
      ["upper case", { "signature-input": input.toUpperCase() }],
      ["blanks", { "signature-input": ` ${input}  ` }],
    ] as const) {
      const fresh = await buildRequest(world.origin(), "sync", { ...as(), body: emptySync })
      const reply = await sendRaw(world.origin(), {
        ...fresh,
        headers: { ...good.headers, ...headers },
      })
      if (what === "blanks") expect([200, 401]).toContain(reply.status)
      else expect([what, reply.status >= 400]).toEqual([what, true])
    }
  })

  test("X-55 network: a request that is cut, too long, chunked without end or compressed does not reach a handler", async () => {
    const wire = await buildRequest(world.origin(), "sync", { ...as(), body: emptySync })
    expect(
      (await sendRaw(world.origin(), { ...wire, headers: { ...wire.headers, "content-encoding": "gzip" } })).status,
    ).toBeLessThan(500)
    const big = await sendRaw(world.origin(), { ...wire, body: new Uint8Array(6 * 1024 * 1024) }).catch(() => ({
      status: 413,
    }))
    expect([400, 413]).toContain(big.status)
    const json = await sendRaw(
      world.origin(),
      await buildRequest(world.origin(), "login.start", {
        body: utf8(JSON.stringify({ address: "a".repeat(70_000), startLoginRequest: "" })),
      }),
    )
    expect(json.code).toBe("too-large")
    const deep = utf8(`${"[".repeat(30_000)}${"]".repeat(30_000)}`)
    expect((await knock(world.origin(), "login.start", { body: deep })).code).toBe("malformed")
    expect((await fetch(`${world.origin()}/readyz`)).status).toBe(200)
  })
})

describe("AZ-06", () => {
  const MORE = {
    role: "owner",
    user_id: "1",
    accountUuid: "00000000-0000-4000-8000-000000000000",
    approved_at: 1,
    state: "active",
    generation: 9,
    level: 3,
    devices: 99,
    __proto__x: 1,
    constructor: { prototype: { admin: true } },
  }

  test("AZ-06 device or outsider: one property more than the schema knows, at any depth, refuses the request", async () => {
    const deployment = await deploymentOf(world.origin())
    const intruder = await makeIntruder()
    const session = await levelTwo(world, deployment, intruder, a)
    const bodies: readonly (readonly [RouteName, object, RawRequest])[] = [
      [
        "signup.start",
        { invitation: "", address: "a@example.org", registrationRequest: "AAAA", device: intruder.device },
        {},
      ],
      ["login.start", { address: "a@example.org", startLoginRequest: "AAAA" }, {}],
      ["login.finish", { loginId: "x", finishLoginRequest: "AAAA", authPk: "AAAA", binding: "AAAA" }, {}],
      ["enrol.start", { device: intruder.device }, { session }],
      ["enrol.mail", {}, { session }],
      ["enrol.relay-send", { body: "AAAA" }, { session }],
      ["confirm.code", { token: bytesToBase64url(randomBytes(32)), code: "123456" }, {}],
      ["devices.deny", { deviceId: formatId("dev", randomBytes(16)) }, { as: device, nowMs: world.nowMs() }],
      ["two-factor.check", { kind: "totp", code: "123456" }, { as: device, nowMs: world.nowMs() }],
      ["two-factor.disable", { suspendSync: true }, { as: device, nowMs: world.nowMs() }],
      [
        "lease.evaluate",
        { leaseId: formatId("lea", randomBytes(16)), blinded: "AAAA" },
        { as: device, nowMs: world.nowMs() },
      ],
      [
        "device.retire",
        { seq: 1, head: "AAAA", signature: "AAAA", lastDeviceConfirmed: true },
        { as: device, nowMs: world.nowMs() },
      ],
    ]
    for (const [name, body, options] of bodies)
      for (const [key, value] of Object.entries(MORE)) {
        const reply = await knock(world.origin(), name, {
          ...options,
          body: { ...body, [key]: value },
          nowMs: world.nowMs(),
        })
        // Routes that ask for a fresh factor say that first.
        expect([name, key, ["malformed", "second-factor-needed", "reauth-required"].includes(reply.code)]).toEqual([
          name,
          key,
          true,
        ])
        if ("device" in body) {
          const nested = await knock(world.origin(), name, {
            ...options,
            body: { ...body, device: { ...(body.device as object), [key]: value } },
            nowMs: world.nowMs(),
          })
          expect([name, key, nested.code]).toEqual([name, key, "malformed"])
        }
      }
    // Also inside CBOR, where keys are numbers.
    const extra = Uint8Array.from([0xa5, ...emptySync.subarray(1), 0x09, 0x01])
    expect((await knock(world.origin(), "sync", { as: device, nowMs: world.nowMs(), body: extra })).code).toBe(
      "malformed",
    )
  })

  test("X-56 unapproved device: it cannot raise itself: levels, states and ids that it writes into its requests are nobody's", async () => {
    const deployment = await deploymentOf(world.origin())
    const intruder = await makeIntruder()
    const session = await levelTwo(world, deployment, intruder, a)
    const enrolled = await enrolRaw(world, intruder, session)
    expect(enrolled.json["state"]).toBe("pending")
    for (const headers of [
      { "x-level": "3" },
      { "x-account": "1" },
      { authorization: [`Bearer ${session}`, "Bearer x"] },
      { cookie: `session=${session}` },
    ])
      expect(
        (
          await knock(world.origin(), "enrol.chain", {
            as: intruder.identity,
            nowMs: world.nowMs(),
            headers: headers,
          })
        ).status,
      ).toBeGreaterThanOrEqual(401)
    expect(tokenOf(await knock(world.origin(), "enrol.state", { session }))).toBe("")
  })
})
