import type { Selectable } from "@keyferry/store"

import type { Db, Tables, Tx } from "./tables.ts"

export type InvitationRow = Selectable<Tables["invitation"]>

export const insertInvitation = async (tx: Tx, row: InvitationRow): Promise<void> => {
  await tx.insertInto("invitation").values(row).execute()
}

export const findInvitation = (db: Db, tokenHash: Uint8Array): Promise<InvitationRow | undefined> =>
  db
    .selectFrom("invitation")
    .select(["token_hash", "first", "created_ms", "expires_ms", "claimed_by", "claimed_until_ms", "used_ms"])
    .where("token_hash", "=", tokenHash)
    .executeTakeFirst()

/** Holds an unused invitation for one sign-up for a short while. False when another one holds or used it. */
export const claimInvitation = async (
  tx: Tx,
  claim: {
    readonly tokenHash: Uint8Array
    readonly accountUuid: string
    readonly nowMs: number
    readonly untilMs: number
  },
): Promise<boolean> => {
  const { numUpdatedRows } = await tx
    .updateTable("invitation")
    .set({ claimed_by: claim.accountUuid, claimed_until_ms: claim.untilMs })
    .where("token_hash", "=", claim.tokenHash)
    .where("used_ms", "is", null)
    .where((e) =>
      e.or([
        e("claimed_by", "is", null),
        e("claimed_by", "=", claim.accountUuid),
        e("claimed_until_ms", "<", claim.nowMs),
      ]),
    )
    .executeTakeFirst()
  return numUpdatedRows === 1n
}

export const useInvitation = async (tx: Tx, tokenHash: Uint8Array, nowMs: number): Promise<void> => {
  await tx
    .updateTable("invitation")
    .set({ used_ms: nowMs })
    .where("token_hash", "=", tokenHash)
    .where("used_ms", "is", null)
    .execute()
}

/** There is never more than one open link for the first account. */
export const deleteFirstInvitations = async (tx: Tx): Promise<void> => {
  await tx.deleteFrom("invitation").where("first", "=", 1).where("used_ms", "is", null).execute()
}

export const deleteOldInvitations = async (tx: Tx, beforeMs: number): Promise<void> => {
  await tx.deleteFrom("invitation").where("expires_ms", "<", beforeMs).where("used_ms", "is", null).execute()
}

/** Gives a held invitation back after a sign-up that failed. */
export const releaseInvitation = async (tx: Tx, tokenHash: Uint8Array, accountUuid: string): Promise<void> => {
  await tx
    .updateTable("invitation")
    .set({ claimed_by: null, claimed_until_ms: 0 })
    .where("token_hash", "=", tokenHash)
    .where("claimed_by", "=", accountUuid)
    .where("used_ms", "is", null)
    .execute()
}
