import { equalBytes, err, ok, type Result } from "@keyferry/base"
import type { Failure } from "@keyferry/protocol"

import type { StrongroomContext, Tx } from "../context.ts"
import type { Tombstone } from "../lease-store.ts"
import { opaqueRecordPlace } from "../places.ts"
import { statement } from "../store/statement.ts"
import type { MainTables } from "../store/tables.ts"

/** The library's records have one length. */
const RECORD_BYTES = 192

export interface PreparedOpaqueRecord {
  readonly rev: number
  readonly sealed: Uint8Array
  /** Of the record that it replaces, for the lease store; absent for the first. */
  readonly replaced?: Tombstone
}

/**
 * Seals a new record, before the transaction that stores it. Errors: malformed, holder-reused (a record that was
 * replaced before), kms-unavailable.
 */
export const prepareOpaqueRecord = async (
  ctx: StrongroomContext,
  accountId: Uint8Array,
  record: Uint8Array,
  linkHash: Uint8Array,
): Promise<Result<PreparedOpaqueRecord, Failure>> => {
  if (record.length !== RECORD_BYTES) return err({ code: "malformed" })
  const { primitives: p } = ctx
  if (await ctx.leases.isBuried("opaque-record", p.sha256(record))) return err({ code: "holder-reused" })
  const current = await readOpaqueRecord(ctx, accountId)
  if (!current.ok) return current
  // A record that was dropped after a restore leaves its number behind.
  const rev = (await lastRev(ctx, accountId)) + 1
  const sealed = await ctx.atRest.encrypt(opaqueRecordPlace(p, accountId, rev), record)
  if (!sealed.ok) return sealed
  if (current.value === undefined) return ok({ rev, sealed: sealed.value })
  const id = p.sha256(current.value.record)
  return ok({
    rev,
    sealed: sealed.value,
    ...(equalBytes(current.value.record, record) ? {} : { replaced: { what: "opaque-record", id, linkHash } }),
  })
}

const lastRev = async (ctx: Pick<StrongroomContext, "store">, accountId: Uint8Array): Promise<number> =>
  (
    await ctx.store.read((db) =>
      db.selectFrom("account").select("opaque_rev").where("id", "=", accountId).executeTakeFirst(),
    )
  )?.opaque_rev ?? 0

/** Inside the transaction. False: another record came first. */
export const storeOpaqueRecord = async (
  tx: Tx,
  accountUuid: string,
  prepared: PreparedOpaqueRecord,
): Promise<boolean> => {
  const { numUpdatedRows } = await tx
    .updateTable("account")
    .set({ sealed_opaque_record: prepared.sealed, opaque_rev: prepared.rev })
    .where("uuid", "=", accountUuid)
    .where("opaque_rev", "=", prepared.rev - 1)
    .executeTakeFirst()
  return numUpdatedRows === 1n
}

const recordOf = statement<"accountId", Pick<MainTables["account"], "sealed_opaque_record" | "opaque_rev">>((db, $) =>
  db.selectFrom("account").select(["sealed_opaque_record", "opaque_rev"]).where("id", "=", $("accountId")),
)

/** `undefined` where nobody registered. Errors: kms-unavailable. */
export const readOpaqueRecord = async (
  ctx: StrongroomContext,
  accountId: Uint8Array,
): Promise<Result<{ readonly record: Uint8Array; readonly rev: number } | undefined, Failure>> => {
  const [row] = await ctx.store.read((db) => recordOf.rows(db, { accountId }))
  if (row === undefined || row.sealed_opaque_record === null) return ok(undefined)
  const record = await ctx.atRest.decrypt(
    opaqueRecordPlace(ctx.primitives, accountId, row.opaque_rev),
    row.sealed_opaque_record,
  )
  return record.ok ? ok({ record: record.value, rev: row.opaque_rev }) : record
}
