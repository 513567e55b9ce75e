import { describe, expect, test } from "vitest"

import { concatBytes, lp, type Random, secret, utf8 } from "@keyferry/base"

import { passwordBytes } from "./password.ts"
import { hex, systemRandom as random } from "./primitives/conformance.ts"
import { noblePrimitives } from "./primitives/noble.ts"
import { nodePrimitives as p } from "./primitives/node.ts"
import { blind, evaluate, finalize, kOff, kOn, leaseInput, makeLeaseKey, unlockFactor } from "./voprf.ts"

const x = secret<"LeaseInput">(random.bytes(32))
const leaseKey = makeLeaseKey(random)
const place = { uid: random.bytes(32), deviceId: random.bytes(16), leaseId: random.bytes(16) }
const d = secret<"DeviceSecret">(random.bytes(32))

const answer = (key = leaseKey, question = blind(random, x)) => {
  const evaluation = evaluate(random, key, question.blinded)
  if (!evaluation.ok) throw new Error("not evaluated")
  return { question, evaluation: evaluation.value }
}

describe("lease evaluation", () => {
  test("[KE16] the same question has the same answer however it was blinded", () => {
    const first = answer()
    const second = answer()
    expect(first.question.blinded).not.toEqual(second.question.blinded)
    const y1 = finalize(first.question, leaseKey.publicKey, first.evaluation)
    const y2 = finalize(second.question, leaseKey.publicKey, second.evaluation)
    expect(y1.ok && y1.value.length).toBe(64)
    expect(y1.ok && y2.ok && y1.value.reveal()).toEqual(y2.ok && y2.value.reveal())
  })

  test("[KE16] an answer with another key, or with a changed byte, is refused", () => {
    const { question, evaluation } = answer()
    const other = makeLeaseKey(random)
    const refused = { ok: false, error: "lease-key-wrong" }
    expect(finalize(question, other.publicKey, evaluation)).toEqual(refused)
    expect(finalize(question, leaseKey.publicKey, answer(other, question).evaluation)).toEqual(refused)
    const proof = evaluation.proof.with(1, (evaluation.proof[1] ?? 0) ^ 1)
    expect(finalize(question, leaseKey.publicKey, { ...evaluation, proof })).toEqual(refused)
    expect(finalize(question, leaseKey.publicKey, { ...evaluation, proof: proof.subarray(1) })).toEqual(refused)
    expect(finalize(question, leaseKey.publicKey, { ...evaluation, evaluated: question.blinded })).toEqual(refused)
    expect(finalize(question, leaseKey.publicKey, { ...evaluation, evaluated: new Uint8Array(32) })).toEqual(refused)
    expect(finalize(question, new Uint8Array(32), evaluation)).toEqual(refused)
    expect(finalize({ ...question, blinded: blind(random, x).blinded }, leaseKey.publicKey, evaluation)).toEqual(
      refused,
    )
  })

  test.each([
    ["nothing", new Uint8Array()],
    ["31 bytes", new Uint8Array(31)],
    ["the identity", new Uint8Array(32)],
    ["no element", new Uint8Array(32).fill(255)],
  ])("[KE16] the strongroom refuses %s", (_name, bytes) => {
    expect(evaluate(random, leaseKey, bytes)).toEqual({ ok: false, error: "malformed" })
  })

  test("[KE16] RFC 9497 A.1.2, the first vector, through this interface", () => {
    const skSm = hex("e6f73f344b79b379f1a0dd37e07ff62e38d9f71345ce62ae3a9bc60b04ccd909")
    const publicKey = hex("c803e2cc6b05fc15064549b5920659ca4a77b2cca6f04f6b357009335476ad4e")
    const key = { secretKey: secret<"LeaseKey">(skSm), publicKey }
    const blindScalar = hex("64d37aed22a27f5191de1c1d69fadb899d8862b58eb4220029e036ec4c1f6706")
    const proofScalar = hex("222a5e897cf59db8145db8d16e597e8facb80ae7d4e26d9881aa6f61d645fc0e")
    const question = blind(scalar(blindScalar), secret<"LeaseInput">(hex("00")))
    expect(question.blinded).toEqual(hex("863f330cc1a1259ed5a5998a23acfd37fb4351a793a5b3c090b642ddc439b945"))
    const evaluation = evaluate(scalar(proofScalar), key, question.blinded)
    expect(evaluation.ok && evaluation.value.evaluated).toEqual(
      hex("aa8fa048764d5623868679402ff6108d2521884fa138cd7f9c7669a9a014267e"),
    )
    expect(evaluation.ok && evaluation.value.proof).toEqual(
      hex(
        "ddef93772692e535d1a53903db24367355cc2cc78de93b3be5a8ffcc6985dd066d4346421d17bf5117a2a1ff0fcb2a759f58a539dfbe857a40bce4cf49ec600d",
      ),
    )
    const y = evaluation.ok ? finalize(question, publicKey, evaluation.value) : evaluation
    expect(y.ok && y.value.reveal()).toEqual(
      hex(
        "b58cfbe118e0cb94d79b5fd6a6dafb98764dff49c14e1770b566e42402da1a7da4d8527693914139caee5bd03903af43a491351d23b430948dd50cde10d32b3c",
      ),
    )
  })
})

describe("lease keys", () => {
  const salt = random.bytes(32)

  test("[KE17] the unlock factor is Argon2id with 64 MiB, 3 passes, 4 lanes, and differs with the salt", async () => {
    const factor = await unlockFactor(p, "correct horse", salt)
    const options = { memoryKiB: 65_536, passes: 3, parallelism: 4, length: 32 }
    expect(factor.reveal()).toEqual(await noblePrimitives.argon2id(utf8("correct horse"), salt, options))
    expect(factor.reveal()).not.toEqual((await unlockFactor(p, "correct horse", random.bytes(32))).reveal())
  })

  test("[KE5] a password is the same however the keyboard composed its letters", () => {
    expect(passwordBytes("pa\u0308sswort")).toEqual(passwordBytes("p\u00e4sswort"))
    expect(passwordBytes("a")).not.toEqual(passwordBytes("A"))
  })

  test("[KE17] x, K_on and K_off are the written formulas", async () => {
    const u = secret<"UnlockFactor">(random.bytes(32))
    const y = secret<"LeaseOutput">(random.bytes(64))
    const { uid, deviceId, leaseId } = place
    const derive = (ikm: Uint8Array, info: Uint8Array) => noblePrimitives.hkdfSha512(ikm, salt, info, 32)
    expect((await leaseInput(p, u, d, salt, place)).reveal()).toEqual(
      await derive(lp(u.reveal(), d.reveal()), lp("kf1/lease-in", uid, deviceId)),
    )
    expect((await kOn(p, y, u, d, salt, place)).reveal()).toEqual(
      await derive(lp(y.reveal(), u.reveal(), d.reveal()), lp("kf1/unlock", uid, deviceId, leaseId)),
    )
    expect((await kOff(p, u, d, salt, place)).reveal()).toEqual(
      await derive(lp(u.reveal(), d.reveal()), lp("kf1/offline", uid, deviceId, leaseId)),
    )
  })
})

/** Makes the library draw exactly this scalar: it reduces 48 little-endian bytes to [1, L). */
const scalar = (wanted: Uint8Array): Random => {
  const lessOne = wanted.with(0, (wanted[0] ?? 0) - 1)
  return { bytes: (length) => concatBytes(lessOne, new Uint8Array(length - 32)) }
}
