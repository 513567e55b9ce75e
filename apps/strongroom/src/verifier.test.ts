import { equalBytes, formatId, utf8 } from "@keyferry/base"
import { makeSigSeed, sigPublicKey } from "@keyferry/crypto"
import type { SignedRequest } from "@keyferry/strongroom-api"
import { afterAll, beforeAll, describe, expect, it } from "vitest"

import {
  bodyBytes,
  codeOf,
  createWorld,
  json,
  makeActive,
  must,
  NO_LIMITS,
  ORIGIN,
  p,
  type Person,
  type Reach,
  random,
  reachOf,
  recoveryKeyId,
  send,
  signRequest,
  type SignOptions,
  signUp,
  type World,
} from "./fixture.ts"
import { coreOnly } from "./fixture-core.ts"
import { createNonces } from "./nonces.ts"

let world: World
let reach: Reach
let person: Person
beforeAll(async () => {
  world = await createWorld(coreOnly)
  reach = reachOf(world)
  person = await signUp(reach)
})
afterAll(() => world.close())

const execute = async (request: SignedRequest, origins: readonly string[] = [ORIGIN]): Promise<string> => {
  const answer = await must(reach.call("execute", { request, limits: NO_LIMITS, origins }))
  return answer.code ?? "ok"
}
const statusRequest = (options: SignOptions = {}): Promise<SignedRequest> =>
  signRequest(
    "account.status",
    person.device.authSeed,
    person.device.deviceId,
    new Uint8Array(),
    reach.nowMs(),
    options,
  )
const codeRequest = (body: Uint8Array, options: SignOptions = {}): Promise<SignedRequest> =>
  signRequest("two-factor.confirm", person.device.authSeed, person.device.deviceId, body, reach.nowMs(), options)
const withHeader = (request: SignedRequest, name: string, change: (value: string) => string): SignedRequest => ({
  ...request,
  headers: request.headers.map(([n, v]) => [n, n === name ? change(v) : v] as const),
})

describe("HTTP signatures", () => {
  it("[HT1] takes exactly the one profile", async () => {
    expect(await execute(await statusRequest())).toBe("ok")
    const mangled: readonly ((value: string) => string)[] = [
      (v) => v.replace("sig1", "sig2"),
      (v) => `${v}, sig2=("@method");created=1;nonce="AAAAAAAAAAAAAAAAAAAAAA";keyid="x";tag="kf1-dev"`,
      (v) => v.replace(`"@method" "@authority"`, `"@authority" "@method"`),
      (v) => v.replace(` "@query"`, ""),
      (v) => v.replace(`("@method"`, `("@method" "@method"`),
      (v) => v.replace(/\(.*\)/, "()"),
      (v) => `${v};alg="hmac-sha256"`,
      (v) => v.replace(/;created=\d+/, ""),
      (v) => v.replace(/;tag="kf1-dev"/, ""),
      () => "",
    ]
    for (const change of mangled)
      expect(await execute(withHeader(await statusRequest(), "signature-input", change))).toBe("signature-invalid")
    for (const change of [(v: string) => `${v}, ${v}`, (v: string) => v.replace("sig1", "sig2"), () => "sig1=:AAAA:"])
      expect(await execute(withHeader(await statusRequest(), "signature", change))).toBe("signature-invalid")
    const request = await statusRequest()
    const first = request.headers[0] ?? (["", ""] as const)
    expect(await execute({ ...request, headers: [...request.headers, first] })).toBe("signature-invalid")
    expect(await execute({ ...request, headers: [...request.headers, ["x-more", "1"]] })).toBe("signature-invalid")
    expect(await execute({ ...request, headers: [] })).toBe("signature-invalid")
  })

  it("[HT1] covers method, path and query", async () => {
    const request = await statusRequest({ query: "after=1" })
    expect(await execute({ ...request, query: "after=2" })).toBe("signature-invalid")
    expect(await execute({ ...request, path: "/api/v1/devices" })).toBe("signature-invalid")
    expect(await execute({ ...request, method: "POST" })).toBe("not-found")
    expect(await execute({ ...request, path: "/api/v1/account/" })).toBe("not-found")
    expect(await execute(request)).toBe("ok")
  })

  it("[HT2] the digest is over the raw body", async () => {
    const body = bodyBytes("two-factor.confirm", { code: "000000" })
    const request = await codeRequest(body)
    expect(await execute({ ...request, body: utf8(`{"code":"000001"}`) })).toBe("signature-invalid")
    expect(await execute({ ...request, body: new Uint8Array() })).toBe("signature-invalid")
    expect(await execute(withHeader(request, "content-digest", () => "sha-256=::"))).toBe("signature-invalid")
    const bodiless = await statusRequest()
    expect(await execute({ ...bodiless, body: utf8("{}") })).toBe("signature-invalid")
    expect(await execute(request)).toBe("second-factor-wrong")
  })

  it("[HT3] the authority is a configured origin's", async () => {
    const request = await statusRequest()
    expect(await execute(request, ["https://other.example.test", ORIGIN])).toBe("ok")
    const elsewhere = await statusRequest({ authority: "evil.example.test" })
    expect(await execute(elsewhere)).toBe("signature-invalid")
    expect(await execute(await statusRequest(), [])).toBe("signature-invalid")
    expect(await execute({ ...elsewhere, authority: "keys.example.test" })).toBe("signature-invalid")
  })

  it("[HT4] is of this minute and of this process", async () => {
    const nowS = Math.floor(reach.nowMs() / 1000)
    for (const createdS of [nowS - 62, nowS + 62]) {
      const request = await statusRequest({ createdS })
      const answer = await must(reach.call("execute", { request, limits: NO_LIMITS, origins: [ORIGIN] }))
      expect([answer.code, answer.status, answer.serverTimeMs]).toEqual(["clock-skew", 401, reach.nowMs()])
    }
    expect(await execute(await statusRequest({ createdS: nowS + 59 }))).toBe("ok")
    // The process of this test started one second ago.
    expect(await execute(await statusRequest({ createdS: nowS - 2 }))).toBe("clock-skew")
  })

  it("[HT5] the key id and the tag are those of the route", async () => {
    expect(await execute(await statusRequest({ tag: "kf1-lease" }))).toBe("signature-invalid")
    expect(await execute(await statusRequest({ tag: "kf1-api" }))).toBe("signature-invalid")
    expect(await execute(await statusRequest({ keyId: recoveryKeyId(person.recPk) }))).toBe("signature-invalid")
    expect(await execute(await statusRequest({ keyId: "dev_aaaa" }))).toBe("signature-invalid")
  })

  it("[HT6] a nonce is taken once, also with another body, and only for a good signature", async () => {
    const nonce = random.bytes(16)
    const request = await statusRequest({ nonce })
    // One of 4096 signatures begins like this by itself.
    const changed = (v: string): string => v.replace(/^sig1=:../, v.startsWith("sig1=:AA") ? "sig1=:BB" : "sig1=:AA")
    expect(await execute(withHeader(request, "signature", changed))).toBe("signature-invalid")
    expect(await execute(request)).toBe("ok")
    expect(await execute(request)).toBe("replay-rejected")
    expect(await execute(await codeRequest(bodyBytes("two-factor.confirm", { code: "111111" }), { nonce }))).toBe(
      "replay-rejected",
    )
  })

  it("[HT6] keeps nonces 130 seconds, and refuses when there is no room", () => {
    const nonces = createNonces(3)
    expect(nonces.take("a", "1", 1_000_000)).toBe("new")
    expect(nonces.take("b", "1", 1_000_001)).toBe("new")
    expect(nonces.take("a", "1", 1_129_999)).toBe("seen")
    expect(nonces.take("a", "2", 1_129_999)).toBe("new")
    expect(nonces.take("a", "3", 1_129_999)).toBe("full")
    // Two generations later the room is free again.
    expect(nonces.take("a", "3", 1_129_999 + 260_001)).toBe("new")
  })

  it("[HT7] verifies under the key of the device named", async () => {
    const stranger = makeSigSeed(random)
    const forged = await signRequest(
      "account.status",
      stranger,
      person.device.deviceId,
      new Uint8Array(),
      reach.nowMs(),
    )
    expect(await execute(forged)).toBe("signature-invalid")
    // The chain key is another key.
    const chainKey = await signRequest(
      "account.status",
      person.device.sigSeed,
      person.device.deviceId,
      new Uint8Array(),
      reach.nowMs(),
    )
    expect(await execute(chainKey)).toBe("signature-invalid")
    const unknown = await signRequest("account.status", stranger, random.bytes(16), new Uint8Array(), reach.nowMs())
    expect(await execute(unknown)).toBe("device-not-enrolled")
  })

  it("[HT8] a kit's key opens recovery and nothing else, and an unknown one answers like a bad signature", async () => {
    const call = (request: SignedRequest): Promise<string> =>
      codeOf(reach.call("recoveryStart", { request, origins: [ORIGIN] }))
    const sign = (
      seed: typeof person.recoverySeed,
      keyId: string,
      route: "recovery.start" | "account.status" = "recovery.start",
    ) =>
      signRequest(route, seed, person.device.deviceId, bodyBytes(route, {}), reach.nowMs(), { keyId, tag: "kf1-rec" })
    const own = recoveryKeyId(person.recPk)
    expect(await call(await sign(person.recoverySeed, own))).toBe("ok")
    const stranger = makeSigSeed(random)
    const strangerPk = await sigPublicKey(p, stranger)
    expect(await call(await sign(stranger, recoveryKeyId(strangerPk)))).toBe("wrong-credentials")
    expect(await call(await sign(stranger, own))).toBe("wrong-credentials")
    expect(await call(await sign(person.recoverySeed, own, "account.status"))).toBe("signature-invalid")
    expect(await execute(await sign(person.recoverySeed, own, "account.status"))).toBe("signature-invalid")
    expect(await execute(await sign(person.recoverySeed, own))).toBe("not-found")
    const replay = await sign(person.recoverySeed, own)
    expect([await call(replay), await call(replay)]).toEqual(["ok", "replay-rejected"])
    const { accountId } = await must(
      reach.call("recoveryStart", { request: await sign(person.recoverySeed, own), origins: [ORIGIN] }),
    )
    expect(equalBytes(accountId, person.accountId)).toBe(true)
  })

  it("[HT9] asks for a fresh factor and password, and for a login when the last is too old", async () => {
    const fresh = await signUp(reach)
    const otpauth = await makeActive(reach, fresh)
    expect(otpauth).toContain("otpauth://totp/Keyferry")
    expect((await send(reach, fresh.device, "two-factor.codes")).status).toBe(200)
    world.clock.add(5 * 60_000 + 1)
    expect((await send(reach, fresh.device, "two-factor.codes")).code).toBe("second-factor-needed")
    expect((await send(reach, fresh.device, "two-factor.disable", { suspendSync: true })).code).toBe("reauth-required")
    expect((await send(reach, fresh.device, "devices.list")).status).toBe(200)
    world.clock.add(31 * 24 * 3_600_000)
    expect((await send(reach, fresh.device, "devices.list")).code).toBe("reauth-required")
    expect((await send(reach, fresh.device, "account.status")).status).toBe(200)
    await world
      .room()
      .ctx.store.transaction((tx) =>
        tx
          .updateTable("device")
          .set({ last_factor_ms: world.clock.nowMs() })
          .where("id", "=", fresh.device.deviceId)
          .execute(),
      )
    expect((await send(reach, fresh.device, "devices.list")).status).toBe(200)
    expect((await send(reach, fresh.device, "two-factor.codes")).status).toBe(200)
    // The password is older than five minutes still.
    expect((await send(reach, fresh.device, "two-factor.disable", { suspendSync: true })).code).toBe("reauth-required")
  })
})

describe("what is executed", () => {
  it("[ST4] is what was signed: the body is parsed here, by the route's own shape", async () => {
    const bad = [
      utf8(`{"code":"123456","extra":1}`),
      utf8(`{"code":123456}`),
      utf8(`{"code":"123456"`),
      utf8(`[]`),
      utf8(`null`),
      new Uint8Array(),
      Uint8Array.of(0xff, 0xfe),
      utf8(`{"__proto__":{"code":"123456"}}`),
    ]
    for (const body of bad) expect(await execute(await codeRequest(body))).toBe("malformed")
    expect(
      await execute(
        await codeRequest(bodyBytes("two-factor.confirm", { code: "1" }), { contentType: "application/cbor" }),
      ),
    ).toBe("malformed")
    const cbor = await signRequest("sync", person.device.authSeed, person.device.deviceId, utf8("{}"), reach.nowMs())
    expect(await execute(cbor)).toBe("device-not-verified")
  })

  it("[ST4] a route of the server is not executed here, and the other way round nothing is authenticated twice", async () => {
    const active = await signUp(reach)
    await makeActive(reach, active)
    const server = await signRequest(
      "activity",
      active.device.authSeed,
      active.device.deviceId,
      new Uint8Array(),
      reach.nowMs(),
    )
    const actor = await must(reach.call("authenticate", { request: server, origins: [ORIGIN] }))
    expect([actor.state, actor.accountUuid]).toEqual(["active", active.accountUuid])
    expect(equalBytes(actor.deviceId, active.device.deviceId)).toBe(true)
    expect(await execute(server)).toBe("replay-rejected")
    const again = await signRequest(
      "activity",
      active.device.authSeed,
      active.device.deviceId,
      new Uint8Array(),
      reach.nowMs(),
    )
    expect(await execute(again)).toBe("not-found")
  })

  it("[ST5] every state answers each refused route with its own code", async () => {
    const device = (await signUp(reach)).device
    const set = (state: string): Promise<unknown> =>
      world
        .room()
        .ctx.store.transaction((tx) =>
          tx.updateTable("device").set({ state }).where("id", "=", device.deviceId).execute(),
        )
    const expected = {
      reserved: "device-not-enrolled",
      pending: "device-not-verified",
      confirmed: "device-not-verified",
      approved: "two-factor-required",
      "lease-locked": "lease-locked",
      retired: "device-retired",
      removed: "device-removed",
      rejected: "device-rejected",
      expired: "device-expired",
    }
    for (const [state, code] of Object.entries(expected)) {
      await set(state)
      const answer = await send(reach, device, "two-factor.check", { kind: "totp", code: "000000" })
      expect([state, answer.code]).toEqual([state, code])
    }
    await set("removed")
    expect(await json(send(reach, device, "account.status"))).toMatchObject({ state: "removed" })
  })

  it("[ST5] a frozen account may look and leave", async () => {
    const other = await signUp(reach)
    await makeActive(reach, other)
    const freeze = (frozen: number): Promise<unknown> =>
      world
        .room()
        .ctx.store.transaction((tx) =>
          tx.updateTable("account").set({ frozen }).where("uuid", "=", other.accountUuid).execute(),
        )
    await freeze(1)
    expect((await send(reach, other.device, "two-factor.codes")).code).toBe("account-frozen")
    expect(await json(send(reach, other.device, "account.status"))).toMatchObject({ frozen: true })
    await freeze(0)
    expect((await send(reach, other.device, "two-factor.codes")).status).toBe(200)
  })

  it("[ST5] while sync is suspended, no vault is served", async () => {
    const other = await signUp(reach)
    await makeActive(reach, other)
    await world
      .room()
      .ctx.store.transaction((tx) =>
        tx.updateTable("account").set({ sync_suspended: 1 }).where("uuid", "=", other.accountUuid).execute(),
      )
    const body = { account: [1, other.chain.head.hash], cursors: [], pushes: [], maxBytes: 1000 }
    expect((await send(reach, other.device, "sync", body)).code).toBe("sync-suspended")
    expect(formatId("dev", other.device.deviceId)).toMatch(/^dev_/)
  })
})
