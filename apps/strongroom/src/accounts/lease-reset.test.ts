import { bytesToBase64url, Defect, formatId, lp, secret } from "@keyferry/base"
import { blind, signLeaseReset, signUnlockOk } from "@keyferry/crypto"
import { afterEach, beforeEach, describe, expect, it } from "vitest"

import { allHandlers } from "../all-handlers.ts"
import {
  addDevice,
  codeOf,
  createWorld,
  enrolDevice,
  type EnrolledDevice,
  json,
  makeActive,
  p,
  type Person,
  type Reach,
  random,
  reachOf,
  send,
  signUp,
  totpCode,
  type World,
} from "../fixture.ts"

let world: World
let reach: Reach
let person: Person
let second: EnrolledDevice
let otpauth: string
beforeEach(async () => {
  world = await createWorld(allHandlers)
  reach = reachOf(world)
  person = await signUp(reach)
  otpauth = await makeActive(reach, person)
  second = await enrolDevice(reach, person)
  const { link, wraps } = await addDevice(person.chain, person.device, second, person.accountSeed, reach.nowMs())
  const answer = await send(reach, person.device, "account.append", { link, wraps, rotations: [] })
  if (answer.status !== 200) throw new Defect(`holder.add: ${answer.code ?? ""}`)
})
afterEach(() => world.close())

const evaluate = () =>
  send(reach, second.device, "lease.evaluate", {
    leaseId: formatId("lea", second.answer.lease.leaseId),
    blinded: bytesToBase64url(blind(random, secret<"LeaseInput">(random.bytes(32))).blinded),
  })
const sync = async () => {
  const body = { account: [1, person.chain.head.hash], cursors: [], pushes: [], maxBytes: 1000 }
  return (await send(reach, second.device, "sync", body)).code
}

describe("a device that was just added", () => {
  it("[DV3] is served no record before it was unlocked, nor without a factor", async () => {
    expect(await json(send(reach, second.device, "account.status"))).toMatchObject({ state: "approved" })
    expect(await sync()).toBe("not-allowed")
    expect((await send(reach, second.device, "account.chain")).status).toBe(200)
    const clearing = world.room().ctx.store
    await clearing.transaction((tx) => tx.deleteFrom("factor").execute())
    expect(await sync()).toBe("two-factor-required")
    expect((await send(reach, second.device, "two-factor.start")).status).toBe(200)
  })
})

describe("a locked lease", () => {
  const locked = async (): Promise<number> => {
    let attempt = 0
    for (let i = 0; i < 10; i++) attempt = Number((await json(evaluate()))["attempt"])
    expect((await evaluate()).code).toBe("lease-locked")
    return attempt
  }
  const about = (attempt: number) => ({
    deviceId: second.device.deviceId,
    leaseId: second.answer.lease.leaseId,
    attempt,
  })
  const reset = (
    attempt: number,
    slotId: Uint8Array,
    signature: Uint8Array,
    authPk: Uint8Array = second.device.keys.authPk,
  ): Promise<string> =>
    codeOf(
      reach.call("leaseReset", {
        accountUuid: person.accountUuid,
        ...about(attempt),
        slotId,
        signature,
        authPk,
      }),
    )
  const signature = async (slot: Person["slots"]["password"], attempt: number): Promise<Uint8Array> => {
    const { deviceId, leaseId } = about(attempt)
    return slot.signer.sign(lp("kf1/lease-reset", deviceId, leaseId, attempt))
  }

  it("[DV20] opens with the signature of a slot over the present count", async () => {
    const attempt = await locked()
    const { password, recovery } = person.slots
    expect(await reset(attempt - 1, password.holder.id, await signature(password, attempt - 1))).toBe("lease-refused")
    expect(await reset(attempt, password.holder.id, await signature(recovery, attempt))).toBe("signature-invalid")
    expect(await reset(attempt, random.bytes(16), await signature(password, attempt))).toBe("lease-refused")
    expect((await evaluate()).code).toBe("lease-locked")
    expect(await reset(attempt, password.holder.id, await signature(password, attempt))).toBe("ok")
    // The count goes on, so the same signature opens nothing twice.
    const { attempt: next } = await json(evaluate())
    expect(Number(next)).toBeGreaterThan(attempt)
    expect(await reset(attempt, password.holder.id, await signature(password, attempt))).toBe("lease-refused")
  })

  it("[DV20] opens with the signature of another active device, never with its own", async () => {
    const attempt = await locked()
    const own = await signLeaseReset(p, second.device.sigSeed, about(attempt))
    expect(await reset(attempt, second.device.deviceId, own)).toBe("lease-refused")
    const other = await signLeaseReset(p, person.device.sigSeed, about(attempt))
    expect(await reset(attempt, person.device.deviceId, other)).toBe("ok")
    const unlocked = await json(evaluate())
    const proof = await signUnlockOk(p, second.device.sigSeed, about(Number(unlocked["attempt"])))
    const done = await json(
      send(reach, second.device, "lease.unlocked", {
        leaseId: formatId("lea", second.answer.lease.leaseId),
        attempt: Number(unlocked["attempt"]),
        signature: bytesToBase64url(proof),
      }),
    )
    expect(done).toEqual({ state: "active" })
    expect(await sync()).toBeUndefined()
  })

  const HOURS_72 = 72 * 3_600_000
  const wait = async (authPk = second.device.keys.authPk) => {
    const asked = { accountUuid: person.accountUuid, deviceId: second.device.deviceId, authPk }
    const answer = await reach.call("leaseResetWait", asked)
    return answer.ok ? answer.value : answer.error
  }
  const target = () => ({ deviceId: formatId("dev", second.device.deviceId) })
  const kinds = async () => {
    const answer = await reach.call("events", { after: 0, max: 1000 })
    return answer.ok ? answer.value.events.map((event) => event.kind) : []
  }
  const bySecond = async (attempt: number) => ({
    ...target(),
    attempt,
    signature: bytesToBase64url(await signLeaseReset(p, person.device.sigSeed, about(attempt))),
  })
  const freshen = async () => {
    await send(reach, person.device, "two-factor.check", {
      kind: "totp",
      code: await totpCode(otpauth, world.clock.nowMs()),
    })
  }

  it("[DV20] [DV25] is the affair of a session of that device alone", async () => {
    const attempt = await locked()
    const { password } = person.slots
    const stranger = person.device.keys.authPk
    expect(await reset(attempt, password.holder.id, await signature(password, attempt), stranger)).toBe("lease-refused")
    expect(await wait(stranger)).toEqual({ code: "lease-refused" })
    expect((await evaluate()).code).toBe("lease-locked")
  })

  it("[DV25] opens after 72 hours, once, within a day; everybody is told once", async () => {
    expect(await wait()).toMatchObject({ readyAtMs: 0 })
    await locked()
    const readyAtMs = world.clock.nowMs() + HOURS_72
    expect(await wait()).toEqual({ state: "lease-locked", readyAtMs })
    world.clock.add(HOURS_72 - 1)
    expect(await wait()).toEqual({ state: "lease-locked", readyAtMs })
    expect((await evaluate()).code).toBe("lease-locked")
    expect((await kinds()).filter((kind) => kind === "lease-reset-requested")).toHaveLength(1)
    world.clock.add(1)
    expect(await wait()).toMatchObject({ readyAtMs })
    expect((await evaluate()).status).toBe(200)
    expect(await wait()).toMatchObject({ readyAtMs: 0 })
  })

  it("[DV25] is over when nobody came within the day, and when any device said no", async () => {
    await locked()
    await wait()
    world.clock.add(HOURS_72 + 24 * 3_600_000)
    expect(await wait()).toEqual({ state: "lease-locked", readyAtMs: world.clock.nowMs() + HOURS_72 })
    expect(await json(send(reach, person.device, "devices.lease-reset-cancel", target()))).toEqual({ cancelled: true })
    expect(await json(send(reach, person.device, "devices.lease-reset-cancel", target()))).toEqual({ cancelled: false })
    expect((await kinds()).slice(-1)).toEqual(["lease-reset-cancelled"])
    world.clock.add(HOURS_72)
    expect((await evaluate()).code).toBe("lease-locked")
  })

  it("[DV25] another device opens it with a fresh factor, only while it waits, and only with its own signature", async () => {
    const attempt = await locked()
    expect((await send(reach, person.device, "devices.lease-reset", await bySecond(attempt))).code).toBe(
      "lease-refused",
    )
    await wait()
    const listed = await json(send(reach, person.device, "devices.list"))
    expect(JSON.stringify(listed)).toContain(`"leaseReset":{"attempt":${attempt}`)
    world.clock.add(5 * 60_000 + 1)
    expect((await send(reach, person.device, "devices.lease-reset", await bySecond(attempt))).code).toBe(
      "second-factor-needed",
    )
    await freshen()
    expect((await send(reach, person.device, "devices.lease-reset", await bySecond(attempt - 1))).code).toBe(
      "lease-refused",
    )
    const own = bytesToBase64url(await signLeaseReset(p, second.device.sigSeed, about(attempt)))
    const forged = { ...(await bySecond(attempt)), signature: own }
    expect((await send(reach, person.device, "devices.lease-reset", forged)).code).toBe("signature-invalid")
    expect((await evaluate()).code).toBe("lease-locked")
    expect((await send(reach, person.device, "devices.lease-reset", await bySecond(attempt))).status).toBe(200)
    expect((await evaluate()).status).toBe(200)
  })

  it("[DV22] opens in no way while the account is frozen", async () => {
    const attempt = await locked()
    const { password } = person.slots
    await send(reach, person.device, "account.freeze", {})
    expect(await wait()).toEqual({ code: "account-frozen" })
    expect(await reset(attempt, password.holder.id, await signature(password, attempt))).toBe("account-frozen")
  })

  it("[DV20] is nobody's of another account", async () => {
    const attempt = await locked()
    const stranger = await signUp(reach)
    const theirs = { accountUuid: stranger.accountUuid, ...about(attempt), slotId: person.slots.password.holder.id }
    const signed = await signature(person.slots.password, attempt)
    expect(
      await codeOf(reach.call("leaseReset", { ...theirs, signature: signed, authPk: second.device.keys.authPk })),
    ).toBe("not-found")
  })
})
