import type { Selectable } from "@keyferry/store"

import type { Db, Tables, Tx } from "./tables.ts"

export type FreezeLinkRow = Selectable<Tables["freeze_link"]>

export const insertFreezeLink = async (tx: Tx, row: FreezeLinkRow): Promise<void> => {
  await tx.insertInto("freeze_link").values(row).execute()
}

/** It stays: whoever presses twice gets the same answer. */
export const findFreezeLink = (db: Db, tokenHash: Uint8Array): Promise<FreezeLinkRow | undefined> =>
  db
    .selectFrom("freeze_link")
    .select(["token_hash", "account_uuid", "expires_ms"])
    .where("token_hash", "=", tokenHash)
    .executeTakeFirst()

/** A thaw ends every link from before it: an old mail does not freeze the account again. */
export const deleteFreezeLinksOf = async (tx: Tx, accountUuid: string): Promise<void> => {
  await tx.deleteFrom("freeze_link").where("account_uuid", "=", accountUuid).execute()
}

export const deleteOldFreezeLinks = async (tx: Tx, nowMs: number): Promise<void> => {
  await tx.deleteFrom("freeze_link").where("expires_ms", "<", nowMs).execute()
}
