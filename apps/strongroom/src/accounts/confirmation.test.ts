import { formatId } from "@keyferry/base"
import type { DeviceState } from "@keyferry/protocol"
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest"

import {
  createWorld,
  type EnrolledDevice,
  enrolDevice,
  makeActive,
  must,
  type Person,
  type Reach,
  random,
  reachOf,
  signUp,
  tokenHashOf,
  type World,
} from "../fixture.ts"
import { coreOnly } from "../fixture-core.ts"
import { confirmCode, confirmDeny, confirmDescribe, confirmFirst, denyDevice, operatorConfirm } from "./confirmation.ts"

/* Confirming by itself: which rows move, and which stay as they were. */
const DAY_MS = 24 * 3_600_000
const NEUTRAL = { ok: false, error: { code: "verify-link-not-valid" } }
const NOT_FOUND = { ok: false, error: { code: "not-found" } }

let world: World
let reach: Reach
let person: Person
beforeAll(async () => {
  world = await createWorld(coreOnly)
  reach = reachOf(world)
  person = await signUp(reach)
  await makeActive(reach, person)
})
afterAll(() => world.close())
afterEach(() =>
  store().transaction(async (tx) => {
    await tx
      .updateTable("device")
      .set({ state: "expired", code: null })
      .where("id", "!=", person.device.deviceId)
      .execute()
    await tx.updateTable("account").set({ enrol_frozen_until_ms: 0 }).execute()
  }),
)

const ctx = () => world.room().ctx
const store = () => ctx().store
const waiting = (): Promise<EnrolledDevice> => enrolDevice(reach, person)
const otherCode = (code: string): string => (code === "000000" ? "000001" : "000000")

const deviceRow = (deviceId: Uint8Array) =>
  store().read((db) =>
    db
      .selectFrom("device")
      .select(["state", "code", "link_reason as reason", "expires_ms"])
      .where("id", "=", deviceId)
      .executeTakeFirstOrThrow(),
  )
const attemptRow = (token: Uint8Array) =>
  store().read((db) =>
    db
      .selectFrom("attempt")
      .select(["state", "tries", "expires_ms"])
      .where("token_hash", "=", tokenHashOf(token))
      .executeTakeFirstOrThrow(),
  )
const accountRow = (accountUuid = person.accountUuid) =>
  store().read((db) =>
    db
      .selectFrom("account")
      .select(["confirmed_ms", "enrol_frozen_until_ms"])
      .where("uuid", "=", accountUuid)
      .executeTakeFirstOrThrow(),
  )
const setDevice = (
  deviceId: Uint8Array,
  change: Partial<{ state: DeviceState; code: string | null; expires_ms: number }>,
): Promise<unknown> =>
  store().transaction((tx) => tx.updateTable("device").set(change).where("id", "=", deviceId).execute())
const setAttempt = (
  token: Uint8Array,
  change: Partial<{ state: string; tries: number; expires_ms: number }>,
): Promise<unknown> =>
  store().transaction((tx) =>
    tx.updateTable("attempt").set(change).where("token_hash", "=", tokenHashOf(token)).execute(),
  )
const addAttempt = async ({ device }: EnrolledDevice): Promise<Uint8Array> => {
  const token = random.bytes(32)
  const nowMs = world.clock.nowMs()
  const row = { device_id: device.deviceId, account_uuid: person.accountUuid, state: "open", tries: 0 }
  await store().transaction((tx) =>
    tx
      .insertInto("attempt")
      .values({ ...row, token_hash: tokenHashOf(token), made_ms: nowMs, expires_ms: nowMs + 1000 })
      .execute(),
  )
  return token
}
const eventsOf = async (fn: () => Promise<unknown>): Promise<unknown[]> => {
  const newest = async (): Promise<readonly { n: number; kind: string; account_uuid: string; device_id: unknown }[]> =>
    store().read((db) =>
      db.selectFrom("event").select(["n", "kind", "account_uuid", "device_id"]).orderBy("n").execute(),
    )
  const before = (await newest()).length
  await fn()
  return (await newest()).slice(before).map(({ kind, account_uuid, device_id }) => [kind, account_uuid, device_id])
}

const code = (token: Uint8Array, digits: string) => confirmCode(ctx(), { tokenHash: tokenHashOf(token), code: digits })

describe("a link", () => {
  it("[DV10] is described while it is open, to the millisecond", async () => {
    const { token } = await waiting()
    const look = () => confirmDescribe(ctx(), { tokenHash: tokenHashOf(token) })
    const { expires_ms } = await attemptRow(token)
    const seen = { ok: true, value: { platform: "second device", requestedAtMs: world.clock.nowMs() } }
    await setAttempt(token, { expires_ms: world.clock.nowMs() + 1 })
    expect(await look()).toEqual(seen)
    await setAttempt(token, { expires_ms: world.clock.nowMs() })
    expect(await look()).toEqual(NEUTRAL)
    for (const state of ["verified", "superseded", "denied", "dead"]) {
      await setAttempt(token, { expires_ms, state })
      expect(await look()).toEqual(NEUTRAL)
    }
    await setAttempt(token, { state: "open" })
    expect(await look()).toEqual(seen)
    expect(await confirmDescribe(ctx(), { tokenHash: random.bytes(32) })).toEqual(NEUTRAL)
  })

  it("[DV10] with its code confirms its device, ends the other links of it, and says so once", async () => {
    const one = await waiting()
    const other = await addAttempt(one)
    const bystander = await waiting()
    const { deviceId } = one.device
    expect(await code(one.token, otherCode(one.answer.code))).toEqual(NEUTRAL)
    expect(await deviceRow(deviceId)).toMatchObject({ reason: "verify-code-wrong" })
    const events = await eventsOf(async () => {
      expect(await code(one.token, one.answer.code)).toEqual({ ok: true, value: { state: "confirmed" } })
    })
    expect(events).toEqual([["device-confirmed", person.accountUuid, deviceId]])
    expect(await deviceRow(deviceId)).toMatchObject({ state: "confirmed", reason: null })
    expect(await attemptRow(one.token)).toMatchObject({ state: "verified", tries: 1 })
    expect(await attemptRow(other)).toMatchObject({ state: "superseded", tries: 0 })
    expect(await deviceRow(bystander.device.deviceId)).toMatchObject({ state: "pending", reason: null })
    expect(await attemptRow(bystander.token)).toMatchObject({ state: "open", tries: 0 })
    expect(await code(one.token, one.answer.code)).toEqual(NEUTRAL)
    // Nobody waits there any more who could be told.
    expect(await deviceRow(deviceId)).toMatchObject({ state: "confirmed", reason: null })
  })

  it("[DV10] takes the code with spaces and dashes wherever a person puts them", async () => {
    const { token, answer } = await waiting()
    const typed = ` ${answer.code.slice(0, 2)} - ${answer.code.slice(2, 4)}\t--${answer.code.slice(4)} `
    expect((await code(token, typed)).ok).toBe(true)
  })

  it("[DV10] confirms no device that has expired, and none that does not wait", async () => {
    const { token, answer, device } = await waiting()
    const now = world.clock.nowMs()
    await setDevice(device.deviceId, { expires_ms: now })
    expect(await code(token, answer.code)).toEqual(NEUTRAL)
    await setDevice(device.deviceId, { expires_ms: now + 1, state: "confirmed" })
    expect(await code(token, answer.code)).toEqual(NEUTRAL)
    await setDevice(device.deviceId, { state: "pending", expires_ms: now + 1 })
    expect((await code(token, answer.code)).ok).toBe(true)
    const timeless = await waiting()
    await setDevice(timeless.device.deviceId, { expires_ms: 0 })
    expect((await code(timeless.token, timeless.answer.code)).ok).toBe(true)
  })
})

describe("a failure", () => {
  it("[DV11] counts the try, and the fifth ends the link", async () => {
    const { token, answer, device } = await waiting()
    for (let tries = 1; tries < 5; tries++) {
      expect(await code(token, otherCode(answer.code))).toEqual(NEUTRAL)
      expect(await attemptRow(token)).toMatchObject({ state: "open", tries })
      expect(await deviceRow(device.deviceId)).toMatchObject({ reason: "verify-code-wrong" })
    }
    expect(await code(token, otherCode(answer.code))).toEqual(NEUTRAL)
    expect(await attemptRow(token)).toMatchObject({ state: "dead", tries: 5 })
    expect(await deviceRow(device.deviceId)).toMatchObject({ reason: "verify-link-used", state: "pending" })
    await setAttempt(token, { state: "open" })
    expect(await code(token, answer.code)).toEqual(NEUTRAL)
  })

  it("[DV12] of a link that was used, or is too old, is told to the device alone and counts nothing", async () => {
    const { token, answer, device } = await waiting()
    await setAttempt(token, { state: "superseded" })
    expect(await code(token, answer.code)).toEqual(NEUTRAL)
    expect(await deviceRow(device.deviceId)).toMatchObject({ reason: "verify-link-used" })
    expect(await attemptRow(token)).toMatchObject({ state: "superseded", tries: 0 })
    await setAttempt(token, { state: "open", expires_ms: world.clock.nowMs() })
    expect(await code(token, answer.code)).toEqual(NEUTRAL)
    expect(await deviceRow(device.deviceId)).toMatchObject({ reason: "verify-link-expired" })
    expect(await attemptRow(token)).toMatchObject({ state: "expired", tries: 0 })
    expect(await code(random.bytes(32), answer.code)).toEqual(NEUTRAL)
  })

  it("[DV12] with the code of another device tells that one too, of the same account or of another", async () => {
    const [one, two] = [await waiting(), await waiting()]
    expect(await code(one.token, two.answer.code)).toEqual(NEUTRAL)
    expect(await deviceRow(one.device.deviceId)).toMatchObject({ reason: "verify-code-wrong" })
    expect(await deviceRow(two.device.deviceId)).toMatchObject({ reason: "verify-link-wrong-device" })
    expect(await attemptRow(two.token)).toMatchObject({ state: "open", tries: 0 })
    const stranger = await signUp(reach)
    await makeActive(reach, stranger)
    const theirs = await enrolDevice(reach, stranger)
    expect(await code(one.token, theirs.answer.code)).toEqual(NEUTRAL)
    expect(await deviceRow(theirs.device.deviceId)).toMatchObject({ reason: "verify-link-wrong-account" })
    expect(await deviceRow(two.device.deviceId)).toMatchObject({ reason: "verify-link-wrong-device" })
    // A device that does not wait any more has no code that could be mistaken.
    await setDevice(two.device.deviceId, { state: "confirmed" })
    await store().transaction((tx) =>
      tx.updateTable("device").set({ link_reason: null }).where("id", "=", two.device.deviceId).execute(),
    )
    expect(await code(one.token, two.answer.code)).toEqual(NEUTRAL)
    expect(await deviceRow(two.device.deviceId)).toMatchObject({ reason: null })
    // Its own code, that does not count because it has expired, is no other device's.
    await setDevice(one.device.deviceId, { expires_ms: world.clock.nowMs() })
    expect(await code(one.token, one.answer.code)).toEqual(NEUTRAL)
    expect(await deviceRow(one.device.deviceId)).toMatchObject({ reason: "verify-code-wrong" })
  })
})

describe("a denial", () => {
  const deny = (token: Uint8Array) => confirmDeny(ctx(), { tokenHash: tokenHashOf(token) })

  it("[DV13] by the link ends device, links and lease, and freezes enrolling for a day", async () => {
    const one = await waiting()
    const other = await addAttempt(one)
    const { deviceId } = one.device
    const events = await eventsOf(async () => {
      expect(await deny(one.token)).toEqual({ ok: true, value: { state: "rejected" } })
    })
    expect(events).toEqual([["device-rejected", person.accountUuid, deviceId]])
    expect(await deviceRow(deviceId)).toMatchObject({ state: "rejected", code: null })
    expect(await attemptRow(one.token)).toMatchObject({ state: "denied" })
    expect(await attemptRow(other)).toMatchObject({ state: "denied" })
    expect((await accountRow()).enrol_frozen_until_ms).toBe(world.clock.nowMs() + DAY_MS)
    const { leases } = world.room()
    expect(await leases.read(deviceId)).toMatchObject({ state: "dead", sealed: null })
    expect(await leases.isBuried("device", deviceId)).toBe(true)
    expect(await leases.isBuried("holder-key", ctx().primitives.sha256(one.device.keys.sigPk))).toBe(true)
    expect(await leases.openIntents()).toEqual([])
    expect(await deny(one.token)).toEqual(NEUTRAL)
  })

  it("[DV13] takes an open link that has not ended, and a device that waits; else nothing changes", async () => {
    const one = await waiting()
    expect(await deny(random.bytes(32))).toEqual(NEUTRAL)
    await setAttempt(one.token, { state: "superseded" })
    expect(await deny(one.token)).toEqual(NEUTRAL)
    await setAttempt(one.token, { state: "open", expires_ms: world.clock.nowMs() })
    expect(await deny(one.token)).toEqual(NEUTRAL)
    await setAttempt(one.token, { expires_ms: world.clock.nowMs() + 1 })
    await setDevice(one.device.deviceId, { state: "approved" })
    expect(await deny(one.token)).toEqual(NEUTRAL)
    // Rolled back with everything else: the link is as it was.
    expect(await attemptRow(one.token)).toMatchObject({ state: "open" })
    expect((await accountRow()).enrol_frozen_until_ms).toBe(0)
    expect((await world.room().leases.read(one.device.deviceId))?.state).not.toBe("dead")
    await setDevice(one.device.deviceId, { state: "confirmed" })
    expect((await deny(one.token)).ok).toBe(true)
  })

  it("[DV13] by a device takes an active one, and a waiting one of the same account", async () => {
    const one = await waiting()
    const { accountUuid } = person
    const { deviceId } = one.device
    const by = (who: Uint8Array, account = accountUuid) => denyDevice(ctx(), { accountUuid: account, deviceId }, who)
    expect(await by(deviceId)).toEqual(NEUTRAL)
    expect(await by(random.bytes(16))).toEqual(NEUTRAL)
    const stranger = await signUp(reach)
    await makeActive(reach, stranger)
    expect(await by(stranger.device.deviceId, stranger.accountUuid)).toEqual(NEUTRAL)
    expect(await deviceRow(deviceId)).toMatchObject({ state: "pending" })
    expect(await by(person.device.deviceId)).toEqual({ ok: true, value: { state: "rejected" } })
    expect(await deviceRow(deviceId)).toMatchObject({ state: "rejected" })
  })
})

describe("a first device", () => {
  /** A person whose first device shows the code of its mail. */
  const first = async () => {
    const one = await signUp(reach)
    const { accountUuid } = one
    const { deviceId } = one.device
    const token = random.bytes(32)
    const { code: digits } = await must(
      reach.call("enrolMail", { accountUuid, deviceId, tokenHash: tokenHashOf(token) }),
    )
    return { accountUuid, deviceId, token, digits }
  }

  it("[DV12] learns why its link fails, and that its code was typed under the link of somebody else", async () => {
    const one = await first()
    expect(await code(one.token, otherCode(one.digits))).toEqual(NEUTRAL)
    expect(await deviceRow(one.deviceId)).toMatchObject({ state: "pending-first", reason: "verify-code-wrong" })
    const other = await waiting()
    expect(await code(other.token, one.digits)).toEqual(NEUTRAL)
    expect(await deviceRow(one.deviceId)).toMatchObject({ reason: "verify-link-wrong-account" })
    expect((await accountRow(one.accountUuid)).confirmed_ms).toBe(0)
  })

  it("[DV13] is denied by whoever reads the mail, and its keys are dead", async () => {
    const one = await first()
    expect(await confirmDeny(ctx(), { tokenHash: tokenHashOf(one.token) })).toEqual({
      ok: true,
      value: { state: "rejected" },
    })
    expect(await deviceRow(one.deviceId)).toMatchObject({ state: "rejected", code: null })
    expect(await world.room().leases.isBuried("device", one.deviceId)).toBe(true)
  })

  it("[DV13] is confirmed by the operator with the code that it shows", async () => {
    const one = await first()
    const confirm = () => operatorConfirm(ctx(), { code: one.digits })
    expect(await confirm()).toMatchObject({
      ok: true,
      value: { accountUuid: one.accountUuid, deviceId: one.deviceId, state: "pending-first" },
    })
    expect((await accountRow(one.accountUuid)).confirmed_ms).toBe(world.clock.nowMs())
    // The code is gone with its use.
    expect(await confirm()).toEqual(NOT_FOUND)
  })

  it("[DV13] that has only a place reserved for it loses its code with the first link as well", async () => {
    const one = await first()
    await setDevice(one.deviceId, { state: "reserved" })
    const events = await eventsOf(async () => {
      expect((await confirmFirst(ctx(), { accountUuid: one.accountUuid })).ok).toBe(true)
    })
    expect(events).toContainEqual(["device-confirmed", one.accountUuid, one.deviceId])
    expect(await deviceRow(one.deviceId)).toMatchObject({ code: null })
  })

  it("[DV13] confirms its account with the code of its mail, once, and its code is gone", async () => {
    const ben = await signUp(reach)
    const { accountUuid } = ben
    const { deviceId } = ben.device
    const token = random.bytes(32)
    const mailed = await must(reach.call("enrolMail", { accountUuid, deviceId, tokenHash: tokenHashOf(token) }))
    expect((await accountRow(accountUuid)).confirmed_ms).toBe(0)
    world.clock.add(1000)
    const events = await eventsOf(async () => {
      expect(await code(token, mailed.code)).toEqual({ ok: true, value: { state: "pending-first" } })
    })
    expect(events).toEqual([["device-confirmed", accountUuid, deviceId]])
    const confirmedMs = world.clock.nowMs()
    expect((await accountRow(accountUuid)).confirmed_ms).toBe(confirmedMs)
    expect(await deviceRow(deviceId)).toMatchObject({ state: "pending-first", code: null })
    world.clock.add(1000)
    const again = await eventsOf(async () => {
      expect(await confirmFirst(ctx(), { accountUuid })).toEqual({ ok: true, value: { state: "pending-first" } })
    })
    expect(again).toEqual([])
    expect((await accountRow(accountUuid)).confirmed_ms).toBe(confirmedMs)
  })

  it("[DV13] that is ready becomes active with the confirmation", async () => {
    const ben = await signUp(reach)
    const { accountUuid } = ben
    const { deviceId } = ben.device
    await store().transaction((tx) =>
      tx
        .insertInto("factor")
        .values({
          account_uuid: accountUuid,
          kind: "totp",
          sealed_seed: new Uint8Array(32),
          last_step: 0,
          created_ms: 0,
        })
        .execute(),
    )
    const events = await eventsOf(async () => {
      expect(await confirmFirst(ctx(), { accountUuid })).toEqual({ ok: true, value: { state: "active" } })
    })
    expect(events).toEqual([
      ["device-confirmed", accountUuid, deviceId],
      ["account-active", accountUuid, deviceId],
      ["device-active", accountUuid, deviceId],
    ])
    // Confirmed again, whoever is there: the answer is what the account's devices are.
    expect(await confirmFirst(ctx(), { accountUuid })).toEqual({ ok: true, value: { state: "active" } })
  })

  it("[DV13] need not be there yet; an unknown account is not found", async () => {
    const ben = await signUp(reach)
    const { accountUuid } = ben
    await setDevice(ben.device.deviceId, { state: "expired" })
    const events = await eventsOf(async () => {
      expect(await confirmFirst(ctx(), { accountUuid })).toEqual({ ok: true, value: { state: "reserved" } })
    })
    expect(events).toEqual([["device-confirmed", accountUuid, null]])
    expect((await accountRow(accountUuid)).confirmed_ms).toBe(world.clock.nowMs())
    expect(await confirmFirst(ctx(), { accountUuid: formatId("dev", random.bytes(16)) })).toEqual(NOT_FOUND)
  })
})

describe("an operator", () => {
  const confirm = (digits: string) => operatorConfirm(ctx(), { code: digits })

  it("[DV13] confirms the device that shows the code now, and no other", async () => {
    const one = await waiting()
    const { deviceId } = one.device
    expect(await confirm(otherCode(one.answer.code))).toEqual(NOT_FOUND)
    await setDevice(deviceId, { expires_ms: world.clock.nowMs() })
    expect(await confirm(one.answer.code)).toEqual(NOT_FOUND)
    await setDevice(deviceId, { expires_ms: world.clock.nowMs() + 1, state: "approved" })
    expect(await confirm(one.answer.code)).toEqual(NOT_FOUND)
    expect(await deviceRow(deviceId)).toMatchObject({ state: "approved" })
    await setDevice(deviceId, { state: "pending" })
    const { accountUuid } = person
    expect(await confirm(one.answer.code)).toEqual({ ok: true, value: { accountUuid, deviceId, state: "confirmed" } })
    expect(await attemptRow(one.token)).toMatchObject({ state: "superseded" })
    expect(await confirm(one.answer.code)).toEqual(NOT_FOUND)
    const timeless = await waiting()
    await setDevice(timeless.device.deviceId, { expires_ms: 0 })
    expect(await confirm(timeless.answer.code)).toMatchObject({ ok: true, value: { state: "confirmed" } })
  })
})
