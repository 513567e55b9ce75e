import type { KeyObject } from "node:crypto"

/** A private key that can sign. The key itself stays inside Node's key object. */
export interface SshPrivateKey {
  readonly algorithm: string
  /** The public key as SSH writes it. */
  readonly blob: Uint8Array
  readonly fingerprint: string
  readonly comment: string
  readonly privateKey: KeyObject
}

export type KeyProblem =
  | { readonly code: "key-malformed" }
  /** A kind of key that the agent does not offer: DSA, security keys, PuTTY files. */
  | { readonly code: "key-unsupported"; readonly what: string }
  | { readonly code: "key-too-weak"; readonly what: string }
  /** Encrypted, and the passphrase that was given (or none) does not help. `action` says what a person can do. */
  | { readonly code: "key-encrypted"; readonly action: string }
  | { readonly code: "key-passphrase-wrong" }
