import type { Selectable } from "@keyferry/store"

import type { Db, Tables, Tx } from "./tables.ts"

export type RelayRow = Selectable<Tables["relay"]>

export const MAX_RELAY_MESSAGES = 24

/** Adds a message for the pairing of one new device. `undefined` when there are too many. */
export const appendRelay = async (tx: Tx, message: Omit<RelayRow, "n">): Promise<number | undefined> => {
  const newest = await tx
    .selectFrom("relay")
    .select("n")
    .where("account_uuid", "=", message.account_uuid)
    .where("device_id", "=", message.device_id)
    .orderBy("n", "desc")
    .limit(1)
    .executeTakeFirst()
  const n = (newest?.n ?? 0) + 1
  if (n > MAX_RELAY_MESSAGES) return undefined
  await tx
    .insertInto("relay")
    .values({ ...message, n })
    .execute()
  return n
}

export const listRelay = (db: Db, accountUuid: string, deviceId: Uint8Array, after: number): Promise<RelayRow[]> =>
  db
    .selectFrom("relay")
    .select(["account_uuid", "device_id", "n", "sender", "body", "created_ms"])
    .where("account_uuid", "=", accountUuid)
    .where("device_id", "=", deviceId)
    .where("n", ">", after)
    .orderBy("n")
    .execute()

export const deleteOldRelay = async (tx: Tx, beforeMs: number): Promise<void> => {
  await tx.deleteFrom("relay").where("created_ms", "<", beforeMs).execute()
}
