import { concatBytes, decodeCbor, encodeCbor, equalBytes, type Random, secret } from "@keyferry/base"
import { blind, evaluate, finalize, H, kemKeyPairFromSeed } from "@keyferry/crypto"
import { nodePrimitives as p } from "@keyferry/crypto/node"
import { Aes128Gcm, CipherSuite, DhkemX25519HkdfSha256, HkdfSha256 } from "@hpke/core"
import { XWing } from "@hpke/hybridkem-x-wing"

import { compare, type Fields, type Topic } from "./vector.ts"

/*
 * Vectors that others published: numbers of standards, in our form of file, each naming its source in its comment. They hold
 * the libraries to the standards; nothing here can make them.
 */

const published = (name: string, check: Topic["check"]): Topic => ({
  name: `public-${name}`,
  generate: undefined,
  check,
})

/** FIPS 180-4 examples. */
const sha256 = published("sha256", async (f) => compare(f, { hash: H(p, f.bytes("message")) }))

/** RFC 4231. */
const hmac = published("hmac", async (f) => compare(f, { mac: await p.hmacSha256(f.bytes("key"), f.bytes("message")) }))

/** McGrew and Viega, "The Galois/Counter Mode of Operation", appendix B. */
const aesGcm = published("aes-gcm", async (f) => {
  const [key, nonce, aad] = [f.bytes("key"), f.bytes("nonce"), f.bytes("aad")]
  const opened = await p.aesGcmOpen(key, nonce, aad, f.bytes("ct"))
  if (opened === undefined) return "cannot-open"
  return compare(f, { plaintext: opened, ct: await p.aesGcmSeal(key, nonce, aad, opened) })
})

/** RFC 8032 section 7.1; RFC 9421 appendix B.2.6, whose message is a signature base. */
const ed25519 = published("ed25519", async (f) => {
  const [seed, message] = [f.bytes("seed"), f.bytes("message")]
  const computed = { public_key: await p.ed25519PublicKey(seed), signature: await p.ed25519Sign(seed, message) }
  const verified = await p.ed25519Verify(f.bytes("public_key"), message, f.bytes("signature"))
  return verified ? compare(f, computed) : "refused"
})

/** The reference implementation's tests. The RFC's own vectors have a secret and associated data, which suite 1 has not. */
const argon2id = published("argon2id", async (f) => {
  const options = { memoryKiB: f.int("memory"), passes: f.int("passes"), parallelism: f.int("lanes"), length: 32 }
  return compare(f, { tag: await p.argon2id(f.bytes("password"), f.bytes("salt"), options) })
})

/** RFC 8949 appendix A, as far as its examples are, or are not, in the subset of RC1. */
const cbor = published("cbor", async (f) => {
  const decoded = decodeCbor(f.bytes("bytes"), 1_000)
  if (!decoded.ok) return "malformed"
  return equalBytes(encodeCbor(decoded.value), f.bytes("bytes")) ? "ok" : "differs: bytes"
})

/** RFC 9497 appendix A.1.2, VOPRF mode. */
const voprf = published("voprf", async (f) => {
  const key = { secretKey: secret<"LeaseKey">(f.bytes("secret_key")), publicKey: f.bytes("public_key") }
  const asked = blind(drawing(f, "blind"), secret<"LeaseInput">(f.bytes("input")))
  const answered = evaluate(drawing(f, "proof_scalar"), key, asked.blinded)
  if (!answered.ok) return answered.error
  const output = finalize(asked, key.publicKey, answered.value)
  if (!output.ok) return output.error
  const { evaluated, proof } = answered.value
  return compare(f, { blinded: asked.blinded, evaluated, proof, output: output.value.reveal() })
})

/** draft-connolly-cfrg-xwing-kem, appendix C; public key and ciphertext by their SHA-256. */
const xWing = published("x-wing", async (f) => {
  const pair = await kemKeyPairFromSeed(secret(f.bytes("seed")))
  const kem = new XWing()
  const recipientPublicKey = await kem.deserializePublicKey(new Uint8Array(pair.publicKey))
  const sent = await kem.encap({ recipientPublicKey, ekm: new Uint8Array(f.bytes("eseed")).buffer })
  const recipientKey = await kem.deserializePrivateKey(new Uint8Array(f.bytes("seed")))
  const opened = new Uint8Array(await kem.decap({ recipientKey, enc: sent.enc }))
  if (!equalBytes(opened, new Uint8Array(sent.sharedSecret))) return "differs: decapsulated"
  return compare(f, {
    public_key_hash: H(p, pair.publicKey),
    ct_hash: H(p, new Uint8Array(sent.enc)),
    shared_secret: opened,
  })
})

/** RFC 9180 appendix A.1.1, first message: the key schedule of the library, with the KEM and the cipher of the RFC. */
const hpke = published("hpke", async (f) => {
  const suite = new CipherSuite({ kem: new DhkemX25519HkdfSha256(), kdf: new HkdfSha256(), aead: new Aes128Gcm() })
  const buffer = (name: string): ArrayBuffer => new Uint8Array(f.bytes(name)).buffer
  const recipientKey = await suite.kem.deserializePrivateKey(buffer("private_key"))
  const recipient = await suite.createRecipientContext({ recipientKey, enc: buffer("enc"), info: buffer("info") })
  return compare(f, { plaintext: new Uint8Array(await recipient.open(buffer("ct"), buffer("aad"))) })
})

/** Makes the library draw exactly this scalar: it reduces 48 little-endian bytes to [1, L). */
const drawing = (f: Fields, name: string): Random => {
  const wanted = f.bytes(name)
  const lessOne = wanted.with(0, (wanted[0] ?? 0) - 1)
  return { bytes: (length) => concatBytes(lessOne, new Uint8Array(length - 32)) }
}

export const publicTopics: readonly Topic[] = [sha256, hmac, aesGcm, ed25519, argon2id, cbor, hpke, voprf, xWing]
