import { bytesToBase32, formatId } from "@keyferry/base"
import type { DeviceState, RouteName } from "@keyferry/protocol"
import { afterAll, beforeEach, beforeAll, describe, expect, it } from "vitest"

import {
  bodyBytes,
  createWorld,
  ORIGIN,
  p,
  type Person,
  random,
  reachOf,
  recoveryKeyId,
  signRequest,
  type SignOptions,
  signUp,
  type World,
} from "./fixture.ts"
import { coreOnly } from "./fixture-core.ts"
import { createNonces } from "./nonces.ts"
import { createVerifier, FRESH_MS, type Verifier } from "./verifier.ts"

/* The verifier by itself, over a device whose row says what the test wants: every answer to the millisecond. */
const MINUTE_MS = 60_000
const ZERO = new Uint8Array(32)

let world: World
let person: Person
let verifier: Verifier
beforeAll(async () => {
  world = await createWorld(coreOnly)
  person = await signUp(reachOf(world))
})
afterAll(() => world.close())

const store = () => world.room().ctx.store
interface DeviceChange {
  state: DeviceState
  expires_ms: number
  created_ms: number
  last_seen_ms: number
  last_factor_ms: number
  last_password_ms: number
}
interface AccountChange {
  id: Uint8Array | null
  frozen: number
  sync_suspended: number
  confirmed_ms: number
  relogin_max_s: number
}
const device = (change: Partial<DeviceChange>): Promise<unknown> =>
  store().transaction((tx) => tx.updateTable("device").set(change).where("id", "=", person.device.deviceId).execute())
const account = (change: Partial<AccountChange>): Promise<unknown> =>
  store().transaction((tx) => tx.updateTable("account").set(change).where("uuid", "=", person.accountUuid).execute())
beforeEach(async () => {
  const { ctx } = world.room()
  verifier = createVerifier({ ...ctx, primitives: p, clock: world.clock })
  const now = world.clock.nowMs()
  const logins = { created_ms: now, last_seen_ms: now, last_factor_ms: now, last_password_ms: now }
  await device({ state: "active", expires_ms: 0, ...logins })
  await account({ id: person.accountId, frozen: 0, sync_suspended: 0, confirmed_ms: 1, relogin_max_s: 3600 })
})

const sign = (route: RouteName, options: SignOptions = {}) =>
  signRequest(route, person.device.authSeed, person.device.deviceId, bodyBytes(route, {}), world.clock.nowMs(), options)
const verify = async (route: RouteName, options: SignOptions = {}) =>
  verifier.verify(await sign(route, options), [ORIGIN])
const codeOf = async (route: RouteName, options: SignOptions = {}): Promise<string> => {
  const verified = await verify(route, options)
  return verified.ok ? "ok" : verified.error.code
}

describe("a verified request", () => {
  it("[HT7] says which device, of which account, asked for what and when", async () => {
    const lastMs = { last_factor_ms: world.clock.nowMs() - 7, last_password_ms: world.clock.nowMs() - 9 }
    await device(lastMs)
    expect(await verify("devices.list", { query: "after=1" })).toEqual({
      ok: true,
      value: {
        route: "devices.list",
        query: "after=1",
        createdS: Math.floor(world.clock.nowMs() / 1000),
        device: {
          accountUuid: person.accountUuid,
          accountId: person.accountId,
          deviceId: person.device.deviceId,
          state: "active",
          sigPk: person.device.keys.sigPk,
          lastFactorMs: lastMs.last_factor_ms,
          lastPasswordMs: lastMs.last_password_ms,
        },
      },
    })
  })

  it("[HT7] of an account that has no chain yet names it with zeros", async () => {
    await account({ id: null })
    expect(await verify("devices.list")).toMatchObject({ ok: true, value: { device: { accountId: ZERO } } })
  })

  it("[DV1] is remembered as a sign of life, at most every ten minutes", async () => {
    const seen = async (): Promise<number> => {
      const query = store().read((db) =>
        db
          .selectFrom("device")
          .select("last_seen_ms")
          .where("id", "=", person.device.deviceId)
          .executeTakeFirstOrThrow(),
      )
      return (await query).last_seen_ms
    }
    const now = world.clock.nowMs()
    await device({ last_seen_ms: now - 10 * MINUTE_MS })
    expect(await codeOf("devices.list")).toBe("ok")
    expect(await seen()).toBe(now - 10 * MINUTE_MS)
    // Who lists the devices is told to the millisecond.
    expect(world.room().ctx.sightings.lastMs(person.device.deviceId, 0)).toBe(now)
    await device({ last_seen_ms: now - 10 * MINUTE_MS - 1 })
    expect(await codeOf("devices.list")).toBe("ok")
    expect(await seen()).toBe(now)
  })
})

it("[HT6] where no more nonces are kept, a request is asked to come again, and the kept ones stay taken", async () => {
  const { ctx } = world.room()
  const full = createVerifier({ ...ctx, primitives: p, clock: world.clock }, createNonces(1))
  const first = await sign("devices.list")
  expect((await full.verify(first, [ORIGIN])).ok).toBe(true)
  const busy = { ok: false, error: { code: "rate-limited", retryAfterS: 60 } }
  expect(await full.verify(await sign("devices.list"), [ORIGIN])).toEqual(busy)
  expect(await full.verify(first, [ORIGIN])).toEqual({ ok: false, error: { code: "replay-rejected" } })
})

describe("who may pass", () => {
  it("[HT5] a lease request has a tag of its own, which no other request has", async () => {
    expect(await codeOf("lease.renew")).not.toBe("signature-invalid")
    expect(await codeOf("lease.renew", { tag: "kf1-dev" })).toBe("signature-invalid")
    expect(await codeOf("devices.list", { tag: "kf1-lease" })).toBe("signature-invalid")
  })

  it("[HT5] only routes that a device signs are verified, whoever signs", async () => {
    for (const route of ["signup.start", "login.passkey", "enrol.start", "recovery.start"] as const)
      expect(await codeOf(route)).toBe("not-found")
    await device({ state: "confirmed" })
    expect(await codeOf("enrol.passkeys")).toBe("ok")
    await device({ state: "reserved" })
    expect(await codeOf("signup.finish")).toBe("ok")
  })

  it("[HT5] a key id names a device", async () => {
    for (const keyId of [
      recoveryKeyId(person.recPk),
      "dev_aaaa",
      formatId("dev", person.device.deviceId).replace("dev_", "vlt_"),
    ])
      expect(await codeOf("devices.list", { keyId })).toBe("signature-invalid")
    expect(await codeOf("devices.list", { keyId: formatId("dev", random.bytes(16)) })).toBe("device-not-enrolled")
  })

  it("[ST5] what each state is told at a route that it may not use", async () => {
    const told: [DeviceState, string][] = [
      ["reserved", "device-not-enrolled"],
      ["pending", "device-not-verified"],
      ["confirmed", "device-not-verified"],
      ["pending-first", "two-factor-required"],
      ["approved", "two-factor-required"],
      ["lease-locked", "lease-locked"],
      ["retired", "device-retired"],
      ["removed", "device-removed"],
      ["rejected", "device-rejected"],
      ["expired", "device-expired"],
    ]
    for (const [state, code] of told) {
      await device({ state })
      expect([state, await codeOf("activity")]).toEqual([state, code])
    }
    await device({ state: "active" })
    expect(await codeOf("activity")).toBe("ok")
    expect(await codeOf("first.mail")).toBe("not-allowed")
  })

  it("[ST5] a first device is told to wait for its mail, and after it to set a second factor", async () => {
    await device({ state: "pending-first" })
    await account({ confirmed_ms: 0 })
    expect(await codeOf("activity")).toBe("device-not-verified")
    await account({ confirmed_ms: 1 })
    expect(await codeOf("activity")).toBe("two-factor-required")
  })

  it("[ST5] an approved device of an account with a second factor is told to unlock", async () => {
    await device({ state: "approved" })
    const factor = { account_uuid: person.accountUuid, kind: "totp", sealed_seed: ZERO, last_step: 0, created_ms: 0 }
    await store().transaction((tx) => tx.insertInto("factor").values(factor).execute())
    expect(await verify("activity")).toEqual({
      ok: false,
      error: { code: "not-allowed", detail: "Unlock this device once first." },
    })
    expect(await codeOf("devices.list")).toBe("ok")
    await store().transaction((tx) => tx.deleteFrom("factor").where("account_uuid", "=", person.accountUuid).execute())
    expect(await codeOf("activity")).toBe("two-factor-required")
  })

  it("[ST5] a device that has expired is told so in any state, to the millisecond", async () => {
    const now = world.clock.nowMs()
    await device({ state: "confirmed", expires_ms: now + 1 })
    expect(await codeOf("enrol.passkeys")).toBe("ok")
    await device({ expires_ms: now })
    expect(await codeOf("enrol.passkeys")).toBe("device-expired")
    await device({ state: "reserved", expires_ms: now - 1 })
    expect(await codeOf("enrol.passkeys")).toBe("device-expired")
  })

  it("[ST5] a frozen account may look and leave", async () => {
    await account({ frozen: 1 })
    expect(await codeOf("devices.list")).toBe("ok")
    expect(await codeOf("account.keys")).toBe("account-frozen")
    await account({ frozen: 0 })
    expect(await codeOf("account.keys")).toBe("ok")
  })

  it("[ST5] while sync is suspended no vault is served, and everything else is", async () => {
    await account({ sync_suspended: 1 })
    expect(await codeOf("feed")).toBe("sync-suspended")
    expect(await codeOf("devices.list")).toBe("ok")
    await account({ sync_suspended: 0 })
    expect(await codeOf("feed")).toBe("ok")
  })
})

describe("how long ago", () => {
  it("[HT9] the last login counts, whichever it was, for as long as the policy says", async () => {
    const now = world.clock.nowMs()
    const old = now - 3600_000 - 1
    const logins = { created_ms: old, last_factor_ms: old, last_password_ms: old }
    await device(logins)
    expect(await codeOf("devices.list")).toBe("reauth-required")
    expect(await codeOf("account.status")).toBe("ok")
    for (const which of ["created_ms", "last_factor_ms", "last_password_ms"] as const) {
      await device({ ...logins, [which]: old + 1 })
      expect(await codeOf("devices.list"), which).toBe("ok")
    }
    await device({ ...logins, state: "approved" })
    expect(await codeOf("devices.list")).toBe("ok")
  })

  it("[HT9] a fresh factor is five minutes old at most, and so is a password where it is asked for", async () => {
    const now = world.clock.nowMs()
    const at = (factor: number, password: number): Promise<unknown> =>
      device({ last_factor_ms: now - factor, last_password_ms: now - password })
    await at(FRESH_MS, FRESH_MS + 1)
    expect(await codeOf("two-factor.codes")).toBe("ok")
    expect(await codeOf("two-factor.disable")).toBe("reauth-required")
    await at(FRESH_MS + 1, 0)
    // Only the factor is too old: nobody is asked for the password.
    expect(await codeOf("two-factor.codes")).toBe("second-factor-needed")
    expect(await codeOf("two-factor.disable")).toBe("second-factor-needed")
    await at(FRESH_MS + 1, FRESH_MS + 1)
    expect(await codeOf("two-factor.codes")).toBe("second-factor-needed")
    expect(await codeOf("two-factor.disable")).toBe("reauth-required")
    expect(await codeOf("devices.list")).toBe("ok")
    await at(0, FRESH_MS)
    expect(await codeOf("two-factor.disable")).toBe("ok")
  })
})

describe("what a kit signs", () => {
  const recover = async (options: SignOptions = {}, route: RouteName = "recovery.start") => {
    const defaults = { keyId: recoveryKeyId(person.recPk), tag: "kf1-rec" as const }
    const body = bodyBytes(route, {})
    const request = await signRequest(route, person.recoverySeed, person.device.deviceId, body, world.clock.nowMs(), {
      ...defaults,
      ...options,
    })
    return verifier.verifyRecovery(request, [ORIGIN])
  }
  const refusal = (code: string) => ({ ok: false, error: { code } })

  it("[HT8] names the account whose recovery slot has that key", async () => {
    const { accountUuid, accountId } = person
    expect(await recover()).toEqual({ ok: true, value: { accountUuid, accountId } })
  })

  it("[HT8] nothing but recovery, under the tag and with a key id of its own", async () => {
    expect(await recover({}, "account.status")).toEqual(refusal("signature-invalid"))
    expect(await recover({ tag: "kf1-dev" })).toEqual(refusal("signature-invalid"))
    const wrongIds = [
      recoveryKeyId(person.recPk).replace("rec_", "dev_"),
      recoveryKeyId(person.recPk).slice(4),
      "rec_1",
      `rec_${bytesToBase32(person.recPk.slice(1))}`,
    ]
    for (const keyId of wrongIds) expect(await recover({ keyId })).toEqual(refusal("signature-invalid"))
    expect(await verifier.verifyRecovery({ ...(await sign("account.status")), path: "/x" }, [ORIGIN])).toEqual(
      refusal("not-found"),
    )
  })

  it("[HT8] a key of an account without a chain answers like an unknown one, and a nonce is taken once", async () => {
    await account({ id: null })
    expect(await recover()).toEqual(refusal("wrong-credentials"))
    await account({ id: person.accountId })
    const nonce = random.bytes(16)
    expect((await recover({ nonce })).ok).toBe(true)
    expect(await recover({ nonce })).toEqual(refusal("replay-rejected"))
  })
})
