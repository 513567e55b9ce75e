import { bytesToHex, equalBytes, err, ok, type Result } from "@keyferry/base"
import {
  accountKeyRecipients,
  type AccountEpoch,
  type AccountKeyEntry,
  type AccountState,
  HOLDER_DEVICE,
  HOLDER_PASSWORD,
  HOLDER_RECOVERY,
  type Holder,
  newestAccountKey,
  wrapLinkOf,
} from "@keyferry/chain"
import {
  type AccountSeed,
  decodeWrapEntry,
  deriveAccountKem,
  deriveAccountSym,
  deriveRecoveryAuth,
  deriveSlot,
  encodeWrapEntry,
  type ExportKey,
  type KemKeyPair,
  makeAccountSeed,
  makeWrap,
  openPrevAccountSeed,
  openSk,
  openWrap,
  passwordSlotSecret,
  type RecoveryCode,
  recoverySlotSecret,
  sealedHash,
  sealedStruct,
  sealPrevAccountSeed,
  sealSk,
  type SecretKey,
  type SigSeed,
  type SlotKeys,
  type WrapEntry,
  wrapsHash,
} from "@keyferry/crypto"
import { accountKeysReplyStruct, type Failure } from "@keyferry/protocol"

import { type Device, deviceSigner, transportOf } from "./device.ts"
import { keysOf } from "./ports.ts"

const ZERO32 = new Uint8Array(32)

/** A slot's keys and what the chain says about it. */
export interface MadeSlot {
  readonly keys: SlotKeys
  readonly holder: Holder
}

export const makePasswordSlot = async (
  device: Device,
  exportKey: ExportKey,
  sk: SecretKey,
  accountSalt: Uint8Array,
): Promise<MadeSlot> => {
  const id = device.ports.random.bytes(16)
  const keys = await deriveSlot(
    device.ports.primitives,
    passwordSlotSecret(exportKey, sk),
    accountSalt,
    HOLDER_PASSWORD,
    id,
  )
  return { keys, holder: { id, kind: HOLDER_PASSWORD, sigPk: keys.sigPk, kemPk: keys.kemPk } }
}

export const makeRecoverySlot = async (
  device: Device,
  code: RecoveryCode,
  accountSalt: Uint8Array,
): Promise<MadeSlot> => {
  const id = device.ports.random.bytes(16)
  const keys = await deriveSlot(device.ports.primitives, recoverySlotSecret(code), accountSalt, HOLDER_RECOVERY, id)
  const { recPk } = await deriveRecoveryAuth(device.ports.primitives, code)
  return { keys, holder: { id, kind: HOLDER_RECOVERY, sigPk: keys.sigPk, kemPk: keys.kemPk, recPk } }
}

export const deviceHolder = (keys: {
  readonly deviceId: Uint8Array
  readonly sigPk: Uint8Array
  readonly kemPk: Uint8Array
  readonly authPk: Uint8Array
  readonly leasePk: Uint8Array
  readonly leaseId: Uint8Array
}): Holder => ({
  id: keys.deviceId,
  kind: HOLDER_DEVICE,
  sigPk: keys.sigPk,
  kemPk: keys.kemPk,
  authPk: keys.authPk,
  leasePk: keys.leasePk,
  leaseId: keys.leaseId,
})

export interface MadeAccountKey {
  readonly seed: AccountSeed
  readonly epoch: AccountEpoch
  readonly wraps: readonly WrapEntry[]
  /** CBOR of the sealed older seed; absent in epoch 1. */
  readonly prevSealed?: Uint8Array
  /** CBOR of SK sealed under the new epoch. */
  readonly skSealed: Uint8Array
}

/** Where the link that starts an epoch will stand. Zeros in a genesis. */
export interface LinkPlace {
  readonly chainId: Uint8Array
  readonly byUid: Uint8Array
  readonly by: Uint8Array
  readonly seq: number
  readonly prev: Uint8Array
}

export const genesisPlace = (deviceId: Uint8Array): LinkPlace => ({
  chainId: ZERO32,
  byUid: ZERO32,
  by: deviceId,
  seq: 1,
  prev: ZERO32,
})
export const nextPlace = (account: AccountState, by: Uint8Array): LinkPlace => ({
  chainId: account.id,
  byUid: account.id,
  by,
  seq: account.head.seq + 1,
  prev: account.head.hash,
})

/** A fresh epoch of the account key, wrapped to exactly these holders. */
export const makeAccountKey = async (
  device: Device,
  input: {
    readonly epoch: number
    readonly accountSalt: Uint8Array
    readonly sk: SecretKey
    readonly holders: readonly Holder[]
    readonly place: LinkPlace
    readonly previous?: AccountSeed
  },
): Promise<MadeAccountKey> => {
  const { primitives: p, random } = device.ports
  const seed = makeAccountSeed(random)
  const kem = await deriveAccountKem(p, seed, input.accountSalt, input.epoch)
  const sym = await deriveAccountSym(p, seed, input.accountSalt, input.epoch)
  const wraps: WrapEntry[] = []
  for (const holder of input.holders) wraps.push(await wrapSeed(device, seed, input.epoch, input.place, holder))
  const skSealed = sealedStruct.encode(await sealSk(p, random, { epoch: input.epoch, sym, secretKey: input.sk }))
  if (input.previous === undefined) {
    return {
      seed,
      epoch: { epoch: input.epoch, kemPk: kem.publicKey, wrapsHash: wrapsHash(p, wraps) },
      wraps,
      skSealed,
    }
  }
  const sealed = await sealPrevAccountSeed(p, random, {
    uid: input.place.chainId,
    epoch: input.epoch,
    sym,
    previous: input.previous,
  })
  return {
    seed,
    epoch: {
      epoch: input.epoch,
      kemPk: kem.publicKey,
      wrapsHash: wrapsHash(p, wraps),
      prevSealedHash: sealedHash(p, sealed),
    },
    wraps,
    prevSealed: sealedStruct.encode(sealed),
    skSealed,
  }
}

export const wrapSeed = (
  device: Device,
  seed: AccountSeed,
  epoch: number,
  place: LinkPlace,
  holder: Holder,
): Promise<WrapEntry> =>
  makeWrap<1>(
    device.ports.primitives,
    device.ports.random,
    { kind: 1, epoch, ...place },
    { id: holder.id, kemPk: holder.kemPk },
    seed,
  )

/** SK as the newest epoch keeps it. Errors: key-not-trusted. */
export const openAccountSk = async (
  device: Device,
  account: AccountState,
  seed: AccountSeed,
): Promise<Result<SecretKey, Failure>> => {
  const { primitives: p } = device.ports
  const { epoch } = newestAccountKey(account)
  const sym = await deriveAccountSym(p, seed, account.accountSalt, epoch)
  const sealed = sealedStruct.decode(account.skSealed, 1024)
  const opened = sealed.ok ? await openSk(p, { epoch, sym, sealed: sealed.value }) : sealed
  return opened.ok ? opened : err({ code: "key-not-trusted" })
}

/**
 * Opens the account key from one holder's wrap. The seed must make the public key that the signed chain names, so a
 * forged wrap is refused whoever made it.
 * Errors: key-not-trusted
 */
export const openAccountWrap = async (
  device: Device,
  account: AccountState,
  holder: { readonly id: Uint8Array; readonly kem: KemKeyPair },
  entry: WrapEntry,
): Promise<Result<AccountSeed, Failure>> => {
  const { primitives: p } = device.ports
  const link = wrapLinkOf(account, holder.id)
  if (link === undefined) return err({ code: "key-not-trusted" })
  const inGenesis = link.seq === 1
  const opened = await openWrap<1>(
    p,
    {
      kind: 1,
      chainId: inGenesis ? ZERO32 : account.id,
      epoch: link.epoch,
      byUid: inGenesis ? ZERO32 : account.id,
      by: link.byHolder,
      seq: link.seq,
      prev: link.prev,
    },
    holder,
    entry,
  )
  if (!opened.ok) return err({ code: "key-not-trusted" })
  const kem = await deriveAccountKem(p, opened.value, account.accountSalt, link.epoch)
  return equalBytes(kem.publicKey, newestAccountKey(account).kemPk)
    ? ok(opened.value)
    : err({ code: "key-not-trusted" })
}

/** Fills in every epoch of the account key that this device lacks, newest from its wrap, older ones from what is sealed. */
export const fetchAccountKeys = async (device: Device, account: AccountState): Promise<Result<void, Failure>> => {
  const { full, record } = device
  if (full === undefined || record?.account === undefined) return ok(undefined)
  const newest = newestAccountKey(account)
  if (account.keys.every((k) => full.accountSeeds.has(k.epoch)) && full.accountSeeds.has(newest.epoch))
    return ok(undefined)
  const signer = await deviceSigner(device, record.account.deviceId)
  if (signer === undefined) return err({ code: "store-corrupt" })
  const reply = await transportOf(device, record.account.server.origin).cbor("account.keys", undefined, {
    signer,
  })
  if (!reply.ok) return reply
  const served = accountKeysReplyStruct.decode(reply.value, 80 * 1024 * 1024)
  if (!served.ok) return err({ code: "malformed" })
  const opened = await openServedKeys(
    device,
    account,
    { id: record.account.deviceId, kem: await keysOf(device.ports).kemPair(full.kemSeed) },
    served.value,
    full.accountSeeds,
  )
  if (!opened.ok) return opened
  device.full = { ...full, accountSeeds: opened.value }
  return ok(undefined)
}

export interface ServedKeys {
  readonly wraps: readonly (readonly [number, Uint8Array])[]
  readonly prevSealed: readonly (readonly [number, Uint8Array])[]
}

/** Errors: key-not-trusted, where the own wrap is missing, is not the committed one or does not open, or the chain of older keys breaks. */
export const openServedKeys = async (
  device: Device,
  account: AccountState,
  holder: { readonly id: Uint8Array; readonly kem: KemKeyPair },
  served: ServedKeys,
  known: ReadonlyMap<number, AccountSeed>,
): Promise<Result<ReadonlyMap<number, AccountSeed>, Failure>> => {
  const newest = newestAccountKey(account)
  const entries = served.wraps.flatMap(([epoch, bytes]) => {
    const entry = epoch === newest.epoch ? decodeWrapEntry(bytes) : undefined
    return entry?.ok === true ? [entry.value] : []
  })
  const own = entries.find((e) => equalBytes(e.recipient, holder.id))
  if (own === undefined) return err({ code: "key-not-trusted" })
  const seed = await openAccountWrap(device, account, holder, own)
  if (!seed.ok) return seed
  const seeds = new Map(known)
  seeds.set(newest.epoch, seed.value)
  return openOlderSeeds(device, account, seeds, new Map(served.prevSealed))
}

const openOlderSeeds = async (
  device: Device,
  account: AccountState,
  seeds: Map<number, AccountSeed>,
  sealedByEpoch: ReadonlyMap<number, Uint8Array>,
): Promise<Result<ReadonlyMap<number, AccountSeed>, Failure>> => {
  const { primitives: p } = device.ports
  for (const entry of account.keys.toReversed()) {
    if (entry.epoch === 1 || seeds.has(entry.epoch - 1)) continue
    const seed = seeds.get(entry.epoch)
    const bytes = sealedByEpoch.get(entry.epoch)
    const sealed = bytes === undefined ? undefined : sealedStruct.decode(bytes, 1024)
    if (seed === undefined || sealed === undefined || !sealed.ok || entry.prevSealedHash === undefined)
      return err({ code: "key-not-trusted" })
    if (!equalBytes(sealedHash(p, sealed.value), entry.prevSealedHash)) return err({ code: "key-not-trusted" })
    const sym = await deriveAccountSym(p, seed, account.accountSalt, entry.epoch)
    const opened = await openPrevAccountSeed(p, { uid: account.id, epoch: entry.epoch, sym, sealed: sealed.value })
    if (!opened.ok || !(await makesKey(device, account, entry.epoch - 1, opened.value)))
      return err({ code: "key-not-trusted" })
    seeds.set(entry.epoch - 1, opened.value)
  }
  return ok(seeds)
}

const makesKey = async (device: Device, account: AccountState, epoch: number, seed: AccountSeed): Promise<boolean> => {
  const named: AccountKeyEntry | undefined = account.keys.find((k) => k.epoch === epoch)
  const kem = await deriveAccountKem(device.ports.primitives, seed, account.accountSalt, epoch)
  return named !== undefined && equalBytes(named.kemPk, kem.publicKey)
}

/** Holders of the chain after some are taken out and others put in: whom a new epoch is wrapped to. */
export const holdersAfter = (
  account: AccountState,
  removed: readonly Uint8Array[],
  added: readonly Holder[],
): readonly Holder[] => {
  const out = new Set(removed.map(bytesToHex))
  return [...accountKeyRecipients(account).filter((h) => !out.has(bytesToHex(h.id))), ...added]
}

export const slotSigner = (device: Device, slot: { readonly id: Uint8Array; readonly sigSeed: SigSeed }) => ({
  holderId: slot.id,
  sign: (message: Uint8Array) => device.ports.primitives.ed25519Sign(slot.sigSeed.reveal(), message),
})

export const encodeWraps = (wraps: readonly WrapEntry[]): readonly Uint8Array[] => wraps.map(encodeWrapEntry)
