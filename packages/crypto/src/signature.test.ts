import { describe, expect, test } from "vitest"

import { concatBytes, utf8 } from "@keyferry/base"

import { makeSigSeed, sigPublicKey } from "./keys.ts"
import { systemRandom as random } from "./primitives/conformance.ts"
import { nodePrimitives as p } from "./primitives/node.ts"
import {
  countersignLink,
  signLabel,
  signLeaseReset,
  signLink,
  signRetire,
  signUnlockOk,
  verifyCountersignature,
  verifyLabel,
  verifyLeaseReset,
  verifyLink,
  verifyRetire,
  verifyUnlockOk,
} from "./signature.ts"

const seed = makeSigSeed(random)
const pk = await sigPublicKey(p, seed)
const payload = random.bytes(200)
const u32 = (n: number): Uint8Array => Uint8Array.of(0, 0, 0, n)
const attempt = { deviceId: random.bytes(16), leaseId: random.bytes(16), attempt: 3 }

describe("signatures", () => {
  test("[KE14] a link's signature is Ed25519 over label and payload, each after its length", async () => {
    const message = concatBytes(u32(8), utf8("kf1/link"), u32(200), payload)
    expect(await signLink(p, seed, payload)).toEqual(await p.ed25519Sign(seed.reveal(), message))
    expect(await verifyLink(p, pk, payload, await signLink(p, seed, payload))).toBe(true)
  })

  test("[KE14] a countersignature is not a signature, and the other way round", async () => {
    const signature = await signLink(p, seed, payload)
    const countersignature = await countersignLink(p, seed, payload)
    expect(await verifyCountersignature(p, pk, payload, countersignature)).toBe(true)
    expect(await verifyCountersignature(p, pk, payload, signature)).toBe(false)
    expect(await verifyLink(p, pk, payload, countersignature)).toBe(false)
  })

  test("[KE14] success, reset and retirement name their device, lease and number", async () => {
    const unlocked = await signUnlockOk(p, seed, attempt)
    const reset = await signLeaseReset(p, seed, attempt)
    expect(await verifyUnlockOk(p, pk, attempt, unlocked)).toBe(true)
    expect(await verifyLeaseReset(p, pk, attempt, reset)).toBe(true)
    expect(await verifyUnlockOk(p, pk, attempt, reset)).toBe(false)
    expect(await verifyLeaseReset(p, pk, attempt, unlocked)).toBe(false)
    expect(await verifyUnlockOk(p, pk, { ...attempt, attempt: 4 }, unlocked)).toBe(false)
    expect(await verifyUnlockOk(p, pk, { ...attempt, leaseId: random.bytes(16) }, unlocked)).toBe(false)
    expect(await verifyLeaseReset(p, pk, { ...attempt, deviceId: random.bytes(16) }, reset)).toBe(false)
  })

  test("[KE14] a retirement names the account, the device and the head it saw", async () => {
    const retirement = { uid: random.bytes(32), deviceId: random.bytes(16), seq: 12, head: random.bytes(32) }
    const signature = await signRetire(p, seed, retirement)
    expect(await verifyRetire(p, pk, retirement, signature)).toBe(true)
    expect(await verifyRetire(p, pk, { ...retirement, seq: 13 }, signature)).toBe(false)
    expect(await verifyRetire(p, pk, { ...retirement, head: random.bytes(32) }, signature)).toBe(false)
    expect(await verifyRetire(p, pk, { ...retirement, uid: random.bytes(32) }, signature)).toBe(false)
  })

  test("[KE14] a byte moved from one part to the next is another message", async () => {
    const signature = await signLabel(p, seed, "kf1/test", Uint8Array.of(1, 2), Uint8Array.of(3))
    expect(await verifyLabel(p, pk, signature, "kf1/test", Uint8Array.of(1, 2), Uint8Array.of(3))).toBe(true)
    expect(await verifyLabel(p, pk, signature, "kf1/test", Uint8Array.of(1), Uint8Array.of(2, 3))).toBe(false)
  })
})
