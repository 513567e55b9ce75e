import { err, ok, parseId } from "@keyferry/base"
import { verifyLabel, verifyUnlockOk } from "@keyferry/crypto"

import { moveDevice, stateInChain, stateOf } from "../accounts/devices.ts"
import type { SigningDevice, StrongroomContext } from "../context.ts"
import { fieldBytes, type Handler } from "../execute.ts"
import { grant, placeOf } from "./evaluate.ts"
import type { LeaseDatabase } from "./store.ts"

const CREATED_WINDOW_S = 60

/**
 * The device shows with its chain key, which only the opened bundle holds, that an evaluation succeeded. Counting starts
 * anew, and a device that was approved is active from here on.
 * Errors: malformed, signature-invalid, replay-rejected (not an evaluation since the last success), lease-refused
 * Source   spec/leases.md LS8
 */
export const leaseUnlocked =
  (leases: LeaseDatabase): Handler<"lease.unlocked"> =>
  async (ctx, { device }, body) => {
    const leaseId = parseId("lea", body.leaseId)
    const signature = fieldBytes(body.signature, 64)
    if (!leaseId.ok || !signature.ok) return err({ code: "malformed" })
    const proven = { deviceId: device.deviceId, leaseId: leaseId.value, attempt: body.attempt }
    if (!(await verifyUnlockOk(ctx.primitives, device.sigPk, proven, signature.value)))
      return err({ code: "signature-invalid" })
    if (!(await leases.unlocked(device.deviceId, leaseId.value, body.attempt))) return err({ code: "replay-rejected" })
    return ok({ reply: { state: await activate(ctx, device) } })
  }

/** A device that was approved may sync from here on, if the account has a second factor. */
const activate = async (ctx: StrongroomContext, device: SigningDevice): Promise<string> => {
  if (device.state !== "approved") return device.state
  const { accountUuid, accountId, deviceId } = device
  const { value } = await ctx.change(async ({ tx, event, lockAccount }) => {
    await lockAccount(accountUuid)
    if ((await stateInChain(tx, accountUuid)) === "approved") return "approved"
    if (await moveDevice(tx, deviceId, ["approved"], "active", ctx.clock.nowMs()))
      await event({ accountUuid, accountId, deviceId, kind: "device-active" })
    return (await stateOf(tx, deviceId)) ?? device.state
  })
  return value
}

/**
 * A new token without an evaluation, for a device that is unlocked: its chain key signs.
 * Errors: malformed, clock-skew, signature-invalid, lease-refused, account-frozen
 * Source   spec/leases.md LS9
 */
export const renewLease =
  (leases: LeaseDatabase): Handler<"lease.renew"> =>
  async (ctx, { device }, body) => {
    const leaseId = parseId("lea", body.leaseId)
    const signature = fieldBytes(body.signature, 64)
    if (!leaseId.ok || !signature.ok) return err({ code: "malformed" })
    const nowMs = ctx.clock.nowMs()
    if (Math.abs(body.createdS - nowMs / 1000) > CREATED_WINDOW_S)
      return err({ code: "clock-skew", serverTimeMs: nowMs })
    const parts = [device.deviceId, leaseId.value, body.createdS] as const
    if (!(await verifyLabel(ctx.primitives, device.sigPk, signature.value, "kf1/lease-renew", ...parts)))
      return err({ code: "signature-invalid" })
    const token = await grant(ctx, leases, device.deviceId, leaseId.value, await placeOf(ctx, device))
    return token.ok ? ok({ reply: { token: token.value } }) : token
  }
