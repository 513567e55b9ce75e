import { err, ok, parseId, type Result } from "@keyferry/base"
import { HOLDER_DEVICE, holderOf } from "@keyferry/chain"
import type { Failure } from "@keyferry/protocol"

import type { StrongroomContext } from "../context.ts"
import type { Handler } from "../execute.ts"
import { prevSealedPlace, wrapPlace } from "../places.ts"
import { accountLinksAfter } from "./pull.ts"

/*
 * The account's chain and keys, as devices and slots read them. Records are not among them.
 * Source: spec/feed.md SY86, SY88
 */

/**
 * Query `after=<seq>`: links after that one. A removed device learns the links up to the one that removed it, and no
 * further. Errors: malformed
 */
export const accountChain: Handler<"account.chain"> = async (ctx, { device, query }) => {
  const after = numberIn(query, "after")
  if (after === undefined) return err({ code: "malformed" })
  const links = await ctx.store.snapshot(async (db) => {
    if (device.state !== "removed") return accountLinksAfter(db, device.accountUuid, after)
    const state = await ctx.accounts.read(db, device.accountUuid)
    const removedAt = state === undefined ? 0 : holderOf(state, device.deviceId)?.removedAt
    return accountLinksAfter(db, device.accountUuid, after, removedAt ?? 0)
  })
  return ok({ reply: { links } })
}

/** A slot needs the chain from its beginning, to find the link that it countersigned itself. */
export const enrolChain: Handler<"enrol.chain"> = async (ctx, { device }) =>
  ok({ reply: { links: await ctx.store.read((db) => accountLinksAfter(db, device.accountUuid, 0)) } })

/** Every wrap and every sealed older key of the account, for devices, which keep them for a repair. */
export const accountKeys: Handler<"account.keys"> = async (ctx, { device }) => {
  const rows = await ctx.store.snapshot(async (db) => ({
    wraps: await db
      .selectFrom("account_wrap")
      .select(["seq", "epoch", "recipient", "sealed_entry"])
      .where("account_uuid", "=", device.accountUuid)
      .orderBy("seq")
      .orderBy("recipient")
      .execute(),
    older: await db
      .selectFrom("account_prev_sealed")
      .select(["epoch", "sealed_bytes"])
      .where("account_uuid", "=", device.accountUuid)
      .orderBy("epoch")
      .execute(),
  }))
  const { primitives: p } = ctx
  const wraps = await openRows(ctx, device.accountId, rows.wraps)
  if (!wraps.ok) return wraps
  const older = await ctx.atRest.decryptAll(
    rows.older.map((row) => ({
      place: prevSealedPlace(p, device.accountId, device.accountId, row.epoch),
      sealed: row.sealed_bytes,
    })),
  )
  if (!older.ok) return older
  const prevSealed = rows.older.map((row, i) => [row.epoch, older.value[i] ?? new Uint8Array()] as const)
  return ok({ reply: { wraps: wraps.value, prevSealed } })
}

/** Query `slot=<slt_…>`: exactly the wraps addressed to that slot, and nothing else; a device's are not among them. Errors: malformed */
export const enrolSlotWraps: Handler<"enrol.slot-wraps"> = async (ctx, { device, query }) => {
  const slotId = parseId("slt", new URLSearchParams(query).get("slot") ?? "")
  if (!slotId.ok) return err({ code: "malformed" })
  const rows = await ctx.store.snapshot(async (db) => {
    const state = await ctx.accounts.read(db, device.accountUuid)
    const holder = state === undefined ? undefined : holderOf(state, slotId.value)?.holder
    if (holder === undefined || holder.kind === HOLDER_DEVICE) return []
    return db
      .selectFrom("account_wrap")
      .select(["seq", "epoch", "recipient", "sealed_entry"])
      .where("account_uuid", "=", device.accountUuid)
      .where("recipient", "=", slotId.value)
      .orderBy("seq")
      .execute()
  })
  const wraps = await openRows(ctx, device.accountId, rows)
  return wraps.ok ? ok({ reply: { wraps: wraps.value, prevSealed: [] } }) : wraps
}

const openRows = async (
  ctx: StrongroomContext,
  accountId: Uint8Array,
  rows: readonly {
    readonly seq: number
    readonly epoch: number
    readonly recipient: Uint8Array
    readonly sealed_entry: Uint8Array
  }[],
): Promise<Result<readonly (readonly [epoch: number, entry: Uint8Array])[], Failure>> => {
  const opened = await ctx.atRest.decryptAll(
    rows.map((row) => ({
      place: wrapPlace(ctx.primitives, accountId, accountId, row.seq, row.recipient),
      sealed: row.sealed_entry,
    })),
  )
  return opened.ok ? ok(rows.map((row, i) => [row.epoch, opened.value[i] ?? new Uint8Array()] as const)) : opened
}

/** A decimal number of the query, 0 where it is not given, `undefined` for anything else. */
const numberIn = (query: string, name: string): number | undefined => {
  const text = new URLSearchParams(query).get(name) ?? "0"
  return /^\d{1,15}$/.test(text) ? Number(text) : undefined
}
