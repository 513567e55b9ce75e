import type { Selectable } from "@keyferry/store"

import { statement } from "./statement.ts"
import type { Db, Tables, Tx } from "./tables.ts"

export type AccountRow = Selectable<Tables["account"]>

const COLUMNS = [
  "uuid",
  "account_id",
  "address",
  "address_key",
  "confirmed",
  "operator",
  "first_device",
  "invitation",
  "created_ms",
  "seen_ms",
] as const

export const insertAccount = async (tx: Tx, row: AccountRow): Promise<void> => {
  await tx.insertInto("account").values(row).execute()
}

const byUuid = statement<"uuid", AccountRow>((db, $) =>
  db.selectFrom("account").select(COLUMNS).where("uuid", "=", $("uuid")),
)
export const findAccount = async (db: Db, uuid: string): Promise<AccountRow | undefined> =>
  (await byUuid.rows(db, { uuid }))[0]

const byAddress = statement<"key", AccountRow>((db, $) =>
  db.selectFrom("account").select(COLUMNS).where("address_key", "=", $("key")).where("confirmed", "=", 1),
)
/** The account that confirmed this address. */
export const findAccountByAddress = async (db: Db, addressKey: string): Promise<AccountRow | undefined> =>
  (await byAddress.rows(db, { key: addressKey }))[0]

export const setAccountId = async (tx: Tx, uuid: string, accountId: Uint8Array, operator: number): Promise<boolean> => {
  const { numUpdatedRows } = await tx
    .updateTable("account")
    .set({ account_id: accountId, operator })
    .where("uuid", "=", uuid)
    .where("account_id", "is", null)
    .executeTakeFirst()
  return numUpdatedRows === 1n
}

/** False when somebody else holds the address. */
export const confirmAddress = async (tx: Tx, uuid: string): Promise<boolean> => {
  const row = await findAccount(tx, uuid)
  if (row === undefined) return false
  if (row.confirmed === 1) return true
  const owner = await findAccountByAddress(tx, row.address_key)
  if (owner !== undefined) return false
  await tx.updateTable("account").set({ confirmed: 1 }).where("uuid", "=", uuid).execute()
  return true
}

/** False when somebody else confirmed the address meanwhile. */
export const changeAddress = async (tx: Tx, uuid: string, address: string, addressKey: string): Promise<boolean> => {
  const owner = await findAccountByAddress(tx, addressKey)
  if (owner !== undefined && owner.uuid !== uuid) return false
  await tx.updateTable("account").set({ address, address_key: addressKey }).where("uuid", "=", uuid).execute()
  return true
}

const touch = statement<"uuid" | "nowMs">((db, $) =>
  db
    .updateTable("account")
    .set({ seen_ms: $("nowMs") })
    .where("uuid", "=", $("uuid")),
)
export const touchAccount = async (tx: Tx, uuid: string, nowMs: number): Promise<void> => {
  await touch.run(tx, { uuid, nowMs })
}

/** Everything the server knows of an account, but its log lines. */
export const deleteAccountRows = async (tx: Tx, uuid: string): Promise<void> => {
  for (const table of ["session", "device", "relay", "address_change", "freeze_link", "idempotency"] as const)
    await tx.deleteFrom(table).where("account_uuid", "=", uuid).execute()
  await tx.deleteFrom("mail").where("account_uuid", "=", uuid).where("state", "=", "waiting").execute()
  await tx.deleteFrom("account").where("uuid", "=", uuid).execute()
}

export const countAccounts = async (db: Db): Promise<number> => {
  const { n } = await db
    .selectFrom("account")
    .select((e) => e.fn.countAll<number>().as("n"))
    .where("account_id", "is not", null)
    .executeTakeFirstOrThrow()
  return n
}

export const listAccounts = (db: Db): Promise<AccountRow[]> =>
  db.selectFrom("account").select(COLUMNS).orderBy("created_ms").orderBy("uuid").execute()

/** Sign-ups that never made a chain since `unfinishedMs`, and accounts that never confirmed since `unconfirmedMs`. */
export const listIdleUnconfirmed = (db: Db, unfinishedMs: number, unconfirmedMs: number): Promise<AccountRow[]> =>
  db
    .selectFrom("account")
    .select(COLUMNS)
    .where("confirmed", "=", 0)
    .where((e) =>
      e.or([e("seen_ms", "<", unconfirmedMs), e.and([e("account_id", "is", null), e("seen_ms", "<", unfinishedMs)])]),
    )
    .orderBy("seen_ms")
    .limit(100)
    .execute()
