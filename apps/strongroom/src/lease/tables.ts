import type { Generated, Migration } from "@keyferry/store"

import type { TombstoneKind } from "../lease-store.ts"

/*
 * The lease store: a database of its own with a key of its own, never part of a backup; after a restore of the main store
 * the newest lease store is kept. Its row alone decides an evaluation.
 *
 *   lease             one row for each device that ever reserved a lease key. `sealed` is the lease key under the lease
 *                     KEK, bound to device and lease; null for ever once the state is `dead`.
 *   tombstone         what can never come back. A row per phase, appended only: `intent` before the main store commits,
 *                     then `done`, or `void` where the commit never happened.
 *   chain_head        heads that were certainly committed, for comparison after a restore of the main store.
 *   restored_log      which log began after the last restore.
 *   retired_kek       versions of the KEK that still have to be destroyed, and since when.
 *
 * Source: spec/leases.md
 */
export type LeaseState = "reserved" | "live" | "dead"
export type TombstonePhase = "intent" | "done" | "void"
export interface LeaseTable {
  device_id: Uint8Array
  state: LeaseState
  frozen: number
  /** Evaluations since the last proven success; ten at most. */
  attempts: number
  /** Number of the newest evaluation; never goes back, so that the proof of an old success proves nothing new. */
  evaluations: number
  lease_id: Uint8Array
  lease_pk: Uint8Array
  kek_id: string
  sealed: Uint8Array | null
  /** Serial of the newest token. */
  serial: number
  /** End of the newest token. */
  expires_ms: number
  /** A reservation ends here; 0 once it is live or dead. */
  reserved_until_ms: number
}

export interface TombstoneTable {
  n: Generated<number>
  what: TombstoneKind
  id: Uint8Array
  /** Hash of the link that says so; zeros where there is none. */
  link_hash: Uint8Array
  phase: TombstonePhase
  at_ms: number
}

export interface ChainHeadTable {
  /** CHAIN_ACCOUNT | CHAIN_VAULT */
  kind: number
  id: Uint8Array
  /** Whose chain it is: a restored main store may not know the vault any more. */
  account_id: Uint8Array
  seq: number
  hash: Uint8Array
}

export interface RetiredKekTable {
  kek_id: string
  since_ms: number
}

export interface LeaseTables {
  lease: LeaseTable
  tombstone: TombstoneTable
  chain_head: ChainHeadTable
  retired_kek: RetiredKekTable
  restored_log: RestoredLogTable
}

/** One row: the log id that the main store was given when it was last found to be restored. */
export interface RestoredLogTable {
  id: number
  log_id: Uint8Array
}

/** Append-only. */
export const leaseMigrations: readonly Migration[] = [
  {
    version: 1,
    name: "leases and tombstones",
    up: async ({ db, dialect, types: { integer, text, blob }, createTable }) => {
      await createTable("lease")
        .addColumn("device_id", blob, (c) => c.primaryKey())
        .addColumn("state", text, (c) => c.notNull())
        .addColumn("frozen", integer, (c) => c.notNull())
        .addColumn("attempts", integer, (c) => c.notNull())
        .addColumn("evaluations", integer, (c) => c.notNull())
        .addColumn("lease_id", blob, (c) => c.notNull())
        .addColumn("lease_pk", blob, (c) => c.notNull())
        .addColumn("kek_id", text, (c) => c.notNull())
        .addColumn("sealed", blob)
        .addColumn("serial", integer, (c) => c.notNull())
        .addColumn("expires_ms", integer, (c) => c.notNull())
        .addColumn("reserved_until_ms", integer, (c) => c.notNull())
        .execute()
      await createTable("tombstone")
        .addColumn("n", integer, (c) =>
          dialect === "sqlite" ? c.primaryKey().autoIncrement() : c.primaryKey().generatedAlwaysAsIdentity(),
        )
        .addColumn("what", text, (c) => c.notNull())
        .addColumn("id", blob, (c) => c.notNull())
        .addColumn("link_hash", blob, (c) => c.notNull())
        .addColumn("phase", text, (c) => c.notNull())
        .addColumn("at_ms", integer, (c) => c.notNull())
        .execute()
      await db.schema.createIndex("tombstone_by_id").on("tombstone").columns(["what", "id"]).execute()
      await createTable("chain_head")
        .addColumn("kind", integer, (c) => c.notNull())
        .addColumn("id", blob, (c) => c.notNull())
        .addColumn("account_id", blob, (c) => c.notNull())
        .addColumn("seq", integer, (c) => c.notNull())
        .addColumn("hash", blob, (c) => c.notNull())
        .addPrimaryKeyConstraint("chain_head_key", ["kind", "id"])
        .execute()
      await createTable("retired_kek")
        .addColumn("kek_id", text, (c) => c.primaryKey())
        .addColumn("since_ms", integer, (c) => c.notNull())
        .execute()
    },
  },
  {
    version: 2,
    name: "log after a restore",
    up: async ({ types: { integer, blob }, createTable }) => {
      await createTable("restored_log")
        .addColumn("id", integer, (c) => c.primaryKey())
        .addColumn("log_id", blob, (c) => c.notNull())
        .execute()
    },
  },
  {
    version: 3,
    name: "what a start compares",
    // The other half of what the main store has its indexes for (store/migrations.ts, 6).
    up: async ({ db }) => {
      const states = ["device_id", "state", "reserved_until_ms"]
      await db.schema.createIndex("lease_states").on("lease").columns(states).execute()
      await db.schema.createIndex("chain_head_places").on("chain_head").columns(["kind", "id", "seq", "hash"]).execute()
    },
  },
]
