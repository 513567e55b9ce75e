/**
 * The algorithms of suite 1, as the host offers them. A parameter of every function in this package, so that the same
 * formulas run on node:crypto, on WebCrypto and on the slow reference in plain JavaScript.
 * Keys and messages are raw bytes; private Ed25519 keys are 32-byte seeds. A wrong length is a defect and throws.
 * Source   spec/keys.md KE1, KE2
 */
export interface Primitives {
  readonly sha256: (bytes: Uint8Array) => Uint8Array
  readonly hmacSha256: (key: Uint8Array, bytes: Uint8Array) => Promise<Uint8Array>
  readonly hkdfSha512: (ikm: Uint8Array, salt: Uint8Array, info: Uint8Array, length: number) => Promise<Uint8Array>
  /** Ciphertext followed by the 16-byte tag. */
  readonly aesGcmSeal: (
    key: Uint8Array,
    nonce: Uint8Array,
    aad: Uint8Array,
    plaintext: Uint8Array,
  ) => Promise<Uint8Array>
  /** `undefined` when the tag does not match. */
  readonly aesGcmOpen: (
    key: Uint8Array,
    nonce: Uint8Array,
    aad: Uint8Array,
    ct: Uint8Array,
  ) => Promise<Uint8Array | undefined>
  readonly ed25519PublicKey: (seed: Uint8Array) => Promise<Uint8Array>
  readonly ed25519Sign: (seed: Uint8Array, message: Uint8Array) => Promise<Uint8Array>
  /** The strict rule of KE2: every adapter gives the same answer for the same bytes. */
  readonly ed25519Verify: (publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array) => Promise<boolean>
  readonly argon2id: (password: Uint8Array, salt: Uint8Array, options: Argon2idOptions) => Promise<Uint8Array>
  /** Not of suite 1: what the age format stretches the passphrase of an archive with. */
  readonly scrypt: (password: Uint8Array, salt: Uint8Array, options: ScryptOptions) => Promise<Uint8Array>
}

export interface Argon2idOptions {
  readonly memoryKiB: number
  readonly passes: number
  readonly parallelism: number
  readonly length: number
}

/** Takes 128 · cost · blockSize bytes of memory. */
export interface ScryptOptions {
  /** A power of two. */
  readonly cost: number
  readonly blockSize: number
  readonly parallelism: number
  readonly length: number
}
