import { Aes256Gcm, CipherSuite, HkdfSha256 } from "@hpke/core"
import { XWing } from "@hpke/hybridkem-x-wing"
import { sha3_256, shake256 } from "@noble/hashes/sha3.js"
import { ml_kem768 } from "@noble/post-quantum/ml-kem.js"

import type { Random } from "@keyferry/base"

/**
 * HPKE (RFC 9180) in base mode with X-Wing, HKDF-SHA256 and AES-256-GCM. The only file that knows the library.
 * Never auth mode: with this KEM the library does not refuse a sender key, ignores it, and a message forged by anybody
 * opens as if it came from the named sender.
 * Source   spec/keys.md KE11
 */
const kem = new XWing()
const suite = new CipherSuite({ kem, kdf: new HkdfSha256(), aead: new Aes256Gcm() })

export const KEM_PUBLIC_KEY_LENGTH = 1216
export const KEM_ENC_LENGTH = 1120

/** The public key of an X-Wing seed. */
export const xWingPublicKey = async (seed: Uint8Array): Promise<Uint8Array> => {
  const pair = await kem.generateKeyPairDerand(new Uint8Array(seed))
  return new Uint8Array(await kem.serializePublicKey(pair.publicKey))
}

export const hpkeSeal = async (
  random: Random,
  publicKey: Uint8Array,
  info: Uint8Array,
  aad: Uint8Array,
  plaintext: Uint8Array,
): Promise<{ readonly enc: Uint8Array; readonly ct: Uint8Array }> => {
  const recipientPublicKey = await kem.deserializePublicKey(new Uint8Array(publicKey))
  const sender = await suite.createSenderContext({
    recipientPublicKey,
    info: bufferOf(info),
    ekm: bufferOf(random.bytes(64)),
  })
  const ct = await sender.seal(bufferOf(plaintext), bufferOf(aad))
  return { enc: new Uint8Array(sender.enc), ct: new Uint8Array(ct) }
}

/** An X25519 key that its host keeps: it is used, and never seen. */
export interface X25519Half {
  readonly publicKey: Uint8Array
  /** 32 bytes. Rejects for a point of small order. */
  readonly deriveBits: (peer: Uint8Array) => Promise<Uint8Array>
}

const ML_KEM_ENC_LENGTH = 1088
const X_WING_LABEL = Uint8Array.of(0x5c, 0x2e, 0x2f, 0x2f, 0x5e, 0x5c)

/** The ML-KEM pair of an X-Wing seed; the 32 bytes behind its 64 are the X25519 half, which stands elsewhere here. */
const mlKemPair = (seed: Uint8Array): { readonly publicKey: Uint8Array; readonly secretKey: Uint8Array } =>
  ml_kem768.keygen(shake256(seed, { dkLen: 96 }).slice(0, 64))

export const splitXWingPublicKey = (seed: Uint8Array, half: X25519Half): Uint8Array => {
  const { publicKey } = mlKemPair(seed)
  const joined = new Uint8Array(KEM_PUBLIC_KEY_LENGTH)
  joined.set(publicKey)
  joined.set(half.publicKey, publicKey.length)
  return joined
}

/** What X-Wing's decapsulation gives, from the two halves. */
const splitDecapsulate = async (seed: Uint8Array, half: X25519Half, enc: Uint8Array): Promise<ArrayBuffer> => {
  const ctX = enc.slice(ML_KEM_ENC_LENGTH)
  const ssM = ml_kem768.decapsulate(enc.slice(0, ML_KEM_ENC_LENGTH), mlKemPair(seed).secretKey)
  const ssX = await half.deriveBits(ctX)
  const hash = sha3_256.create().update(ssM).update(ssX).update(ctX).update(half.publicKey).update(X_WING_LABEL)
  return bufferOf(hash.digest())
}

/** The same suite, with a decapsulation that was done elsewhere. The key that the library asks for is not looked at. */
const openerOf = (enc: Uint8Array, seed: Uint8Array, half: X25519Half | undefined): CipherSuite =>
  half === undefined
    ? suite
    : new CipherSuite({
        kem: Object.assign(new XWing(), { decap: () => splitDecapsulate(seed, half, enc) }),
        kdf: new HkdfSha256(),
        aead: new Aes256Gcm(),
      })

/** `undefined` when it does not open. Lengths are checked by the caller. */
export const hpkeOpen = async (
  { seed, half }: { readonly seed: Uint8Array; readonly half?: X25519Half | undefined },
  enc: Uint8Array,
  info: Uint8Array,
  aad: Uint8Array,
  ct: Uint8Array,
): Promise<Uint8Array | undefined> => {
  const recipientKey = await kem.deserializePrivateKey(new Uint8Array(seed))
  try {
    const recipient = await openerOf(enc, seed, half).createRecipientContext({
      recipientKey,
      enc: bufferOf(enc),
      info: bufferOf(info),
    })
    return new Uint8Array(await recipient.open(bufferOf(ct), bufferOf(aad)))
  } catch {
    // The library wraps every failure of decapsulation and of the tag in errors of its own; to us they are one.
    return undefined
  }
}

/** The library takes buffers, and would take the whole buffer of a view. */
const bufferOf = (bytes: Uint8Array): ArrayBuffer => new Uint8Array(bytes).buffer
