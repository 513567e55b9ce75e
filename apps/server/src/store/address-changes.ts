import type { Selectable } from "@keyferry/store"

import type { Db, Tables, Tx } from "./tables.ts"

export type AddressChangeRow = Selectable<Tables["address_change"]>

/** One open change per account: the newest mail counts. */
export const replaceAddressChange = async (tx: Tx, row: AddressChangeRow): Promise<void> => {
  await tx.deleteFrom("address_change").where("account_uuid", "=", row.account_uuid).execute()
  await tx.insertInto("address_change").values(row).execute()
}

export const findAddressChange = (db: Db, accountUuid: string) =>
  db.selectFrom("address_change").select("expires_ms").where("account_uuid", "=", accountUuid).executeTakeFirst()

/** Takes it out, so that a link works once. */
export const takeAddressChange = (tx: Tx, tokenHash: Uint8Array): Promise<AddressChangeRow | undefined> =>
  tx
    .deleteFrom("address_change")
    .where("token_hash", "=", tokenHash)
    .returning(["token_hash", "account_uuid", "address", "address_key", "expires_ms"])
    .executeTakeFirst()

export const deleteAddressChangeOf = async (tx: Tx, accountUuid: string): Promise<void> => {
  await tx.deleteFrom("address_change").where("account_uuid", "=", accountUuid).execute()
}

export const deleteOldAddressChanges = async (tx: Tx, nowMs: number): Promise<void> => {
  await tx.deleteFrom("address_change").where("expires_ms", "<", nowMs).execute()
}
