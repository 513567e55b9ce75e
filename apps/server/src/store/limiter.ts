import { Defect } from "@keyferry/base"
import { sql } from "@keyferry/store"

import { statement } from "./statement.ts"
import type { Db, Tx } from "./tables.ts"

export interface Window {
  readonly bucket: string
  readonly points: number
  readonly endsMs: number
}

const addToWindow = statement<
  "bucket" | "points" | "nowMs" | "endsMs",
  { readonly bucket: string; readonly points: number; readonly ends_ms: number }
>((db, $) =>
  db
    .insertInto("limiter")
    .values({ bucket: $("bucket"), points: $("points"), ends_ms: $("endsMs") })
    .onConflict((c) =>
      c.column("bucket").doUpdateSet({
        points: sql<number>`case when limiter.ends_ms <= ${$("nowMs")} then ${$("points")} else limiter.points + ${$("points")} end`,
        ends_ms: sql<number>`case when limiter.ends_ms <= ${$("nowMs")} then ${$("endsMs")} else limiter.ends_ms end`,
      }),
    )
    .returning(["bucket", "points", "ends_ms"]),
)

/** Adds `points` to a window that starts anew after its end, and gives its state after that. */
export const addPoints = async (
  tx: Tx,
  { bucket, points, nowMs, windowMs }: { bucket: string; points: number; nowMs: number; windowMs: number },
): Promise<Window> => {
  const [row] = await addToWindow.rows(tx, { bucket, points, nowMs, endsMs: nowMs + windowMs })
  if (row === undefined) throw new Defect("a window did not answer")
  return { bucket: row.bucket, points: row.points, endsMs: row.ends_ms }
}

export const listWindows = async (db: Db, prefix: string, nowMs: number): Promise<readonly Window[]> => {
  const rows = await db
    .selectFrom("limiter")
    .select(["bucket", "points", "ends_ms"])
    .where("bucket", "like", `${prefix}%`)
    .where("ends_ms", ">", nowMs)
    .execute()
  return rows.map((row) => ({ bucket: row.bucket, points: row.points, endsMs: row.ends_ms }))
}

/** Writes windows that were counted in memory. */
export const saveWindows = async (tx: Tx, windows: readonly Window[]): Promise<void> => {
  for (const { bucket, points, endsMs } of windows)
    await tx
      .insertInto("limiter")
      .values({ bucket, points, ends_ms: endsMs })
      .onConflict((c) => c.column("bucket").doUpdateSet({ points, ends_ms: endsMs }))
      .execute()
}

export const deleteOldWindows = async (tx: Tx, nowMs: number): Promise<void> => {
  await tx.deleteFrom("limiter").where("ends_ms", "<", nowMs).execute()
}
