import { ristretto255_oprf } from "@noble/curves/ed25519.js"

import { err, lp, ok, type Random, type Result, type Secret, secret, utf8 } from "@keyferry/base"

import { kdf } from "./kdf.ts"
import { passwordBytes } from "./password.ts"
import type { Primitives } from "./primitives/primitives.ts"

/** The strongroom's key for one device's lease; destroyed when the device is removed. */
export interface LeaseKeyPair {
  readonly secretKey: Secret<"LeaseKey">
  readonly publicKey: Uint8Array
}
export type UnlockFactor = Secret<"UnlockFactor">
export type DeviceSecret = Secret<"DeviceSecret">
export type LeaseOutput = Secret<"LeaseOutput">

const { voprf } = ristretto255_oprf
const ARGON2ID = { memoryKiB: 65_536, passes: 3, parallelism: 4, length: 32 }

/** A device's unlock password, stretched. `salt` is salt_on or salt_off, 32 bytes each: the two factors differ. Source   spec/keys.md KE17 */
export const unlockFactor = async (p: Primitives, password: string, salt: Uint8Array): Promise<UnlockFactor> =>
  secret<"UnlockFactor">(await p.argon2id(passwordBytes(password), salt, ARGON2ID))

/** Whose lease it is. */
export interface LeasePlace {
  readonly uid: Uint8Array
  readonly deviceId: Uint8Array
}

/** x: what the device asks the strongroom about, without showing it. Source   spec/keys.md KE17 */
export const leaseInput = async (
  p: Primitives,
  uOn: UnlockFactor,
  d: DeviceSecret,
  saltOn: Uint8Array,
  place: LeasePlace,
): Promise<Secret<"LeaseInput">> => {
  const info = lp("kf1/lease-in", place.uid, place.deviceId)
  return secret<"LeaseInput">(await kdf(p, lp(uOn.reveal(), d.reveal()), saltOn, info, 32))
}

/** K_on: seals the device's key bundle; without the strongroom's answer y nobody has it. Source   spec/keys.md KE17 */
export const kOn = async (
  p: Primitives,
  y: LeaseOutput,
  uOn: UnlockFactor,
  d: DeviceSecret,
  saltOn: Uint8Array,
  place: LeasePlace & { readonly leaseId: Uint8Array },
): Promise<Secret<"OnlineKey">> => {
  const info = lp("kf1/unlock", place.uid, place.deviceId, place.leaseId)
  return secret<"OnlineKey">(await kdf(p, lp(y.reveal(), uOn.reveal(), d.reveal()), saltOn, info, 32))
}

/** K_off: seals the grace bundle, for the time a device may be offline. Source   spec/keys.md KE17 */
export const kOff = async (
  p: Primitives,
  uOff: UnlockFactor,
  d: DeviceSecret,
  saltOff: Uint8Array,
  place: LeasePlace & { readonly leaseId: Uint8Array },
): Promise<Secret<"OfflineKey">> => {
  const info = lp("kf1/offline", place.uid, place.deviceId, place.leaseId)
  return secret<"OfflineKey">(await kdf(p, lp(uOff.reveal(), d.reveal()), saltOff, info, 32))
}

/** Source   spec/keys.md KE16 */
export const makeLeaseKey = (random: Random): LeaseKeyPair => {
  const pair = voprf.deriveKeyPair(random.bytes(32), utf8("kf1/lease-key"))
  return { secretKey: secret<"LeaseKey">(pair.secretKey), publicKey: pair.publicKey }
}

/** What the device keeps between question and answer. */
export interface Blinded {
  readonly x: Secret<"LeaseInput">
  readonly blind: Secret<"Blind">
  /** 32 bytes, to send. */
  readonly blinded: Uint8Array
}

/** Source   spec/keys.md KE16 (RFC 9497, VOPRF, ristretto255-SHA512) */
export const blind = (random: Random, x: Secret<"LeaseInput">): Blinded => {
  const made = voprf.blind(x.reveal(), rngOf(random))
  return { x, blind: secret<"Blind">(made.blind), blinded: made.blinded }
}

export interface Evaluation {
  /** 32 bytes. */
  readonly evaluated: Uint8Array
  /** 64 bytes: shows that the key of `lease_pk` was used. */
  readonly proof: Uint8Array
}

/** The strongroom's part. Errors: malformed, for bytes that are not a group element. */
export const evaluate = (random: Random, key: LeaseKeyPair, blinded: Uint8Array): Result<Evaluation, "malformed"> => {
  if (blinded.length !== 32) return err("malformed")
  try {
    return ok(voprf.blindEvaluate(key.secretKey.reveal(), key.publicKey, blinded, rngOf(random)))
  } catch {
    // The key is our own, so what the library refuses is the element.
    return err("malformed")
  }
}

/** y. Errors: lease-key-wrong, when the answer was not made with the key that the account chain names. Source   spec/keys.md KE16 */
export const finalize = (
  blinded: Blinded,
  leasePk: Uint8Array,
  evaluation: Evaluation,
): Result<LeaseOutput, "lease-key-wrong"> => {
  const { evaluated, proof } = evaluation
  try {
    const y = voprf.finalize(blinded.x.reveal(), blinded.blind.reveal(), evaluated, blinded.blinded, leasePk, proof)
    return ok(secret<"LeaseOutput">(y))
  } catch {
    // Undecodable elements and a proof that does not verify are the same to a device: no answer from that key.
    return err("lease-key-wrong")
  }
}

const rngOf =
  (random: Random) =>
  (length?: number): Uint8Array =>
    random.bytes(length ?? 32)
