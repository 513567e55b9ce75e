import { equalBytes, err, formatId, ok, type Result } from "@keyferry/base"
import { type Failure, failure } from "@keyferry/protocol"

import { parseAddress } from "../policy/address.ts"
import { findAccountByAddress, listAccounts } from "../store/accounts.ts"
import { appendAudit } from "../store/audit.ts"
import type { Context } from "./context.ts"

/** One account that waits for a repair by its devices. Steps are numbers of links. */
export interface LossLine {
  readonly accountId: string
  /** Absent where this server's own store knows no such account. */
  readonly address?: string
  readonly lost: readonly { readonly what: string; readonly kept: number; readonly here: number }[]
}

/** What a restored server has lost for certain. Empty where nothing was restored, or everything came back. */
export const listLosses = async (context: Context): Promise<Result<readonly LossLine[], Failure>> => {
  const kept = await context.strongroom.call("losses", {})
  if (!kept.ok) return kept
  const rows = await context.store.read(listAccounts)
  return ok(
    kept.value.accounts.map(({ accountId, chains }) => {
      const row = rows.find((one) => one.account_id !== null && equalBytes(one.account_id, accountId))
      return {
        accountId: formatId("acc", accountId),
        ...(row === undefined ? {} : { address: row.address }),
        lost: chains.map(([what, , keptSeq, here]) => ({ what, kept: keptSeq, here })),
      }
    }),
  )
}

/** Gives up what an account has lost, named by address or id: it is served as it is. Errors: not-found */
export const acceptLoss = async (context: Context, account: string): Promise<Result<LossLine, Failure>> => {
  const address = parseAddress(account)
  const byAddress = address.ok
    ? await context.store.read((db) => findAccountByAddress(db, address.value.key))
    : undefined
  const id = byAddress?.account_id ?? undefined
  const name = id === undefined ? account : formatId("acc", id)
  const losses = await listLosses(context)
  if (!losses.ok) return losses
  const line = losses.value.find(({ accountId }) => accountId === name)
  const kept = await context.strongroom.call("losses", {})
  if (!kept.ok) return kept
  const known = kept.value.accounts.find(({ accountId }) => formatId("acc", accountId) === name)
  if (line === undefined || known === undefined)
    return err(failure("not-found", "No account of that address or id waits for a repair. See keyferry loss ls."))
  const accepted = await context.strongroom.call("acceptLoss", { accountId: known.accountId })
  if (!accepted.ok) return accepted
  const { store, clock, events } = context
  await store.transaction((tx) =>
    appendAudit(store, tx, {
      atMs: clock.nowMs(),
      ...(known.accountUuid === undefined ? {} : { accountUuid: known.accountUuid }),
      kind: "operator-accepted-loss",
    }),
  )
  await events.catchUp()
  return ok(line)
}
