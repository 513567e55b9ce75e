import { err, ok } from "@keyferry/base"
import { type Failure, MAX_SYNC_BYTES } from "@keyferry/protocol"

import type { StrongroomContext } from "../context.ts"
import type { Handler } from "../execute.ts"
import { behind, isBehind } from "./behind.ts"
import { openRecords, readMoment } from "./pull.ts"
import type { PushParts } from "./push.ts"
import { type Reader, readLeaves } from "./rows.ts"
import { statement } from "../store/statement.ts"

/** How long a record is kept after a newer one, or a delete, took its place. */
export const HISTORY_MS = 30 * 24 * 3600 * 1000
const MAX_RECORDS = 1000
const PURGE_AT_ONCE = 500

/**
 * Superseded records of one item, newest first. Whether an old revision is genuine, a device checks by walking field 10
 * of the headers from the signed leaf. Errors: vault-not-found, kms-unavailable, those of `readMoment`
 * Source   spec/feed.md SY75
 */
export const history =
  (parts: Pick<PushParts, "leases">): Handler<"history"> =>
  async (ctx, { device }, body) => {
    if (isBehind(parts, device)) return behind
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
      return ok(await supersededOf(db, body.vaultId, body.itemId, ctx.clock.nowMs() - HISTORY_MS))
    })
    if (!found.ok) return found
    const { vaultId, itemId } = body
    const rows = found.value.map((row) => ({ itemId, rev: row.rev, sealed: row.sealed_record }))
    const records = await openRecords(ctx, device.accountId, vaultId, rows)
    return records.ok ? ok({ reply: { records: records.value } }) : records
  }

interface OldRecord {
  readonly rev: number
  readonly prev_n: number | null
  readonly superseded_ms: number | null
  readonly sealed_record: Uint8Array
}
const recordByNumber = statement<"n", OldRecord>((db, $) =>
  db.selectFrom("record").select(["rev", "prev_n", "superseded_ms", "sealed_record"]).where("n", "=", $("n")),
)

/** Walks from the item's newest record to older ones, as far as they are kept. */
const supersededOf = async (
  db: Reader,
  vaultId: Uint8Array,
  itemId: Uint8Array,
  sinceMs: number,
): Promise<readonly OldRecord[]> => {
  const [leaf] = await readLeaves(db, vaultId, [itemId])
  const out: OldRecord[] = []
  let left = MAX_SYNC_BYTES
  let n = leaf?.recordN ?? null
  while (n !== null && out.length < MAX_RECORDS) {
    const [row] = await recordByNumber.rows(db, { n })
    if (row === undefined) break
    n = row.prev_n
    if (row.superseded_ms === null) continue
    left -= row.sealed_record.length
    if (row.superseded_ms <= sinceMs || left < 0) break
    out.push(row)
  }
  return out
}

/**
 * Deletes what is older than 30 days, in small transactions. Answers how many records went. Run it every hour.
 * Source   spec/feed.md SY76
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
