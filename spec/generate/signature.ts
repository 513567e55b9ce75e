import { hexToBytes, secret, utf8 } from "@keyferry/base"
import {
  countersignLink,
  signLeaseReset,
  signLink,
  signRetire,
  signUnlockOk,
  verifyCountersignature,
  verifyLeaseReset,
  verifyLink,
  verifyRetire,
  verifyUnlockOk,
} from "@keyferry/crypto"
import { nodePrimitives as p } from "@keyferry/crypto/node"

import { type Fields, fixedRandom, flip, spoiled, type Topic, type Vector, vector } from "./vector.ts"

const hex = (text: string): Uint8Array => hexToBytes(text) ?? new Uint8Array()

const attemptOf = (f: Fields) => ({
  deviceId: f.bytes("device_id"),
  leaseId: f.bytes("lease_id"),
  attempt: f.int("attempt"),
})

const VERIFY: Readonly<Record<string, (f: Fields, pk: Uint8Array, sig: Uint8Array) => Promise<boolean>>> = {
  raw: (f, pk, sig) => p.ed25519Verify(pk, f.bytes("message"), sig),
  link: (f, pk, sig) => verifyLink(p, pk, f.bytes("payload"), sig),
  pop: (f, pk, sig) => verifyCountersignature(p, pk, f.bytes("payload"), sig),
  "unlock-ok": (f, pk, sig) => verifyUnlockOk(p, pk, attemptOf(f), sig),
  "lease-reset": (f, pk, sig) => verifyLeaseReset(p, pk, attemptOf(f), sig),
  retire: (f, pk, sig) => {
    const seen = {
      uid: f.bytes("account_id"),
      deviceId: f.bytes("device_id"),
      seq: f.int("seq"),
      head: f.bytes("head"),
    }
    return verifyRetire(p, pk, seen, sig)
  },
}

// Keys that libraries disagree on. Under a key of small order, R = identity and S = 0 satisfy the equation.
const ZERO_SIGNATURE = `01${"00".repeat(63)}`
const HOSTILE: readonly (readonly [string, string])[] = [
  ["identity", `01${"00".repeat(31)}`],
  ["order-two", `ec${"ff".repeat(30)}7f`],
  ["order-four", "00".repeat(32)],
  ["order-eight", "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"],
  ["not-canonical", `ee${"ff".repeat(30)}7f`],
]
const MIXED_ORDER_KEY = "82c2c29e54d1ce8b674614ebe3886aa543863e7043cfa480c6906f6791194ead"
const MIXED_ORDER_SIGNATURE =
  "097639b09d874d7c06f06d9552f603502bcb3091c71fbe586d53edda70858572dea13717bf643f677c79b04022167ef2ff58d939ff43c39f65daaae1c65ba307"

/** Source   spec/keys.md KE2, KE14 */
export const signature: Topic = {
  name: "signature",
  generate: async () => {
    const random = fixedRandom("signature")
    const seed = secret<"SigSeed">(random.bytes(32))
    const public_key = await p.ed25519PublicKey(seed.reveal())
    const payload = random.bytes(120)
    const attempt = { device_id: random.bytes(16), lease_id: random.bytes(16), attempt: 4 }
    const lease = { deviceId: attempt.device_id, leaseId: attempt.lease_id, attempt: 4 }
    const retire = { account_id: random.bytes(32), device_id: random.bytes(16), seq: 12, head: random.bytes(32) }
    const seen = { uid: retire.account_id, deviceId: retire.device_id, seq: 12, head: retire.head }
    const link = vector("[KE14] a link", {
      what: "link",
      public_key,
      payload,
      signature: await signLink(p, seed, payload),
    })
    const sig = link.fields.get("signature") ?? new Uint8Array()
    const unlock = vector("[KE14] unlocked", {
      what: "unlock-ok",
      public_key,
      ...attempt,
      signature: await signUnlockOk(p, seed, lease),
    })
    const refused = (good: Vector, comment: string, changes: Record<string, Uint8Array | number | string>): Vector =>
      spoiled(good, comment, changes, "refused")
    const raw = (comment: string, key: string, message: string, signed: string): Vector =>
      vector(comment, { what: "raw", public_key: hex(key), message: utf8(message), signature: hex(signed) }, "refused")
    const out = new Map([
      ["link", link],
      [
        "pop",
        vector("[KE14] a countersignature", {
          what: "pop",
          public_key,
          payload,
          signature: await countersignLink(p, seed, payload),
        }),
      ],
      ["unlock-ok", unlock],
      [
        "lease-reset",
        vector("[KE14] a lease reset", {
          what: "lease-reset",
          public_key,
          ...attempt,
          signature: await signLeaseReset(p, seed, lease),
        }),
      ],
      [
        "retire",
        vector("[KE14] a retirement", {
          what: "retire",
          public_key,
          ...retire,
          signature: await signRetire(p, seed, seen),
        }),
      ],
      ["bad-payload", refused(link, "[KE14] a changed payload", { payload: flip(payload, 0) })],
      ["bad-r", refused(link, "[KE2] a changed R", { signature: flip(sig, 0) })],
      ["bad-s", refused(link, "[KE2] a changed S", { signature: flip(sig, 40) })],
      ["bad-high-s", refused(link, "[KE2] S plus the group order", { signature: addOrder(sig) })],
      ["bad-short", refused(link, "[KE2] 63 bytes", { signature: sig.slice(0, 63) })],
      ["bad-label", refused(link, "[KE14] a signature shown as a countersignature", { what: "pop" })],
      ["bad-attempt", refused(unlock, "[KE14] the next attempt", { attempt: 5 })],
      ["bad-reset", refused(unlock, "[KE14] unlocked shown as a reset", { what: "lease-reset" })],
      [
        "bad-cofactor",
        raw(
          "[KE2] verifies only with multiplication by the cofactor",
          MIXED_ORDER_KEY,
          "a message for a key of mixed order 0",
          MIXED_ORDER_SIGNATURE,
        ),
      ],
    ])
    for (const [name, key] of HOSTILE) {
      out.set(`bad-key-${name}`, raw(`[KE2] a key: ${name.replaceAll("-", " ")}`, key, "any message", ZERO_SIGNATURE))
    }
    return out
  },
  check: async (fields) => {
    const verify = VERIFY[fields.text("what")]
    if (verify === undefined) return "malformed"
    return (await verify(fields, fields.bytes("public_key"), fields.bytes("signature"))) ? "ok" : "refused"
  },
}

const addOrder = (signed: Uint8Array): Uint8Array => {
  const order = hex("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010")
  const out = signed.slice()
  let carry = 0
  for (let i = 0; i < 32; i++) {
    carry += (out[32 + i] ?? 0) + (order[i] ?? 0)
    out[32 + i] = carry & 255
    carry >>= 8
  }
  return out
}
