import {
  bytesOf,
  bytesToHex,
  bytesUpTo,
  compareBytes,
  Defect,
  equalBytes,
  err,
  listOf,
  ok,
  oneOf,
  optional,
  type Result,
  struct,
  tuple,
  type TypeOf,
  uint,
} from "@keyferry/base"

import {
  accountEpochStruct,
  type AccountEpoch,
  HOLDER_DEVICE,
  type HOLDER_PASSKEY,
  type HOLDER_PASSWORD,
  type HOLDER_RECOVERY,
  type Holder,
  holderStruct,
  type Policy,
  policySetStruct,
} from "./format.ts"
import type { Head } from "./ports.ts"

/*
 * What a verified account chain says. Immutable: every accepted link gives a new state.
 * Source: spec/chains.md, "Account chain"
 */

export const ADDED_GENESIS = 1
export const ADDED_BY_DEVICE = 2
export const ADDED_BY_KIT = 3
export const ADDED_BY_PASSKEY = 4
export const ADDED_AS_REPLACEMENT = 5
export const ADDED_BY_RECOVERY = 6

/** The link that carries a set of wraps: everything that the wrap's `info` and `aad` are made of. */
export interface WrapLink {
  readonly epoch: number
  readonly wrapsHash: Uint8Array
  readonly seq: number
  readonly prev: Uint8Array
  readonly byHolder: Uint8Array
}

export interface HolderEntry {
  readonly holder: Holder
  readonly how: TypeOf<typeof howField>
  readonly addedAt: number
  readonly removedAt?: number
  /** Present if the holder came with wraps of its own, absent if those of an epoch's start name it. */
  readonly wrap?: WrapLink
}

export interface AccountKeyEntry extends AccountEpoch {
  readonly seq: number
  readonly prev: Uint8Array
  readonly byHolder: Uint8Array
}

export interface AccountState {
  readonly id: Uint8Array
  readonly head: Head
  /** Payload hash of every link, seq 1 first. Every account link is an authority link. */
  readonly hashes: readonly Uint8Array[]
  /** By holder id in hex, in the order they were added; removed ones stay. */
  readonly holders: ReadonlyMap<string, HolderEntry>
  /** Epoch 1 first. */
  readonly keys: readonly AccountKeyEntry[]
  readonly accountSalt: Uint8Array
  readonly policy: Policy
  /** Every seq that raised the suite floor, oldest first. */
  readonly suiteFloors: readonly (readonly [seq: number, minSuite: number])[]
  readonly skSealed: Uint8Array
  /** The newest link that removed a holder, 0 if none. */
  readonly lastRemovalSeq: number
}

/** In force until a `policy.set` says otherwise. Times in seconds. */
export const DEFAULT_POLICY: Omit<Policy, "minSuite"> = {
  graceMaxS: 24 * 3600,
  requireDeviceApproval: false,
  reloginMaxS: 30 * 24 * 3600,
  unlockMaxS: 12 * 3600,
}

export const holderOf = (state: AccountState, holderId: Uint8Array): HolderEntry | undefined =>
  state.holders.get(bytesToHex(holderId))

/** True if the holder was in the chain, and not yet removed, when `seq` was its newest link. */
export const isActiveAt = (entry: HolderEntry, seq: number): boolean =>
  entry.addedAt <= seq && (entry.removedAt === undefined || entry.removedAt > seq)

/** The holder, if it was active at `seq`. */
export const holderAt = (state: AccountState, holderId: Uint8Array, seq: number): HolderEntry | undefined => {
  const entry = holderOf(state, holderId)
  return entry !== undefined && isActiveAt(entry, seq) ? entry : undefined
}

/** Active holders in the order they were added. */
export const activeHolders = (state: AccountState): readonly HolderEntry[] =>
  [...state.holders.values()].filter((entry) => entry.removedAt === undefined)

export const activeDevices = (state: AccountState): readonly HolderEntry[] =>
  activeHolders(state).filter((entry) => entry.holder.kind === HOLDER_DEVICE)

/** The slot whose keys a client derives from a secret: the newest active one of that kind. */
export const newestSlot = (
  state: AccountState,
  kind: typeof HOLDER_PASSWORD | typeof HOLDER_PASSKEY | typeof HOLDER_RECOVERY,
): HolderEntry | undefined => activeHolders(state).findLast((entry) => entry.holder.kind === kind)

/**
 * True if these derived public keys are the ones that countersigned the slot's own link. A client asks this before it signs,
 * wraps or sends anything with a slot (CH24): a chain forged around the real id would hold other keys.
 */
export const areSlotKeys = (
  entry: HolderEntry,
  keys: { readonly sigPk: Uint8Array; readonly kemPk: Uint8Array },
): boolean => equalBytes(entry.holder.sigPk, keys.sigPk) && equalBytes(entry.holder.kemPk, keys.kemPk)

/** The newest account key epoch that existed when `seq` was the newest link. Epoch 1 exists from the genesis on. */
export const accountKeyAt = (state: AccountState, seq: number): AccountKeyEntry | undefined =>
  state.keys.findLast((key) => key.seq <= seq)

export const newestAccountKey = (state: AccountState): AccountKeyEntry => {
  const newest = state.keys.at(-1)
  if (newest === undefined) throw new Defect("an account without a key epoch")
  return newest
}

/** The suite floor in force when `seq` was the newest link. */
export const suiteFloorAt = (state: AccountState, seq: number): number =>
  state.suiteFloors.findLast(([since]) => since <= seq)?.[1] ?? 1

export const hashAt = (state: AccountState, seq: number): Uint8Array | undefined => state.hashes[seq - 1]

/** Where the wrap of the newest account key for this holder stands. `undefined` if the holder is not active. */
export const wrapLinkOf = (state: AccountState, holderId: Uint8Array): WrapLink | undefined => {
  const entry = holderOf(state, holderId)
  if (entry === undefined || entry.removedAt !== undefined) return undefined
  const key = newestAccountKey(state)
  return entry.wrap !== undefined && entry.wrap.epoch === key.epoch ? entry.wrap : key
}

/** Exactly the holders that the wraps of a new account key must name, sorted by id (CH22). */
export const accountKeyRecipients = (state: AccountState): readonly Holder[] =>
  activeHolders(state)
    .map((entry) => entry.holder)
    .sort((a, b) => compareBytes(a.id, b.id))

// ── Local form ───────────────────────────────────────────────────────────────────────────────────────────────────

const howField = oneOf(
  ADDED_GENESIS,
  ADDED_BY_DEVICE,
  ADDED_BY_KIT,
  ADDED_BY_PASSKEY,
  ADDED_AS_REPLACEMENT,
  ADDED_BY_RECOVERY,
)
const wrapLinkStruct = struct({
  epoch: [1, uint],
  wrapsHash: [2, bytesOf(32)],
  seq: [3, uint],
  prev: [4, bytesOf(32)],
  byHolder: [5, bytesOf(16)],
})
const holderEntryStruct = struct({
  holder: [1, holderStruct],
  how: [2, howField],
  addedAt: [3, uint],
  removedAt: [4, optional(uint)],
  wrap: [5, optional(wrapLinkStruct)],
})
const keyEntryStruct = struct({
  key: [1, accountEpochStruct],
  seq: [2, uint],
  prev: [3, bytesOf(32)],
  byHolder: [4, bytesOf(16)],
})
const accountStateStruct = struct({
  version: [1, oneOf(1)],
  id: [2, bytesOf(32)],
  hashes: [3, listOf(bytesOf(32), 65_536)],
  holders: [4, listOf(holderEntryStruct, 4096)],
  keys: [5, listOf(keyEntryStruct, 65_536)],
  accountSalt: [6, bytesOf(32)],
  policy: [7, policySetStruct],
  suiteFloors: [8, listOf(tuple(uint, uint), 64)],
  skSealed: [9, bytesUpTo(256)],
  lastRemovalSeq: [10, uint],
})

const MAX_STATE_BYTES = 64 * 1024 * 1024

/** For a store that keeps verified states beside the links. Not signed: only for places that nobody else can write. */
export const encodeAccountState = (state: AccountState): Uint8Array =>
  accountStateStruct.encode({
    version: 1,
    id: state.id,
    hashes: state.hashes,
    holders: [...state.holders.values()],
    keys: state.keys.map(({ seq, prev, byHolder, ...key }) => ({ key, seq, prev, byHolder })),
    accountSalt: state.accountSalt,
    policy: state.policy,
    suiteFloors: state.suiteFloors,
    skSealed: state.skSealed,
    lastRemovalSeq: state.lastRemovalSeq,
  })

export const decodeAccountState = (bytes: Uint8Array): Result<AccountState, "malformed"> => {
  const decoded = accountStateStruct.decode(bytes, MAX_STATE_BYTES)
  if (!decoded.ok) return decoded
  const { hashes, holders, keys, version: _version, ...rest } = decoded.value
  const newest = hashes.at(-1)
  if (newest === undefined || keys.length === 0) return err("malformed")
  return ok({
    ...rest,
    hashes,
    head: { seq: hashes.length, hash: newest },
    holders: new Map(holders.map((entry) => [bytesToHex(entry.holder.id), entry])),
    keys: keys.map(({ key, ...at }) => ({ ...key, ...at })),
  })
}
