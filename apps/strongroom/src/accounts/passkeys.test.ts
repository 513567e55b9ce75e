import { base64urlToBytes, bytesToBase64url, expectOk, formatId } from "@keyferry/base"
import type { PasskeyAssertion } from "@keyferry/protocol"
import { createFakeAuthenticator, type FakeAuthenticator } from "@keyferry/testkit"
import { afterEach, beforeEach, describe, expect, it } from "vitest"

import {
  codeOf,
  createWorld,
  json,
  makeActive,
  must,
  ORIGIN,
  type Person,
  type Reach,
  random,
  reachOf,
  send,
  setFactor,
  signUp,
  type TestDevice,
  wrongTotpCode,
  type World,
} from "../fixture.ts"
import { coreOnly } from "../fixture-core.ts"
import { challengeIn, relyingParty } from "./webauthn.ts"

const RP = "keys.example.test"
let world: World
let reach: Reach
let person: Person
let authenticator: FakeAuthenticator
beforeEach(async () => {
  world = await createWorld(coreOnly)
  reach = reachOf(world)
  person = await signUp(reach)
  await must(reach.call("confirmFirst", { accountUuid: person.accountUuid }))
  authenticator = createFakeAuthenticator({ origin: ORIGIN })
})
afterEach(() => world.close())

const register = async (
  device: TestDevice,
  from: FakeAuthenticator = authenticator,
  change: (body: Record<string, unknown>) => Record<string, unknown> = (body) => body,
): Promise<{ readonly id: string; readonly code: string }> => {
  const started = await send(reach, device, "passkeys.start")
  if (started.code !== undefined) return { id: "", code: started.code }
  const asked = JSON.parse(new TextDecoder().decode(started.body)) as Record<string, string>
  const made = expectOk(
    await from.create({
      rpId: asked["rpId"] ?? "",
      rpName: "Keyferry",
      challenge: asked["challenge"] ?? "",
      user: { handle: asked["userHandle"] ?? "", name: "ada" },
      exclude: [],
      prfInput: new Uint8Array(32),
    }),
    "create",
  )
  const body = change({ label: "Blue key", slotId: formatId("slt", random.bytes(16)), credential: made.credential })
  const answer = await send(reach, device, "passkeys.finish", body)
  return { id: made.credential.id, code: answer.code ?? "ok" }
}

const answerTo = async (
  asked: { readonly challenge: string; readonly rpId: string; readonly ids: readonly string[] },
  from: FakeAuthenticator = authenticator,
): Promise<PasskeyAssertion> => {
  const credentials = asked.ids.map((id) => ({ id, transports: [] }))
  return expectOk(await from.get({ ...asked, credentials }), "get").assertion
}

/** A challenge on the way in. */
const loginChallenge = async (accountUuid = person.accountUuid, origins = [ORIGIN]) => {
  const asked = await must(reach.call("passkeyRequest", { accountUuid, origins }))
  return {
    challenge: bytesToBase64url(asked.challenge),
    rpId: asked.rpId,
    ids: asked.credentials.map((one) => bytesToBase64url(one.id)),
  }
}
const pass = (assertion: unknown, accountUuid = person.accountUuid, origins = [ORIGIN]): Promise<string> =>
  codeOf(reach.call("secondFactorPasskey", { accountUuid, assertion: JSON.stringify(assertion), origins }))
const passWith = async (from: FakeAuthenticator = authenticator): Promise<string> =>
  pass(await answerTo(await loginChallenge(), from))

/** A challenge for a device that proves its factor again. */
const check = async (device: TestDevice, from: FakeAuthenticator = authenticator): Promise<string> => {
  const asked = await json(send(reach, device, "passkeys.challenge"))
  const ids = (asked["credentials"] as readonly { id: string }[]).map(({ id }) => id)
  const assertion = await answerTo({ challenge: String(asked["challenge"]), rpId: String(asked["rpId"]), ids }, from)
  return (await send(reach, device, "two-factor.check", { kind: "passkey", assertion })).code ?? "ok"
}
const kinds = async (): Promise<readonly string[]> =>
  (await must(reach.call("events", { after: 0, max: 1000 }))).events.map((event) => event.kind)
const makeFresh = (device: TestDevice): Promise<unknown> =>
  world
    .room()
    .ctx.store.transaction((tx) =>
      tx
        .updateTable("device")
        .set({ last_password_ms: world.clock.nowMs(), last_factor_ms: world.clock.nowMs() })
        .where("id", "=", device.deviceId)
        .execute(),
    )

describe("adding", () => {
  it("[PK1] the first factor is set by a device of the chain, which becomes active", async () => {
    expect(await register(person.device)).toMatchObject({ code: "ok" })
    const status = await json(send(reach, person.device, "account.status"))
    expect([status["state"], status["factors"]]).toEqual(["active", ["passkey"]])
    expect(await kinds()).toEqual([
      "account-created",
      "device-confirmed",
      "passkey-added",
      "account-active",
      "device-active",
    ])
  })

  it("[PK1] a further one needs factor and password within five minutes, at both steps", async () => {
    await register(person.device)
    world.clock.add(6 * 60_000)
    expect(await register(person.device)).toMatchObject({ code: "reauth-required" })
    await makeFresh(person.device)
    expect(await register(person.device, createFakeAuthenticator({ origin: ORIGIN }))).toMatchObject({ code: "ok" })
    await makeFresh(person.device)
    const late = await register(person.device, authenticator, (body) => {
      world.clock.add(5 * 60_000 - 1)
      return body
    })
    expect(late.code).toBe("ok")
    const tooLate = await register(person.device, authenticator, (body) => {
      world.clock.add(2)
      return body
    })
    expect(tooLate.code).toBe("reauth-required")
  })

  it("[PK2] a challenge is good once, for five minutes, for the device that asked and for nothing else", async () => {
    let first: Record<string, unknown> = {}
    await register(person.device, authenticator, (body) => (first = body))
    await makeFresh(person.device)
    expect((await send(reach, person.device, "passkeys.finish", first)).code).toBe("second-factor-wrong")
    const late = await register(person.device, authenticator, (body) => {
      world.clock.add(5 * 60_000)
      return body
    })
    expect(late.code).not.toBe("ok")
    // A challenge for signing in makes no passkey.
    await makeFresh(person.device)
    const asked = await loginChallenge()
    const made = expectOk(
      await authenticator.create({
        ...asked,
        rpName: "",
        user: { handle: "", name: "" },
        exclude: [],
        prfInput: new Uint8Array(),
      }),
      "create",
    )
    const answer = await send(reach, person.device, "passkeys.finish", { label: "x", credential: made.credential })
    expect(answer.code).toBe("second-factor-wrong")
  })

  it.each([
    ["another origin", { origin: "https://keys.example.test.evil.test" }],
    ["another address", { rpId: "evil.test" }],
    ["a person who was not verified", { userVerified: false }],
  ])("[PK3] refuses %s", async (_, knobs) => {
    const other = createFakeAuthenticator({ origin: ORIGIN, ...knobs })
    expect(await register(person.device, other)).toMatchObject({ code: "second-factor-wrong" })
    expect(await kinds()).not.toContain("passkey-added")
  })

  it("[PK3] refuses a body that carries results of extensions, such as a PRF output", async () => {
    const results = { prf: { results: { first: bytesToBase64url(new Uint8Array(32)) } } }
    const made = await register(person.device, authenticator, (body) => ({
      ...body,
      credential: { ...(body["credential"] as object), clientExtensionResults: results },
    }))
    expect(made.code).toBe("malformed")
    await register(person.device)
    const assertion = await answerTo(await loginChallenge())
    expect(await pass({ ...assertion, clientExtensionResults: results })).toBe("malformed")
  })

  it("[PK1] one passkey belongs to one account, and an account has at most sixteen", async () => {
    const { id } = await register(person.device)
    const other = await signUp(reach)
    const same = createFakeAuthenticator({ origin: ORIGIN, nextId: base64urlToBytes(id) ?? new Uint8Array() })
    expect(await register(other.device, same)).toMatchObject({ code: "not-allowed" })
    await makeFresh(person.device)
    for (let n = 2; n <= 16; n++) expect(await register(person.device)).toMatchObject({ code: "ok" })
    expect(await register(person.device)).toMatchObject({ code: "not-allowed" })
  })

  it("[PK1] lists what it was told, and keeps label and key sealed", async () => {
    const { id } = await register(person.device)
    const { rpId, passkeys } = await json(send(reach, person.device, "passkeys.list"))
    expect([rpId, passkeys]).toEqual([
      RP,
      [expect.objectContaining({ id, label: "Blue key", rpId: RP, transports: ["internal"], lastUsedAtMs: 0 })],
    ])
    const row = await world
      .room()
      .ctx.store.read((db) => db.selectFrom("passkey").selectAll().executeTakeFirstOrThrow())
    expect(Buffer.from(row.sealed_passkey).includes("Blue key")).toBe(false)
  })
})

describe("signing in", () => {
  beforeEach(async () => {
    await register(person.device)
  })

  it("[PK4] an answer passes once", async () => {
    const assertion = await answerTo(await loginChallenge())
    expect(await pass(assertion)).toBe("ok")
    expect(await pass(assertion)).toBe("second-factor-wrong")
    expect(await passWith()).toBe("ok")
  })

  it("[PK4] of the same answer many times at once, one passes", async () => {
    for (let round = 0; round < 20; round++) {
      const assertion = await answerTo(await loginChallenge())
      const answers = await Promise.all([pass(assertion), pass(assertion), pass(assertion)])
      expect(answers.filter((answer) => answer === "ok")).toHaveLength(1)
    }
  })

  it.each([
    ["another origin", { origin: "http://keys.example.test" }],
    ["another address", { rpId: "evil.test" }],
    ["a person who was not verified", { userVerified: false }],
  ])("[PK3] refuses %s", async (_, knobs) => {
    Object.assign(authenticator.knobs, knobs)
    expect(await passWith()).toBe("second-factor-wrong")
  })

  it("[PK3] takes an address below its own only where the server says it is one of its own", async () => {
    authenticator.knobs.origin = "https://app.keys.example.test"
    expect(await passWith()).toBe("second-factor-wrong")
    const origins = [ORIGIN, "https://app.keys.example.test", "https://elsewhere.test"]
    expect(await pass(await answerTo(await loginChallenge()), person.accountUuid, origins)).toBe("ok")
    authenticator.knobs.origin = "https://elsewhere.test"
    expect(await pass(await answerTo(await loginChallenge()), person.accountUuid, origins)).toBe("second-factor-wrong")
  })

  it("[PK4] refuses a changed signature, another account's passkey and another account's challenge", async () => {
    const good = await answerTo(await loginChallenge())
    const signature = base64urlToBytes(good.response.signature) ?? new Uint8Array()
    signature[signature.length - 1] = (signature.at(-1) ?? 0) ^ 1
    expect(await pass({ ...good, response: { ...good.response, signature: bytesToBase64url(signature) } })).toBe(
      "second-factor-wrong",
    )
    const other = await signUp(reach)
    const theirs = createFakeAuthenticator({ origin: ORIGIN })
    const { id } = await register(other.device, theirs)
    const { challenge, rpId } = await loginChallenge()
    expect(await pass(await answerTo({ challenge, rpId, ids: [id] }, theirs))).toBe("second-factor-wrong")
    const foreign = await loginChallenge(other.accountUuid)
    const own = await loginChallenge()
    expect(await pass(await answerTo({ ...foreign, ids: own.ids }))).toBe("second-factor-wrong")
  })

  it("[PK2] an answer for a device does not sign in, nor the other way round, nor for another device", async () => {
    const asked = await json(send(reach, person.device, "passkeys.challenge"))
    const { ids } = await loginChallenge()
    const forCheck = { challenge: String(asked["challenge"]), rpId: RP, ids }
    expect(await pass(await answerTo(forCheck))).toBe("second-factor-wrong")
    const forLogin = await answerTo(await loginChallenge())
    const answer = await send(reach, person.device, "two-factor.check", { kind: "passkey", assertion: forLogin })
    expect(answer.code).toBe("second-factor-wrong")
    expect(await check(person.device)).toBe("ok")
  })

  it("[PK2] a challenge ends after five minutes", async () => {
    const assertion = await answerTo(await loginChallenge())
    world.clock.add(5 * 60_000)
    expect(await pass(assertion)).toBe("second-factor-wrong")
  })

  it("[PK5] a counter that does not rise is refused, told, and does not spoil the passkey that counts on", async () => {
    const copy = authenticator.copy()
    expect(await passWith()).toBe("ok")
    expect(await passWith(copy)).toBe("passkey-copied")
    expect(await kinds()).toContain("passkey-copied")
    expect(await passWith()).toBe("ok")
    expect(await check(person.device)).toBe("ok")
  })

  it("[PK5] a passkey that does not count stays at zero, and one that counted may not fall back to it", async () => {
    await makeFresh(person.device)
    const synced = createFakeAuthenticator({ origin: ORIGIN, counts: false })
    const { id } = await register(person.device, synced)
    for (let i = 0; i < 3; i++) {
      const { challenge, rpId } = await loginChallenge()
      expect(await pass(await answerTo({ challenge, rpId, ids: [id] }, synced))).toBe("ok")
    }
    const zero = createFakeAuthenticator({ origin: ORIGIN })
    const counted = await register(person.device, zero)
    const backwards = zero.copy()
    backwards.knobs.counts = false
    const { challenge, rpId } = await loginChallenge()
    expect(await pass(await answerTo({ challenge, rpId, ids: [counted.id] }, backwards))).toBe("passkey-copied")
  })

  it("[PK6] wrong answers count with wrong codes, and lock both", async () => {
    await makeFresh(person.device)
    const otpauth = await setFactor(reach, person.device)
    world.clock.add(60_000)
    const code = await wrongTotpCode(otpauth, world.clock.nowMs())
    const guess = { accountUuid: person.accountUuid, kind: "totp", code }
    for (let i = 0; i < 3; i++) expect(await codeOf(reach.call("secondFactor", guess))).toBe("second-factor-wrong")
    authenticator.knobs.userVerified = false
    expect(await passWith()).toBe("second-factor-wrong")
    expect(await passWith()).toBe("too-many-attempts")
    authenticator.knobs.userVerified = true
    expect(await passWith()).toBe("too-many-attempts")
    world.clock.add(15 * 60_000)
    expect(await passWith()).toBe("ok")
  })

  it("[PK4] on a device it makes the factor fresh, and only passkeys of this address are asked for", async () => {
    world.clock.add(6 * 60_000)
    expect((await send(reach, person.device, "two-factor.codes")).code).toBe("second-factor-needed")
    expect(await check(person.device)).toBe("ok")
    expect((await send(reach, person.device, "two-factor.codes")).code ?? "ok").toBe("ok")
    expect((await loginChallenge(person.accountUuid, ["https://moved.example.test"])).ids).toEqual([])
  })

  it("[PK4] what is no answer is malformed", async () => {
    for (const text of ["", "{", "null", "[]", '{"id":"x"}'])
      expect(
        await codeOf(
          reach.call("secondFactorPasskey", { accountUuid: person.accountUuid, assertion: text, origins: [ORIGIN] }),
        ),
      ).toBe("malformed")
    const other = await answerTo(await loginChallenge())
    expect(await pass({ ...other, response: { ...other.response, clientDataJSON: "AA" } })).toBe("second-factor-wrong")
  })
})

describe("removing", () => {
  const remove = async (id: string): Promise<string> => {
    await makeFresh(person.device)
    return (await send(reach, person.device, "passkeys.remove", { id })).code ?? "ok"
  }

  it("[PK7] the last factor stays while sync is on, and goes with its codes where it is suspended", async () => {
    const { id } = await register(person.device)
    expect(await remove(id)).toBe("two-factor-disable-blocked")
    expect(await passWith()).toBe("ok")
    await send(reach, person.device, "two-factor.codes")
    await world.room().ctx.store.transaction((tx) => tx.updateTable("account").set({ sync_suspended: 1 }).execute())
    expect(await remove(id)).toBe("ok")
    const status = await json(send(reach, person.device, "account.status"))
    expect(status["factors"]).toEqual([])
    expect(await kinds()).toContain("passkey-removed")
  })

  it("[PK7] beside another factor it goes, and signs in no more", async () => {
    const { id } = await register(person.device)
    await makeFresh(person.device)
    await setFactor(reach, person.device)
    const assertion = await answerTo(await loginChallenge())
    expect(await remove(id)).toBe("ok")
    expect(await pass(assertion)).toBe("second-factor-wrong")
    expect(await remove(id)).toBe("not-found")
    const status = await json(send(reach, person.device, "account.status"))
    expect(status["factors"]).toEqual(["totp"])
  })

  it("[PK7] needs factor and password within five minutes, and takes nobody else's", async () => {
    const { id } = await register(person.device)
    world.clock.add(6 * 60_000)
    expect((await send(reach, person.device, "passkeys.remove", { id })).code).toBe("reauth-required")
    const other = await signUp(reach)
    await makeActive(reach, other)
    await makeFresh(other.device)
    expect((await send(reach, other.device, "passkeys.remove", { id })).code).toBe("not-found")
  })

  it("[PK7] turning the second factor off takes every passkey with it", async () => {
    await register(person.device)
    await makeFresh(person.device)
    await json(send(reach, person.device, "two-factor.disable", { suspendSync: true }))
    const left = await world.room().ctx.store.read((db) => db.selectFrom("passkey").selectAll().execute())
    expect(left).toEqual([])
  })
})

it("[PK3] the address is the first of the server's that has a name", () => {
  expect(relyingParty(["http://127.0.0.1:8420", "http://localhost:8420"])).toEqual({
    rpId: "localhost",
    origins: ["http://localhost:8420"],
  })
  expect(relyingParty(["https://[::1]:8420", "https://kf.example.test", "http://localhost:1"]).rpId).toBe(
    "kf.example.test",
  )
  expect(relyingParty(["https://kf.example.test", "https://notkf.example.test"]).origins).toEqual([
    "https://kf.example.test",
  ])
})

it("[PK2] a challenge is read only where there is one", () => {
  for (const text of ["", "AA", "bnVsbA", "W10", "e30", "eyJjaGFsbGVuZ2UiOjF9"])
    expect(challengeIn(text)).toBeUndefined()
})
