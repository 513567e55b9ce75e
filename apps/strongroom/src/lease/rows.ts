import { bytesToHex, isZero } from "@keyferry/base"
import type { Selectable, Store, Transaction } from "@keyferry/store"

import type { Tombstone, TombstoneKind } from "../lease-store.ts"
import type { LeaseTable, LeaseTables, TombstonePhase } from "./tables.ts"

/* The statements of the lease store, one each. */
export type LeaseTx = Transaction<LeaseTables>
export type LeaseReader = Pick<LeaseTx, "selectFrom">
export type LeaseRow = Selectable<LeaseTable>

const LEASE_COLUMNS = [
  "device_id",
  "state",
  "frozen",
  "attempts",
  "evaluations",
  "lease_id",
  "lease_pk",
  "kek_id",
  "sealed",
  "serial",
  "expires_ms",
  "reserved_until_ms",
] as const

export const readLease = (db: LeaseReader, deviceId: Uint8Array): Promise<LeaseRow | undefined> =>
  db.selectFrom("lease").select(LEASE_COLUMNS).where("device_id", "=", deviceId).executeTakeFirst()

export const lockLease = (
  store: Store<LeaseTables>,
  tx: LeaseTx,
  deviceId: Uint8Array,
): Promise<LeaseRow | undefined> =>
  tx
    .selectFrom("lease")
    .select(LEASE_COLUMNS)
    .where("device_id", "=", deviceId)
    .$call((q) => store.lockRow(q))
    .executeTakeFirst()

export const insertLease = (tx: LeaseTx, row: LeaseRow): Promise<unknown> =>
  tx.insertInto("lease").values(row).execute()

export const deleteLease = (tx: LeaseTx, deviceId: Uint8Array): Promise<unknown> =>
  tx.deleteFrom("lease").where("device_id", "=", deviceId).execute()

export const updateLease = (
  tx: LeaseTx,
  deviceId: Uint8Array,
  change: Partial<Omit<LeaseRow, "device_id">>,
): Promise<unknown> => tx.updateTable("lease").set(change).where("device_id", "=", deviceId).execute()

/** The lease key is gone after this, and never comes back. */
export const killLease = (tx: LeaseTx, deviceId: Uint8Array): Promise<unknown> =>
  updateLease(tx, deviceId, { state: "dead", sealed: null, reserved_until_ms: 0 })

export interface TombstoneEntry extends Tombstone {
  readonly phase: TombstonePhase
}

/** The newest row of every (what, id, link) decides its phase. */
const newestPhases = (rows: readonly TombstoneEntry[]): readonly TombstoneEntry[] => {
  const newest = new Map<string, TombstoneEntry>()
  for (const row of rows) newest.set(`${row.what} ${bytesToHex(row.id)} ${bytesToHex(row.linkHash)}`, row)
  return [...newest.values()]
}

export const tombstonesOf = async (
  db: LeaseReader,
  what: TombstoneKind,
  id: Uint8Array,
): Promise<readonly TombstoneEntry[]> => {
  const rows = await db
    .selectFrom("tombstone")
    .select(["what", "id", "link_hash as linkHash", "phase"])
    .where("what", "=", what)
    .where("id", "=", id)
    .orderBy("n")
    .execute()
  return newestPhases(rows)
}

/** Every tombstone that is still an intent. */
export const openIntents = async (db: LeaseReader): Promise<readonly TombstoneEntry[]> => {
  const rows = await db
    .selectFrom("tombstone")
    .select(["what", "id", "link_hash as linkHash", "phase"])
    .orderBy("n")
    .execute()
  return newestPhases(rows).filter((entry) => entry.phase === "intent")
}

export const appendTombstone = (tx: LeaseTx, entry: Tombstone, phase: TombstonePhase, atMs: number): Promise<unknown> =>
  tx
    .insertInto("tombstone")
    .values({ what: entry.what, id: entry.id, link_hash: entry.linkHash, phase, at_ms: atMs })
    .execute()

export interface ChainHead {
  readonly kind: number
  readonly id: Uint8Array
  readonly accountId: Uint8Array
  readonly seq: number
  readonly hash: Uint8Array
}

/** Keeps the highest place of each chain. */
export const raiseHead = async (tx: LeaseTx, head: ChainHead): Promise<void> => {
  if (isZero(head.id)) return
  const { kind, id, accountId, seq, hash } = head
  await tx
    .insertInto("chain_head")
    .values({ kind, id, account_id: accountId, seq, hash })
    .onConflict((c) => c.columns(["kind", "id"]).doUpdateSet({ seq, hash }).where("chain_head.seq", "<", seq))
    .execute()
}

export const chainHeads = (db: LeaseReader): Promise<readonly ChainHead[]> =>
  db.selectFrom("chain_head").select(["kind", "id", "account_id as accountId", "seq", "hash"]).execute()

/** Forgets the heads of an account, before they are written down anew as they are. */
export const deleteHeads = (tx: LeaseTx, accountId: Uint8Array): Promise<unknown> =>
  tx.deleteFrom("chain_head").where("account_id", "=", accountId).execute()

/** Of a device that left while its account was frozen the dead row stays, and says nothing about the account any more. */
export const frozenLeases = async (db: LeaseReader): Promise<readonly Uint8Array[]> => {
  const rows = await db
    .selectFrom("lease")
    .select("device_id")
    .where("frozen", "=", 1)
    .where("state", "!=", "dead")
    .execute()
  return rows.map((row) => row.device_id)
}

/** Devices that were certainly removed or retired. */
export const buriedDevices = async (db: LeaseReader): Promise<readonly Uint8Array[]> => {
  const rows = await db
    .selectFrom("tombstone")
    .select("id")
    .distinct()
    .where("what", "=", "device")
    .where("phase", "=", "done")
    .execute()
  return rows.map((row) => row.id)
}

/** Lease keys that an older version of the KEK wraps. */
export const leasesUnderOtherKek = (db: LeaseReader, currentId: string, max: number): Promise<readonly LeaseRow[]> =>
  db
    .selectFrom("lease")
    .select(LEASE_COLUMNS)
    .where("kek_id", "!=", currentId)
    .where("sealed", "is not", null)
    .limit(max)
    .execute()

/** A lease key that this version of the KEK wraps. */
export const anyLeaseUnder = (db: LeaseReader, kekId: string): Promise<LeaseRow | undefined> =>
  db
    .selectFrom("lease")
    .select(LEASE_COLUMNS)
    .where("kek_id", "=", kekId)
    .where("sealed", "is not", null)
    .limit(1)
    .executeTakeFirst()

/** False: the row changed meanwhile, for example because its key was destroyed. */
export const replaceSealed = async (
  tx: LeaseTx,
  row: LeaseRow,
  next: { readonly kekId: string; readonly sealed: Uint8Array },
): Promise<boolean> => {
  const { numUpdatedRows } = await tx
    .updateTable("lease")
    .set({ kek_id: next.kekId, sealed: next.sealed })
    .where("device_id", "=", row.device_id)
    .where("sealed", "=", row.sealed)
    .executeTakeFirstOrThrow()
  return numUpdatedRows === 1n
}

export const retiredKeks = (
  db: LeaseReader,
): Promise<readonly { readonly kek_id: string; readonly since_ms: number }[]> =>
  db.selectFrom("retired_kek").select(["kek_id", "since_ms"]).execute()

export const forgetRetiredKek = (tx: LeaseTx, kekId: string): Promise<unknown> =>
  tx.deleteFrom("retired_kek").where("kek_id", "=", kekId).execute()

/** Versions of the KEK that some lease key needs. */
export const usedKeks = async (db: LeaseReader): Promise<readonly string[]> => {
  const rows = await db.selectFrom("lease").select("kek_id").distinct().where("sealed", "is not", null).execute()
  return rows.map((row) => row.kek_id)
}

/** Every row that is not dead, without its key. */
export const openLeases = (
  db: LeaseReader,
): Promise<readonly Pick<LeaseRow, "device_id" | "state" | "reserved_until_ms">[]> =>
  db.selectFrom("lease").select(["device_id", "state", "reserved_until_ms"]).where("state", "!=", "dead").execute()

export const restoredLog = async (db: LeaseReader): Promise<Uint8Array | undefined> =>
  (await db.selectFrom("restored_log").select("log_id").where("id", "=", 1).executeTakeFirst())?.log_id

export const noteRestoredLog = (tx: LeaseTx, logId: Uint8Array): Promise<unknown> =>
  tx
    .insertInto("restored_log")
    .values({ id: 1, log_id: logId })
    .onConflict((c) => c.column("id").doUpdateSet({ log_id: logId }))
    .execute()
