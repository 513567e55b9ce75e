import { type Random, type Secret, secret } from "@keyferry/base"

import { xWingPublicKey } from "./hazmat/hpke.ts"

export { KEM_ENC_LENGTH, KEM_PUBLIC_KEY_LENGTH } from "./hazmat/hpke.ts"

/** An X-Wing pair: 1,216 bytes public, a 32-byte seed private. */
export interface KemKeyPair {
  readonly publicKey: Uint8Array
  readonly seed: Secret<"KemSeed">
}

/** The seed is the decapsulation key of X-Wing itself, with no further derivation. Source   spec/keys.md KE3 */
export const kemKeyPairFromSeed = async (seed: Secret<"KemSeed">): Promise<KemKeyPair> => ({
  publicKey: await xWingPublicKey(seed.reveal()),
  seed,
})

export const makeKemKeyPair = (random: Random): Promise<KemKeyPair> =>
  kemKeyPairFromSeed(secret<"KemSeed">(random.bytes(32)))
