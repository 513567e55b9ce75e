import { afterEach, beforeEach, describe, expect, test } from "vitest"

import { createLeaseWorld, id, type LeaseWorld, START_MS, UNTIL_MS } from "./fixture.ts"
import { type LeaseDatabase, MAX_ATTEMPTS } from "./store.ts"

const REFUSED = { ok: false, error: { code: "lease-refused" } }
const FROZEN = { ok: false, error: { code: "account-frozen" } }

let world: LeaseWorld
let leases: LeaseDatabase

beforeEach(async () => {
  world = await createLeaseWorld()
  ;({ leases } = world)
})
afterEach(() => world.close())

describe("an evaluation", () => {
  test("[LS3] is counted, and gives out the row as it was", async () => {
    const { deviceId, leaseId } = await world.live()
    const before = await leases.read(deviceId)
    expect(await leases.beginEvaluation(deviceId, leaseId)).toEqual({ ok: true, value: { row: before, attempt: 1 } })
    expect(await leases.read(deviceId)).toEqual({ ...before, attempts: 1, evaluations: 1 })
    expect(await leases.beginEvaluation(deviceId, leaseId)).toMatchObject({ ok: true, value: { attempt: 2 } })
    expect(await leases.read(deviceId)).toMatchObject({ attempts: 2, evaluations: 2 })
  })

  test("[LS3] of another lease, a frozen, dead or unknown one, or a reservation that has ended, is refused and not counted", async () => {
    const reserved = id()
    const { leaseId } = await leases.reserve(reserved, UNTIL_MS)
    world.now.ms = UNTIL_MS - 1
    expect((await leases.beginEvaluation(reserved, leaseId)).ok).toBe(true)
    expect((await leases.settle(reserved, leaseId, 1)).ok).toBe(true)
    world.now.ms = UNTIL_MS
    const ended = await leases.read(reserved)
    expect(await leases.beginEvaluation(reserved, leaseId)).toEqual(REFUSED)
    expect(await leases.settle(reserved, leaseId, 2)).toEqual(REFUSED)
    expect(await leases.unlocked(reserved, leaseId, 1)).toBe(false)
    expect(await leases.read(reserved)).toEqual(ended)

    world.now.ms = START_MS
    const own = await world.live()
    const attempt = async (lease = own.leaseId): Promise<unknown[]> => [
      await leases.beginEvaluation(own.deviceId, lease),
      await leases.settle(own.deviceId, lease, 5),
      await leases.unlocked(own.deviceId, lease, 1),
    ]
    await world.evaluations(own.deviceId, own.leaseId, 1)
    const counted = await leases.read(own.deviceId)
    expect(await attempt(id())).toEqual([REFUSED, REFUSED, false])
    expect(await leases.beginEvaluation(id(), own.leaseId)).toEqual(REFUSED)
    expect(await leases.settle(id(), own.leaseId, 5)).toEqual(REFUSED)
    expect(await leases.unlocked(id(), own.leaseId, 1)).toBe(false)
    await leases.setFrozen([own.deviceId], true)
    expect(await attempt()).toEqual([FROZEN, FROZEN, false])
    expect(await leases.read(own.deviceId)).toEqual({ ...counted, frozen: 1 })
    await leases.setFrozen([own.deviceId], false)
    expect(await leases.read(own.deviceId)).toEqual(counted)
    await leases.kill([own.deviceId], [])
    expect(await attempt()).toEqual([REFUSED, REFUSED, false])
  })

  test("[LS4] the eleventh without a success is refused and not counted", async () => {
    const { deviceId, leaseId } = await world.live()
    expect(MAX_ATTEMPTS).toBe(10)
    await world.evaluations(deviceId, leaseId, 9)
    expect(await leases.attempts(deviceId)).toEqual({ leaseId, attempts: 9, locked: false })
    await world.evaluations(deviceId, leaseId, 1)
    expect(await leases.attempts(deviceId)).toEqual({ leaseId, attempts: 10, locked: true })
    expect(await leases.beginEvaluation(deviceId, leaseId)).toEqual({ ok: false, error: { code: "lease-locked" } })
    expect(await leases.read(deviceId)).toMatchObject({ attempts: 10, evaluations: 10 })
  })

  test("[LS5] each answer has the next serial, and its end is kept", async () => {
    const { deviceId, leaseId } = await world.live()
    expect(await leases.settle(deviceId, leaseId, START_MS + 5)).toEqual({ ok: true, value: { serial: 1 } })
    expect(await leases.read(deviceId)).toMatchObject({ serial: 1, expires_ms: START_MS + 5 })
    expect(await leases.settle(deviceId, leaseId, START_MS + 9)).toEqual({ ok: true, value: { serial: 2 } })
    expect(await leases.read(deviceId)).toMatchObject({ serial: 2, expires_ms: START_MS + 9 })
  })

  test("[LS8] a proven success takes back the attempts up to it, an older or unmade one none", async () => {
    const { deviceId, leaseId } = await world.live()
    await world.evaluations(deviceId, leaseId, 5)
    for (const attempt of [0, -1, 6]) expect(await leases.unlocked(deviceId, leaseId, attempt)).toBe(false)
    expect((await leases.read(deviceId))?.attempts).toBe(5)
    expect(await leases.unlocked(deviceId, leaseId, 3)).toBe(true)
    expect(await leases.read(deviceId)).toMatchObject({ attempts: 2, evaluations: 5 })
    for (const attempt of [1, 3]) expect(await leases.unlocked(deviceId, leaseId, attempt)).toBe(false)
    expect(await leases.unlocked(deviceId, leaseId, 4)).toBe(true)
    expect(await leases.unlocked(deviceId, leaseId, 5)).toBe(true)
    expect(await leases.read(deviceId)).toMatchObject({ attempts: 0, evaluations: 5 })
  })

  test("[LS4] the operator takes back the attempts that the person spoke of, and no later ones", async () => {
    const { deviceId, leaseId } = await world.live()
    await world.evaluations(deviceId, leaseId, 3)
    expect(await leases.resetAttempts(deviceId, 2)).toBe(false)
    expect(await leases.resetAttempts(id(), 0)).toBe(false)
    expect((await leases.read(deviceId))?.attempts).toBe(3)
    expect(await leases.resetAttempts(deviceId, 3)).toBe(true)
    expect(await leases.read(deviceId)).toMatchObject({ attempts: 0, evaluations: 3 })
    await leases.kill([deviceId], [])
    expect(await leases.resetAttempts(deviceId, 3)).toBe(false)
  })

  test("[LS4] only a live lease has attempts to show", async () => {
    const deviceId = id()
    expect(await leases.attempts(deviceId)).toBeUndefined()
    await leases.reserve(deviceId, UNTIL_MS)
    expect(await leases.attempts(deviceId)).toBeUndefined()
    await leases.makeLive(deviceId)
    expect(await leases.attempts(deviceId)).toMatchObject({ attempts: 0, locked: false })
    await leases.kill([deviceId], [])
    expect(await leases.attempts(deviceId)).toBeUndefined()
  })
})
