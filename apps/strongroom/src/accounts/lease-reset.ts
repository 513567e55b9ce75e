import { equalBytes, err, ok, type Result } from "@keyferry/base"
import { HOLDER_PASSKEY, holderAt } from "@keyferry/chain"
import { verifyLeaseReset } from "@keyferry/crypto"
import type { Failure } from "@keyferry/protocol"
import { rollBack } from "@keyferry/store"
import type { CallParams, CallResult } from "@keyferry/strongroom-api"

import type { StrongroomContext } from "../context.ts"
import { moveDevice, stateInChain } from "./devices.ts"

/**
 * Opens a lease that ten failed unlocks closed. At level 2, with the signature of a password or recovery slot, or of
 * another active device, over exactly this device, lease and count.
 * Errors: not-found, lease-refused, signature-invalid. Source: spec/devices.md DV20
 */
export const leaseReset = async (
  ctx: StrongroomContext,
  { accountUuid, deviceId, leaseId, attempt, slotId, signature }: CallParams<"leaseReset">,
): Promise<Result<CallResult<"leaseReset">, Failure>> => {
  const refused = err<Failure>({ code: "lease-refused" })
  // Before anything moves: a signature over another count opens nothing.
  const held = await ctx.leases.attempts(deviceId)
  if (held === undefined || held.attempts !== attempt || !equalBytes(held.leaseId, leaseId)) return refused
  const { value } = await ctx.change(async (change) => {
    const { tx } = change
    await change.lockAccount(accountUuid)
    const row = await tx
      .selectFrom("device")
      .select(["state", "lease_id"])
      .where("id", "=", deviceId)
      .where("account_uuid", "=", accountUuid)
      .executeTakeFirst()
    const chain = await ctx.accounts.read(tx, accountUuid)
    const account = await tx.selectFrom("account").select("frozen").where("uuid", "=", accountUuid).executeTakeFirst()
    if (account?.frozen === 1) return rollBack(err<Failure>({ code: "account-frozen" }))
    if (row === undefined || chain === undefined) return rollBack(err<Failure>({ code: "not-found" }))
    const isLeased = ["pending-first", "approved", "active", "lease-locked"].includes(row.state)
    if (!isLeased || !equalBytes(row.lease_id, leaseId)) return rollBack(refused)
    const holder = holderAt(chain, slotId, chain.head.seq)?.holder
    if (holder === undefined || holder.kind === HOLDER_PASSKEY || equalBytes(holder.id, deviceId))
      return rollBack(refused)
    const isSigned = await verifyLeaseReset(ctx.primitives, holder.sigPk, { deviceId, leaseId, attempt }, signature)
    if (!isSigned) return rollBack(err<Failure>({ code: "signature-invalid" }))
    const state = row.state === "lease-locked" ? await stateInChain(tx, accountUuid) : row.state
    if (row.state === "lease-locked") {
      await moveDevice(tx, deviceId, ["lease-locked"], state === "active" ? "active" : "approved", ctx.clock.nowMs())
      await change.event({ accountUuid, deviceId, accountId: chain.id, kind: "device-active", detail: "lease-reset" })
    }
    // Thawing goes to the main store first; if this process ends in between, the same request can be sent again.
    return ok({ state })
  })
  if (!value.ok) return value
  return (await ctx.leases.resetAttempts(deviceId, attempt)) ? value : refused
}
