import { type LpPart, lp, type Result, type Secret } from "@keyferry/base"
import type { OuterKey, OuterPurpose } from "@keyferry/crypto"

/**
 * What a data key is for. Bound to the wrapped key by every provider: a wrapped key shown under another context does not
 * unwrap. Holds no secret, because it appears in the audit log of a key service.
 */
export interface KmsContext {
  readonly app: "keyferry"
  /** Deployment id. */
  readonly dep: string
  /** Hex. */
  readonly tenant: string
  readonly purpose: OuterPurpose
  /** Data key id, hex. */
  readonly dek: string
  readonly v: "1"
}

/**
 * kms-unavailable  no answer now; the same call may succeed later
 * kms-wrong-key    an answer, and it is no: another key, another context or changed bytes
 */
export type KmsFailure = { readonly code: "kms-unavailable" | "kms-wrong-key"; readonly detail: string }

export interface WrappedKey {
  readonly wrapped: Uint8Array
  readonly kekId: string
  readonly kekVersion: number
}

/** Of a provider whose key-encryption key is replaced here, by a person's command. A key service replaces its own. */
export interface KekRotation {
  /** The version that new keys are wrapped under. */
  readonly current: () => string
  /** Versions that a rotation has not destroyed yet. */
  readonly older: () => readonly string[]
  /** From now on new keys are wrapped under a new version. Errors: kms-unavailable, where it cannot be kept */
  readonly makeNext: () => Result<undefined, KmsFailure>
  /** The same key under the current version. */
  readonly rewrap: (key: WrappedKey, context: KmsContext) => Promise<Result<WrappedKey, KmsFailure>>
  /** Only once nothing is wrapped under them. */
  readonly destroyOlder: () => Promise<void>
}

/** One file per provider. Held to one behaviour by conformance.ts. */
export interface KmsProvider {
  readonly name: string
  readonly generate: (context: KmsContext) => Promise<Result<WrappedKey & { readonly plain: OuterKey }, KmsFailure>>
  readonly unwrap: (key: WrappedKey, context: KmsContext) => Promise<Result<OuterKey, KmsFailure>>
  readonly health: () => Promise<Result<undefined, KmsFailure>>
  readonly rotation?: KekRotation
  readonly close: () => Promise<void>
}

/** The context as bytes, for providers that bind it themselves, and for `context_hash`. */
export const contextBytes = (c: KmsContext): Uint8Array => {
  const parts: LpPart[] = ["kf1/kms-context", c.app, c.dep, c.tenant, c.purpose, c.dek, c.v]
  return lp(...parts)
}

/** A key that keys are wrapped under. */
export type KeyEncryptionKey = Secret<"KeyEncryptionKey">
