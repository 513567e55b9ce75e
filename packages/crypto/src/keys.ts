import { lp, type Random, type Result, type Secret, ok, secret } from "@keyferry/base"

import { openCommitting, type Sealed, sealCommitting } from "./aead.ts"
import { H } from "./hash.ts"
import { kdf } from "./kdf.ts"
import { type KemKeyPair, kemKeyPairFromSeed } from "./kem.ts"
import type { Primitives } from "./primitives/primitives.ts"

/** The root of one epoch of an account's keys. */
export type AccountSeed = Secret<"AccountSeed">
/** Seals what the account keeps for itself in one epoch. */
export type AccountSym = Secret<"AccountSym">
/** The key of one epoch of a vault. */
export type VaultKey = Secret<"VaultKey">
/** 16 bytes that a stolen server does not have; derived from the kit. */
export type SecretKey = Secret<"SecretKey">
/** The private half of an Ed25519 key, 32 bytes. */
export type SigSeed = Secret<"SigSeed">
/** What OPAQUE gives the client and never the server, 64 bytes. */
export type ExportKey = Secret<"ExportKey">
export type SlotSecret = Secret<"SlotSecret">

/** Who can hold an account's keys: a device, or a slot that is derived whenever it is needed. Source   spec/keys.md KE9 */
export const HOLDER_KIND = { device: 1, passwordSlot: 2, recoverySlot: 3, passkeySlot: 4 } as const
export type HolderKind = (typeof HOLDER_KIND)[keyof typeof HOLDER_KIND]
export type SlotKind = Exclude<HolderKind, typeof HOLDER_KIND.device>

export const makeAccountSeed = (random: Random): AccountSeed => secret<"AccountSeed">(random.bytes(32))
export const makeVaultKey = (random: Random): VaultKey => secret<"VaultKey">(random.bytes(32))
export const makeSigSeed = (random: Random): SigSeed => secret<"SigSeed">(random.bytes(32))

export const sigPublicKey = (p: Primitives, seed: SigSeed): Promise<Uint8Array> => p.ed25519PublicKey(seed.reveal())

/** The pair that others wrap vault keys to. Source   spec/keys.md KE8 */
export const deriveAccountKem = async (
  p: Primitives,
  seed: AccountSeed,
  accountSalt: Uint8Array,
  epoch: number,
): Promise<KemKeyPair> =>
  kemKeyPairFromSeed(secret<"KemSeed">(await kdf(p, seed.reveal(), accountSalt, lp("kf1/uk-kem", epoch), 32)))

/** Source   spec/keys.md KE8 */
export const deriveAccountSym = async (
  p: Primitives,
  seed: AccountSeed,
  accountSalt: Uint8Array,
  epoch: number,
): Promise<AccountSym> => secret<"AccountSym">(await kdf(p, seed.reveal(), accountSalt, lp("kf1/uk-sym", epoch), 32))

/** Published in the signed rotation: a member who was given another key notices. Source   spec/keys.md KE8 */
export const vaultConfirm = (p: Primitives, key: VaultKey, vaultSalt: Uint8Array, epoch: number): Promise<Uint8Array> =>
  kdf(p, key.reveal(), vaultSalt, lp("kf1/vk-confirm", epoch), 32)

export interface SlotKeys {
  readonly sigSeed: SigSeed
  readonly kemSeed: Secret<"KemSeed">
  readonly sigPk: Uint8Array
  readonly kemPk: Uint8Array
}

/** A server that lies about the salt only makes keys that match nothing. Source   spec/keys.md KE9 */
export const deriveSlot = async (
  p: Primitives,
  slotSecret: SlotSecret,
  accountSalt: Uint8Array,
  slotKind: SlotKind,
  slotId: Uint8Array,
): Promise<SlotKeys> => {
  const seeds = await kdf(p, slotSecret.reveal(), accountSalt, lp("kf1/slot", slotKind, slotId), 64)
  const kem = await kemKeyPairFromSeed(secret<"KemSeed">(seeds.slice(0, 32)))
  const sigSeed = secret<"SigSeed">(seeds.slice(32, 64))
  return { sigSeed, kemSeed: kem.seed, sigPk: await sigPublicKey(p, sigSeed), kemPk: kem.publicKey }
}

/** Neither the password alone nor the kit's secret alone makes the slot. Source   spec/keys.md KE9 */
export const passwordSlotSecret = (exportKey: ExportKey, secretKey: SecretKey): SlotSecret =>
  secret<"SlotSecret">(lp(exportKey.reveal(), secretKey.reveal()))

/** What a passkey is asked to evaluate; made here, never taken from a server. Source   spec/keys.md KE9 */
export const passkeyPrfInput = (p: Primitives, uid: Uint8Array, slotId: Uint8Array): Uint8Array =>
  H(p, lp("kf1/prf", uid, slotId))

/** The user handle of every passkey of an account. Source   spec/passkeys.md PK3 */
export const passkeyUserHandle = (p: Primitives, uid: Uint8Array): Uint8Array => H(p, lp("kf1/passkey-user", uid))

/** Source   spec/keys.md KE10 */
export const sealPrevAccountSeed = (
  p: Primitives,
  random: Random,
  input: { readonly uid: Uint8Array; readonly epoch: number; readonly sym: AccountSym; readonly previous: AccountSeed },
): Promise<Sealed> =>
  sealCommitting(p, random, {
    key: input.sym,
    label: "kf1/uk-prev",
    header: lp("kf1/uk-prev", input.uid, input.epoch),
    plaintext: input.previous.reveal(),
  })

/** `epoch` is the newer one, whose key opens. Errors: cannot-open. Source   spec/keys.md KE10 */
export const openPrevAccountSeed = async (
  p: Primitives,
  input: { readonly uid: Uint8Array; readonly epoch: number; readonly sym: AccountSym; readonly sealed: Sealed },
): Promise<Result<AccountSeed, "cannot-open">> => {
  const header = lp("kf1/uk-prev", input.uid, input.epoch)
  const opened = await openCommitting(p, { key: input.sym, label: "kf1/uk-prev", header, sealed: input.sealed })
  return opened.ok ? ok(secret<"AccountSeed">(opened.value)) : opened
}

/** Source   spec/keys.md KE10 */
export const sealPrevVaultKey = (
  p: Primitives,
  random: Random,
  input: { readonly vid: Uint8Array; readonly epoch: number; readonly key: VaultKey; readonly previous: VaultKey },
): Promise<Sealed> =>
  sealCommitting(p, random, {
    key: input.key,
    label: "kf1/vk-prev",
    header: lp("kf1/vk-prev", input.vid, input.epoch),
    plaintext: input.previous.reveal(),
  })

/** `epoch` is the newer one, whose key opens. Errors: cannot-open. Source   spec/keys.md KE10 */
export const openPrevVaultKey = async (
  p: Primitives,
  input: { readonly vid: Uint8Array; readonly epoch: number; readonly key: VaultKey; readonly sealed: Sealed },
): Promise<Result<VaultKey, "cannot-open">> => {
  const header = lp("kf1/vk-prev", input.vid, input.epoch)
  const opened = await openCommitting(p, { key: input.key, label: "kf1/vk-prev", header, sealed: input.sealed })
  return opened.ok ? ok(secret<"VaultKey">(opened.value)) : opened
}

/** The header has no account id: the genesis, which the id is a hash of, contains this. Source   spec/keys.md KE10 */
export const sealSk = (
  p: Primitives,
  random: Random,
  input: { readonly epoch: number; readonly sym: AccountSym; readonly secretKey: SecretKey },
): Promise<Sealed> =>
  sealCommitting(p, random, {
    key: input.sym,
    label: "kf1/sk",
    header: lp("kf1/sk", input.epoch),
    plaintext: input.secretKey.reveal(),
  })

/** Errors: cannot-open. Source   spec/keys.md KE10 */
export const openSk = async (
  p: Primitives,
  input: { readonly epoch: number; readonly sym: AccountSym; readonly sealed: Sealed },
): Promise<Result<SecretKey, "cannot-open">> => {
  const header = lp("kf1/sk", input.epoch)
  const opened = await openCommitting(p, { key: input.sym, label: "kf1/sk", header, sealed: input.sealed })
  return opened.ok ? ok(secret<"SecretKey">(opened.value)) : opened
}

/** The signing key of an API credential, from the secret that its owner was shown. Source   spec/keys.md KE18 */
export const apiSignSeed = async (
  p: Primitives,
  apiSecret: Secret<"ApiSecret">,
  credentialId: Uint8Array,
): Promise<SigSeed> => secret<"SigSeed">(await kdf(p, apiSecret.reveal(), credentialId, "kf1/api-sign", 32))
