import type { webcrypto } from "node:crypto"

import { expect, test } from "vitest"

import { secret } from "@keyferry/base"

import { hpkeOpen, hpkeSeal } from "./hazmat/hpke.ts"
import { kemKeyPairFromSeed, splitKemKeyPair, type X25519Half } from "./kem.ts"
import { systemRandom as random } from "./primitives/conformance.ts"
import { shake256 } from "@noble/hashes/sha3.js"

const { subtle } = globalThis.crypto
const PKCS8_X25519 = Uint8Array.of(0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x6e, 4, 0x22, 4, 0x20)

/** As a browser keeps it: a key object that cannot be read out. */
const halfOf = async (privateKey: CryptoKey, publicKey: Uint8Array): Promise<X25519Half> => ({
  publicKey,
  deriveBits: async (peer) => {
    const imported = await subtle.importKey("raw", new Uint8Array(peer), "X25519", false, [])
    return new Uint8Array(await subtle.deriveBits({ name: "X25519", public: imported }, privateKey, 256))
  },
})

const makeHalf = async (): Promise<X25519Half> => {
  const pair = (await subtle.generateKey("X25519", false, ["deriveBits"])) as webcrypto.CryptoKeyPair
  return halfOf(pair.privateKey, new Uint8Array(await subtle.exportKey("raw", pair.publicKey)))
}

const INFO = new Uint8Array([1])
const AAD = new Uint8Array([2])
const PLAIN = new Uint8Array(32).fill(7)
const seal = (publicKey: Uint8Array) => hpkeSeal(random, publicKey, INFO, AAD, PLAIN)

test("[KE3] halves of one X-Wing seed make its public key, and open what was sealed to it", async () => {
  const seed = secret<"KemSeed">(random.bytes(32))
  const whole = await kemKeyPairFromSeed(seed)
  const skX = shake256(seed.reveal(), { dkLen: 96 }).slice(64)
  const key = await subtle.importKey("pkcs8", new Uint8Array([...PKCS8_X25519, ...skX]), "X25519", false, [
    "deriveBits",
  ])
  const split = splitKemKeyPair(seed, await halfOf(key, whole.publicKey.slice(1184)))
  expect(split.publicKey).toEqual(whole.publicKey)
  const { enc, ct } = await seal(whole.publicKey)
  expect(await hpkeOpen({ seed: seed.reveal(), half: split.half }, enc, INFO, AAD, ct)).toEqual(PLAIN)
})

test("[KE3] with another half, or with the seed alone, nothing opens", async () => {
  const seed = secret<"KemSeed">(random.bytes(32))
  const split = splitKemKeyPair(seed, await makeHalf())
  const { enc, ct } = await seal(split.publicKey)
  expect(await hpkeOpen({ seed: seed.reveal(), half: split.half }, enc, INFO, AAD, ct)).toEqual(PLAIN)
  expect(await hpkeOpen({ seed: seed.reveal(), half: await makeHalf() }, enc, INFO, AAD, ct)).toBeUndefined()
  expect(await hpkeOpen({ seed: seed.reveal() }, enc, INFO, AAD, ct)).toBeUndefined()
  expect(await hpkeOpen({ seed: random.bytes(32), half: split.half }, enc, INFO, AAD, ct)).toBeUndefined()
})

test("[KE3] a point of small order in a ciphertext does not open, and is no crash", async () => {
  const split = splitKemKeyPair(secret<"KemSeed">(random.bytes(32)), await makeHalf())
  const { enc, ct } = await seal(split.publicKey)
  enc.fill(0, 1088)
  expect(await hpkeOpen({ seed: split.seed.reveal(), half: split.half }, enc, INFO, AAD, ct)).toBeUndefined()
})
