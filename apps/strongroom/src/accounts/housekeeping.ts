import type { StrongroomContext } from "../context.ts"
import { expireWaiting, WAITING_STATES } from "./devices.ts"

/*
 * What ends by itself also ends when nobody asks. Run every minute. Source: spec/devices.md DV8
 */
const KEEP_UNFINISHED_MS = 24 * 3_600_000
const KEEP_ATTEMPTS_MS = 7 * 24 * 3_600_000
const KEEP_EXPIRED_MS = 30 * 24 * 3_600_000

/** Lets waiting devices end, with their events. Answers for how many accounts. */
export const expireOverdue = async (ctx: StrongroomContext): Promise<number> => {
  const overdue = await ctx.store.read((db) =>
    db
      .selectFrom("device")
      .select("account_uuid")
      .distinct()
      .where("state", "in", [...WAITING_STATES])
      .where("expires_ms", "<=", ctx.clock.nowMs())
      .execute(),
  )
  for (const { account_uuid: accountUuid } of overdue)
    await ctx.change(async (change) => {
      await change.lockAccount(accountUuid)
      await expireWaiting(ctx, change, accountUuid)
    })
  return overdue.length
}

/** Drops sign-ups that were never finished, links and devices that ended long ago. None of them held anything. */
export const dropEnded = (ctx: StrongroomContext): Promise<number> => {
  const nowMs = ctx.clock.nowMs()
  return ctx.store.transaction(async (tx) => {
    const links = await tx
      .deleteFrom("attempt")
      .where("expires_ms", "<", nowMs - KEEP_ATTEMPTS_MS)
      .executeTakeFirst()
    const devices = await tx
      .deleteFrom("device")
      .where((e) =>
        e.or([
          e.and([e("state", "=", "expired"), e("state_ms", "<", nowMs - KEEP_EXPIRED_MS)]),
          e.and([e("state", "=", "reserved"), e("expires_ms", "<", nowMs - KEEP_UNFINISHED_MS)]),
        ]),
      )
      .where((e) =>
        e.not(
          e.exists(e.selectFrom("attempt").select("attempt.device_id").whereRef("attempt.device_id", "=", "device.id")),
        ),
      )
      .executeTakeFirst()
    const accounts = await tx
      .deleteFrom("account")
      .where("id", "is", null)
      .where("created_ms", "<", nowMs - KEEP_UNFINISHED_MS)
      .where((e) =>
        e.not(
          e.exists(e.selectFrom("device").select("device.id").whereRef("device.account_uuid", "=", "account.uuid")),
        ),
      )
      .executeTakeFirst()
    await tx.deleteFrom("passkey_challenge").where("expires_ms", "<", nowMs).execute()
    return Number(links.numDeletedRows + devices.numDeletedRows + accounts.numDeletedRows)
  })
}
