import type { Selectable } from "@keyferry/store"

import type { Db, Tables, Tx } from "./tables.ts"

export type IdempotencyRow = Selectable<Tables["idempotency"]>

export const findIdempotency = (db: Db, accountUuid: string, requestKey: string): Promise<IdempotencyRow | undefined> =>
  db
    .selectFrom("idempotency")
    .select(["account_uuid", "request_key", "fingerprint", "reply", "created_ms"])
    .where("account_uuid", "=", accountUuid)
    .where("request_key", "=", requestKey)
    .executeTakeFirst()

export const insertIdempotency = async (tx: Tx, row: IdempotencyRow): Promise<void> => {
  await tx
    .insertInto("idempotency")
    .values(row)
    .onConflict((c) => c.doNothing())
    .execute()
}

export const deleteOldIdempotency = async (tx: Tx, beforeMs: number): Promise<void> => {
  await tx.deleteFrom("idempotency").where("created_ms", "<", beforeMs).execute()
}
