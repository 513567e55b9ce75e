import { sha256 } from "@noble/hashes/sha2.js"

import { isAcceptableEd25519Key } from "../hazmat/ed25519-keys.ts"
import { nobleEd25519 } from "./noble-ed25519.ts"
import type { Primitives } from "./primitives.ts"

// The prefix of a PKCS #8 Ed25519 private key: WebCrypto imports no raw seed.
const PKCS8_ED25519 = Uint8Array.of(0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20)

/**
 * WebCrypto where it can do the work; plain JavaScript for SHA-256, which must answer at once, and for Ed25519
 * where `hasEd25519` said no. Argon2id and scrypt, which no browser has, are WebAssembly, loaded when a password is first typed.
 */
export const webPrimitives = (subtle: SubtleCrypto, hasEd25519: boolean): Primitives => {
  const base: Primitives = {
    ...nobleEd25519,
    sha256: (bytes) => sha256(bytes),
    hmacSha256: async (key, bytes) => {
      const algorithm = { name: "HMAC", hash: "SHA-256" }
      // WebCrypto refuses an empty key; HMAC fills keys up with zeros, so one zero byte is the same key.
      const raw = unshared(key.length === 0 ? new Uint8Array(1) : key)
      const imported = await subtle.importKey("raw", raw, algorithm, false, ["sign"])
      return new Uint8Array(await subtle.sign("HMAC", imported, unshared(bytes)))
    },
    hkdfSha512: async (ikm, salt, info, length) => {
      const imported = await subtle.importKey("raw", unshared(ikm), "HKDF", false, ["deriveBits"])
      const algorithm = { name: "HKDF", hash: "SHA-512", salt: unshared(salt), info: unshared(info) }
      return new Uint8Array(await subtle.deriveBits(algorithm, imported, length * 8))
    },
    aesGcmSeal: async (key, nonce, aad, plaintext) => {
      const imported = await subtle.importKey("raw", unshared(key), "AES-GCM", false, ["encrypt"])
      const algorithm = { name: "AES-GCM", iv: unshared(nonce), additionalData: unshared(aad) }
      return new Uint8Array(await subtle.encrypt(algorithm, imported, unshared(plaintext)))
    },
    argon2id: async (password, salt, options) => {
      const { argon2id } = await import("hash-wasm")
      return argon2id({
        password,
        salt,
        memorySize: options.memoryKiB,
        iterations: options.passes,
        parallelism: options.parallelism,
        hashLength: options.length,
        outputType: "binary",
      })
    },
    scrypt: async (password, salt, { cost, blockSize, parallelism, length }) => {
      const { scrypt } = await import("hash-wasm")
      return scrypt({
        password,
        salt,
        costFactor: cost,
        blockSize,
        parallelism,
        hashLength: length,
        outputType: "binary",
      })
    },
    aesGcmOpen: async (key, nonce, aad, ct) => {
      if (ct.length < 16) return undefined
      const imported = await subtle.importKey("raw", unshared(key), "AES-GCM", false, ["decrypt"])
      const algorithm = { name: "AES-GCM", iv: unshared(nonce), additionalData: unshared(aad) }
      try {
        return new Uint8Array(await subtle.decrypt(algorithm, imported, unshared(ct)))
      } catch (error) {
        // WebCrypto names a tag that does not match an OperationError; anything else is a defect.
        if (error instanceof Error && error.name === "OperationError") return undefined
        throw error
      }
    },
  }
  return hasEd25519 ? { ...base, ...webEd25519(subtle) } : base
}

/** Asks the host by making a key, which older browsers refuse. */
export const hasEd25519 = async (subtle: Pick<SubtleCrypto, "generateKey">): Promise<boolean> => {
  try {
    await subtle.generateKey("Ed25519", false, ["sign", "verify"])
    return true
  } catch {
    // Any refusal means: use the JavaScript implementation instead.
    return false
  }
}

const webEd25519 = (subtle: SubtleCrypto): Pick<Primitives, "ed25519Sign" | "ed25519Verify"> => ({
  ed25519Sign: async (seed, message) => {
    const pkcs8 = new Uint8Array([...PKCS8_ED25519, ...seed])
    const key = await subtle.importKey("pkcs8", pkcs8, "Ed25519", false, ["sign"])
    return new Uint8Array(await subtle.sign("Ed25519", key, unshared(message)))
  },
  ed25519Verify: async (publicKey, message, signature) => {
    if (signature.length !== 64 || !isAcceptableEd25519Key(publicKey)) return false
    const key = await importVerifyKey(subtle, publicKey)
    return key !== undefined && (await subtle.verify("Ed25519", key, unshared(signature), unshared(message)))
  },
})

const importVerifyKey = async (subtle: SubtleCrypto, publicKey: Uint8Array): Promise<CryptoKey | undefined> => {
  try {
    return await subtle.importKey("raw", unshared(publicKey), "Ed25519", false, ["verify"])
  } catch (error) {
    // Some hosts check at import that the point is on the curve.
    if (error instanceof Error && error.name === "DataError") return undefined
    throw error
  }
}

/** WebCrypto takes no view of shared memory, which the type of a Uint8Array allows. What it takes it copies before it answers. */
const unshared = (bytes: Uint8Array): Uint8Array<ArrayBuffer> => (isUnshared(bytes) ? bytes : new Uint8Array(bytes))
const isUnshared = (bytes: Uint8Array): bytes is Uint8Array<ArrayBuffer> => bytes.buffer instanceof ArrayBuffer
