import { bytesToBase64url, formatId, secret } from "@keyferry/base"
import { blind, signLabel, signLeaseReset, signUnlockOk } from "@keyferry/crypto"
import { nodePrimitives as p } from "@keyferry/crypto/node"
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest"

import { makeActive, type Person, random, send, signUp } from "../../apps/strongroom/src/fixture.ts"
import { startStrongroomUnderAttack, type StrongroomUnderAttack } from "../world/strongroom-process.ts"

/*
 * Leases in the real process: guesses with kills in between, and everything that somebody with a device's request key, but
 * without its chain key, could say to get more of them.
 */
let room: StrongroomUnderAttack
let ada: Person
let leaseId: Uint8Array

beforeAll(async () => {
  room = await startStrongroomUnderAttack()
})
afterAll(() => room.close())
beforeEach(async () => {
  ada = await signUp(room.reach)
  await makeActive(room.reach, ada)
  const holder = [...ada.chain.holders.values()][0]?.holder
  leaseId = holder?.leaseId ?? new Uint8Array(16)
})

const evaluate = () => {
  const blinded = blind(random, secret<"LeaseInput">(random.bytes(32)))
  return send(room.reach, ada.device, "lease.evaluate", {
    leaseId: formatId("lea", leaseId),
    blinded: bytesToBase64url(blinded.blinded),
  })
}
const numberOf = (body: Uint8Array): number =>
  (JSON.parse(new TextDecoder().decode(body)) as { attempt: number }).attempt
const unlocked = async (attempt: number, seed = ada.device.sigSeed) =>
  send(room.reach, ada.device, "lease.unlocked", {
    leaseId: formatId("lea", leaseId),
    attempt,
    signature: bytesToBase64url(await signUnlockOk(p, seed, { deviceId: ada.device.deviceId, leaseId, attempt })),
  })

describe("DV-02", () => {
  test("DV-02 thief: killed between counting and answering, at twelve different moments, the strongroom refunds no guess", async () => {
    let answers = 0
    const numbers: number[] = []
    for (let i = 0; i < 12; i++) {
      const asked = evaluate().catch(() => undefined)
      await new Promise((resolve) => setTimeout(resolve, i))
      await room.kill()
      const answer = await Promise.race([
        asked,
        new Promise<undefined>((resolve) => setTimeout(() => resolve(undefined), 100)),
      ])
      if (answer?.status === 200) {
        answers++
        numbers.push(numberOf(answer.body))
      }
      await room.start()
    }
    for (let i = 0; i < 12; i++) {
      const answer = await evaluate()
      if (answer.status !== 200) continue
      answers++
      numbers.push(numberOf(answer.body))
    }
    expect(answers).toBeLessThanOrEqual(10)
    expect(new Set(numbers).size).toBe(numbers.length)
    expect(Math.max(...numbers)).toBeLessThanOrEqual(10)
    expect((await evaluate()).code).toBe("lease-locked")
  }, 400_000)

  test("DV-02 thief: thirty guesses at the same instant are ten answers", async () => {
    const replies = await Promise.all(Array.from({ length: 30 }, () => evaluate()))
    expect(replies.filter((r) => r.status === 200)).toHaveLength(10)
    expect(new Set(replies.filter((r) => r.status === 200).map((r) => numberOf(r.body))).size).toBe(10)
  })
})

describe("without the chain key", () => {
  test("X-83 thief with the request key: it proves no success, renews no lease and opens no locked one", async () => {
    const attempt = numberOf((await evaluate()).body)
    const ownKey = ada.device.authSeed
    expect((await unlocked(attempt, ownKey)).code).toBe("signature-invalid")
    const createdS = Math.floor(room.reach.nowMs() / 1000)
    const renew = async (seed: typeof ownKey, at = createdS) =>
      send(room.reach, ada.device, "lease.renew", {
        leaseId: formatId("lea", leaseId),
        createdS: at,
        signature: bytesToBase64url(await signLabel(p, seed, "kf1/lease-renew", ada.device.deviceId, leaseId, at)),
      })
    expect((await renew(ownKey)).code).toBe("signature-invalid")
    // The chain key's own signature, a minute old or for another use.
    expect((await renew(ada.device.sigSeed, createdS - 120)).code).toBe("clock-skew")
    expect((await unlocked(attempt + 1)).code).toBe("replay-rejected")
    expect((await unlocked(0)).code).toBe("replay-rejected")
    expect((await unlocked(attempt)).status).toBe(200)
    expect((await unlocked(attempt)).code).toBe("replay-rejected")
  })

  test("X-84 hostile server: a reset needs a slot's or another device's signature over this device, this lease and this very count", async () => {
    for (let i = 0; i < 11; i++) await evaluate()
    const { slots, device, accountUuid } = ada
    const reset = async (over: {
      slotId?: Uint8Array
      attempt?: number
      by?: typeof slots.password
      leaseId?: Uint8Array
      deviceId?: Uint8Array
      signedAttempt?: number
    }) => {
      const attempt = over.attempt ?? 10
      const message = {
        deviceId: over.deviceId ?? device.deviceId,
        leaseId: over.leaseId ?? leaseId,
        attempt: over.signedAttempt ?? attempt,
      }
      const signer = over.by ?? slots.password
      const seedOf = { sign: signer.signer.sign }
      const { lp } = await import("@keyferry/base")
      const signature = await seedOf.sign(lp("kf1/lease-reset", message.deviceId, message.leaseId, message.attempt))
      return room.client().call("leaseReset", {
        accountUuid,
        deviceId: device.deviceId,
        leaseId,
        attempt,
        slotId: over.slotId ?? signer.holder.id,
        signature,
        authPk: device.keys.authPk,
      })
    }
    expect(typeof signLeaseReset).toBe("function")
    for (const over of [
      { signedAttempt: 9 },
      { attempt: 9 },
      { leaseId: random.bytes(16) },
      { deviceId: random.bytes(16) },
      { slotId: random.bytes(16) },
      { slotId: device.deviceId },
      { by: slots.recovery, slotId: slots.password.holder.id },
    ])
      expect((await reset(over)).ok).toBe(false)
    expect((await evaluate()).code).toBe("lease-locked")
    expect((await reset({})).ok).toBe(true)
    expect((await evaluate()).status).toBe(200)
    // The same signature a second time: the count has moved on.
    expect((await reset({})).ok).toBe(false)
  })
})
