import type { Tx } from "../context.ts"

/*
 * What a person gets without the proof that is asked for otherwise: after 72 hours in which the mailbox and every device
 * were told, and once within the day after. Source: spec/devices.md DV22
 */
export const WAIT_MS = 72 * 3_600_000
export const OPEN_MS = 24 * 3_600_000

export interface WaitedFor {
  readonly accountUuid: string
  readonly what: "thaw" | "lease-reset"
  /** The device whose lease it is; for a thaw, which is the account's, sixteen zeros. */
  readonly subject: Uint8Array
}

export const THAW_SUBJECT = new Uint8Array(16)

export interface Waiting {
  readonly readyAtMs: number
  /** The time has come. */
  readonly isOpen: boolean
  /** This call began it. */
  readonly isNew: boolean
}

/** Begins to wait, or says how long it still is. Under the account's row lock. */
export const askToWait = async (tx: Tx, waited: WaitedFor, nowMs: number): Promise<Waiting> => {
  const row = await readWaiting(tx, waited)
  if (row !== undefined && nowMs < row.open_until_ms)
    return { readyAtMs: row.ready_ms, isOpen: row.ready_ms <= nowMs, isNew: false }
  const readyAtMs = nowMs + WAIT_MS
  const times = { requested_ms: nowMs, ready_ms: readyAtMs, open_until_ms: readyAtMs + OPEN_MS }
  await tx
    .insertInto("waiting_period")
    .values({ account_uuid: waited.accountUuid, what: waited.what, subject: waited.subject, ...times })
    .onConflict((c) => c.columns(["account_uuid", "what", "subject"]).doUpdateSet(times))
    .execute()
  return { readyAtMs, isOpen: false, isNew: true }
}

/** Ends it: used, or stopped. False where nobody waited. */
export const endWaiting = async (tx: Tx, { accountUuid, what, subject }: WaitedFor): Promise<boolean> => {
  const { numDeletedRows } = await tx
    .deleteFrom("waiting_period")
    .where("account_uuid", "=", accountUuid)
    .where("what", "=", what)
    .where("subject", "=", subject)
    .executeTakeFirst()
  return numDeletedRows > 0n
}

/** What is waited for now; one whose day is over is not. */
export const readWaiting = (db: Pick<Tx, "selectFrom">, { accountUuid, what, subject }: WaitedFor) =>
  db
    .selectFrom("waiting_period")
    .select(["ready_ms", "open_until_ms"])
    .where("account_uuid", "=", accountUuid)
    .where("what", "=", what)
    .where("subject", "=", subject)
    .executeTakeFirst()
