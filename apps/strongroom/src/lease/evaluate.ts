import { bytesToBase64url, err, ok, parseId, type Result, secret } from "@keyferry/base"
import { DEFAULT_POLICY } from "@keyferry/chain"
import { evaluate, type Evaluation } from "@keyferry/crypto"
import type { Failure } from "@keyferry/protocol"

import type { SigningDevice, StrongroomContext } from "../context.ts"
import { fieldBytes, type Handler } from "../execute.ts"
import type { BegunEvaluation, LeaseDatabase } from "./store.ts"
import { expiryMs, type LeaseGrant, makeLeaseToken } from "./token.ts"

/**
 * One blind evaluation under the device's lease key.
 * Transaction A counts it and reads the key; the work happens outside; transaction B decides whether there is an answer.
 * Errors: malformed, lease-refused, lease-locked, account-frozen, kms-unavailable
 * Source   spec/leases.md LS3–LS6
 */
export const evaluateLease =
  (leases: LeaseDatabase): Handler<"lease.evaluate"> =>
  async (ctx, { device }, body) => {
    const leaseId = parseId("lea", body.leaseId)
    const blinded = fieldBytes(body.blinded, 32)
    if (!leaseId.ok || !blinded.ok) return err({ code: "malformed" })
    const place = await placeOf(ctx, device)
    const begun = await leases.beginEvaluation(device.deviceId, leaseId.value)
    if (!begun.ok) {
      if (begun.error.code === "lease-locked") await lockDevice(ctx, device)
      return begun
    }
    const evaluation = await evaluateOutside(ctx, leases, begun.value, blinded.value)
    if (!evaluation.ok) return evaluation
    const token = await grant(ctx, leases, device.deviceId, leaseId.value, place)
    if (!token.ok) return token
    const { evaluated, proof } = evaluation.value
    return ok({
      reply: {
        evaluated: bytesToBase64url(evaluated),
        proof: bytesToBase64url(proof),
        attempt: begun.value.attempt,
        token: token.value,
      },
    })
  }

/** Transaction B and the token that proves its answer. Errors: lease-refused, account-frozen */
export const grant = async (
  ctx: StrongroomContext,
  leases: LeaseDatabase,
  deviceId: Uint8Array,
  leaseId: Uint8Array,
  place: Pick<LeaseGrant, "account" | "graceS">,
): Promise<Result<string, Failure>> => {
  const nowMs = ctx.clock.nowMs()
  const settled = await leases.settle(deviceId, leaseId, expiryMs(nowMs, place.graceS))
  if (!settled.ok) return settled
  const { serial } = settled.value
  return ok(await makeLeaseToken(ctx.leaseTokens, { ...place, deviceId, leaseId, nowMs, serial }))
}

/** Head and grace of the account; a device that signs up has no account yet. */
export const placeOf = async (
  ctx: StrongroomContext,
  device: SigningDevice,
): Promise<Pick<LeaseGrant, "account" | "graceS">> => {
  const state = await ctx.store.read((db) => ctx.accounts.read(db, device.accountUuid))
  return state === undefined
    ? { account: [0, new Uint8Array(32)], graceS: DEFAULT_POLICY.graceMaxS }
    : { account: [state.head.seq, state.head.hash], graceS: state.policy.graceMaxS }
}

const evaluateOutside = async (
  ctx: StrongroomContext,
  { kek }: LeaseDatabase,
  { row }: BegunEvaluation,
  blinded: Uint8Array,
): Promise<Result<Evaluation, Failure>> => {
  const place = { deviceId: row.device_id, leaseId: row.lease_id }
  const plain = await kek.unwrap({ kekId: row.kek_id, sealed: row.sealed }, place)
  if (!plain.ok) return plain
  using secretKey = secret<"LeaseKey">(plain.value)
  const done = evaluate(ctx.random, { secretKey, publicKey: row.lease_pk }, blinded)
  return done.ok ? done : err({ code: "malformed" })
}

/** The lease row refused already; the device row says so to others, and the person is told. */
const lockDevice = async (ctx: StrongroomContext, device: SigningDevice): Promise<void> => {
  await ctx.change(async ({ tx, event, notify }) => {
    const { numUpdatedRows } = await tx
      .updateTable("device")
      .set({ state: "lease-locked", state_ms: ctx.clock.nowMs() })
      .where("id", "=", device.deviceId)
      .where("state", "in", ["active", "approved"])
      .executeTakeFirstOrThrow()
    if (numUpdatedRows === 0n) return
    await event({ accountUuid: device.accountUuid, kind: "device-lease-locked", deviceId: device.deviceId })
    notify({ accountUuid: device.accountUuid, closed: [device.deviceId] })
  })
}
