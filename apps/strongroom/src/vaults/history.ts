import { err, ok } from "@keyferry/base"
import { type Failure, MAX_SYNC_BYTES } from "@keyferry/protocol"

import type { StrongroomContext } from "../context.ts"
import type { Handler } from "../execute.ts"
import { openRecords, readMoment } from "./pull.ts"

/** How long a record is kept after a newer one, or a delete, took its place. */
export const HISTORY_MS = 30 * 24 * 3600 * 1000
const MAX_RECORDS = 1000
const PURGE_AT_ONCE = 500

/**
 * Superseded records of one item, newest first. Whether an old revision is genuine, a device checks by walking field 10
 * of the headers from the signed leaf. Errors: vault-not-found, kms-unavailable, those of `readMoment`
 * Source   spec/sync.md SY39
 */
export const history: Handler<"history"> = async (ctx, { device }, body) => {
  const found = await ctx.store.snapshot(async (db) => {
    const moment = await readMoment(db, device)
    if (!moment.ok) return moment
    const vault = await db
      .selectFrom("vault")
      .select("id")
      .where("id", "=", body.vaultId)
      .where("account_uuid", "=", device.accountUuid)
      .executeTakeFirst()
    if (vault === undefined) return err<Failure>({ code: "vault-not-found" })
    const rows = await db
      .selectFrom("record")
      .select(["rev", "sealed_record"])
      .where("vault_id", "=", body.vaultId)
      .where("item_id", "=", body.itemId)
      .where("superseded_ms", ">", ctx.clock.nowMs() - HISTORY_MS)
      .orderBy("rev", "desc")
      .limit(MAX_RECORDS)
      .execute()
    return ok(rows)
  })
  if (!found.ok) return found
  let left = MAX_SYNC_BYTES
  const fitting = found.value.filter((row) => (left -= row.sealed_record.length) > 0)
  const { vaultId, itemId } = body
  const records = await openRecords(
    ctx,
    device.accountId,
    vaultId,
    fitting.map((row) => ({ itemId, rev: row.rev, sealed: row.sealed_record })),
  )
  return records.ok ? ok({ reply: { records: records.value } }) : records
}

/**
 * Deletes what is older than 30 days, in small transactions. Answers how many records went. Run it every hour.
 * Source   spec/sync.md SY40
 */
export const purgeHistory = async (ctx: Pick<StrongroomContext, "store" | "clock">): Promise<number> => {
  const before = ctx.clock.nowMs() - HISTORY_MS
  let purged = 0
  for (;;) {
    const n = await ctx.store.transaction(async (tx) => {
      const rows = await tx
        .selectFrom("record")
        .select("n")
        .where("superseded_ms", "<=", before)
        .orderBy("superseded_ms")
        .limit(PURGE_AT_ONCE)
        .execute()
      if (rows.length === 0) return 0
      await tx
        .deleteFrom("record")
        .where(
          "n",
          "in",
          rows.map((row) => row.n),
        )
        .execute()
      return rows.length
    })
    purged += n
    if (n < PURGE_AT_ONCE) return purged
  }
}
