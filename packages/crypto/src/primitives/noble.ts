import { gcm } from "@noble/ciphers/aes.js"
import { argon2id } from "@noble/hashes/argon2.js"
import { hkdf } from "@noble/hashes/hkdf.js"
import { hmac } from "@noble/hashes/hmac.js"
import { scrypt } from "@noble/hashes/scrypt.js"
import { sha256, sha512 } from "@noble/hashes/sha2.js"

import { nobleEd25519 } from "./noble-ed25519.ts"
import type { Primitives } from "./primitives.ts"

/** Plain JavaScript: the slow reference, and what fills the gaps of a browser's WebCrypto. */
export const noblePrimitives: Primitives = {
  sha256: (bytes) => sha256(bytes),
  hmacSha256: async (key, bytes) => hmac(sha256, key, bytes),
  hkdfSha512: async (ikm, salt, info, length) => hkdf(sha512, ikm, salt, info, length),
  aesGcmSeal: async (key, nonce, aad, plaintext) => gcm(key, nonce, aad).encrypt(plaintext),
  aesGcmOpen: async (key, nonce, aad, ct) => {
    if (ct.length < 16) return undefined
    const cipher = gcm(key, nonce, aad)
    try {
      return cipher.decrypt(ct)
    } catch {
      // Lengths were checked by the constructor and above: what is left is a tag that does not match.
      return undefined
    }
  },
  ...nobleEd25519,
  argon2id: async (password, salt, options) =>
    argon2id(password, salt, {
      m: options.memoryKiB,
      t: options.passes,
      p: options.parallelism,
      dkLen: options.length,
    }),
  scrypt: async (password, salt, { cost, blockSize, parallelism, length }) =>
    scrypt(password, salt, { N: cost, r: blockSize, p: parallelism, dkLen: length }),
}
