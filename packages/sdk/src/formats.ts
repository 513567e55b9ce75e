import {
  bool,
  bytesOf,
  bytesUpTo,
  listOf,
  oneOf,
  optional,
  struct,
  textUpTo,
  tuple,
  type TypeOf,
  uint,
} from "@keyferry/base"

/*
 * What a device keeps, version 1. Tables of the device store:
 *
 *   clear    device    this struct, readable while locked: public values and salts only
 *            auth      the request-signing seed, sealed under a key from the device secret alone (needed while locked)
 *            chain     the account's links and a MAC over them under a key from the device secret (decision: a locked
 *                      device verifies its own removal)
 *            rescue    the local keys wrapped to the recovery slot of the account
 *   bundle   on        the device key bundle under K_on: opens only with the server's lease answer
 *            off       the grace bundle under K_off: opens offline, holds the standard local key and nothing else
 *            local     the local keys under a key from password and device secret, before there is an account
 *   item     <item id> a local item, sealed under the local key of its class
 *   strict   <item id> the same for strict items, under the strict local key
 *   vault    <id>      a vault's verified state, sealed under the standard local key
 *   old      …         earlier bodies of items that are only here
 *   kept     <vault:seq:time> links of the vaults, for a server that was restored; sealed under the standard local key
 *   state    …         sealed under the standard local key: settings, rotation list, evidence
 *
 * Source: spec/leases.md, spec/sync.md
 */
const id32 = bytesOf(32)
const id16 = bytesOf(16)
const key32 = bytesOf(32)
const position = tuple(uint, bytesOf(32))

export const MODE_LOCAL = 1
export const MODE_ACCOUNT = 2

export const serverRecord = struct({
  origin: [1, textUpTo(300)],
  deploymentId: [2, textUpTo(64)],
  opaquePk: [3, bytesUpTo(64)],
  leaseTokenPk: [4, bytesOf(32)],
})
export type ServerRecord = TypeOf<typeof serverRecord>

export const accountRecord = struct({
  server: [1, serverRecord],
  accountUuid: [2, textUpTo(64)],
  accountId: [3, id32],
  address: [4, textUpTo(254)],
  deviceId: [5, id16],
  deviceName: [6, textUpTo(100)],
  leaseId: [7, id16],
  leasePk: [8, bytesOf(32)],
  /** Seconds of the newest lease token, for `status` while locked. */
  lastContactS: [9, uint],
  graceUntilS: [10, uint],
})
export type AccountRecord = TypeOf<typeof accountRecord>

export const deviceRecord = struct({
  version: [1, oneOf(1)],
  mode: [2, oneOf(MODE_LOCAL, MODE_ACCOUNT)],
  saltOn: [3, bytesOf(32)],
  saltOff: [4, bytesOf(32)],
  account: [5, optional(accountRecord)],
  /** Set when the device saw its own signed removal: nothing opens any more and the rest is being wiped. */
  removed: [6, optional(textUpTo(64))],
})
export type DeviceRecord = TypeOf<typeof deviceRecord>

/** Everything secret of an account on this device, except what a slot derives. Sealed under K_on. */
export const keyBundle = struct({
  sigSeed: [1, key32],
  kemSeed: [2, key32],
  accountSeeds: [3, listOf(tuple(uint, key32), 4096)],
  vaultKeys: [4, listOf(tuple(id32, uint, key32), 65_536)],
  standardKey: [5, key32],
  strictKey: [6, key32],
  /** K_off, so that the grace bundle can be renewed without the password. Absent when the grace is 0. */
  offlineKey: [7, optional(key32)],
  accountHead: [8, position],
})
export type KeyBundle = TypeOf<typeof keyBundle>

/** Sealed under K_off. `highWaterMs` is the latest time seen; `unlocks` what is left. */
export const graceBundle = struct({
  standardKey: [1, key32],
  token: [2, bytesUpTo(1024)],
  highWaterMs: [3, uint],
  unlocks: [4, uint],
})
export type GraceBundle = TypeOf<typeof graceBundle>

export const localBundle = struct({ standardKey: [1, key32], strictKey: [2, key32] })

export const PURPOSE_LOGIN = 1
export const PURPOSE_RECOVERY = 2
export const STEP_FACTOR = 1
export const STEP_CONFIRM = 2
export const STEP_KEYS = 3

/** An enrolment under way; kept sealed among the states, so that it survives a restart of the program. */
export const enrolmentStruct = struct({
  purpose: [1, oneOf(PURPOSE_LOGIN, PURPOSE_RECOVERY)],
  server: [2, serverRecord],
  accountUuid: [3, textUpTo(64)],
  accountId: [4, id32],
  address: [5, textUpTo(254)],
  deviceId: [6, id16],
  deviceName: [7, textUpTo(100)],
  sigSeed: [8, key32],
  kemSeed: [9, key32],
  authSeed: [10, key32],
  session: [11, textUpTo(64)],
  step: [12, oneOf(STEP_FACTOR, STEP_CONFIRM, STEP_KEYS)],
  factors: [13, listOf(textUpTo(16), 8)],
  code: [14, optional(textUpTo(6))],
  mailedTo: [15, optional(textUpTo(254))],
  mail: [16, optional(textUpTo(16))],
  leaseId: [17, optional(id16)],
  leasePk: [18, optional(bytesOf(32))],
  /** OPAQUE export key of this login. */
  exportKey: [19, optional(bytesOf(64))],
  kitCode: [20, optional(bytesOf(20))],
  password: [21, optional(textUpTo(1024))],
  state: [22, textUpTo(32)],
  reason: [23, optional(textUpTo(64))],
  approver: [24, bool],
})
export type Enrolment = TypeOf<typeof enrolmentStruct>

export const POLICY_SYNCED = 1
export const POLICY_LOCAL = 2
export const HELD_BY_CHOICE = 1
export const HELD_BY_SWITCH = 2

/**
 * One item on this device. `body` is what the person sees; `base` the newest body that the server has while an edit
 * waits, or that it had when the item left it: what a later merge starts from. rev, epoch, ctHash describe the server's newest revision, 0 and zeros for an item that is not there.
 */
export const localItem = struct({
  itemId: [1, id16],
  vaultId: [2, id32],
  rev: [3, uint],
  epoch: [4, uint],
  ctHash: [5, bytesOf(32)],
  /** Empty for a tombstone. */
  body: [6, bytesUpTo(70_000)],
  policy: [7, oneOf(POLICY_SYNCED, POLICY_LOCAL)],
  strict: [8, bool],
  /** 0, or when it went to the bin. */
  deletedAtMs: [9, uint],
  /** Something here is not at the server yet. */
  waiting: [10, bool],
  base: [11, optional(bytesUpTo(70_000))],
  /** Of the server's newest revision: who wrote it, for history and conflicts. */
  by: [12, id16],
  /** The record's kind: 1 item, 2 vault profile, 5 device label. */
  recordKind: [13, uint],
  /** The hash that the history starts with: of the revision before the current one, or of the last one before a deletion. */
  prevHash: [14, bytesOf(32)],
  /** Of a local-only item: a person chose so, or the vault's switch keeps it back. Absent where nobody decided. */
  heldBy: [15, optional(oneOf(HELD_BY_CHOICE, HELD_BY_SWITCH))],
  /** While it waits: its place in line, once it has one. */
  order: [16, optional(uint)],
  /** The first body that was sent on this base and has no answer: it may be at the server. Empty for a deletion. */
  tried: [17, optional(bytesUpTo(70_000))],
})
export type LocalItem = TypeOf<typeof localItem>

/** A vault's verified state. The leaves stand in the items; `otherLeaves` are those whose item this device does not keep. */
export const vaultRow = struct({
  vaultId: [1, id32],
  state: [2, bytesUpTo(64 * 1024 * 1024)],
  otherLeaves: [3, listOf(tuple(id16, uint, uint, bytesOf(32), uint), 1_000_000)],
  /** [epoch, own wrap entry, hashes of all entries] and [epoch, sealed older key], kept for repair. */
  wraps: [4, listOf(tuple(uint, bytesUpTo(1400), listOf(bytesOf(32), 256)), 4096)],
  prevSealed: [5, listOf(tuple(uint, bytesUpTo(400)), 4096)],
  frozen: [6, optional(textUpTo(64))],
  /** Where a first read stopped: the last item id of the last page that was applied. */
  resumeAfter: [7, optional(id16)],
})
export type VaultRow = TypeOf<typeof vaultRow>

export const settingsRow = struct({
  syncOn: [1, bool],
  autoNew: [2, bool],
  credentials: [3, bool],
  lastSyncMs: [4, uint],
  /** Server log id, 16 bytes, and commit number last seen. */
  logId: [5, optional(bytesOf(16))],
  commit: [6, uint],
  /** Recovery slot of the kit that was checked on this device; of the code itself nothing is kept. */
  checkedKit: [7, optional(id16)],
})
export type Settings = TypeOf<typeof settingsRow>

export const rotationRow = struct({
  itemId: [1, id16],
  kind: [2, textUpTo(64)],
  title: [3, textUpTo(70_000)],
  harm: [4, textUpTo(16)],
  why: [5, textUpTo(300)],
  doneAtMs: [6, uint],
  removedAtMs: [7, uint],
})

export const evidenceRow = struct({
  code: [1, textUpTo(64)],
  atMs: [2, uint],
  detail: [3, textUpTo(1000)],
  known: [4, optional(bytesUpTo(256 * 1024))],
  served: [5, optional(bytesUpTo(256 * 1024))],
})

/** A link of a vault with what it speaks of, kept for a server that lost it. Wraps and older key where it starts an epoch. */
export const keptLink = struct({
  link: [1, bytesUpTo(256 * 1024)],
  records: [2, listOf(bytesUpTo(70 * 1024), 1000)],
  wraps: [3, optional(listOf(bytesUpTo(1400), 256))],
  prevSealed: [4, optional(bytesUpTo(400))],
})
export type KeptLink = TypeOf<typeof keptLink>

/** Every wrap of the account's key and every sealed older one, as of this link of the account. */
export const keptAccountKeys = struct({
  seq: [1, uint],
  wraps: [2, listOf(tuple(uint, bytesUpTo(1400)), 65_536)],
  prevSealed: [3, listOf(tuple(uint, bytesUpTo(400)), 4096)],
})

/** Links of the account in clear beside the store, with a MAC under a key from the device secret. */
export const chainRow = struct({ links: [1, listOf(bytesUpTo(256 * 1024), 65_536)], mac: [2, bytesOf(32)] })
export const rescueRow = struct({ slotId: [1, id16], standard: [2, bytesUpTo(1400)], strict: [3, bytesUpTo(1400)] })
