import { err, ok, type Result } from "@keyferry/base"
import type { Failure } from "@keyferry/protocol"
import { rollBack } from "@keyferry/store"
import type { CallParams, CallResult } from "@keyferry/strongroom-api"

import type { Change, StrongroomContext, Tx } from "../context.ts"
import type { Handler, Handlers } from "../execute.ts"
import { changeBy, endAttempts, IN_CHAIN_STATES, moveDevice, WAITING_STATES } from "./devices.ts"
import { askToWait, endWaiting, THAW_SUBJECT, type WaitedFor } from "./waiting-period.ts"

/*
 * An account that is frozen gives nothing to anybody: no lease, no sync, no new device, no change. Freezing needs next to
 * no proof, because it takes nothing from the person but time; thawing needs a device and its second factor, or 72 hours.
 * Source: spec/devices.md DV22–DV24, order: spec/leases.md LS15
 */
const thawOf = (accountUuid: string): WaitedFor => ({ accountUuid, what: "thaw", subject: THAW_SUBJECT })
const notFound = err<Failure>({ code: "not-found" })

/** Every device that could be answered by the lease store, or become one that is. */
const leasedDevices = async (tx: Pick<Tx, "selectFrom">, accountUuid: string): Promise<readonly Uint8Array[]> => {
  const rows = await tx
    .selectFrom("device")
    .select("id")
    .where("account_uuid", "=", accountUuid)
    .where("state", "in", ["reserved", ...WAITING_STATES, ...IN_CHAIN_STATES])
    .execute()
  return rows.map((row) => row.id)
}

/** Under the account's row lock. Frozen already, it only stops a thaw that somebody waits for. */
const freeze = async (
  ctx: StrongroomContext,
  change: Change,
  about: { readonly accountUuid: string; readonly deviceId?: Uint8Array; readonly detail?: string },
): Promise<Result<{ readonly frozen: boolean }, Failure>> => {
  const { tx } = change
  const { accountUuid } = about
  const account = await tx
    .selectFrom("account")
    .select(["id", "frozen"])
    .where("uuid", "=", accountUuid)
    .executeTakeFirst()
  if (account === undefined || account.id === null) return notFound
  const event = { ...about, accountId: account.id }
  if (await endWaiting(tx, thawOf(accountUuid))) await change.event({ ...event, kind: "thaw-cancelled" })
  if (account.frozen === 1) return ok({ frozen: true })
  // First here: if this process ends before the main commit, the start finds the lease store frozen and finishes it.
  const devices = await leasedDevices(tx, accountUuid)
  await ctx.leases.setFrozen(devices, true)
  await tx.updateTable("account").set({ frozen: 1 }).where("uuid", "=", accountUuid).execute()
  await endWaitingDevices(ctx, change, accountUuid)
  await change.event({ ...event, kind: "account-frozen" })
  change.notify({ accountUuid, closed: devices })
  return ok({ frozen: true })
}

/** A device that waits for a person would otherwise be let in by a link or a code while nothing may happen. */
const endWaitingDevices = async (ctx: StrongroomContext, change: Change, accountUuid: string): Promise<void> => {
  const waiting = await change.tx
    .selectFrom("device")
    .select("id")
    .where("account_uuid", "=", accountUuid)
    .where("state", "in", [...WAITING_STATES])
    .execute()
  for (const { id } of waiting) {
    await moveDevice(change.tx, id, WAITING_STATES, "expired", ctx.clock.nowMs())
    await endAttempts(change.tx, id, "expired")
    await change.event({ accountUuid, deviceId: id, kind: "device-expired" })
  }
}

/** By the link of a security mail, or by an operator. Asked again it answers the same. Errors: not-found */
export const freezeAccount = async (
  ctx: StrongroomContext,
  { accountUuid, by }: CallParams<"freeze">,
): Promise<Result<CallResult<"freeze">, Failure>> => {
  const { value } = await ctx.change(async (change) => {
    await change.lockAccount(accountUuid)
    const frozen = await freeze(ctx, change, { accountUuid, detail: by })
    return frozen.ok ? frozen : rollBack(frozen)
  })
  return value
}

const freezeByDevice: Handler<"account.freeze"> = async (ctx, { device }) => {
  const { accountUuid, deviceId } = device
  // Not `changeBy`: a device whose lease is locked may freeze.
  const { value, commit } = await ctx.change(async (change) => {
    await change.lockAccount(accountUuid)
    const frozen = await freeze(ctx, change, { accountUuid, deviceId, detail: "device" })
    return frozen.ok ? frozen : rollBack(frozen)
  })
  return value.ok ? ok({ reply: value.value, commit }) : value
}

const thaw = async (
  change: Change,
  about: { readonly accountUuid: string; readonly deviceId?: Uint8Array; readonly detail: string },
): Promise<void> => {
  const { numUpdatedRows } = await change.tx
    .updateTable("account")
    .set({ frozen: 0 })
    .where("uuid", "=", about.accountUuid)
    .where("frozen", "=", 1)
    .executeTakeFirst()
  await endWaiting(change.tx, thawOf(about.accountUuid))
  if (numUpdatedRows === 1n) await change.event({ ...about, kind: "account-thawed" })
}

/**
 * After the main commit. Under the row lock again: an account that somebody froze meanwhile stays frozen in both stores.
 */
const thawLeases = async (ctx: StrongroomContext, accountUuid: string): Promise<void> => {
  await ctx.change(async (change) => {
    await change.lockAccount(accountUuid)
    const account = await change.tx
      .selectFrom("account")
      .select("frozen")
      .where("uuid", "=", accountUuid)
      .executeTakeFirst()
    if (account?.frozen === 0) await ctx.leases.setFrozen(await leasedDevices(change.tx, accountUuid), false)
  })
}

/** The verifier has seen the second factor of this device within five minutes. */
const thawByDevice: Handler<"account.thaw"> = async (ctx, { device }) => {
  const { accountUuid, deviceId } = device
  const { value, commit } = await changeBy(ctx, device, async (change) => {
    await thaw(change, { accountUuid, deviceId, detail: "device" })
    return ok(undefined)
  })
  if (!value.ok) return value
  await thawLeases(ctx, accountUuid)
  return ok({ reply: { frozen: false }, commit })
}

/**
 * Without the factor, or without any device: begins the 72 hours, says how long they still last, or thaws once they are
 * over. Errors: not-found
 */
export const waitForThaw = async (
  ctx: StrongroomContext,
  about: { readonly accountUuid: string; readonly deviceId?: Uint8Array },
): Promise<Result<CallResult<"thawWait">, Failure>> => {
  const { accountUuid } = about
  const { value } = await ctx.change(async (change) => {
    const { tx } = change
    await change.lockAccount(accountUuid)
    const account = await tx
      .selectFrom("account")
      .select(["id", "frozen"])
      .where("uuid", "=", accountUuid)
      .executeTakeFirst()
    if (account === undefined || account.id === null) return rollBack(notFound)
    if (account.frozen === 0) return ok({ frozen: false, readyAtMs: 0 })
    const waiting = await askToWait(tx, thawOf(accountUuid), ctx.clock.nowMs())
    if (waiting.isNew) await change.event({ ...about, accountId: account.id, kind: "thaw-requested" })
    if (waiting.isOpen) await thaw(change, { ...about, detail: "waited" })
    return ok({ frozen: !waiting.isOpen, readyAtMs: waiting.readyAtMs })
  })
  if (value.ok && !value.value.frozen) await thawLeases(ctx, accountUuid)
  return value
}

const waitByDevice: Handler<"account.thaw-wait"> = async (ctx, { device }) => {
  const waiting = await waitForThaw(ctx, device)
  return waiting.ok ? ok({ reply: waiting.value }) : waiting
}

/**
 * At every start: an account whose lease store is frozen is frozen. That finishes a freeze that a crash cut off, and a main
 * store restored from before a freeze does not lift it. A thaw that was cut off is asked for again.
 */
export const finishFreezes = async (ctx: StrongroomContext, frozen: readonly Uint8Array[]): Promise<number> => {
  let finished = 0
  for (const deviceId of frozen) {
    const row = await ctx.store.read((db) =>
      db
        .selectFrom("device")
        .innerJoin("account", "account.uuid", "device.account_uuid")
        .select("account.uuid")
        .where("device.id", "=", deviceId)
        .where("account.frozen", "=", 0)
        .executeTakeFirst(),
    )
    if (row === undefined) continue
    const { value } = await ctx.change(async (change) => {
      await change.lockAccount(row.uuid)
      return freeze(ctx, change, { accountUuid: row.uuid, detail: "restart" })
    })
    if (value.ok) finished++
  }
  return finished
}

export const freezeHandlers = {
  "account.freeze": freezeByDevice,
  "account.thaw": thawByDevice,
  "account.thaw-wait": waitByDevice,
} as const satisfies Partial<Handlers>
