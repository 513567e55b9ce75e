import { equalBytes, err, ok, parseId, type Result } from "@keyferry/base"
import { HOLDER_PASSKEY, holderAt } from "@keyferry/chain"
import { verifyLeaseReset } from "@keyferry/crypto"
import type { Failure } from "@keyferry/protocol"
import { type RollBack, rollBack } from "@keyferry/store"
import type { CallParams, CallResult } from "@keyferry/strongroom-api"

import type { Change, StrongroomContext } from "../context.ts"
import { fieldBytes, type Handler, type Handlers } from "../execute.ts"
import { changeBy, moveDevice, stateInChain, tellDevices } from "./devices.ts"
import { askToWait, endWaiting, readWaiting, type WaitedFor } from "./waiting-period.ts"

/*
 * Opens a lease that ten failed unlocks closed. The device itself has signed in again (level 2); with that goes one of: the
 * signature of a password or recovery slot, the signature of another active device, or 72 hours that any device can stop.
 * Source: spec/devices.md DV20, DV25
 */
const refused = err<Failure>({ code: "lease-refused" })
const notFound = err<Failure>({ code: "not-found" })
type Refusal = RollBack<Result<never, Failure>>

const resetOf = (accountUuid: string, deviceId: Uint8Array): WaitedFor => ({
  accountUuid,
  what: "lease-reset",
  subject: deviceId,
})

interface Locked {
  readonly state: string
  readonly leaseId: Uint8Array
  readonly accountId: Uint8Array
}

/** The device as its row is now, under the account's row lock. `authPk`: it must be this device that signed in. */
const leasedDevice = async (
  { tx }: Change,
  accountUuid: string,
  deviceId: Uint8Array,
  authPk?: Uint8Array,
): Promise<Result<Locked, Failure>> => {
  const row = await tx
    .selectFrom("device")
    .innerJoin("account", "account.uuid", "device.account_uuid")
    .select(["device.state", "device.lease_id", "device.auth_pk", "account.frozen", "account.id as account_id"])
    .where("device.id", "=", deviceId)
    .where("device.account_uuid", "=", accountUuid)
    .executeTakeFirst()
  if (row === undefined || row.account_id === null) return notFound
  if (row.frozen === 1) return err({ code: "account-frozen" })
  if (authPk !== undefined && !equalBytes(row.auth_pk, authPk)) return refused
  if (!["pending-first", "approved", "active", "lease-locked"].includes(row.state)) return refused
  return ok({ state: row.state, leaseId: row.lease_id, accountId: row.account_id })
}

/** Back to what it was before it was locked. What anybody waited for is over. */
const open = async (
  ctx: StrongroomContext,
  change: Change,
  { accountUuid, deviceId }: { readonly accountUuid: string; readonly deviceId: Uint8Array },
  { state, accountId }: Locked,
): Promise<string> => {
  const { tx } = change
  await endWaiting(tx, resetOf(accountUuid, deviceId))
  if (state !== "lease-locked") return state
  const next = (await stateInChain(tx, accountUuid)) === "active" ? "active" : "approved"
  await moveDevice(tx, deviceId, ["lease-locked"], next, ctx.clock.nowMs())
  await change.event({ accountUuid, deviceId, accountId, kind: "device-active", detail: "lease-reset" })
  return next
}

/** The chain holds the signer, it is no passkey and not the device itself, and it signed exactly this count. */
const isSignedByOther = async (
  ctx: StrongroomContext,
  change: Change,
  about: {
    readonly accountUuid: string
    readonly deviceId: Uint8Array
    readonly leaseId: Uint8Array
    readonly attempt: number
  },
  signer: Uint8Array,
  signature: Uint8Array,
): Promise<Failure | undefined> => {
  const chain = await ctx.accounts.read(change.tx, about.accountUuid)
  if (chain === undefined) return { code: "not-found" }
  const holder = holderAt(chain, signer, chain.head.seq)?.holder
  if (holder === undefined || holder.kind === HOLDER_PASSKEY || equalBytes(holder.id, about.deviceId))
    return { code: "lease-refused" }
  const { deviceId, leaseId, attempt } = about
  const isSigned = await verifyLeaseReset(ctx.primitives, holder.sigPk, { deviceId, leaseId, attempt }, signature)
  return isSigned ? undefined : { code: "signature-invalid" }
}

/** Errors: not-found, lease-refused, signature-invalid, account-frozen */
export const leaseReset = async (
  ctx: StrongroomContext,
  { accountUuid, deviceId, leaseId, attempt, slotId, signature, authPk }: CallParams<"leaseReset">,
): Promise<Result<CallResult<"leaseReset">, Failure>> => {
  // Before anything moves: a signature over another count opens nothing.
  const held = await ctx.leases.attempts(deviceId)
  if (held === undefined || held.attempts !== attempt || !equalBytes(held.leaseId, leaseId)) return refused
  const { value } = await ctx.change(async (change): Promise<Result<{ state: string }, Failure> | Refusal> => {
    await change.lockAccount(accountUuid)
    const locked = await leasedDevice(change, accountUuid, deviceId, authPk)
    if (!locked.ok) return rollBack(locked)
    if (!equalBytes(locked.value.leaseId, leaseId)) return rollBack(refused)
    const about = { accountUuid, deviceId, leaseId, attempt }
    const unsigned = await isSignedByOther(ctx, change, about, slotId, signature)
    if (unsigned !== undefined) return rollBack(err(unsigned))
    return ok({ state: await open(ctx, change, { accountUuid, deviceId }, locked.value) })
  })
  if (!value.ok) return value
  // Thawing goes to the main store first; if this process ends in between, the same request can be sent again.
  return (await ctx.leases.resetAttempts(deviceId, attempt)) ? value : refused
}

/**
 * Without a slot: begins the 72 hours, in which another active device may sign for it or stop it, says how long they still
 * last, and opens the lease once they are over. Errors: not-found, lease-refused (not this device, or not locked), account-frozen
 */
export const leaseResetWait = async (
  ctx: StrongroomContext,
  { accountUuid, deviceId, authPk }: CallParams<"leaseResetWait">,
): Promise<Result<CallResult<"leaseResetWait">, Failure>> => {
  const held = await ctx.leases.attempts(deviceId)
  if (held === undefined) return refused
  type Answer = Result<{ state: string; readyAtMs: number; isOpen: boolean }, Failure>
  const { value } = await ctx.change(async (change): Promise<Answer | Refusal> => {
    await change.lockAccount(accountUuid)
    const locked = await leasedDevice(change, accountUuid, deviceId, authPk)
    if (!locked.ok) return rollBack(locked)
    if (!held.locked && locked.value.state !== "lease-locked")
      return ok({ state: locked.value.state, readyAtMs: 0, isOpen: false })
    const waiting = await askToWait(change.tx, resetOf(accountUuid, deviceId), ctx.clock.nowMs())
    const { readyAtMs, isOpen, isNew } = waiting
    const { accountId } = locked.value
    if (isNew) {
      await change.event({ accountUuid, deviceId, accountId, kind: "lease-reset-requested" })
      await tellDevices(change, accountUuid)
    }
    if (!isOpen) return ok({ state: "lease-locked", readyAtMs, isOpen })
    return ok({ state: await open(ctx, change, { accountUuid, deviceId }, locked.value), readyAtMs, isOpen })
  })
  if (!value.ok) return value
  const { state, readyAtMs, isOpen } = value.value
  if (isOpen && !(await ctx.leases.resetAttempts(deviceId, held.attempts))) return refused
  return ok({ state, readyAtMs })
}

/** Another active device, with its second factor, signs for one that has signed in again and waits. */
const byDevice: Handler<"devices.lease-reset"> = async (ctx, { device }, body) => {
  const target = parseId("dev", body.deviceId)
  const signature = fieldBytes(body.signature, 64)
  if (!target.ok || !signature.ok) return err({ code: "malformed" })
  const { accountUuid } = device
  const deviceId = target.value
  const held = await ctx.leases.attempts(deviceId)
  if (held === undefined || held.attempts !== body.attempt) return refused
  const { value, commit } = await changeBy(ctx, device, async (change): Promise<Result<string, Failure> | Refusal> => {
    const locked = await leasedDevice(change, accountUuid, deviceId)
    if (!locked.ok) return rollBack(locked)
    const waiting = await readWaiting(change.tx, resetOf(accountUuid, deviceId))
    if (waiting === undefined || waiting.open_until_ms <= ctx.clock.nowMs()) return rollBack(refused)
    const about = { accountUuid, deviceId, leaseId: held.leaseId, attempt: held.attempts }
    const unsigned = await isSignedByOther(ctx, change, about, device.deviceId, signature.value)
    if (unsigned !== undefined) return rollBack(err(unsigned))
    return ok(await open(ctx, change, { accountUuid, deviceId }, locked.value))
  })
  if (!value.ok) return value
  return (await ctx.leases.resetAttempts(deviceId, held.attempts))
    ? ok({ reply: { state: value.value }, commit })
    : refused
}

/** Any active device stops the 72 hours of another. */
const cancel: Handler<"devices.lease-reset-cancel"> = async (ctx, { device }, body) => {
  const target = parseId("dev", body.deviceId)
  if (!target.ok) return err({ code: "malformed" })
  const { accountUuid, accountId } = device
  const { value, commit } = await changeBy(ctx, device, async (change): Promise<Result<boolean, Failure>> => {
    const cancelled = await endWaiting(change.tx, resetOf(accountUuid, target.value))
    if (cancelled) await change.event({ accountUuid, accountId, deviceId: target.value, kind: "lease-reset-cancelled" })
    return ok(cancelled)
  })
  return value.ok ? ok({ reply: { cancelled: value.value }, commit }) : value
}

export const leaseResetHandlers = {
  "devices.lease-reset": byDevice,
  "devices.lease-reset-cancel": cancel,
} as const satisfies Partial<Handlers>
