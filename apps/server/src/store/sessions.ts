import type { Selectable } from "@keyferry/store"

import { statement } from "./statement.ts"
import type { Db, Tables, Tx } from "./tables.ts"

export type SessionRow = Selectable<Tables["session"]>

const COLUMNS = [
  "token_hash",
  "account_uuid",
  "account_id",
  "level",
  "auth_pk",
  "device_id",
  "idle_ms",
  "created_ms",
  "used_ms",
  "ends_ms",
] as const

const insert = statement<keyof SessionRow>((db, $) =>
  db.insertInto("session").values({
    token_hash: $("token_hash"),
    account_uuid: $("account_uuid"),
    account_id: $("account_id"),
    level: $("level"),
    auth_pk: $("auth_pk"),
    device_id: $("device_id"),
    idle_ms: $("idle_ms"),
    created_ms: $("created_ms"),
    used_ms: $("used_ms"),
    ends_ms: $("ends_ms"),
  }),
)
export const insertSession = async (tx: Tx, row: SessionRow): Promise<void> => {
  await insert.run(tx, row)
}

const byHash = statement<"hash", SessionRow>((db, $) =>
  db.selectFrom("session").select(COLUMNS).where("token_hash", "=", $("hash")),
)
export const findSession = async (db: Db, tokenHash: Uint8Array): Promise<SessionRow | undefined> =>
  (await byHash.rows(db, { hash: tokenHash }))[0]

/** The old token dies as the new one is born. False when it was raised or ended by somebody faster. */
export const replaceSession = async (tx: Tx, old: SessionRow, next: SessionRow): Promise<boolean> => {
  const { numDeletedRows } = await tx
    .deleteFrom("session")
    .where("token_hash", "=", old.token_hash)
    .where("level", "=", old.level)
    .executeTakeFirst()
  if (numDeletedRows !== 1n) return false
  await insertSession(tx, next)
  return true
}

export const bindSessionDevice = async (tx: Tx, tokenHash: Uint8Array, deviceId: Uint8Array): Promise<void> => {
  await tx.updateTable("session").set({ device_id: deviceId }).where("token_hash", "=", tokenHash).execute()
}

export const touchSession = async (tx: Tx, tokenHash: Uint8Array, nowMs: number): Promise<void> => {
  await tx.updateTable("session").set({ used_ms: nowMs }).where("token_hash", "=", tokenHash).execute()
}

export const deleteSessionsOfAccount = async (tx: Tx, accountUuid: string): Promise<void> => {
  await tx.deleteFrom("session").where("account_uuid", "=", accountUuid).execute()
}

export const deleteSessionsOfDevice = async (tx: Tx, accountUuid: string, deviceId: Uint8Array): Promise<void> => {
  await tx.deleteFrom("session").where("account_uuid", "=", accountUuid).where("device_id", "=", deviceId).execute()
}

export const deleteAllSessions = async (tx: Tx): Promise<void> => {
  await tx.deleteFrom("session").execute()
}

export const deleteEndedSessions = async (tx: Tx, nowMs: number): Promise<void> => {
  await tx.deleteFrom("session").where("ends_ms", "<", nowMs).execute()
}
