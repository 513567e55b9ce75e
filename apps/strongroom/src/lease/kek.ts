import {
  bytesOf,
  bytesToHex,
  bytesUpTo,
  Defect,
  err,
  ok,
  type Random,
  type Result,
  struct,
  textUpTo,
  uint,
} from "@keyferry/base"
import { decodeOuter, encodeOuter, openOuter, type OuterPlace, type Primitives, sealOuter } from "@keyferry/crypto"
import type { Failure } from "@keyferry/protocol"

import type { KmsContext, KmsFailure, KmsProvider } from "../kms/provider.ts"

/**
 * The key that wraps lease keys, and nothing else. It has versions: after a removal a new one is made, every live lease
 * key is wrapped anew, and the old version is destroyed, so that no old copy of the lease store opens any more.
 * Errors: kms-unavailable. Bytes that do not open under their version and place are a defect and throw.
 * Source   spec/leases.md LS10, LS11
 */
export interface LeaseKek {
  /** The version that new wraps use. */
  readonly currentId: () => string
  /** Every version that still exists. */
  readonly versions: () => readonly string[]
  readonly wrap: (plaintext: Uint8Array, place: LeaseKeyPlace) => Promise<Result<WrappedLeaseKey, Failure>>
  readonly unwrap: (wrapped: WrappedLeaseKey, place: LeaseKeyPlace) => Promise<Result<Uint8Array, Failure>>
  /** Makes a new version, durably, and uses it from now on. */
  readonly makeNext: () => Promise<Result<string, Failure>>
  /** For ever. The current version cannot be destroyed. */
  readonly destroy: (kekId: string) => Promise<Result<undefined, Failure>>
  readonly close: () => Promise<void>
}

/** Moved to another device or lease, a wrapped lease key does not open. */
export interface LeaseKeyPlace {
  readonly deviceId: Uint8Array
  readonly leaseId: Uint8Array
}

export interface WrappedLeaseKey {
  readonly kekId: string
  readonly sealed: Uint8Array
}

/** How versions come and go; one implementation per key service. */
export interface KekVersions {
  /** Oldest first; the last one is current. */
  readonly open: () => readonly KekVersion[]
  readonly add: () => Promise<Result<undefined, KmsFailure>>
  readonly remove: (kekId: string) => Promise<Result<undefined, KmsFailure>>
}
export interface KekVersion {
  readonly id: string
  readonly provider: KmsProvider
}

/** A lease key under a data key of its own, which the KEK wraps. */
const wrappedStruct = struct({
  wrapped: [1, bytesUpTo(2048)],
  kekVersion: [2, uint],
  dekId: [3, bytesOf(16)],
  outer: [4, bytesUpTo(512)],
  kekId: [5, textUpTo(300)],
})
const MAX_WRAPPED = 4096
const RETRY_S = 10

export interface LeaseKekOptions {
  readonly versions: KekVersions
  readonly primitives: Primitives
  readonly random: Random
  readonly deploymentId: string
}

export const createLeaseKek = (options: LeaseKekOptions): LeaseKek => {
  const { versions, primitives, random, deploymentId } = options
  const current = (): KekVersion => {
    const newest = versions.open().at(-1)
    if (newest === undefined) throw new Defect("a lease store without a key")
    return newest
  }
  const contextOf = (place: LeaseKeyPlace, dekId: Uint8Array): KmsContext => ({
    app: "keyferry",
    dep: deploymentId,
    tenant: bytesToHex(place.deviceId),
    purpose: "lease",
    dek: bytesToHex(dekId),
    v: "1",
  })
  const outerPlace = ({ deviceId, leaseId }: LeaseKeyPlace): OuterPlace => ({
    deployment: deploymentId,
    tenant: deviceId,
    purpose: "lease",
    chainId: leaseId,
    recordId: deviceId,
    rev: 0,
  })
  return Object.freeze<LeaseKek>({
    currentId: () => current().id,
    versions: () => versions.open().map(({ id }) => id),
    wrap: async (plaintext, place) => {
      const { id: kekId, provider } = current()
      const dekId = random.bytes(16)
      const made = await provider.generate(contextOf(place, dekId))
      if (!made.ok) return unavailable(made.error)
      using key = made.value.plain
      const record = await sealOuter(primitives, random, { key, dekId, place: outerPlace(place), plaintext })
      const { wrapped, kekVersion, kekId: inner } = made.value
      return ok({
        kekId,
        sealed: wrappedStruct.encode({ wrapped, kekVersion, kekId: inner, dekId, outer: encodeOuter(record) }),
      })
    },
    unwrap: async ({ kekId, sealed }, place) => {
      const version = versions.open().find(({ id }) => id === kekId)
      const decoded = wrappedStruct.decode(sealed, MAX_WRAPPED)
      if (version === undefined || !decoded.ok) throw new Defect("a lease key under a version that does not exist")
      const { wrapped, kekVersion, kekId: inner, dekId, outer } = decoded.value
      const unwrapped = await version.provider.unwrap({ wrapped, kekVersion, kekId: inner }, contextOf(place, dekId))
      if (!unwrapped.ok) return unavailable(unwrapped.error)
      using key = unwrapped.value
      const record = decodeOuter(outer)
      if (!record.ok) throw new Defect("a sealed lease key is damaged")
      const opened = await openOuter(primitives, { key, place: outerPlace(place), record: record.value })
      if (!opened.ok) throw new Defect("a lease key does not open at its place")
      return opened
    },
    makeNext: async () => {
      const added = await versions.add()
      return added.ok ? ok(current().id) : unavailable(added.error)
    },
    destroy: async (kekId) => {
      if (kekId === current().id) throw new Defect("the current lease KEK cannot be destroyed")
      const removed = await versions.remove(kekId)
      return removed.ok ? removed : unavailable(removed.error)
    },
    close: async () => {
      for (const { provider } of versions.open()) await provider.close()
    },
  })
}

const unavailable = (failure: KmsFailure): { readonly ok: false; readonly error: Failure } =>
  failure.code === "kms-unavailable"
    ? err({ code: "kms-unavailable", retryAfterS: RETRY_S })
    : err({ code: failure.code, detail: failure.detail })
