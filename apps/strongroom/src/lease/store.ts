import { bytesToHex, Defect, equalBytes, err, ok, type Clock, type Random, type Result } from "@keyferry/base"
import { makeLeaseKey } from "@keyferry/crypto"
import type { Failure } from "@keyferry/protocol"
import { openStore, type Store, type StoreFailure } from "@keyferry/store"

import type { LeaseKeyId, LeaseStore, Tombstone } from "../lease-store.ts"
import type { KmsFailure } from "../kms/provider.ts"
import type { LeaseKek } from "./kek.ts"
import { createNotedHeads } from "./noted-heads.ts"
import {
  anyLeaseUnder,
  appendTombstone,
  type ChainHead,
  chainHeads,
  deleteLease,
  insertLease,
  killLease,
  type LeaseRow,
  type LeaseTx,
  lockLease,
  openIntents,
  raiseHeads as raiseHeadRows,
  readLease,
  type TombstoneEntry,
  tombstonesOf,
  updateLease,
  usedKeks,
} from "./rows.ts"
import { leaseMigrations, type LeaseTables } from "./tables.ts"

export const MAX_ATTEMPTS = 10

/** What transaction A of an evaluation hands out: everything to evaluate outside, and the number of this evaluation. */
export interface BegunEvaluation {
  readonly row: LeaseRow & { readonly sealed: Uint8Array }
  readonly attempt: number
}

/** The lease store with what only this folder uses. Source: spec/leases.md */
export interface LeaseDatabase extends LeaseStore {
  readonly store: Store<LeaseTables>
  readonly kek: LeaseKek
  /**
   * Transaction A: counts the attempt, whatever happens after, and reads the key.
   * Errors: lease-refused (no such lease, ended, or dead), account-frozen, lease-locked
   */
  readonly beginEvaluation: (deviceId: Uint8Array, leaseId: Uint8Array) => Promise<Result<BegunEvaluation, Failure>>
  /**
   * Transaction B, the point that counts: gives the answer a serial if the row is still what A saw.
   * Errors: lease-refused, account-frozen
   */
  readonly settle: (
    deviceId: Uint8Array,
    leaseId: Uint8Array,
    expiresMs: number,
  ) => Promise<Result<{ readonly serial: number }, Failure>>
  /** A proven success: everything up to `attempt` was no guess. False: dead, or an old number. */
  readonly unlocked: (deviceId: Uint8Array, leaseId: Uint8Array, attempt: number) => Promise<boolean>
  readonly read: (deviceId: Uint8Array) => Promise<LeaseRow | undefined>
  readonly openIntents: () => Promise<readonly TombstoneEntry[]>
  readonly void: (tombstones: readonly Tombstone[]) => Promise<void>
  /** Keeps the highest of each chain, and of one that is behind what it is behind of. No chain twice. */
  readonly raiseHeads: (heads: readonly ChainHead[]) => Promise<void>
  /** After a commit: to be raised with the next `raiseNotedHeads`. */
  readonly noteHead: (head: ChainHead) => void
  readonly raiseNotedHeads: () => Promise<void>
  readonly chainHeads: () => Promise<readonly ChainHead[]>
  /** Chains that the main store has lost links of; found at the start, and looked at again after each repair. */
  readonly setBehind: (heads: readonly ChainHead[]) => void
  readonly setBehindOf: (accountId: Uint8Array, heads: readonly ChainHead[]) => void
  readonly behindOf: (accountId: Uint8Array) => readonly ChainHead[]
  readonly allBehind: () => readonly ChainHead[]
}

export interface LeaseStoreOptions {
  /** `sqlite:/path/leases.db`, or a database of its own. */
  readonly url: string
  /** `mayCreate`: nothing is wrapped yet, so that a first version of the key may be made. */
  readonly openKek: (mayCreate: boolean) => Result<LeaseKek, KmsFailure>
  readonly clock: Clock
  readonly random: Random
}

/**
 * Deleted content is overwritten, because its rows are keys.
 * Errors: those of `openStore`; kms-wrong-key, where lease keys are wrapped under a version that is not there
 */
export const openLeaseStore = async (
  options: LeaseStoreOptions,
): Promise<Result<LeaseDatabase, StoreFailure | KmsFailure>> => {
  const { url, clock } = options
  const opened = await openStore<LeaseTables>({
    url,
    migrations: leaseMigrations,
    name: "leases",
    clock,
    secureDelete: true,
  })
  if (!opened.ok) return opened
  const store = opened.value
  const used = await store.read((db) => usedKeks(db))
  const kek = options.openKek(used.length === 0)
  if (!kek.ok) {
    await store.close()
    return kek
  }
  const proven = await proveKeks(store, kek.value, used)
  if (proven.ok) return ok(createLeaseDatabase(store, kek.value, options))
  await kek.value.close()
  await store.close()
  return proven
}

/**
 * Every version is there, and one lease key of each is opened, so that a key file with other bytes is noticed before any
 * device spends an attempt on it. A key service that is away is not a wrong key.
 */
const proveKeks = async (
  store: Store<LeaseTables>,
  kek: LeaseKek,
  used: readonly string[],
): Promise<Result<undefined, KmsFailure>> => {
  const missing = used.filter((id) => !kek.versions().includes(id))
  if (missing.length > 0)
    return err({ code: "kms-wrong-key", detail: `The lease store needs the key ${missing.join(", ")}.` })
  for (const kekId of used) {
    const sample = await store.read((db) => anyLeaseUnder(db, kekId))
    if (sample === undefined || sample.sealed === null) continue
    const place = { deviceId: sample.device_id, leaseId: sample.lease_id }
    const opened = await kek.unwrap({ kekId, sealed: sample.sealed }, place)
    if (opened.ok) opened.value.fill(0)
    else if (opened.error.code === "kms-wrong-key")
      return err({ code: "kms-wrong-key", detail: opened.error.detail ?? "The lease store's keys do not open." })
  }
  return ok(undefined)
}

const refused = err<Failure>({ code: "lease-refused" })
const frozen = err<Failure>({ code: "account-frozen" })

const createLeaseDatabase = (store: Store<LeaseTables>, kek: LeaseKek, options: LeaseStoreOptions): LeaseDatabase => {
  const { clock, random } = options

  const mayEvaluate = (row: LeaseRow, leaseId: Uint8Array): Result<Uint8Array, Failure> => {
    const isOver = row.state === "reserved" && row.reserved_until_ms <= clock.nowMs()
    if (row.state === "dead" || row.sealed === null || isOver || !equalBytes(row.lease_id, leaseId)) return refused
    return row.frozen === 1 ? frozen : ok(row.sealed)
  }

  const makeReserved = async (deviceId: Uint8Array, untilMs: number): Promise<LeaseRow> => {
    const pair = makeLeaseKey(random)
    const leaseId = random.bytes(16)
    const wrapped = await kek.wrap(pair.secretKey.reveal(), { deviceId, leaseId })
    pair.secretKey.wipe()
    if (!wrapped.ok) throw new Defect("the lease key could not be wrapped", { cause: wrapped.error.code })
    return {
      device_id: deviceId,
      state: "reserved",
      frozen: 0,
      attempts: 0,
      evaluations: 0,
      lease_id: leaseId,
      lease_pk: pair.publicKey,
      kek_id: wrapped.value.kekId,
      sealed: wrapped.value.sealed,
      serial: 0,
      expires_ms: 0,
      reserved_until_ms: untilMs,
    }
  }

  const reserve = async (deviceId: Uint8Array, untilMs: number): Promise<LeaseKeyId> => {
    const isOpen = (row: LeaseRow): boolean => row.state === "reserved" && row.reserved_until_ms > clock.nowMs()
    const known = await store.read((db) => readLease(db, deviceId))
    if (known !== undefined && isOpen(known)) return keyId(known)
    for (;;) {
      const made = await makeReserved(deviceId, untilMs)
      const reserved = await store.transaction(async (tx) => {
        // A row under a version that rotation has already passed over would be lost with that version.
        if (made.kek_id !== kek.currentId()) return undefined
        const row = await lockLease(store, tx, deviceId)
        if (row !== undefined && isOpen(row)) return keyId(row)
        if (row !== undefined && row.state !== "reserved") throw new Defect("a device id with a lease reserves another")
        await deleteLease(tx, deviceId)
        await insertLease(tx, made)
        return keyId(made)
      })
      if (reserved !== undefined) return reserved
    }
  }

  const makeLive = (deviceId: Uint8Array): Promise<boolean> =>
    store.transaction(async (tx) => {
      const row = await lockLease(store, tx, deviceId)
      if (row === undefined || row.state === "dead") return false
      if (row.state === "live") return true
      if (row.reserved_until_ms <= clock.nowMs()) return false
      await updateLease(tx, deviceId, { state: "live", reserved_until_ms: 0 })
      return true
    })

  const beginEvaluation = (deviceId: Uint8Array, leaseId: Uint8Array): Promise<Result<BegunEvaluation, Failure>> =>
    store.transaction(async (tx): Promise<Result<BegunEvaluation, Failure>> => {
      const row = await lockLease(store, tx, deviceId)
      if (row === undefined) return refused
      const sealed = mayEvaluate(row, leaseId)
      if (!sealed.ok) return sealed
      if (row.attempts >= MAX_ATTEMPTS) return err({ code: "lease-locked" })
      const attempt = row.evaluations + 1
      await updateLease(tx, deviceId, { attempts: row.attempts + 1, evaluations: attempt })
      return ok({ row: { ...row, sealed: sealed.value }, attempt })
    })

  const settle = (
    deviceId: Uint8Array,
    leaseId: Uint8Array,
    expiresMs: number,
  ): Promise<Result<{ readonly serial: number }, Failure>> =>
    store.transaction(async (tx): Promise<Result<{ readonly serial: number }, Failure>> => {
      const row = await lockLease(store, tx, deviceId)
      if (row === undefined) return refused
      const still = mayEvaluate(row, leaseId)
      if (!still.ok) return still
      const serial = row.serial + 1
      await updateLease(tx, deviceId, { serial, expires_ms: expiresMs })
      return ok({ serial })
    })

  const unlocked = (deviceId: Uint8Array, leaseId: Uint8Array, attempt: number): Promise<boolean> =>
    store.transaction(async (tx) => {
      const row = await lockLease(store, tx, deviceId)
      if (row === undefined || !mayEvaluate(row, leaseId).ok) return false
      // Only an evaluation since the last success can be proven; the ones after it stay counted.
      const oldest = row.evaluations - row.attempts
      if (attempt <= oldest || attempt > row.evaluations) return false
      await updateLease(tx, deviceId, { attempts: row.evaluations - attempt })
      return true
    })

  const append = async (tx: LeaseTx, tombstone: Tombstone, phase: "intent" | "done" | "void"): Promise<void> => {
    const known = (await tombstonesOf(tx, tombstone.what, tombstone.id)).find((entry) =>
      equalBytes(entry.linkHash, tombstone.linkHash),
    )
    const isSettled = phase === "intent" ? known !== undefined && known.phase !== "void" : known?.phase === phase
    if (!isSettled) await appendTombstone(tx, tombstone, phase, clock.nowMs())
  }
  const appendAll = (tombstones: readonly Tombstone[], phase: "done" | "void"): Promise<void> =>
    store.transaction(async (tx) => {
      for (const tombstone of tombstones) await append(tx, tombstone, phase)
    })

  const kill = async (deviceIds: readonly Uint8Array[], tombstones: readonly Tombstone[]): Promise<void> => {
    await store.transaction(async (tx) => {
      for (const deviceId of deviceIds) await killLease(tx, deviceId)
      for (const tombstone of tombstones) await append(tx, tombstone, "intent")
      if (deviceIds.length > 0) await markForRotation(tx, kek, clock.nowMs())
    })
    // The key also stands in the log beside the file until it is moved over.
    await store.checkpoint()
  }

  const behind = new Map<string, readonly ChainHead[]>()
  const setBehindOf = (accountId: Uint8Array, heads: readonly ChainHead[]): void => {
    if (heads.length === 0) behind.delete(bytesToHex(accountId))
    else behind.set(bytesToHex(accountId), heads)
  }
  const behindOf = (accountId: Uint8Array): readonly ChainHead[] => behind.get(bytesToHex(accountId)) ?? []

  const isBehind = ({ kind, id, accountId }: ChainHead): boolean =>
    behindOf(accountId).some((head) => head.kind === kind && equalBytes(head.id, id))
  const raiseHeads = async (heads: readonly ChainHead[]): Promise<void> => {
    // What keeps a chain behind is never written over, however long the other chain has grown.
    const free = heads.filter((head) => !isBehind(head))
    if (free.length > 0) await store.transaction((tx) => raiseHeadRows(tx, free))
  }
  const noted = createNotedHeads(raiseHeads)

  return Object.freeze<LeaseDatabase>({
    store,
    setBehindOf,
    behindOf,
    allBehind: () => [...behind.values()].flat(),
    setBehind: (heads) => {
      behind.clear()
      for (const head of heads) setBehindOf(head.accountId, [...behindOf(head.accountId), head])
    },
    kek,
    reserve,
    makeLive,
    beginEvaluation,
    settle,
    unlocked,
    kill,
    forget: async (deviceId) => {
      await store.transaction(async (tx) => {
        const row = await lockLease(store, tx, deviceId)
        if (row?.state === "reserved") await deleteLease(tx, deviceId)
      })
      await store.checkpoint()
    },
    setFrozen: (deviceIds, isFrozen) =>
      store.transaction(async (tx) => {
        for (const deviceId of deviceIds) await updateLease(tx, deviceId, { frozen: isFrozen ? 1 : 0 })
      }),
    attempts: async (deviceId) => {
      const row = await store.read((db) => readLease(db, deviceId))
      return row === undefined || row.state !== "live"
        ? undefined
        : { leaseId: row.lease_id, attempts: row.evaluations, locked: row.attempts >= MAX_ATTEMPTS }
    },
    resetAttempts: (deviceId, attempt) =>
      store.transaction(async (tx) => {
        const row = await lockLease(store, tx, deviceId)
        if (row === undefined || row.state !== "live" || row.evaluations !== attempt) return false
        await updateLease(tx, deviceId, { attempts: 0 })
        return true
      }),
    confirm: (tombstones) => appendAll(tombstones, "done"),
    void: (tombstones) => appendAll(tombstones, "void"),
    isBuried: async (what, id) =>
      (await store.read((db) => tombstonesOf(db, what, id))).some((entry) => entry.phase !== "void"),
    openIntents: () => store.read((db) => openIntents(db)),
    read: (deviceId) => store.read((db) => readLease(db, deviceId)),
    raiseHeads,
    noteHead: noted.note,
    raiseNotedHeads: noted.raise,
    chainHeads: () => store.read((db) => chainHeads(db)),
    close: async () => {
      await store.close()
      await kek.close()
    },
  })
}

const markForRotation = (tx: LeaseTx, kek: LeaseKek, nowMs: number): Promise<unknown> =>
  tx
    .insertInto("retired_kek")
    .values({ kek_id: kek.currentId(), since_ms: nowMs })
    .onConflict((c) => c.column("kek_id").doNothing())
    .execute()

const keyId = (row: LeaseRow): LeaseKeyId => ({ leaseId: row.lease_id, leasePk: row.lease_pk })
