import { err, isZero, ok, type Result } from "@keyferry/base"
import type { Failure } from "@keyferry/protocol"
import { rollBack } from "@keyferry/store"
import type { CallParams } from "@keyferry/strongroom-api"

import type { StrongroomContext } from "../context.ts"
import type { Tombstone } from "../lease-store.ts"
import { deviceTombstones } from "./devices.ts"

/**
 * Deletes an account that holds no vault: a sign-up that nobody confirmed, or one that a confirmed sign-up of the same
 * address replaces. Asked again it answers the same. Errors: not-allowed, where vaults exist. Source: spec/devices.md DV21
 */
export const deleteAccount = async (
  ctx: StrongroomContext,
  { accountUuid }: CallParams<"deleteAccount">,
): Promise<Result<Readonly<Record<string, never>>, Failure>> => {
  let buried: readonly Tombstone[] = []
  const { value } = await ctx.change(async (change) => {
    const { tx } = change
    buried = []
    const account = await change.lockAccount(accountUuid)
    if (account === undefined) return ok({})
    const vault = await tx
      .selectFrom("vault")
      .select("id")
      .where("account_uuid", "=", accountUuid)
      .limit(1)
      .executeTakeFirst()
    if (vault !== undefined) return rollBack(err<Failure>({ code: "not-allowed", detail: "The account has vaults." }))
    const devices = await tx
      .selectFrom("device")
      .select(["id", "sig_pk", "kem_pk", "auth_pk"])
      .where("account_uuid", "=", accountUuid)
      .execute()
    const zero = new Uint8Array(32)
    buried = [
      ...devices.flatMap((d) =>
        deviceTombstones(ctx.primitives, { id: d.id, sigPk: d.sig_pk, kemPk: d.kem_pk, authPk: d.auth_pk }, zero),
      ),
      ...(account.id === null ? [] : [{ what: "account", id: account.id, linkHash: zero } as const]),
    ]
    for (const table of [
      "attempt",
      "factor",
      "passkey",
      "passkey_challenge",
      "factor_tries",
      "factor_reset",
      "waiting_period",
      "recovery_code",
      "account_wrap",
      "account_prev_sealed",
      "account_link",
      "device",
    ] as const)
      await tx.deleteFrom(table).where("account_uuid", "=", accountUuid).execute()
    await tx.deleteFrom("account").where("uuid", "=", accountUuid).execute()
    const about = { accountUuid, ...(account.id === null ? {} : { accountId: account.id }) }
    await change.event({ ...about, kind: "account-deleted" })
    change.notify({ accountUuid, closed: devices.map((d) => d.id) })
    if (devices.length > 0)
      await ctx.leases.kill(
        devices.map((d) => d.id),
        buried,
      )
    return ok({})
  })
  if (value.ok && buried.length > 0) await ctx.leases.confirm(buried)
  return value
}

/**
 * Deletions that a crash cut off after the keys were destroyed and before the rows went: they are finished. What no crash
 * undoes any more is that nobody can open these devices' stores, so an account that stayed would be one that opens nowhere.
 * Source: spec/leases.md LS13
 */
export const finishDeletions = async (ctx: StrongroomContext, intents: readonly Tombstone[]): Promise<number> => {
  let finished = 0
  for (const { what, id, linkHash } of intents) {
    if (what !== "account" || !isZero(linkHash)) continue
    const account = await ctx.store.read((db) =>
      db.selectFrom("account").select("uuid").where("id", "=", id).executeTakeFirst(),
    )
    if (account === undefined) continue
    const deleted = await deleteAccount(ctx, { accountUuid: account.uuid })
    if (deleted.ok) finished++
  }
  return finished
}
