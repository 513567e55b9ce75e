import { type Random, type Secret, secret } from "@keyferry/base"

import { splitXWingPublicKey, type X25519Half, xWingPublicKey } from "./hazmat/hpke.ts"

export { KEM_ENC_LENGTH, KEM_PUBLIC_KEY_LENGTH, type X25519Half } from "./hazmat/hpke.ts"

/** An X-Wing pair: 1,216 bytes public, a 32-byte seed private. */
export interface KemKeyPair {
  readonly publicKey: Uint8Array
  readonly seed: Secret<"KemSeed">
  /** Where the host keeps the X25519 half itself: the seed is then that of the ML-KEM half alone. */
  readonly half?: X25519Half
}

/** The seed is the decapsulation key of X-Wing itself, with no further derivation. Source   spec/keys.md KE3 */
export const kemKeyPairFromSeed = async (seed: Secret<"KemSeed">): Promise<KemKeyPair> => ({
  publicKey: await xWingPublicKey(seed.reveal()),
  seed,
})

export const makeKemKeyPair = (random: Random): Promise<KemKeyPair> =>
  kemKeyPairFromSeed(secret<"KemSeed">(random.bytes(32)))

/**
 * A pair in two halves: ML-KEM from the seed as X-Wing expands it, X25519 from a host that does not give its key out.
 * Whoever has one of them opens nothing. To a sender it is an X-Wing key like any other. Source   spec/keys.md KE3
 */
export const splitKemKeyPair = (seed: Secret<"KemSeed">, half: X25519Half): KemKeyPair => ({
  publicKey: splitXWingPublicKey(seed.reveal(), half),
  seed,
  half,
})
