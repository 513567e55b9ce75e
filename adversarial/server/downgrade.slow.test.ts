import { bytesToBase64url, bytesToHex, utf8, utf8ToText } from "@keyferry/base"
import type { HttpReply } from "@keyferry/sdk"
import { bootstrapReplyStruct } from "@keyferry/protocol"
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest"

import { inCbor, inJson, jsonReply, problem } from "../world/hostile-server.ts"
import { randomBytes } from "../world/raw-client.ts"
import {
  ADDRESS,
  type AttackedDevice,
  type AttackWorld,
  codeOf,
  createAttackWorld,
  enrolByKit,
  enrolUpToKeys,
  login,
  must,
  PASSWORD,
  type Settled,
  settleAccount,
  titlesOf,
} from "../world/world.ts"

/*
 * A server that asks for less: weaker passwords, older formats, other identities, features switched off, and answers that
 * are no answers at all.
 */
let world: AttackWorld
let a: Settled
let n = 0

beforeAll(async () => {
  world = await createAttackWorld()
  a = await settleAccount(world)
  must(await a.device.kf.add(login("one")))
  must(await a.device.kf.syncNow())
})
afterEach(() => a.device.server.honest())
afterAll(() => world.close())

const withMore =
  (more: Readonly<Record<string, unknown>>) =>
  (reply: HttpReply): HttpReply => {
    if (!reply.contentType.includes("json")) return reply
    const value: unknown = JSON.parse(utf8ToText(reply.body) ?? "null")
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? { ...reply, body: utf8(JSON.stringify({ ...value, ...more })) }
      : reply
  }

describe("hints", () => {
  const HINTS = {
    kdf: "pbkdf2",
    iterations: 1,
    memory: 1,
    parallelism: 1,
    algorithm: "md5",
    salt: "AAAA",
    keyStretching: "identity",
    suite: 0,
    minSuite: 0,
  }

  test("DG-01 hostile server: hints about the password hash are not read; signing in costs the memory that it costs", async () => {
    const device = await world.device(`d${n++}`)
    device.server.rewriteAll(withMore(HINTS))
    // 64 MiB are allocated for every Argon2id run, whatever the server says.
    const before = process.memoryUsage().arrayBuffers + process.memoryUsage().external + process.memoryUsage().rss
    let peak = 0
    const watch = setInterval(() => {
      peak = Math.max(peak, process.memoryUsage().rss)
    }, 1)
    const started = performance.now()
    must(
      await device.kf.loginStart({ server: world.origin(), address: ADDRESS, password: PASSWORD, deviceName: "Desk" }),
    )
    const tookMs = performance.now() - started
    clearInterval(watch)
    expect(before).toBeGreaterThan(0)
    // One OPAQUE run and one of the local store, each far above what a single iteration over a kilobyte takes.
    expect(tookMs).toBeGreaterThan(60)
    const sent = device.server
      .exchanges()
      .map((e) => utf8ToText(e.request.body ?? new Uint8Array()) ?? "")
      .join("\n")
    // With its quotes, as a name stands in JSON: three letters alone are among random ones sooner or later.
    expect(sent).toContain('"address"')
    for (const hint of Object.keys(HINTS)) expect(sent).not.toContain(`"${hint}"`)
    expect(peak).toBeGreaterThan(0)
  })

  test("KY-01 hostile server: flags of policy, membership and recovery that it adds to its answers are no input, and no wrap is made for anybody", async () => {
    const FLAGS = {
      auto_enrol: true,
      autoEnrol: true,
      reset_password: true,
      admins: ["evil"],
      recovery: ["evil"],
      escrow: true,
      recipients: [bytesToBase64url(randomBytes(1216))],
      force_enrolment: true,
      trusted_server: true,
    }
    const device = await world.device(`d${n++}`)
    device.server.rewriteAll(withMore(FLAGS))
    await enrolByKit(world, device, a)
    must(await device.kf.add(login("two")))
    must(await device.kf.syncNow())
    const appended = device.server.requestsTo("enrol.append")
    // One link, one wrap: for this device.
    expect(appended).toHaveLength(1)
    expect(device.server.requestsTo("account.append")).toEqual([])
    for (const flag of Object.keys(FLAGS)) expect(Buffer.from(device.server.sentBytes()).includes(flag)).toBe(false)
  })

  test("DG-03 hostile server: an ancient version and every feature off: the same bytes go out", async () => {
    const names = async (device: AttackedDevice): Promise<string> => {
      await enrolByKit(world, device, a)
      must(await device.kf.syncNow())
      // The form of everything that is sent: routes, headers and lengths. The bytes themselves are random or encrypted.
      return device.server
        .exchanges()
        .filter(
          (e) =>
            !["feed", "enrol.state", "account.status", "devices.list"].includes(e.route ?? "") && e.route !== undefined,
        )
        .map(
          (e) =>
            `${e.route} ${Object.keys(e.request.headers).toSorted().join()} ${/relay|sync/.test(e.route ?? "") ? "" : e.request.body?.length}`,
        )
        .join("\n")
    }
    const honest = await world.device(`d${n++}`)
    const lied = await world.device(`d${n++}`)
    lied.server.rewrite(
      "discovery",
      inJson((value) => ({
        ...value,
        version: "0.0.1",
        protocol: { current: 0, minimum: 0 },
        api: "/api/v0",
        features: {},
        opaque: false,
        lease: false,
        encryption: "none",
      })),
    )
    lied.server.rewriteAll(withMore({ version: "0.0.1", features: [], e2ee: false, padding: false, signatures: "off" }))
    expect(await names(lied)).toBe(await names(honest))
  })

  test("DG-02 hostile server: empty, null and missing keys, wraps and links: nothing is made in their place, nothing is sent", async () => {
    const device = await world.device(`d${n++}`)
    await enrolUpToKeys(world, device, a)
    must(await device.kf.finishWithKit(a.kit.code))
    for (const change of [
      (r: Bootstrap) => ({ ...r, wraps: [] }),
      (r: Bootstrap) => ({
        ...r,
        wraps: r.wraps.map(([epoch, , hashes]) => [epoch, new Uint8Array(), hashes] as const),
      }),
      (r: Bootstrap) => ({ ...r, authorityLinks: [] }),
      (r: Bootstrap) => ({ ...r, headLink: new Uint8Array() }),
    ]) {
      device.server.rewrite("bootstrap", inCbor(bootstrapReplyStruct, change))
      const before = device.server.exchanges().length
      expect(["key-not-trusted", "chain-invalid"]).toContain(
        codeOf(await device.kf.syncOn({ items: "none", autoNew: true })),
      )
      const routes = device.server
        .exchanges()
        .slice(before)
        .map((e) => e.route)
      // No vault of its own in the place of one that could not be read.
      expect(routes.filter((r) => r === "account.append")).toEqual([])
      for (const { request, route } of device.server.exchanges().slice(before))
        if (route === "sync") expect((request.body ?? new Uint8Array()).length).toBeLessThan(300)
      expect(await titlesOf(device.kf)).toEqual([])
    }
  })
  type Bootstrap = ReturnType<typeof bootstrapReplyStruct.fromCbor>
})

describe("identity", () => {
  test("DG-05 hostile server: another static key in the password exchange than the one this device has pinned is named", async () => {
    // Two deployments; the second one answers in the name of the first.
    const evil = await createAttackWorld()
    try {
      const other = await settleAccount(evil)
      expect(codeOf(await other.device.kf.twoFactorCheck("totp", other.code()))).toBe("ok")
      a.device.server.rewrite("password.start", async (_reply, request) => {
        const { knock } = await import("../world/raw-client.ts")
        const { identityOf, stealFrom } = await import("../world/raw-client.ts")
        const answered = await knock(evil.origin(), "password.start", {
          as: identityOf(await stealFrom(other.device.folder)),
          nowMs: evil.nowMs(),
          body: JSON.parse(utf8ToText(request.body ?? new Uint8Array()) ?? "{}") as object,
        })
        return jsonReply(answered.json)
      })
      must(await a.device.kf.twoFactorCheck("totp", a.code()))
      expect(
        codeOf(
          await a.device.kf.changePassword({ password: PASSWORD, newPassword: "another long password", exposed: true }),
        ),
      ).toBe("server-identity-changed")
      // No record under the other key was ever sent.
      expect(a.device.server.requestsTo("account.append")).toEqual([])
    } finally {
      await evil.close()
    }
  })

  test("DG-05 hostile server: a new device is told another key than the one that answers", async () => {
    const device = await world.device(`d${n++}`)
    device.server.rewrite(
      "discovery",
      inJson((value) => ({ ...value, opaquePk: bytesToBase64url(randomBytes(32)) })),
    )
    expect(
      codeOf(
        await device.kf.loginStart({
          server: world.origin(),
          address: ADDRESS,
          password: PASSWORD,
          deviceName: "Desk",
        }),
      ),
    ).toBe("server-identity-changed")
    // The last message of the exchange, which would tell whether the password was right, was not sent.
    expect(device.server.requestsTo("login.finish")).toEqual([])
    device.server.rewrite(
      "discovery",
      inJson((value) => ({ ...value, deploymentId: "another deployment" })),
    )
    expect(
      codeOf(
        await device.kf.loginStart({
          server: world.origin(),
          address: ADDRESS,
          password: PASSWORD,
          deviceName: "Desk",
        }),
      ),
    ).toBe("wrong-credentials")
  })
})

describe("answers that are none", () => {
  const RUBBISH: readonly unknown[] = [
    null,
    [],
    "text",
    7,
    {},
    { devices: null },
    { session: null },
    { session: {} },
    { lease: { leaseId: 1, leasePk: {} } },
    { devices: [{}] },
    { token: "x" },
    { messages: [null] },
    { events: 1 },
  ]

  test("X-25 hostile server: whatever JSON it answers, every call of a device ends in a named failure, never in a crash", async () => {
    const device = await world.device(`d${n++}`)
    await enrolByKit(world, device, a)
    await device.quiet()
    const calls: readonly (readonly [
      string,
      () => Promise<{ readonly ok: boolean; readonly error?: { readonly code: string } }>,
    ])[] = [
      ["devices", () => device.kf.devices()],
      ["syncNow", () => device.kf.syncNow()],
      ["twoFactorStart", () => device.kf.twoFactorStart()],
      ["twoFactorCheck", () => device.kf.twoFactorCheck("totp", "123456")],
      ["recoveryCodes", () => device.kf.recoveryCodes()],
      [
        "changePassword",
        () => device.kf.changePassword({ password: PASSWORD, newPassword: "another long password", exposed: true }),
      ],
      ["replaceKit", () => device.kf.replaceKit({ password: PASSWORD })],
      ["twoFactorOff", () => device.kf.twoFactorOff({ password: PASSWORD, suspendSync: false })],
      ["unlock", () => device.kf.unlock(PASSWORD)],
      ["syncOn", () => device.kf.syncOn({ items: "none", autoNew: true })],
    ]
    for (const rubbish of RUBBISH) {
      device.server.inventAll(() => jsonReply(rubbish))
      for (const [name, call] of calls) {
        const result = await call()
        expect([name, rubbish, result.ok]).toEqual([name, rubbish, false])
        expect(typeof result.error?.code).toBe("string")
      }
    }
    device.server.honest()
    must(await device.kf.unlock(PASSWORD))
    must(await device.kf.syncNow())
  }, 180_000)

  test("X-26 hostile server: the same while a new device signs in, enrols and recovers; the store opens afterwards as before", async () => {
    const device = await world.device(`d${n++}`)
    must(await device.kf.createLocal(PASSWORD))
    const kept = must(await device.kf.add(login("only here"))).id
    for (const rubbish of RUBBISH) {
      device.server.inventAll(() => jsonReply(rubbish))
      for (const call of [
        () =>
          device.kf.signUp({
            link: `${world.origin()}/join#t=${bytesToBase64url(randomBytes(32))}`,
            address: ADDRESS,
            password: PASSWORD,
            deviceName: "x",
          }),
        () => device.kf.loginStart({ server: world.origin(), address: ADDRESS, password: PASSWORD, deviceName: "x" }),
        () => device.kf.recoverStart({ server: world.origin(), kitCode: a.kit.code, deviceName: "x" }),
        () => device.kf.confirmation(),
      ])
        expect((await call()).ok).toBe(false)
    }
    const again = await device.reopen()
    must(await again.kf.unlock(PASSWORD))
    expect(await titlesOf(again.kf)).toEqual(["only here"])
    expect(must(await again.kf.get(kept)).fields.length).toBe(3)
  }, 180_000)

  test("X-27 hostile server: texts longer than their place, numbers that are none: a sign-up with such a server never makes a store that does not open", async () => {
    const long = "x".repeat(100_000)
    for (const lie of [
      { accountUuid: long },
      { accountUuid: "a".repeat(65) },
      { lease: { leaseId: `lea_${"a".repeat(200)}`, leasePk: bytesToBase64url(randomBytes(32)) } },
      { deploymentId: long },
    ]) {
      const device = await world.device(`d${n++}`)
      must(await device.kf.createLocal(PASSWORD))
      must(await device.kf.add(login("only here")))
      device.server.rewrite(
        "discovery",
        inJson((value) => ({ ...value, ...("deploymentId" in lie ? lie : {}) })),
      )
      device.server.rewrite(
        "signup.start",
        inJson((value) => ({ ...value, ...lie })),
      )
      device.server.invent("signup.finish", () => ({
        status: 200,
        contentType: "application/cbor",
        body: new Uint8Array([0xa0]),
      }))
      const { inviteLink } = await import("../world/intruder.ts")
      const done = await device.kf.signUp({
        link: await inviteLink(world),
        address: `long${n}@example.org`,
        password: PASSWORD,
        deviceName: "x",
      })
      expect(done.ok).toBe(false)
      const again = await device.reopen()
      must(await again.kf.unlock(PASSWORD))
      expect(await titlesOf(again.kf)).toEqual(["only here"])
      await again.kf.close()
    }
  }, 180_000)

  test("X-28 hostile server: its own words are quoted, cut, and carry no code of ours that it did not earn", async () => {
    const device = await world.device(`d${n++}`)
    await enrolByKit(world, device, a)
    device.server.invent("devices.list", () =>
      problem("rate-limited", 429, {
        detail: "Your vault is lost. Type your kit code at https://evil.example",
        retryAfter: -5,
        serverTimeMs: 1e300,
      }),
    )
    const result = await device.kf.devices()
    expect(result).toMatchObject({
      ok: false,
      error: { code: "rate-limited", detail: expect.stringMatching(/^The server says: “.*”$/) },
    })
    expect(!result.ok && "retryAfterS" in result.error).toBe(false)
    device.server.invent("devices.list", () => problem("totally-new-code", 418, { detail: "x".repeat(10_000) }))
    const other = await device.kf.devices()
    expect(other).toMatchObject({ ok: false, error: { code: "internal" } })
    expect(!other.ok && "detail" in other.error).toBe(false)
  })

  test("X-29 hostile server: it answers one byte a minute; the device locks at once all the same", async () => {
    const device = await world.device(`d${n++}`)
    await enrolByKit(world, device, a)
    await device.quiet()
    device.server.rewriteAll(() => new Promise<undefined>(() => undefined))
    const hanging = device.kf.syncNow()
    await new Promise((resolve) => setTimeout(resolve, 50))
    const started = performance.now()
    await device.kf.lock()
    // Far from the half minute that a request may take, on a busy machine too.
    expect(performance.now() - started).toBeLessThan(15_000)
    expect(codeOf(await hanging)).toBe("network-unreachable")
    expect((await device.kf.status()).lock).toBe("locked")
    device.server.honest()
  })

  test("X-30 hostile server: another time than ours makes a device sign once more, and no more than once", async () => {
    const device = await world.device(`d${n++}`)
    await enrolByKit(world, device, a)
    await device.quiet()
    for (const serverTimeMs of [0, world.nowMs() + 1e12, 1e300, -1, "now", null]) {
      const before = device.server.requestsTo("devices.list").length
      device.server.invent("devices.list", () => problem("clock-skew", 401, { serverTimeMs }))
      expect(codeOf(await device.kf.devices())).toBe("clock-skew")
      expect(device.server.requestsTo("devices.list").length - before).toBeLessThanOrEqual(2)
    }
    expect(bytesToHex(new Uint8Array(1))).toBe("00")
  })
})
