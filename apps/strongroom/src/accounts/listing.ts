import { ok, type Result } from "@keyferry/base"
import type { Failure } from "@keyferry/protocol"
import type { CallParams, CallResult } from "@keyferry/strongroom-api"

import type { StrongroomContext } from "../context.ts"
import { IN_CHAIN_STATES } from "./devices.ts"

/** For the operator: public facts only. */
export const listAccounts = async (ctx: StrongroomContext): Promise<Result<CallResult<"accounts">, Failure>> => {
  const rows = await ctx.store.read((db) =>
    db
      .selectFrom("account")
      .select(["uuid", "id", "created_ms", "frozen", "sync_suspended"])
      .select((e) => [
        e
          .selectFrom("device")
          .select((d) => d.fn.countAll<number>().as("n"))
          .whereRef("device.account_uuid", "=", "account.uuid")
          .where("device.state", "in", [...IN_CHAIN_STATES])
          .as("devices"),
        e
          .selectFrom("factor")
          .select((f) => f.fn.countAll<number>().as("n"))
          .whereRef("factor.account_uuid", "=", "account.uuid")
          .as("factors"),
      ])
      .where("id", "is not", null)
      .orderBy("created_ms")
      .limit(100_000)
      .execute(),
  )
  return ok({
    accounts: rows.flatMap((row) =>
      row.id === null
        ? []
        : [
            {
              accountUuid: row.uuid,
              accountId: row.id,
              devices: row.devices ?? 0,
              factors: row.factors ?? 0,
              createdAtMs: row.created_ms,
              frozen: row.frozen === 1,
              syncSuspended: row.sync_suspended === 1,
            },
          ],
    ),
  })
}

export const countAccounts = (ctx: StrongroomContext): Promise<number> =>
  ctx.store.read(async (db) => {
    const row = await db
      .selectFrom("account")
      .select((e) => e.fn.countAll<number>().as("n"))
      .where("id", "is not", null)
      .executeTakeFirstOrThrow()
    return row.n
  })

export const countDevices = (ctx: StrongroomContext): Promise<number> =>
  ctx.store.read(async (db) => {
    const row = await db
      .selectFrom("device")
      .select((e) => e.fn.countAll<number>().as("n"))
      .where("state", "in", [...IN_CHAIN_STATES])
      .executeTakeFirstOrThrow()
    return row.n
  })

/** Events after a position, oldest first. */
export const readEvents = async (
  ctx: StrongroomContext,
  { after, max }: CallParams<"events">,
): Promise<Result<CallResult<"events">, Failure>> => {
  const rows = await ctx.store.read((db) =>
    db
      .selectFrom("event")
      .select(["n", "log_id", "at_ms", "account_uuid", "kind", "device_id", "account_id", "detail"])
      .where("n", ">", after)
      // What a restored store still has of the log before was applied then.
      .where("log_id", "=", ctx.logId)
      .orderBy("n")
      .limit(Math.max(1, Math.min(max, 10_000)))
      .execute(),
  )
  return ok({
    logId: ctx.logId,
    events: rows.map((row) => ({
      n: row.n,
      logId: row.log_id,
      atMs: row.at_ms,
      accountUuid: row.account_uuid,
      kind: row.kind,
      ...(row.device_id === null ? {} : { deviceId: row.device_id }),
      ...(row.account_id === null ? {} : { accountId: row.account_id }),
      ...(row.detail === null ? {} : { detail: row.detail }),
    })),
  })
}
