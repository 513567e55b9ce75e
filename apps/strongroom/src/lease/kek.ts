import { lp, type Result } from "@keyferry/base"
import type { Failure } from "@keyferry/protocol"

/**
 * The key that wraps lease keys, and nothing else. It has versions: after a removal a new one is made, every live lease
 * key is wrapped anew, and the old version is destroyed, so that no old copy of the lease store opens any more.
 * Errors: kms-unavailable. Bytes that do not open under their version and context are a defect and throw.
 */
export interface LeaseKek {
  /** The version that new wraps use. */
  readonly currentId: () => string
  readonly wrap: (plaintext: Uint8Array, context: Uint8Array) => Promise<Result<WrappedLeaseKey, Failure>>
  readonly unwrap: (wrapped: WrappedLeaseKey, context: Uint8Array) => Promise<Result<Uint8Array, Failure>>
  /** Makes a new version, durably, and uses it from now on. */
  readonly makeNext: () => Promise<Result<string, Failure>>
  /** Every version that still exists. */
  readonly versions: () => readonly string[]
  /** For ever. The current version cannot be destroyed. */
  readonly destroy: (kekId: string) => Promise<Result<undefined, Failure>>
}

export interface WrappedLeaseKey {
  readonly kekId: string
  readonly sealed: Uint8Array
}

/** Binds a wrapped lease key to its deployment, device and lease: moved to another row it does not open. */
export const leaseContext = (deploymentId: string, deviceId: Uint8Array, leaseId: Uint8Array): Uint8Array =>
  lp("kf1/lease-at-rest", deploymentId, deviceId, leaseId)
