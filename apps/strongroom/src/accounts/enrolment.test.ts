import { equalBytes, formatId } from "@keyferry/base"
import { feedEventStruct } from "@keyferry/protocol"
import { afterEach, beforeEach, describe, expect, it } from "vitest"

import {
  codeOf,
  createWorld,
  type EnrolledDevice,
  enrolDevice,
  json,
  makeActive,
  makeDevice,
  must,
  NO_LIMITS,
  type Person,
  type Reach,
  random,
  reachOf,
  send,
  signUp,
  tokenHashOf,
  type World,
} from "../fixture.ts"
import { coreOnly } from "../fixture-core.ts"

let world: World
let reach: Reach
let person: Person
beforeEach(async () => {
  world = await createWorld(coreOnly)
  reach = reachOf(world)
  person = await signUp(reach)
  await makeActive(reach, person)
})
afterEach(() => world.close())

const MINUTE = 60_000
const stateOf = async (deviceId: Uint8Array) =>
  must(reach.call("enrolState", { accountUuid: person.accountUuid, deviceId }))
const confirm = (token: Uint8Array, code: string): Promise<string> =>
  codeOf(reach.call("confirmCode", { tokenHash: tokenHashOf(token), code }))
const deny = (token: Uint8Array): Promise<string> =>
  codeOf(reach.call("confirmDeny", { tokenHash: tokenHashOf(token) }))
const mail = async (deviceId: Uint8Array): Promise<{ token: Uint8Array; code: string }> => {
  const token = random.bytes(32)
  const { code } = await must(
    reach.call("enrolMail", { accountUuid: person.accountUuid, deviceId, tokenHash: tokenHashOf(token) }),
  )
  return { token, code }
}
const wrongFor = ({ answer }: EnrolledDevice): string => (answer.code === "000000" ? "000001" : "000000")
const kinds = async (): Promise<readonly string[]> =>
  (await must(reach.call("events", { after: 0, max: 1000 }))).events.map((event) => event.kind)

describe("enrolling", () => {
  it("[FD8] tells the active devices that somebody waits and when that changed, and says no more", async () => {
    const before = world.notices.length
    const waiting = await enrolDevice(reach, person)
    expect(await confirm(waiting.token, waiting.answer.code)).toBe("ok")
    const told = world.notices.slice(before).filter((notice) => notice.event.length > 0)
    expect(told).toHaveLength(2)
    for (const { audience, event } of told) {
      expect(audience.map((id) => formatId("dev", id))).toEqual([formatId("dev", person.device.deviceId)])
      const said = feedEventStruct.decode(event, 1024)
      expect(said).toMatchObject({ ok: true, value: { accountLinks: [], vaults: [], notice: "device" } })
    }
  })

  it("[DV6] makes a device that waits, with a code and a lease; asked again it is the same device", async () => {
    const first = await enrolDevice(reach, person)
    expect(first.answer.code).toMatch(/^\d{6}$/)
    expect(first.answer.expiresAtMs).toBe(world.clock.nowMs() + 30 * MINUTE)
    expect(await stateOf(first.device.deviceId)).toEqual({ state: "pending", approver: true })
    const token = random.bytes(32)
    const again = await must(
      reach.call("enrol", {
        accountUuid: person.accountUuid,
        device: first.device.keys,
        tokenHash: tokenHashOf(token),
        limits: NO_LIMITS,
      }),
    )
    expect(again).toEqual(first.answer)
    expect(await confirm(first.token, first.answer.code)).toBe("verify-link-not-valid")
    expect(await confirm(token, first.answer.code)).toBe("ok")
    expect((await kinds()).filter((kind) => kind === "device-pending")).toHaveLength(1)
  })

  it("[DV6] at most three wait at once, whatever arrives together, with different codes", async () => {
    const devices = await Promise.all(Array.from({ length: 8 }, () => makeDevice()))
    const answers = await Promise.all(
      devices.map((device) =>
        reach.call("enrol", {
          accountUuid: person.accountUuid,
          device: device.keys,
          tokenHash: random.bytes(32),
          limits: NO_LIMITS,
        }),
      ),
    )
    const good = answers.flatMap((answer) => (answer.ok ? [answer.value.code] : []))
    expect(new Set(good).size).toBe(3)
    expect(answers.filter((answer) => !answer.ok && answer.error.code === "rate-limited")).toHaveLength(5)
    world.clock.add(30 * MINUTE)
    await enrolDevice(reach, person)
    expect((await kinds()).filter((kind) => kind === "device-expired")).toHaveLength(3)
  })

  it("[DV6] refuses unusable keys and unknown accounts", async () => {
    const device = await makeDevice()
    const ask = (keys: typeof device.keys, accountUuid = person.accountUuid): Promise<string> =>
      codeOf(reach.call("enrol", { accountUuid, device: keys, tokenHash: random.bytes(32), limits: NO_LIMITS }))
    expect(await ask({ ...device.keys, authPk: device.keys.sigPk })).toBe("malformed")
    expect(await ask({ ...device.keys, sigPk: new Uint8Array(32) })).toBe("malformed")
    expect(await ask({ ...device.keys, deviceId: new Uint8Array(16) })).toBe("malformed")
    expect(await ask(device.keys, "nobody")).toBe("not-found")
    expect(await ask({ ...device.keys, deviceId: person.device.deviceId })).toBe("holder-reused")
  })

  it("[DV7] an expired device comes back with new keys only", async () => {
    const first = await enrolDevice(reach, person)
    world.clock.add(30 * MINUTE)
    expect(await stateOf(first.device.deviceId)).toMatchObject({ state: "expired" })
    const again = (keys: typeof first.device.keys): Promise<string> =>
      codeOf(
        reach.call("enrol", {
          accountUuid: person.accountUuid,
          device: keys,
          tokenHash: random.bytes(32),
          limits: NO_LIMITS,
        }),
      )
    expect(await again(first.device.keys)).toBe("holder-reused")
    const fresh = await makeDevice()
    expect(await again({ ...fresh.keys, deviceId: first.device.deviceId })).toBe("ok")
  })

  it("[DV7] keys of an ended device are refused in any mixture, also when only the lease store remembers", async () => {
    const first = await enrolDevice(reach, person)
    expect(await deny(first.token)).toBe("ok")
    await world
      .room()
      .ctx.store.transaction((tx) => tx.updateTable("account").set({ enrol_frozen_until_ms: 0 }).execute())
    const fresh = await makeDevice()
    const { deviceId, sigPk, authPk, kemPk } = first.device.keys
    const ask = (part: Partial<typeof fresh.keys>): Promise<string> =>
      codeOf(
        reach.call("enrol", {
          accountUuid: person.accountUuid,
          device: { ...fresh.keys, ...part },
          tokenHash: random.bytes(32),
          limits: NO_LIMITS,
        }),
      )
    const parts = [{ deviceId }, { sigPk }, { authPk }, { kemPk }]
    for (const part of parts) expect(await ask(part)).toBe("holder-reused")
    // As after a restore of the main store.
    await world.room().ctx.store.transaction(async (tx) => {
      await tx.deleteFrom("attempt").execute()
      await tx.deleteFrom("device").where("id", "=", deviceId).execute()
    })
    for (const part of parts) expect(await ask(part)).toBe("holder-reused")
    expect(await ask({})).toBe("ok")
  })

  it("[DV8] waiting ends after 30 minutes, confirmed or not", async () => {
    const [a, b] = [await enrolDevice(reach, person), await enrolDevice(reach, person)]
    expect(await confirm(a.token, a.answer.code)).toBe("ok")
    expect(await stateOf(a.device.deviceId)).toMatchObject({ state: "confirmed" })
    world.clock.add(30 * MINUTE)
    expect((await send(reach, a.device, "enrol.chain")).code).toBe("device-expired")
    expect(await stateOf(a.device.deviceId)).toMatchObject({ state: "expired" })
    expect(await stateOf(b.device.deviceId)).toMatchObject({ state: "expired" })
    expect(
      await codeOf(
        reach.call("enrolMail", {
          accountUuid: person.accountUuid,
          deviceId: b.device.deviceId,
          tokenHash: random.bytes(32),
        }),
      ),
    ).toBe("device-expired")
  })

  it("[DV9] counts the devices in the chain against the plan", async () => {
    const device = await makeDevice()
    const ask = (devices: number): Promise<string> =>
      codeOf(
        reach.call("enrol", {
          accountUuid: person.accountUuid,
          device: device.keys,
          tokenHash: random.bytes(32),
          limits: { ...NO_LIMITS, devices },
        }),
      )
    expect(await ask(1)).toBe("device-limit")
    expect(await ask(2)).toBe("ok")
  })
})

describe("confirming", () => {
  it("[DV10] link and code together confirm once, whatever comes at the same moment", async () => {
    for (let round = 0; round < 25; round++) {
      const waiting = await enrolDevice(reach, person)
      const { code } = waiting.answer
      const answers = await Promise.all([
        ...Array.from({ length: 4 }, () => confirm(waiting.token, code)),
        deny(waiting.token),
        ...Array.from({ length: 4 }, () => confirm(waiting.token, code)),
      ])
      expect(answers.filter((answer) => answer === "ok")).toHaveLength(1)
      expect(answers.filter((answer) => answer === "verify-link-not-valid")).toHaveLength(8)
      const { state } = await stateOf(waiting.device.deviceId)
      expect(["confirmed", "rejected"]).toContain(state)
      const events = (await kinds()).filter((kind) => kind === "device-confirmed" || kind === "device-rejected")
      expect(events).toHaveLength(round + 2)
      await world.room().ctx.store.transaction(async (tx) => {
        await tx.updateTable("account").set({ enrol_frozen_until_ms: 0 }).execute()
        await tx.updateTable("device").set({ state: "expired" }).where("id", "=", waiting.device.deviceId).execute()
      })
    }
  })

  it("[DV10] looking at a link any number of times changes nothing", async () => {
    const waiting = await enrolDevice(reach, person)
    const tokenHash = tokenHashOf(waiting.token)
    const before = await world.room().ctx.store.read((db) => db.selectFrom("attempt").selectAll().execute())
    for (let i = 0; i < 20; i++)
      expect(await must(reach.call("confirmDescribe", { tokenHash }))).toEqual({
        platform: "second device",
        requestedAtMs: world.clock.nowMs(),
      })
    expect(await world.room().ctx.store.read((db) => db.selectFrom("attempt").selectAll().execute())).toEqual(before)
    expect(await codeOf(reach.call("confirmDescribe", { tokenHash: random.bytes(32) }))).toBe("verify-link-not-valid")
    expect(await confirm(waiting.token, waiting.answer.code)).toBe("ok")
    expect(await codeOf(reach.call("confirmDescribe", { tokenHash }))).toBe("verify-link-not-valid")
  })

  it("[DV10] lives ten minutes, to the moment", async () => {
    const [a, b] = [await enrolDevice(reach, person), await enrolDevice(reach, person)]
    world.clock.add(10 * MINUTE - 1)
    expect(await confirm(a.token, a.answer.code)).toBe("ok")
    world.clock.add(1)
    expect(await confirm(b.token, b.answer.code)).toBe("verify-link-not-valid")
    expect(await deny(b.token)).toBe("verify-link-not-valid")
    expect(await stateOf(b.device.deviceId)).toMatchObject({ state: "pending", reason: "verify-link-expired" })
  })

  it("[DV11] five wrong codes end a link, and the next mail brings another code", async () => {
    const waiting = await enrolDevice(reach, person)
    for (let i = 0; i < 5; i++) expect(await confirm(waiting.token, wrongFor(waiting))).toBe("verify-link-not-valid")
    expect(await confirm(waiting.token, waiting.answer.code)).toBe("verify-link-not-valid")
    expect(await stateOf(waiting.device.deviceId)).toMatchObject({ state: "pending", reason: "verify-link-used" })
    const next = await mail(waiting.device.deviceId)
    expect(next.code).not.toBe(waiting.answer.code)
    expect(await stateOf(waiting.device.deviceId)).toEqual({ state: "pending", approver: true })
    expect(await confirm(next.token, next.code)).toBe("ok")
  })

  it("[DV11] many wrong codes at once are no more than five tries", async () => {
    const waiting = await enrolDevice(reach, person)
    const guesses = Array.from({ length: 40 }, (_, i) => String(i).padStart(6, "0")).filter(
      (code) => code !== waiting.answer.code,
    )
    await Promise.all(guesses.map((code) => confirm(waiting.token, code)))
    const row = await world
      .room()
      .ctx.store.read((db) =>
        db
          .selectFrom("attempt")
          .select(["state", "tries"])
          .where("token_hash", "=", tokenHashOf(waiting.token))
          .executeTakeFirstOrThrow(),
      )
    expect(row).toEqual({ state: "dead", tries: 5 })
  })

  it("[DV11] a new mail keeps the code and ends the link before it", async () => {
    const waiting = await enrolDevice(reach, person)
    world.clock.add(MINUTE)
    const next = await mail(waiting.device.deviceId)
    expect(next.code).toBe(waiting.answer.code)
    expect(await confirm(waiting.token, next.code)).toBe("verify-link-not-valid")
    expect(await stateOf(waiting.device.deviceId)).toMatchObject({ state: "pending", reason: "verify-link-used" })
    expect(await confirm(next.token, next.code)).toBe("ok")
    expect(
      await codeOf(
        reach.call("enrolMail", {
          accountUuid: person.accountUuid,
          deviceId: waiting.device.deviceId,
          tokenHash: random.bytes(32),
        }),
      ),
    ).toBe("not-allowed")
  })

  it("[DV30] a link that is still good can be gone on with; one that ended cannot", async () => {
    const running = async (deviceId: Uint8Array, accountUuid = person.accountUuid) =>
      (await must(reach.call("enrolRunning", { accountUuid, deviceId }))).code
    const waiting = await enrolDevice(reach, person)
    const { deviceId } = waiting.device
    expect(await running(deviceId)).toBe(waiting.answer.code)
    expect(await running(deviceId, "another account")).toBeUndefined()
    world.clock.add(10 * MINUTE)
    expect(await running(deviceId)).toBeUndefined()
    const next = await mail(deviceId)
    expect(await running(deviceId)).toBe(next.code)
    for (let i = 0; i < 5; i++) await confirm(next.token, wrongFor(waiting))
    expect(await running(deviceId)).toBeUndefined()
    const last = await mail(deviceId)
    expect(await confirm(last.token, last.code)).toBe("ok")
    expect(await running(deviceId)).toBeUndefined()
  })

  it("[DV12] the waiting device learns which failure it was, the page does not", async () => {
    const [a, b] = [await enrolDevice(reach, person), await enrolDevice(reach, person)]
    expect(await confirm(a.token, b.answer.code)).toBe("verify-link-not-valid")
    expect(await stateOf(b.device.deviceId)).toMatchObject({ reason: "verify-link-wrong-device" })
    expect(await stateOf(a.device.deviceId)).toMatchObject({ reason: "verify-code-wrong" })
    const stranger = await signUp(reach)
    await makeActive(reach, stranger)
    const theirs = await enrolDevice(reach, stranger)
    expect(await confirm(a.token, theirs.answer.code)).toBe("verify-link-not-valid")
    const told = await must(
      reach.call("enrolState", { accountUuid: stranger.accountUuid, deviceId: theirs.device.deviceId }),
    )
    expect(told.reason).toBe("verify-link-wrong-account")
    expect(
      await codeOf(reach.call("enrolState", { accountUuid: person.accountUuid, deviceId: theirs.device.deviceId })),
    ).toBe("device-not-enrolled")
    expect(await confirm(random.bytes(32), a.answer.code)).toBe("verify-link-not-valid")
    expect(await confirm(a.token, ` ${a.answer.code.slice(0, 3)}-${a.answer.code.slice(3)}`)).toBe("ok")
  })

  it("[DV13] this was not me: rejected, dead, and nobody enrols for a day", async () => {
    const waiting = await enrolDevice(reach, person)
    expect(await deny(waiting.token)).toBe("ok")
    expect(await deny(waiting.token)).toBe("verify-link-not-valid")
    expect(await confirm(waiting.token, waiting.answer.code)).toBe("verify-link-not-valid")
    expect(await stateOf(waiting.device.deviceId)).toMatchObject({ state: "rejected" })
    expect(
      await codeOf(
        reach.call("enrolMail", {
          accountUuid: person.accountUuid,
          deviceId: waiting.device.deviceId,
          tokenHash: random.bytes(32),
        }),
      ),
    ).toBe("device-rejected")
    expect(await world.room().leases.attempts(waiting.device.deviceId)).toBeUndefined()
    const next = await makeDevice()
    const ask = () =>
      reach.call("enrol", {
        accountUuid: person.accountUuid,
        device: next.keys,
        tokenHash: random.bytes(32),
        limits: NO_LIMITS,
      })
    const refused = await ask()
    expect(refused.ok ? undefined : refused.error).toEqual({ code: "device-rejected", retryAfterS: 24 * 3600 })
    world.clock.add(24 * 60 * MINUTE)
    expect((await ask()).ok).toBe(true)
    expect(await kinds()).toContain("device-rejected")
  })

  it("[DV13] an active device denies, and only waiting devices of its own account", async () => {
    const waiting = await enrolDevice(reach, person)
    const stranger = await signUp(reach)
    await makeActive(reach, stranger)
    const body = { deviceId: formatId("dev", waiting.device.deviceId) }
    expect((await send(reach, stranger.device, "devices.deny", body)).code).toBe("not-found")
    expect(await json(send(reach, person.device, "devices.deny", body))).toEqual({ state: "rejected" })
    expect((await send(reach, person.device, "devices.deny", body)).code).toBe("not-found")
    expect(
      (await send(reach, person.device, "devices.deny", { deviceId: formatId("dev", person.device.deviceId) })).code,
    ).toBe("not-found")
  })

  it("[DV13] an operator confirms by the code alone, once", async () => {
    const waiting = await enrolDevice(reach, person)
    expect(await codeOf(reach.call("operatorConfirm", { code: wrongFor(waiting) }))).toBe("not-found")
    const done = await must(reach.call("operatorConfirm", { code: waiting.answer.code }))
    expect([done.state, done.accountUuid]).toEqual(["confirmed", person.accountUuid])
    expect(equalBytes(done.deviceId, waiting.device.deviceId)).toBe(true)
    expect(await codeOf(reach.call("operatorConfirm", { code: waiting.answer.code }))).toBe("not-found")
    expect(await confirm(waiting.token, waiting.answer.code)).toBe("verify-link-not-valid")
    const late = await enrolDevice(reach, person)
    world.clock.add(30 * MINUTE)
    expect(await codeOf(reach.call("operatorConfirm", { code: late.answer.code }))).toBe("not-found")
  })

  it("[DV13] the mail of a first device confirms the account", async () => {
    const ben = await signUp(reach)
    const token = random.bytes(32)
    const about = { accountUuid: ben.accountUuid, deviceId: ben.device.deviceId }
    const { code } = await must(reach.call("enrolMail", { ...about, tokenHash: tokenHashOf(token) }))
    expect(
      await codeOf(
        reach.call("confirmCode", { tokenHash: tokenHashOf(token), code: code === "000000" ? "000001" : "000000" }),
      ),
    ).toBe("verify-link-not-valid")
    expect(await must(reach.call("confirmCode", { tokenHash: tokenHashOf(token), code }))).toEqual({
      state: "pending-first",
    })
    expect(await json(send(reach, ben.device, "account.status"))).toMatchObject({
      confirmed: true,
      state: "pending-first",
    })
  })
})

describe("lists", () => {
  it("[DV6] an active device sees waiting ones with their keys", async () => {
    const waiting = await enrolDevice(reach, person)
    const { devices } = (await json(send(reach, person.device, "devices.list"))) as {
      devices: Record<string, unknown>[]
    }
    expect(devices.map((device) => device["state"])).toEqual(["active", "pending"])
    expect(devices[1]).toMatchObject({ deviceId: formatId("dev", waiting.device.deviceId), platform: "second device" })
    const { accounts } = await must(reach.call("accounts", {}))
    expect(accounts).toMatchObject([{ accountUuid: person.accountUuid, devices: 1, factors: 1, frozen: false }])
  })
})
