import type { Db, Tx } from "./tables.ts"

export interface Progress {
  readonly logId: Uint8Array
  readonly n: number
}

export const readProgress = async (db: Db): Promise<Progress | undefined> => {
  const row = await db.selectFrom("progress").select(["log_id", "n"]).where("id", "=", 1).executeTakeFirst()
  return row === undefined ? undefined : { logId: row.log_id, n: row.n }
}

export const startProgress = async (tx: Tx, logId: Uint8Array): Promise<void> => {
  await tx
    .insertInto("progress")
    .values({ id: 1, log_id: logId, n: 0 })
    .onConflict((c) => c.column("id").doUpdateSet({ log_id: logId, n: 0 }))
    .execute()
}

/** Moves on by one. False when another instance applied this event already. */
export const advanceProgress = async (tx: Tx, logId: Uint8Array, to: number): Promise<boolean> => {
  const { numUpdatedRows } = await tx
    .updateTable("progress")
    .set({ n: to })
    .where("id", "=", 1)
    .where("log_id", "=", logId)
    .where("n", "<", to)
    .executeTakeFirst()
  return numUpdatedRows === 1n
}
