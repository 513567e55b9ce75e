import { type Random, type Secret, secret } from "@keyferry/base"
import { type KemKeyPair, kemKeyPairFromSeed, type Primitives } from "@keyferry/crypto"

/** Of the key that signs this device's requests, also while it is locked. */
export type AuthKey = Secret<"AuthKey">
/** Of the key that others wrap account keys to. */
export type DeviceKemKey = Secret<"KemSeed">

/**
 * The private halves of this device's own keys. The rest of the SDK keeps 32 bytes for each, seals and stores them, and
 * hands them back here to have something done. On Node they are the key itself; in a browser they name a key object
 * that no script can read out. Source: spec/device-store.md
 */
export interface DeviceKeys {
  readonly makeAuth: () => Promise<AuthKey>
  readonly authPublicKey: (key: AuthKey) => Promise<Uint8Array>
  /** Finds the key and says how to sign with it: 64 bytes, Ed25519. */
  readonly authSigner: (key: AuthKey) => Promise<SignAuth>
  readonly makeKem: () => Promise<DeviceKemKey>
  readonly kemPair: (key: DeviceKemKey) => Promise<KemKeyPair>
}

export type SignAuth = (message: Uint8Array) => Promise<Uint8Array>

/** The 32 bytes are the seeds. */
export const seedKeys = (p: Primitives, random: Random): DeviceKeys => ({
  makeAuth: async () => secret<"AuthKey">(random.bytes(32)),
  authPublicKey: (key) => p.ed25519PublicKey(key.reveal()),
  authSigner: async (key) => (message) => p.ed25519Sign(key.reveal(), message),
  makeKem: async () => secret<"KemSeed">(random.bytes(32)),
  kemPair: kemKeyPairFromSeed,
})
