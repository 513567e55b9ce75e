import { bytesToHex, isZero } from "@keyferry/base"
import { type Selectable, statementsOf, type Store, type Transaction } from "@keyferry/store"

import type { Tombstone, TombstoneKind } from "../lease-store.ts"
import { PAGE_ROWS } from "./pairs.ts"
import type { LeaseTable, LeaseTables, TombstonePhase } from "./tables.ts"

/* The statements of the lease store, one each. */
export type LeaseTx = Transaction<LeaseTables>
export type LeaseReader = Pick<LeaseTx, "selectFrom" | "getExecutor">
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

/** Every tombstone that is still an intent: nothing newer stands there for the same (what, id, link). */
export const openIntents = async (db: LeaseReader): Promise<readonly TombstoneEntry[]> => {
  const rows = await db
    .selectFrom("tombstone")
    .select(["what", "id", "link_hash as linkHash", "phase"])
    .where("phase", "=", "intent")
    .where((e) =>
      e.not(
        e.exists(
          e
            .selectFrom("tombstone as newer")
            .select("newer.n")
            .whereRef("newer.what", "=", "tombstone.what")
            .whereRef("newer.id", "=", "tombstone.id")
            .whereRef("newer.link_hash", "=", "tombstone.link_hash")
            .whereRef("newer.n", ">", "tombstone.n"),
        ),
      ),
    )
    .orderBy("n")
    .execute()
  return rows
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

const { statement, inserter } = statementsOf<LeaseTables>()

const insertHeads = inserter(["kind", "id", "account_id", "seq", "hash"], (db, rows) =>
  db
    .insertInto("chain_head")
    .values(rows)
    .onConflict((c) =>
      c
        .columns(["kind", "id"])
        .doUpdateSet((e) => ({ seq: e.ref("excluded.seq"), hash: e.ref("excluded.hash") }))
        .whereRef("chain_head.seq", "<", "excluded.seq"),
    ),
)

/** Keeps the highest place of each chain. No chain twice in one call. */
export const raiseHeads = (tx: LeaseTx, heads: readonly ChainHead[]): Promise<void> =>
  insertHeads(
    tx,
    heads
      .filter(({ id }) => !isZero(id))
      .map(({ kind, id, accountId, seq, hash }) => ({ kind, id, account_id: accountId, seq, hash })),
  )

export const chainHeads = (db: LeaseReader): Promise<readonly ChainHead[]> =>
  db.selectFrom("chain_head").select(["kind", "id", "account_id as accountId", "seq", "hash"]).execute()

/** Where a chain is, without whose it is. */
export type ChainPlace = Pick<ChainHead, "id" | "seq" | "hash">

/** Heads of one kind in the order of their chains, a page of them. */
const placesAfter = statement<"kind" | "after", ChainPlace>((db, $) =>
  db
    .selectFrom("chain_head")
    .select(["id", "seq", "hash"])
    .where("kind", "=", $("kind"))
    .where("id", ">", $("after"))
    .orderBy("id")
    .limit(PAGE_ROWS),
)
export const keptPlacesAfter = (db: LeaseReader, kind: number, after: Uint8Array): Promise<readonly ChainPlace[]> =>
  placesAfter.rows(db, { kind, after })

export const keptHead = (db: LeaseReader, kind: number, id: Uint8Array): Promise<ChainHead | undefined> =>
  db
    .selectFrom("chain_head")
    .select(["kind", "id", "account_id as accountId", "seq", "hash"])
    .where("kind", "=", kind)
    .where("id", "=", id)
    .executeTakeFirst()

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

/** Devices that were certainly removed or retired, in the order of their ids, a page of them. */
export const buriedDevicesAfter = async (db: LeaseReader, after: Uint8Array): Promise<readonly Uint8Array[]> => {
  const rows = await db
    .selectFrom("tombstone")
    .select("id")
    .distinct()
    .where("what", "=", "device")
    .where("phase", "=", "done")
    .where("id", ">", after)
    .orderBy("id")
    .limit(BURIED_ROWS)
    .execute()
  return rows.map((row) => row.id)
}
const BURIED_ROWS = 500

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

/** Rows that are not dead, without their keys, in the order of their devices, a page of them. */
const leasesAfter = statement<"after", OpenLease>((db, $) =>
  db
    .selectFrom("lease")
    .select(["device_id", "state", "reserved_until_ms"])
    .where("device_id", ">", $("after"))
    .where("state", "!=", "dead")
    .orderBy("device_id")
    .limit(PAGE_ROWS),
)
export type OpenLease = Pick<LeaseRow, "device_id" | "state" | "reserved_until_ms">
export const openLeasesAfter = (db: LeaseReader, after: Uint8Array): Promise<readonly OpenLease[]> =>
  leasesAfter.rows(db, { after })

export const restoredLog = async (db: LeaseReader): Promise<Uint8Array | undefined> =>
  (await db.selectFrom("restored_log").select("log_id").where("id", "=", 1).executeTakeFirst())?.log_id

export const noteRestoredLog = (tx: LeaseTx, logId: Uint8Array): Promise<unknown> =>
  tx
    .insertInto("restored_log")
    .values({ id: 1, log_id: logId })
    .onConflict((c) => c.column("id").doUpdateSet({ log_id: logId }))
    .execute()
