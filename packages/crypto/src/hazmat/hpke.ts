import { Aes256Gcm, CipherSuite, HkdfSha256 } from "@hpke/core"
import { XWing } from "@hpke/hybridkem-x-wing"

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

/** `undefined` when it does not open. Lengths are checked by the caller. */
export const hpkeOpen = async (
  seed: Uint8Array,
  enc: Uint8Array,
  info: Uint8Array,
  aad: Uint8Array,
  ct: Uint8Array,
): Promise<Uint8Array | undefined> => {
  const recipientKey = await kem.deserializePrivateKey(new Uint8Array(seed))
  try {
    const recipient = await suite.createRecipientContext({ recipientKey, enc: bufferOf(enc), info: bufferOf(info) })
    return new Uint8Array(await recipient.open(bufferOf(ct), bufferOf(aad)))
  } catch {
    // The library wraps every failure of decapsulation and of the tag in errors of its own; to us they are one.
    return undefined
  }
}

/** The library takes buffers, and would take the whole buffer of a view. */
const bufferOf = (bytes: Uint8Array): ArrayBuffer => new Uint8Array(bytes).buffer
