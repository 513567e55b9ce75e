import { bytesToHex, err, ok, type Result, u64be } from "@keyferry/base"
import { CHAIN_VAULT } from "@keyferry/chain"
import type { Failure } from "@keyferry/protocol"
import type { CallParams, CallResult } from "@keyferry/strongroom-api"

import type { StrongroomContext } from "../context.ts"
import { acceptLoss } from "../lease/heads.ts"
import type { ChainHead } from "../lease/rows.ts"
import type { LeaseDatabase } from "../lease/store.ts"

/*
 * What a restored store has lost for certain, and the operator's word that it is lost for good.
 * Source: spec/leases.md LS14, LS16
 */
export const lossNoteName = (accountUuid: string): string => `loss:${accountUuid}`

/** Accounts that wait for a repair. Lengths are numbers of links: the one kept in the lease store, and what is there. */
export const listLosses = async (
  ctx: StrongroomContext,
  leases: LeaseDatabase,
): Promise<Result<CallResult<"losses">, Failure>> => {
  const byAccount = new Map<string, ChainHead[]>()
  for (const head of leases.allBehind()) {
    const name = bytesToHex(head.accountId)
    byAccount.set(name, [...(byAccount.get(name) ?? []), head])
  }
  const accounts: CallResult<"losses">["accounts"][number][] = []
  for (const heads of byAccount.values()) {
    const [first] = heads
    if (first === undefined) continue
    const row = await ctx.store.read((db) =>
      db.selectFrom("account").select("uuid").where("id", "=", first.accountId).executeTakeFirst(),
    )
    const chains = []
    for (const head of heads) chains.push([nameOf(head), head.id, head.seq, await lengthOf(ctx, head)] as const)
    accounts.push({ accountId: first.accountId, chains, ...(row === undefined ? {} : { accountUuid: row.uuid }) })
  }
  return ok({ accounts })
}

const nameOf = ({ kind }: ChainHead): string => (kind === CHAIN_VAULT ? "vault" : "account")

const lengthOf = (ctx: StrongroomContext, { kind, id }: ChainHead): Promise<number> =>
  ctx.store.read(async (db) => {
    const row =
      kind === CHAIN_VAULT
        ? await db.selectFrom("vault").select("head_seq").where("id", "=", id).executeTakeFirst()
        : await db.selectFrom("account").select("head_seq").where("id", "=", id).executeTakeFirst()
    return row?.head_seq ?? 0
  })

/** From here on the account is served as it is; its devices are told, and each person decides. Errors: not-found */
export const acceptLossOf = async (
  ctx: StrongroomContext,
  leases: LeaseDatabase,
  { accountId }: CallParams<"acceptLoss">,
): Promise<Result<CallResult<"acceptLoss">, Failure>> => {
  const heads = leases.behindOf(accountId)
  if (heads.length === 0) return err({ code: "not-found", detail: "No chain of this account waits for a repair." })
  const account = await ctx.store.read((db) =>
    db.selectFrom("account").select("uuid").where("id", "=", accountId).executeTakeFirst(),
  )
  // The word first: a device that is served again must be able to learn why its history does not fit.
  if (account !== undefined) {
    const { uuid } = account
    await ctx.change(async ({ tx, event }) => {
      const value = u64be(ctx.clock.nowMs())
      await tx
        .insertInto("meta")
        .values({ name: lossNoteName(uuid), value })
        .onConflict((c) => c.column("name").doUpdateSet({ value }))
        .execute()
      const lost = heads.map(nameOf).join(", ")
      await event({ accountUuid: uuid, accountId, kind: "loss-accepted", detail: lost })
    })
  }
  await acceptLoss(ctx, leases, accountId)
  ctx.log({ level: "warn", what: "loss-accepted", account: bytesToHex(accountId).slice(0, 12) })
  return ok({ chains: heads.length })
}

/** What stands under an account's `lossNoteName`: milliseconds since 1970. */
export const lossAcceptedMs = (note: Uint8Array): number =>
  Number(new DataView(note.buffer, note.byteOffset, 8).getBigUint64(0))
