import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"

import { bytesToBase64url, formatId } from "@keyferry/base"
import { makeKemKeyPair, makeSigSeed, sigPublicKey, type SigSeed } from "@keyferry/crypto"
import { nodePrimitives as p } from "@keyferry/crypto/node"
import { createCanarySearch, type Canary } from "@keyferry/testkit"
import { afterAll, beforeAll, describe, expect, test } from "vitest"

import { deploymentOf, signInRaw, tokenOf } from "../world/password-client.ts"
import { identityOf, knock, randomBytes, type RawReply, stealFrom } from "../world/raw-client.ts"
import {
  ADDRESS,
  type AttackedDevice,
  type AttackWorld,
  codeOf,
  createAttackWorld,
  login,
  must,
  PASSWORD,
  post,
  type Settled,
  settleAccount,
  titlesOf,
} from "../world/world.ts"

/*
 * Outsiders at the doors that lead to a new device: the password, the second factor, the mailed link, the code. The server
 * and its strongroom are real processes; the clock of both is moved where days have to pass.
 */
const MINUTE = 60_000
let world: AttackWorld
let a: Settled
let deployment: string

beforeAll(async () => {
  world = await createAttackWorld()
  a = await settleAccount(world)
  must(await a.device.kf.add(login("one")))
  must(await a.device.kf.syncNow())
  deployment = await deploymentOf(world.origin())
})
afterAll(() => world.close())

const random = { bytes: randomBytes }
interface Intruder {
  readonly deviceId: Uint8Array
  readonly authSeed: SigSeed
  readonly device: object
}
const makeIntruder = async (): Promise<Intruder> => {
  const sigSeed = makeSigSeed(random)
  const authSeed = makeSigSeed(random)
  const kem = await makeKemKeyPair(random)
  const deviceId = randomBytes(16)
  return {
    deviceId,
    authSeed,
    device: {
      deviceId: formatId("dev", deviceId),
      sigPk: bytesToBase64url(await sigPublicKey(p, sigSeed)),
      kemPk: bytesToBase64url(kem.publicKey),
      authPk: bytesToBase64url(await sigPublicKey(p, authSeed)),
      platform: "Linux",
    },
  }
}
const signIn = (intruder: Intruder, password = PASSWORD): Promise<RawReply> =>
  signInRaw(world.origin(), deployment, ADDRESS, password, intruder.authSeed)
/** A session at level 2 of somebody with password and a code. */
const levelTwo = async (intruder: Intruder): Promise<string> => {
  const first = tokenOf(await signIn(intruder))
  const second = await knock(world.origin(), "login.second-factor", {
    session: first,
    body: { kind: "totp", code: a.code() },
  })
  return tokenOf(second)
}
const enrol = async (intruder: Intruder, session: string): Promise<RawReply> =>
  knock(world.origin(), "enrol.start", { session, body: { device: intruder.device } })
const mailCount = async (): Promise<number> => (await world.mails()).length
const confirmRaw = (token: string, code: string): Promise<Response> =>
  post(`${world.origin()}/api/v1/confirm`, { token, code })
const denyRaw = (token: string): Promise<Response> => post(`${world.origin()}/api/v1/confirm/deny`, { token })

describe("before the password", () => {
  test("AU-01 hostile outsider: second factor, enrolment and mails before the password are refused, nothing is counted, no mail leaves", async () => {
    const mails = await mailCount()
    for (const session of [undefined, bytesToBase64url(randomBytes(32)), "", "x".repeat(43)]) {
      for (const [route, body] of [
        ["login.second-factor", { kind: "totp", code: "000000" }],
        ["login.second-factor-reset", {}],
        ["enrol.start", { device: (await makeIntruder()).device }],
        ["enrol.mail", {}],
        ["enrol.state", undefined],
        ["enrol.relay-send", { body: "AAAA" }],
        [
          "lease.reset",
          {
            deviceId: formatId("dev", randomBytes(16)),
            leaseId: formatId("lea", randomBytes(16)),
            attempt: 1,
            slotId: formatId("slt", randomBytes(16)),
            signature: bytesToBase64url(randomBytes(64)),
          },
        ],
      ] as const) {
        const reply = await knock(world.origin(), route, { session, body })
        expect([route, reply.status]).toEqual([route, 401])
      }
    }
    expect(await mailCount()).toBe(mails)
    // The victim's own tries are all still there: four wrong ones do not lock.
    const intruder = await makeIntruder()
    const session = tokenOf(await signIn(intruder))
    for (let i = 0; i < 4; i++)
      expect(
        (await knock(world.origin(), "login.second-factor", { session, body: { kind: "totp", code: a.wrong() } })).code,
      ).toBe("second-factor-wrong")
    expect(
      (await knock(world.origin(), "login.second-factor", { session, body: { kind: "totp", code: a.code() } })).status,
    ).toBe(200)
  })

  test("X-11 hostile outsider: an address with an account and one without answer alike, every time", async () => {
    const request = bytesToBase64url(randomBytes(96))
    const ask = async (address: string): Promise<RawReply> => {
      const { startOpaqueLogin } = await import("@keyferry/crypto")
      const started = await startOpaqueLogin("a guess that is wrong")
      expect(request.length).toBeGreaterThan(0)
      return knock(world.origin(), "login.start", {
        body: { address, startLoginRequest: bytesToBase64url(started.request) },
      })
    }
    const [known, unknown, again] = [
      await ask(ADDRESS),
      await ask("nobody@example.org"),
      await ask("nobody@example.org"),
    ]
    expect(Object.keys(known.json)).toEqual(Object.keys(unknown.json))
    expect(String(known.json["loginResponse"]).length).toBe(String(unknown.json["loginResponse"]).length)
    // A pseudonym that changed with every call would show that nobody is behind it.
    expect(unknown.json["accountUuid"]).toBe(again.json["accountUuid"])
    expect(String(unknown.json["accountUuid"])).toMatch(
      /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
    )
    expect(unknown.json["accountUuid"]).not.toBe(known.json["accountUuid"])
  })

  test("X-12 hostile outsider: the answer to one half of a login is used once, within a minute, and not for another key", async () => {
    const intruder = await makeIntruder()
    const { startOpaqueLogin, finishMac, sessionBinding } = await import("@keyferry/crypto")
    const half = async () => {
      const started = await startOpaqueLogin(PASSWORD)
      const reply = await knock(world.origin(), "login.start", {
        body: { address: ADDRESS, startLoginRequest: bytesToBase64url(started.request) },
      })
      const account = String(reply.json["accountUuid"])
      const finished = await started.finish(Buffer.from(String(reply.json["loginResponse"]), "base64url"), {
        account,
        deployment,
      })
      if (!finished.ok) throw new Error("the password is right")
      const authPk = await sigPublicKey(p, intruder.authSeed)
      const binding = bytesToBase64url(await finishMac(p, await sessionBinding(p, finished.value.sessionKey), authPk))
      return {
        loginId: reply.json["loginId"],
        finishLoginRequest: bytesToBase64url(finished.value.finish),
        authPk: bytesToBase64url(authPk),
        binding,
      }
    }
    const once = await half()
    expect((await knock(world.origin(), "login.finish", { body: once })).status).toBe(200)
    expect((await knock(world.origin(), "login.finish", { body: once })).code).toBe("wrong-credentials")
    const late = await half()
    world.advance(61_000)
    expect((await knock(world.origin(), "login.finish", { body: late })).code).toBe("wrong-credentials")
    const other = await half()
    expect(
      (await knock(world.origin(), "login.finish", { body: { ...other, authPk: bytesToBase64url(randomBytes(32)) } }))
        .code,
    ).toBe("wrong-credentials")
  })
})

describe("the second factor", () => {
  test("AU-03 hostile outsider: five tries in 15 minutes for the account, whatever session they come from; a right code does not help; a restart refunds nothing", async () => {
    world.advance(16 * MINUTE)
    for (let i = 0; i < 5; i++) {
      // Each from a session of its own.
      const session = tokenOf(await signIn(await makeIntruder()))
      expect(
        (
          await knock(world.origin(), "login.second-factor", {
            session,
            body: { kind: "totp", code: a.wrong() },
          })
        ).code,
      ).toMatch(/second-factor-wrong|too-many-attempts/)
    }
    const session = tokenOf(await signIn(await makeIntruder()))
    const locked = await knock(world.origin(), "login.second-factor", {
      session,
      body: { kind: "totp", code: a.code() },
    })
    expect([locked.status, locked.code]).toEqual([429, "too-many-attempts"])
    await world.kill()
    await world.start()
    const after = tokenOf(await signIn(await makeIntruder()))
    expect(
      (await knock(world.origin(), "login.second-factor", { session: after, body: { kind: "totp", code: a.code() } }))
        .code,
    ).toBe("too-many-attempts")
    // Mailed, so that the person knows.
    await expect
      .poll(async () => (await world.mails()).some((m) => /second factor/i.test(m.subject + m.body)))
      .toBe(true)
    // Twice as long after the next five.
    world.advance(16 * MINUTE)
    const third = tokenOf(await signIn(await makeIntruder()))
    for (let i = 0; i < 5; i++)
      await knock(world.origin(), "login.second-factor", { session: third, body: { kind: "totp", code: a.wrong() } })
    world.advance(16 * MINUTE)
    expect(
      (await knock(world.origin(), "login.second-factor", { session: third, body: { kind: "totp", code: a.code() } }))
        .code,
    ).toBe("too-many-attempts")
    world.advance(16 * MINUTE)
    const session4 = tokenOf(await signIn(await makeIntruder()))
    expect(
      (
        await knock(world.origin(), "login.second-factor", {
          session: session4,
          body: { kind: "totp", code: a.code() },
        })
      ).status,
    ).toBe(200)
  })

  test("X-13 hostile outsider: a code that was seen over the shoulder is good once, also for many at the same instant", async () => {
    const code = a.code()
    const sessions = await Promise.all(
      Array.from({ length: 4 }, async () => tokenOf(await signIn(await makeIntruder()))),
    )
    const replies = await Promise.all(
      sessions.map((session) =>
        knock(world.origin(), "login.second-factor", { session, body: { kind: "totp", code } }),
      ),
    )
    expect(replies.filter((r) => r.status === 200)).toHaveLength(1)
    world.advance(40 * MINUTE)
  })

  test("AU-04 hostile outsider: a recovery code works once, also when it is used in two places at once; only its hash is kept", async () => {
    must(await a.device.kf.twoFactorCheck("totp", a.code()))
    const { codes } = must(await a.device.kf.recoveryCodes())
    const [first = "", second = ""] = codes
    const sessions = await Promise.all(
      Array.from({ length: 6 }, async () => tokenOf(await signIn(await makeIntruder()))),
    )
    const replies = await Promise.all(
      sessions
        .slice(0, 3)
        .map((session) =>
          knock(world.origin(), "login.second-factor", { session, body: { kind: "recovery-code", code: first } }),
        ),
    )
    expect(replies.map((r) => r.status).filter((s) => s === 200)).toHaveLength(1)
    expect(
      (
        await knock(world.origin(), "login.second-factor", {
          session: sessions[3],
          body: { kind: "recovery-code", code: first },
        })
      ).code,
    ).toBe("second-factor-wrong")
    expect(
      (
        await knock(world.origin(), "login.second-factor", {
          session: sessions[4],
          body: { kind: "recovery-code", code: second },
        })
      ).status,
    ).toBe(200)
    const canaries: Canary[] = codes.map((code, i) => ({
      name: `recovery code ${i}`,
      text: code,
      bytes: new TextEncoder().encode(code),
    }))
    expect(createCanarySearch(canaries).inPath(world.serverFolder).findings).toEqual([])
  })
})

describe("sessions", () => {
  test("AU-08 hostile outsider: the token changes with every level, and the old one is dead; a planted one is worth nothing", async () => {
    const intruder = await makeIntruder()
    const planted = bytesToBase64url(randomBytes(32))
    expect(
      (await knock(world.origin(), "login.second-factor", { session: planted, body: { kind: "totp", code: "000000" } }))
        .code,
    ).toBe("signed-out")
    const first = tokenOf(await signIn(intruder))
    const raised = await knock(world.origin(), "login.second-factor", {
      session: first,
      body: { kind: "totp", code: a.code() },
    })
    const second = tokenOf(raised)
    expect(new Set([planted, first, second]).size).toBe(3)
    expect((await knock(world.origin(), "enrol.state", { session: first })).code).toBe("signed-out")
    const enrolled = await enrol(intruder, second)
    expect((await confirmRaw(await world.takeToken(), String(enrolled.json["code"]))).status).toBe(200)
    const state = await knock(world.origin(), "enrol.state", { session: second })
    const third = tokenOf(state)
    expect(third).not.toBe("")
    expect((await knock(world.origin(), "enrol.state", { session: second })).code).toBe("signed-out")
    expect((await knock(world.origin(), "enrol.state", { session: third })).status).toBe(200)
    // No cookie was ever set: there is nothing to plant.
    for (const reply of [raised, enrolled, state]) expect(reply.headers["set-cookie"]).toBeUndefined()
  })

  test("AU-09 hostile outsider: a stolen level-3 token reads nothing without the device's signature, nor with another one's", async () => {
    const intruder = await makeIntruder()
    const second = await levelTwo(intruder)
    const enrolled = await enrol(intruder, second)
    expect((await confirmRaw(await world.takeToken(), String(enrolled.json["code"]))).status).toBe(200)
    const third = tokenOf(await knock(world.origin(), "enrol.state", { session: second }))
    const own = { keyId: formatId("dev", intruder.deviceId), seed: intruder.authSeed.reveal() }
    const stolen = identityOf(await stealFrom(a.device.folder))
    for (const as of [undefined, stolen, { keyId: own.keyId, seed: randomBytes(32) }]) {
      const reply = await knock(world.origin(), "enrol.chain", { session: third, as, nowMs: world.nowMs() })
      expect([reply.status, reply.body.length < 2000]).toEqual([401, true])
    }
    expect((await knock(world.origin(), "enrol.chain", { session: third, as: own, nowMs: world.nowMs() })).status).toBe(
      200,
    )
    // And the token by itself opens no route of devices.
    expect((await knock(world.origin(), "sync", { session: third, body: new Uint8Array([0xa0]) })).status).toBe(401)
  })

  test("X-14 hostile outsider: a session signed in with one key enrols no other key", async () => {
    const intruder = await makeIntruder()
    const session = await levelTwo(intruder)
    const other = await makeIntruder()
    expect((await enrol(other, session)).code).toBe("signature-invalid")
  })
})

describe("the mailed link", () => {
  const waiting = async (): Promise<{ intruder: Intruder; session: string; code: string; token: string }> => {
    const intruder = await makeIntruder()
    const session = await levelTwo(intruder)
    const enrolled = await enrol(intruder, session)
    if (enrolled.status !== 200) throw new Error(`${enrolled.status} ${enrolled.code}`)
    return { intruder, session, code: String(enrolled.json["code"]), token: await world.takeToken() }
  }
  const stateOf = async (session: string): Promise<string> =>
    String((await knock(world.origin(), "enrol.state", { session })).json["state"])

  test("AU-11 hostile outsider: another device's code, an old link, a used link, one after a newer mail: all refused with the same page", async () => {
    world.advance(61 * MINUTE)
    const x = await waiting()
    const y = await waiting()
    const bodies: string[] = []
    const refused = async (token: string, code: string): Promise<void> => {
      const reply = await confirmRaw(token, code)
      const body = (await reply.json()) as Record<string, unknown>
      bodies.push(JSON.stringify({ ...body, requestId: "", instance: "", id: "" }))
      expect(reply.status).toBe(410)
    }
    await refused(x.token, y.code)
    // A newer mail replaces the older link.
    expect((await knock(world.origin(), "enrol.mail", { session: x.session, body: {} })).status).toBe(200)
    await refused(x.token, x.code)
    const newer = await world.takeToken()
    world.advance(10 * MINUTE + 1000)
    await refused(newer, x.code)
    await refused(y.token, y.code)
    expect([await stateOf(x.session), await stateOf(y.session)]).toEqual(["pending", "pending"])
    // Used twice.
    world.advance(31 * MINUTE)
    const z = await waiting()
    expect((await confirmRaw(z.token, z.code)).status).toBe(200)
    await refused(z.token, z.code)
    await refused(bytesToBase64url(randomBytes(32)), z.code)
    expect(new Set(bodies).size).toBe(1)
  })

  test("AU-11 hostile outsider: two people click at the same instant, many times: exactly one confirmation", async () => {
    world.advance(61 * MINUTE)
    const x = await waiting()
    const replies = await Promise.all(Array.from({ length: 20 }, () => confirmRaw(x.token, x.code)))
    expect(replies.map((r) => r.status).filter((s) => s === 200)).toHaveLength(1)
  })

  test("X-15 hostile outsider: the six digits cannot be tried out: five wrong ones end the link, and a new mail shows another code", async () => {
    world.advance(61 * MINUTE)
    const x = await waiting()
    const wrong = x.code === "000000" ? "000001" : "000000"
    for (let i = 0; i < 5; i++) expect((await confirmRaw(x.token, wrong)).status).toBe(410)
    expect((await confirmRaw(x.token, x.code)).status).toBe(410)
    const again = await knock(world.origin(), "enrol.mail", { session: x.session, body: {} })
    expect(again.status).toBe(200)
    const token = await world.takeToken()
    // The code that was being guessed at is not shown any more.
    expect((await confirmRaw(token, x.code)).status).toBe(410)
    // Reading, previewing and scanning change nothing.
    for (const method of ["GET", "HEAD"]) expect((await fetch(`${world.origin()}/v/`, { method })).status).toBe(200)
    expect((await post(`${world.origin()}/api/v1/confirm/describe`, { token })).status).toBe(200)
    expect(await stateOf(x.session)).toBe("pending")
  })

  test("AU-12 hostile outsider: the victim of a stolen password gets the mail, has no code, and says that it was not them", async () => {
    world.advance(61 * MINUTE)
    const x = await waiting()
    // The page knows no code and shows none; among the digits of a time there may be any.
    const described = (await (
      await post(`${world.origin()}/api/v1/confirm/describe`, { token: x.token })
    ).json()) as object
    expect(JSON.stringify(described)).not.toMatch(new RegExp(`(?<!\\d)${x.code}(?!\\d)`))
    expect((await denyRaw(x.token)).status).toBe(200)
    expect((await confirmRaw(x.token, x.code)).status).toBe(410)
    expect(await stateOf(x.session)).not.toBe("confirmed")
    // Nobody enrols for a day, the same keys never again.
    const y = await makeIntruder()
    const session = await levelTwo(y)
    expect((await enrol(y, session)).code).toBe("device-rejected")
    world.advance(25 * 60 * MINUTE)
    const later = await levelTwo(x.intruder)
    expect((await enrol(x.intruder, later)).code).toBe("holder-reused")
    const fresh = await levelTwo(y)
    expect((await enrol(y, fresh)).status).toBe(200)
    await world.takeToken()
  })

  test("AU-16 hostile outsider: Host, X-Forwarded-Host and Forwarded do not reach a mail", async () => {
    world.advance(61 * MINUTE)
    const before = new Set((await world.mails()).map((mail) => mail.id))
    const x = await makeIntruder()
    const session = await levelTwo(x)
    let queued = 0
    for (const headers of [
      { host: "evil.example" },
      { "x-forwarded-host": "evil.example", "x-forwarded-proto": "http" },
      { forwarded: "host=evil.example;proto=http" },
      { host: "localhost:1@evil.example" },
    ]) {
      for (const reply of [
        await knock(world.origin(), "enrol.start", { session, body: { device: x.device }, headers }),
        await knock(world.origin(), "enrol.mail", { session, body: {}, headers }),
      ])
        if (reply.json["mail"] === "queued") queued++
    }
    expect(queued).toBeGreaterThan(0)
    // They leave after the answers; whoever comes next takes the newest link, and must find none of these.
    const fresh = async () => (await world.mails()).filter(({ id, body }) => !before.has(id) && body.includes("/v/#"))
    await expect.poll(async () => (await fresh()).length).toBe(queued)
    for (const mail of await world.mails()) {
      expect(mail.body).not.toContain("evil")
      for (const [link] of mail.body.matchAll(/https?:\/\/\S+/g))
        expect([link, new URL(link).origin]).toEqual([link, world.origin()])
    }
    await world.takeAllTokens()
  })

  test("AU-17 hostile outsider: the browser that confirms gets no session, no cookie and no device; only the waiting device advances", async () => {
    world.advance(61 * MINUTE)
    const x = await waiting()
    const reply = await confirmRaw(x.token, x.code)
    expect(reply.status).toBe(200)
    expect(reply.headers.get("set-cookie")).toBeNull()
    expect(Object.keys((await reply.json()) as object)).toEqual(["state"])
    expect(await stateOf(x.session)).toBe("confirmed")
  })

  test("AU-07 hostile mailbox: whoever only reads the mail gets no session, no device, no second factor; asks and denials are visible", async () => {
    world.advance(61 * MINUTE)
    const x = await waiting()
    // The mailbox's owner guesses the code, asks for resends without a session, and tries the password.
    expect((await confirmRaw(x.token, x.code === "123456" ? "654321" : "123456")).status).not.toBe(200)
    expect((await knock(world.origin(), "enrol.mail", { body: {} })).status).toBe(401)
    expect((await knock(world.origin(), "first.mail", { body: {} })).status).toBe(401)
    expect((await knock(world.origin(), "address.start", { body: { address: "evil@example.org" } })).status).toBe(401)
    expect((await knock(world.origin(), "address.confirm", { body: { token: x.token } })).code).toBe(
      "verify-link-not-valid",
    )
    expect((await signIn(await makeIntruder(), "not the password")).status).toBe(401)
    // No mail holds a code, a session or anything but the link.
    for (const mail of await world.mails()) {
      expect(mail.body).not.toContain(x.code)
      expect(mail.body).not.toContain(x.session)
    }
    const activity = await knock(world.origin(), "activity", {
      as: identityOf(await stealFrom(a.device.folder)),
      nowMs: world.nowMs(),
    })
    expect(JSON.stringify(activity.json)).toContain("device-pending")
  })
})

describe("the account's own devices", () => {
  test("AU-13 hostile thief at an unlocked device: the second factor cannot be turned off while sync is on, nor without password and factor", async () => {
    const off = await a.device.kf.twoFactorOff({ password: PASSWORD, suspendSync: false })
    expect(["two-factor-disable-blocked", "second-factor-needed"]).toContain(codeOf(off))
    must(await a.device.kf.twoFactorCheck("totp", a.code()))
    expect(codeOf(await a.device.kf.twoFactorOff({ password: PASSWORD, suspendSync: false }))).toBe(
      "two-factor-disable-blocked",
    )
    expect(codeOf(await a.device.kf.twoFactorOff({ password: "not the password", suspendSync: true }))).toBe(
      "wrong-credentials",
    )
    const thief = identityOf(await stealFrom(a.device.folder))
    world.advance(6 * MINUTE)
    expect(
      (
        await knock(world.origin(), "two-factor.disable", {
          as: thief,
          nowMs: world.nowMs(),
          body: { suspendSync: true },
        })
      ).code,
    ).toBe("reauth-required")
    must(await a.device.kf.syncNow())
    must(await a.device.kf.twoFactorCheck("totp", a.code()))
    expect(must(await a.device.kf.twoFactorOff({ password: PASSWORD, suspendSync: true })).devices).toBeGreaterThan(0)
    // In one transaction: from here on nothing syncs until a factor is set again.
    expect(codeOf(await a.device.kf.syncNow())).toBe("sync-suspended")
    expect(await titlesOf(a.device.kf)).toEqual(["one"])
  })
})

test("X-16 hostile outsider: no log line of these processes holds an address, a code, a token or a network", () => {
  const log = world.logged()
  expect(log.length).toBeGreaterThan(1000)
  for (const secret of [ADDRESS, "ada@", PASSWORD, "127.0.0.1"]) expect(log.includes(secret)).toBe(false)
  expect(log).not.toMatch(/[A-Za-z0-9_-]{43}/)
  // Nor do the stores keep the password anywhere.
  for (const name of readdirSync(join(world.serverFolder, "strongroom"))) {
    const bytes = readFileSync(join(world.serverFolder, "strongroom", name))
    expect(bytes.includes(PASSWORD)).toBe(false)
  }
})

export type { AttackedDevice }
