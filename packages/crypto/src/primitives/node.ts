import {
  argon2,
  createCipheriv,
  createDecipheriv,
  createHmac,
  createPrivateKey,
  createPublicKey,
  hash,
  hkdfSync,
  type KeyObject,
  scrypt,
  sign,
  verify,
} from "node:crypto"

import { isAcceptableEd25519Key } from "../hazmat/ed25519-keys.ts"
import type { Primitives } from "./primitives.ts"

const TAG_LENGTH = 16
const PKCS8_ED25519 = Buffer.from("302e020100300506032b657004220420", "hex")
const SPKI_ED25519 = Buffer.from("302a300506032b6570032100", "hex")
const PUBLIC_KEYS_KEPT = 1_000

// Importing a public key costs about as much as verifying with it, and a chain is signed by few keys.
const publicKeys = new Map<string, KeyObject>()

/** node:crypto (OpenSSL). Everything but Argon2id and scrypt runs at once, on the calling thread. */
export const nodePrimitives: Primitives = {
  sha256: (bytes) => fromLatin1(hash("sha256", bytes, "latin1")),
  hmacSha256: async (key, bytes) => plain(createHmac("sha256", key).update(bytes).digest()),
  hkdfSha512: async (ikm, salt, info, length) => new Uint8Array(hkdfSync("sha512", ikm, salt, info, length)),
  aesGcmSeal: async (key, nonce, aad, plaintext) => {
    const cipher = createCipheriv("aes-256-gcm", key, nonce)
    cipher.setAAD(aad)
    const out = new Uint8Array(plaintext.length + TAG_LENGTH)
    out.set(cipher.update(plaintext))
    cipher.final()
    out.set(cipher.getAuthTag(), plaintext.length)
    return out
  },
  aesGcmOpen: async (key, nonce, aad, ct) => {
    if (ct.length < TAG_LENGTH) return undefined
    const decipher = createDecipheriv("aes-256-gcm", key, nonce, { authTagLength: TAG_LENGTH })
    decipher.setAAD(aad)
    decipher.setAuthTag(ct.subarray(ct.length - TAG_LENGTH))
    const out = decipher.update(ct.subarray(0, ct.length - TAG_LENGTH))
    try {
      decipher.final()
    } catch {
      // The only failure that `final` has here is a tag that does not match; the unverified bytes are dropped.
      out.fill(0)
      return undefined
    }
    return plain(out)
  },
  ed25519PublicKey: async (seed) => {
    const spki = createPublicKey(privateKey(seed)).export({ format: "der", type: "spki" })
    return new Uint8Array(spki.subarray(SPKI_ED25519.length))
  },
  ed25519Sign: async (seed, message) => plain(sign(null, message, privateKey(seed))),
  ed25519Verify: async (publicKey, message, signature) => {
    if (signature.length !== 64) return false
    const key = importedPublicKey(publicKey)
    return key !== undefined && verify(null, message, key, signature)
  },
  argon2id: (password, salt, options) =>
    new Promise((resolve, reject) => {
      const parameters = {
        message: password,
        nonce: salt,
        memory: options.memoryKiB,
        passes: options.passes,
        parallelism: options.parallelism,
        tagLength: options.length,
      }
      argon2("argon2id", parameters, (error, tag) => (error === null ? resolve(plain(tag)) : reject(error)))
    }),
  scrypt: (password, salt, { cost, blockSize, parallelism, length }) =>
    new Promise((resolve, reject) => {
      // A limit against accidents, which OpenSSL sets far below what the cost asks for.
      const maxmem = 256 * cost * blockSize
      const parameters = { cost, blockSize, parallelization: parallelism, maxmem }
      scrypt(password, salt, length, parameters, (error, key) => (error === null ? resolve(plain(key)) : reject(error)))
    }),
}

/** The runtime answers with text three times as fast as with a Buffer. */
const fromLatin1 = (text: string): Uint8Array => {
  const out = new Uint8Array(text.length)
  for (let i = 0; i < out.length; i++) out[i] = text.charCodeAt(i)
  return out
}

/** A Buffer is a Uint8Array whose methods differ: nothing outside this file may meet one. */
const plain = (buffer: Buffer): Uint8Array => new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.length)

const privateKey = (seed: Uint8Array): KeyObject =>
  createPrivateKey({ key: Buffer.concat([PKCS8_ED25519, seed]), format: "der", type: "pkcs8" })

const importedPublicKey = (publicKey: Uint8Array): KeyObject | undefined => {
  const name = Buffer.from(publicKey.buffer, publicKey.byteOffset, publicKey.length).toString("latin1")
  const known = publicKeys.get(name)
  if (known !== undefined) return known
  if (!isAcceptableEd25519Key(publicKey)) return undefined
  const key = createPublicKey({ key: Buffer.concat([SPKI_ED25519, publicKey]), format: "der", type: "spki" })
  if (publicKeys.size >= PUBLIC_KEYS_KEPT) publicKeys.clear()
  publicKeys.set(name, key)
  return key
}
