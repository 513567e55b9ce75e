import type { Selectable } from "@keyferry/store"

import type { Db, Tables, Tx } from "./tables.ts"

export type MailRow = Selectable<Tables["mail"]>
export type MailState = "waiting" | "sent" | "failed"

const COLUMNS = [
  "id",
  "account_uuid",
  "template",
  "recipient",
  "fields",
  "state",
  "tries",
  "next_ms",
  "created_ms",
  "done_ms",
] as const

export const insertMail = async (tx: Tx, row: MailRow): Promise<void> => {
  await tx.insertInto("mail").values(row).execute()
}

export const listDueMail = (db: Db, nowMs: number, max: number): Promise<MailRow[]> =>
  db
    .selectFrom("mail")
    .select(COLUMNS)
    .where("state", "=", "waiting")
    .where("next_ms", "<=", nowMs)
    .orderBy("next_ms")
    .orderBy("id")
    .limit(max)
    .execute()

/** Takes a mail for one attempt. False when another instance took it first. */
export const claimMail = async (tx: Tx, row: MailRow, nextMs: number): Promise<boolean> => {
  const { numUpdatedRows } = await tx
    .updateTable("mail")
    .set({ tries: row.tries + 1, next_ms: nextMs })
    .where("id", "=", row.id)
    .where("state", "=", "waiting")
    .where("tries", "=", row.tries)
    .executeTakeFirst()
  return numUpdatedRows === 1n
}

/** The fields go as soon as they are not needed: they may hold a link that still works. */
export const finishMail = async (tx: Tx, id: string, state: "sent" | "failed", nowMs: number): Promise<void> => {
  await tx.updateTable("mail").set({ state, fields: "{}", done_ms: nowMs }).where("id", "=", id).execute()
}

export const newestMailState = async (
  db: Db,
  accountUuid: string,
  template: string,
): Promise<{ readonly state: MailState; readonly tries: number } | undefined> => {
  const row = await db
    .selectFrom("mail")
    .select(["state", "tries"])
    .where("account_uuid", "=", accountUuid)
    .where("template", "=", template)
    .orderBy("created_ms", "desc")
    .limit(1)
    .executeTakeFirst()
  return row === undefined ? undefined : { state: row.state as MailState, tries: row.tries }
}

export const deleteOldMail = async (tx: Tx, beforeMs: number): Promise<void> => {
  await tx.deleteFrom("mail").where("done_ms", "<", beforeMs).execute()
}

export const insertDevelopmentMail = async (tx: Tx, row: Tables["dev_mail"]): Promise<void> => {
  await tx.insertInto("dev_mail").values(row).execute()
}

export const listDevelopmentMail = (db: Db): Promise<Selectable<Tables["dev_mail"]>[]> =>
  db
    .selectFrom("dev_mail")
    .select(["id", "recipient", "subject", "body", "created_ms"])
    .orderBy("created_ms", "desc")
    .orderBy("id", "desc")
    .limit(100)
    .execute()

export const deleteDevelopmentMail = async (tx: Tx): Promise<void> => {
  await tx.deleteFrom("dev_mail").execute()
}
