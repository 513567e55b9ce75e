import { err, ok, type Result } from "@keyferry/base"
import type { Failure } from "@keyferry/protocol"
import { rollBack } from "@keyferry/store"
import type { CallParams, CallResult } from "@keyferry/strongroom-api"

import type { StrongroomContext } from "../context.ts"
import { tellDevices } from "./devices.ts"
import { suspendAndRemove } from "./two-factor.ts"

/*
 * The way in when the second factor is lost: 72 hours in which every device and the mailbox know, or an operator.
 * Source: spec/devices.md DV18, DV19
 */
const WAIT_MS = 72 * 3_600_000
const OPEN_MS = 24 * 3_600_000

/**
 * Asked the first time it starts the waiting; asked after it, it opens level 2 once. Asked again meanwhile it answers the
 * same time. Errors: not-found.
 */
export const factorReset = async (
  ctx: StrongroomContext,
  { accountUuid }: CallParams<"factorReset">,
): Promise<Result<CallResult<"factorReset">, Failure>> => {
  const { value } = await ctx.change(async (change) => {
    const { tx } = change
    const account = await change.lockAccount(accountUuid)
    if (account === undefined || account.id === null) return rollBack(err<Failure>({ code: "not-found" }))
    const nowMs = ctx.clock.nowMs()
    const row = await tx
      .selectFrom("factor_reset")
      .select(["ready_ms", "open_until_ms"])
      .where("account_uuid", "=", accountUuid)
      .executeTakeFirst()
    const isOpen = row !== undefined && row.ready_ms <= nowMs && nowMs < row.open_until_ms
    if (row !== undefined && isOpen) {
      await tx.deleteFrom("factor_reset").where("account_uuid", "=", accountUuid).execute()
      await suspendAndRemove(ctx, change, { accountUuid, accountId: account.id, detail: "reset" })
      await tellDevices(change, accountUuid)
      return ok({ readyAtMs: row.ready_ms, open: true })
    }
    if (row !== undefined && nowMs < row.open_until_ms) return ok({ readyAtMs: row.ready_ms, open: false })
    const readyAtMs = nowMs + WAIT_MS
    const fresh = { requested_ms: nowMs, ready_ms: readyAtMs, open_until_ms: readyAtMs + OPEN_MS }
    await tx
      .insertInto("factor_reset")
      .values({ account_uuid: accountUuid, ...fresh })
      .onConflict((c) => c.column("account_uuid").doUpdateSet(fresh))
      .execute()
    await change.event({ accountUuid, accountId: account.id, kind: "factor-reset-requested" })
    await tellDevices(change, accountUuid)
    return ok({ readyAtMs, open: false })
  })
  return value
}

/** Suspends sync, ends the factors, and opens level 2 for one login within a day. Errors: not-found. */
export const operatorResetTwoFactor = async (
  ctx: StrongroomContext,
  { accountUuid }: CallParams<"operatorResetTwoFactor">,
): Promise<Result<CallResult<"operatorResetTwoFactor">, Failure>> => {
  const { value } = await ctx.change(async (change) => {
    const account = await change.lockAccount(accountUuid)
    if (account === undefined || account.id === null) return rollBack(err<Failure>({ code: "not-found" }))
    const nowMs = ctx.clock.nowMs()
    await suspendAndRemove(ctx, change, { accountUuid, accountId: account.id, detail: "operator" })
    const open = { requested_ms: nowMs, ready_ms: nowMs, open_until_ms: nowMs + OPEN_MS }
    await change.tx
      .insertInto("factor_reset")
      .values({ account_uuid: accountUuid, ...open })
      .onConflict((c) => c.column("account_uuid").doUpdateSet(open))
      .execute()
    await change.event({ accountUuid, accountId: account.id, kind: "factor-reset-requested", detail: "operator" })
    await tellDevices(change, accountUuid)
    return ok({ openUntilMs: open.open_until_ms })
  })
  return value
}
