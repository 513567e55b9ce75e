import { describe, expect, test } from "vitest"

import { concatBytes, secret, utf8 } from "@keyferry/base"

import { chainId, H } from "./hash.ts"
import { kdf } from "./kdf.ts"
import { kemKeyPairFromSeed, makeKemKeyPair } from "./kem.ts"
import {
  apiSignSeed,
  deriveAccountKem,
  deriveAccountSym,
  deriveSlot,
  HOLDER_KIND,
  makeAccountSeed,
  makeVaultKey,
  openPrevAccountSeed,
  openPrevVaultKey,
  openSk,
  passkeyPrfInput,
  passwordSlotSecret,
  sealPrevAccountSeed,
  sealPrevVaultKey,
  sealSk,
  sigPublicKey,
  vaultConfirm,
} from "./keys.ts"
import { systemRandom as random } from "./primitives/conformance.ts"
import { noblePrimitives } from "./primitives/noble.ts"
import { nodePrimitives as p } from "./primitives/node.ts"

const accountSalt = random.bytes(32)
const uid = random.bytes(32)
const slotId = random.bytes(16)
const cannotOpen = { ok: false, error: "cannot-open" }
const u32 = (n: number): Uint8Array => Uint8Array.of(0, 0, 0, n)
const u64 = (n: number): Uint8Array => Uint8Array.of(0, 0, 0, 0, 0, 0, 0, n)

describe("notation", () => {
  test("[KE1] KDF is HKDF-SHA-512, and a text stands for its ASCII bytes", async () => {
    const out = await kdf(p, utf8("ikm"), utf8("salt"), "kf1/session", 32)
    expect(out).toEqual(await noblePrimitives.hkdfSha512(utf8("ikm"), utf8("salt"), utf8("kf1/session"), 32))
    expect(out).not.toEqual(await kdf(p, utf8("ikm"), utf8("salt"), "kf1/sessioo", 32))
  })

  test("[KE4] an id hashes label, chain kind as eight bytes and payload, each after its length", () => {
    const payload = random.bytes(90)
    const bytes = concatBytes(u32(6), utf8("kf1/id"), u32(8), u64(3), u32(90), payload)
    expect(chainId(p, 3, payload)).toEqual(H(p, bytes))
    expect(chainId(p, 1, payload)).not.toEqual(chainId(p, 3, payload))
  })

  test("[KE3] an X-Wing pair comes from its seed alone", async () => {
    const pair = await makeKemKeyPair(random)
    expect(pair.publicKey.length).toBe(1216)
    expect(pair.seed.length).toBe(32)
    expect((await kemKeyPairFromSeed(pair.seed)).publicKey).toEqual(pair.publicKey)
  })
})

describe("account and vault keys", () => {
  const seed = makeAccountSeed(random)

  test("[KE8] each epoch and each salt has its own sealing key and pair, and the two are independent", async () => {
    const sym = await deriveAccountSym(p, seed, accountSalt, 1)
    const kem = await deriveAccountKem(p, seed, accountSalt, 1)
    expect(sym.reveal()).not.toEqual((await deriveAccountSym(p, seed, accountSalt, 2)).reveal())
    expect(sym.reveal()).not.toEqual((await deriveAccountSym(p, seed, uid, 1)).reveal())
    expect(sym.reveal()).not.toEqual(kem.seed.reveal())
    expect(kem.publicKey).not.toEqual((await deriveAccountKem(p, seed, accountSalt, 2)).publicKey)
    expect(kem.publicKey).toEqual((await deriveAccountKem(noblePrimitives, seed, accountSalt, 1)).publicKey)
  })

  test("[KE8] the derivations are the written formulas", async () => {
    const info = (label: string): Uint8Array => concatBytes(u32(label.length), utf8(label), u32(8), u64(7))
    const derive = (label: string) => noblePrimitives.hkdfSha512(seed.reveal(), accountSalt, info(label), 32)
    expect((await deriveAccountSym(p, seed, accountSalt, 7)).reveal()).toEqual(await derive("kf1/uk-sym"))
    expect((await deriveAccountKem(p, seed, accountSalt, 7)).seed.reveal()).toEqual(await derive("kf1/uk-kem"))
    const vaultKey = secret<"VaultKey">(seed.reveal())
    expect(await vaultConfirm(p, vaultKey, accountSalt, 7)).toEqual(await derive("kf1/vk-confirm"))
  })

  test("[KE8] the confirmation tells one vault key, vault and epoch from another", async () => {
    const key = makeVaultKey(random)
    const confirm = await vaultConfirm(p, key, accountSalt, 1)
    expect(confirm).not.toEqual(await vaultConfirm(p, makeVaultKey(random), accountSalt, 1))
    expect(confirm).not.toEqual(await vaultConfirm(p, key, uid, 1))
    expect(confirm).not.toEqual(await vaultConfirm(p, key, accountSalt, 2))
  })

  test("[KE10] a newer epoch opens the seed before it, in its account and epoch only", async () => {
    const sym = await deriveAccountSym(p, seed, accountSalt, 2)
    const previous = makeAccountSeed(random)
    const sealed = await sealPrevAccountSeed(p, random, { uid, epoch: 2, sym, previous })
    const opened = await openPrevAccountSeed(p, { uid, epoch: 2, sym, sealed })
    expect(opened.ok && opened.value.reveal()).toEqual(previous.reveal())
    expect(await openPrevAccountSeed(p, { uid, epoch: 3, sym, sealed })).toEqual(cannotOpen)
    expect(await openPrevAccountSeed(p, { uid: accountSalt, epoch: 2, sym, sealed })).toEqual(cannotOpen)
    const other = await deriveAccountSym(p, seed, accountSalt, 1)
    expect(await openPrevAccountSeed(p, { uid, epoch: 2, sym: other, sealed })).toEqual(cannotOpen)
  })

  test("[KE10] a newer vault key opens the one before it, in its vault and epoch only", async () => {
    const key = makeVaultKey(random)
    const previous = makeVaultKey(random)
    const sealed = await sealPrevVaultKey(p, random, { vid: uid, epoch: 2, key, previous })
    const opened = await openPrevVaultKey(p, { vid: uid, epoch: 2, key, sealed })
    expect(opened.ok && opened.value.reveal()).toEqual(previous.reveal())
    expect(await openPrevVaultKey(p, { vid: uid, epoch: 1, key, sealed })).toEqual(cannotOpen)
    expect(await openPrevVaultKey(p, { vid: accountSalt, epoch: 2, key, sealed })).toEqual(cannotOpen)
    expect(await openPrevVaultKey(p, { vid: uid, epoch: 2, key: previous, sealed })).toEqual(cannotOpen)
  })

  test("[KE10] the Secret Key is sealed for one epoch, and one sealed thing is never another", async () => {
    const sym = await deriveAccountSym(p, seed, accountSalt, 1)
    const secretKey = secret<"SecretKey">(random.bytes(16))
    const sealed = await sealSk(p, random, { epoch: 1, sym, secretKey })
    const opened = await openSk(p, { epoch: 1, sym, sealed })
    expect(opened.ok && opened.value.reveal()).toEqual(secretKey.reveal())
    expect(await openSk(p, { epoch: 2, sym, sealed })).toEqual(cannotOpen)
    expect(await openPrevAccountSeed(p, { uid, epoch: 1, sym, sealed })).toEqual(cannotOpen)
  })
})

describe("slots", () => {
  const slotSecret = secret<"SlotSecret">(random.bytes(20))

  test("[KE9] a slot is both pairs, from secret, salt, kind and id", async () => {
    const slot = await deriveSlot(p, slotSecret, accountSalt, HOLDER_KIND.recoverySlot, slotId)
    const info = concatBytes(u32(8), utf8("kf1/slot"), u32(8), u64(3), u32(16), slotId)
    const seeds = await noblePrimitives.hkdfSha512(slotSecret.reveal(), accountSalt, info, 64)
    expect(slot.kemSeed.reveal()).toEqual(seeds.subarray(0, 32))
    expect(slot.sigSeed.reveal()).toEqual(seeds.subarray(32, 64))
    expect(slot.sigPk).toEqual(await sigPublicKey(p, slot.sigSeed))
    expect(slot.kemPk).toEqual((await kemKeyPairFromSeed(slot.kemSeed)).publicKey)
  })

  test("[KE9] another kind, id, salt or secret is another slot", async () => {
    const slot = await deriveSlot(p, slotSecret, accountSalt, HOLDER_KIND.recoverySlot, slotId)
    const others = [
      await deriveSlot(p, slotSecret, accountSalt, HOLDER_KIND.passwordSlot, slotId),
      await deriveSlot(p, slotSecret, accountSalt, HOLDER_KIND.recoverySlot, random.bytes(16)),
      await deriveSlot(p, slotSecret, uid, HOLDER_KIND.recoverySlot, slotId),
      await deriveSlot(p, secret(random.bytes(20)), accountSalt, HOLDER_KIND.recoverySlot, slotId),
    ]
    for (const other of others) expect(other.sigPk).not.toEqual(slot.sigPk)
    expect(HOLDER_KIND).toEqual({ device: 1, passwordSlot: 2, recoverySlot: 3, passkeySlot: 4 })
  })

  test("[KE9] the password slot's secret is both halves, each after its length", () => {
    const exportKey = secret<"ExportKey">(random.bytes(64))
    const secretKey = secret<"SecretKey">(random.bytes(16))
    const bytes = concatBytes(u32(64), exportKey.reveal(), u32(16), secretKey.reveal())
    expect(passwordSlotSecret(exportKey, secretKey).reveal()).toEqual(bytes)
  })

  test("[KE9] what a passkey evaluates depends on the account and the slot", () => {
    const bytes = concatBytes(u32(7), utf8("kf1/prf"), u32(32), uid, u32(16), slotId)
    expect(passkeyPrfInput(p, uid, slotId)).toEqual(H(p, bytes))
  })

  test("[KE18] an API credential signs with a key of its secret and its id", async () => {
    const apiSecret = secret<"ApiSecret">(random.bytes(32))
    const seed = await apiSignSeed(p, apiSecret, slotId)
    const expected = await noblePrimitives.hkdfSha512(apiSecret.reveal(), slotId, utf8("kf1/api-sign"), 32)
    expect(seed.reveal()).toEqual(expected)
  })
})
