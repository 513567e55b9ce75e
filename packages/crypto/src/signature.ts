import { lp, type LpPart } from "@keyferry/base"

import type { SigSeed } from "./keys.ts"
import type { Primitives } from "./primitives/primitives.ts"

/** Ed25519 over LP(label, parts…). One label for one use, so that no signature can be shown elsewhere. Source   spec/keys.md KE14 */
export const signLabel = (
  p: Primitives,
  seed: SigSeed,
  label: `kf1/${string}`,
  ...parts: readonly LpPart[]
): Promise<Uint8Array> => p.ed25519Sign(seed.reveal(), lp(label, ...parts))

export const verifyLabel = (
  p: Primitives,
  publicKey: Uint8Array,
  signature: Uint8Array,
  label: `kf1/${string}`,
  ...parts: readonly LpPart[]
): Promise<boolean> => p.ed25519Verify(publicKey, lp(label, ...parts), signature)

/** A link's signature, over its payload bytes as they are. */
export const signLink = (p: Primitives, seed: SigSeed, payload: Uint8Array): Promise<Uint8Array> =>
  signLabel(p, seed, "kf1/link", payload)
export const verifyLink = (p: Primitives, pk: Uint8Array, payload: Uint8Array, sig: Uint8Array): Promise<boolean> =>
  verifyLabel(p, pk, sig, "kf1/link", payload)

/** A new holder's proof that it has its keys and agrees to the link that adds it. */
export const countersignLink = (p: Primitives, seed: SigSeed, payload: Uint8Array): Promise<Uint8Array> =>
  signLabel(p, seed, "kf1/pop", payload)
export const verifyCountersignature = (
  p: Primitives,
  pk: Uint8Array,
  payload: Uint8Array,
  sig: Uint8Array,
): Promise<boolean> => verifyLabel(p, pk, sig, "kf1/pop", payload)

/** Which evaluation of which lease is meant. */
export interface LeaseAttempt {
  readonly deviceId: Uint8Array
  readonly leaseId: Uint8Array
  readonly attempt: number
}

/** The device opened its bundle with the answer: the strongroom may count from zero again. */
export const signUnlockOk = (p: Primitives, seed: SigSeed, a: LeaseAttempt): Promise<Uint8Array> =>
  signLabel(p, seed, "kf1/unlock-ok", a.deviceId, a.leaseId, a.attempt)
export const verifyUnlockOk = (p: Primitives, pk: Uint8Array, a: LeaseAttempt, sig: Uint8Array): Promise<boolean> =>
  verifyLabel(p, pk, sig, "kf1/unlock-ok", a.deviceId, a.leaseId, a.attempt)

/** A password or recovery slot vouches that a locked lease may be tried again. */
export const signLeaseReset = (p: Primitives, seed: SigSeed, a: LeaseAttempt): Promise<Uint8Array> =>
  signLabel(p, seed, "kf1/lease-reset", a.deviceId, a.leaseId, a.attempt)
export const verifyLeaseReset = (p: Primitives, pk: Uint8Array, a: LeaseAttempt, sig: Uint8Array): Promise<boolean> =>
  verifyLabel(p, pk, sig, "kf1/lease-reset", a.deviceId, a.leaseId, a.attempt)

/** The account's chain as the retiring device last saw it. */
export interface Retirement {
  readonly uid: Uint8Array
  readonly deviceId: Uint8Array
  readonly seq: number
  readonly head: Uint8Array
}

/** A device leaves of its own will; others remove it on the strength of this. */
export const signRetire = (p: Primitives, seed: SigSeed, r: Retirement): Promise<Uint8Array> =>
  signLabel(p, seed, "kf1/retire", r.uid, r.deviceId, r.seq, r.head)
export const verifyRetire = (p: Primitives, pk: Uint8Array, r: Retirement, sig: Uint8Array): Promise<boolean> =>
  verifyLabel(p, pk, sig, "kf1/retire", r.uid, r.deviceId, r.seq, r.head)
