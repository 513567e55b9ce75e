import { equalBytes, err, ok, type Result } from "@keyferry/base"
import type { DeviceState, ErrorCode, Failure } from "@keyferry/protocol"
import { rollBack } from "@keyferry/store"
import type { CallParams, CallResult } from "@keyferry/strongroom-api"

import type { Change, StrongroomContext, Tx } from "../context.ts"
import type { Tombstone } from "../lease-store.ts"
import { activateReady, deviceTombstones, endAttempts, moveDevice, stateOf, tellDevices } from "./devices.ts"

/*
 * Confirming and rejecting a waiting device. The link and the device move in one transaction that starts with one
 * conditional update; whoever comes second finds nothing to move. Every failure looks the same on the page; the waiting
 * device is told which it was. Source: spec/devices.md DV10–DV13
 */
export const CODE_TRIES = 5
const FREEZE_MS = 24 * 3_600_000
const neutral = err<Failure>({ code: "verify-link-not-valid" })

interface Attempt {
  readonly deviceId: Uint8Array
  readonly accountUuid: string
}

/** Errors: verify-link-not-valid. Reading changes nothing. */
export const confirmDescribe = async (
  ctx: StrongroomContext,
  { tokenHash }: CallParams<"confirmDescribe">,
): Promise<Result<CallResult<"confirmDescribe">, Failure>> => {
  const row = await ctx.store.read((db) =>
    db
      .selectFrom("attempt")
      .innerJoin("device", "device.id", "attempt.device_id")
      .select(["device.platform", "attempt.made_ms", "attempt.state", "attempt.expires_ms"])
      .where("attempt.token_hash", "=", tokenHash)
      .executeTakeFirst(),
  )
  if (row === undefined || row.state !== "open" || row.expires_ms <= ctx.clock.nowMs()) return neutral
  return ok({ platform: row.platform, requestedAtMs: row.made_ms })
}

/** Errors: verify-link-not-valid, for everything. */
export const confirmCode = async (
  ctx: StrongroomContext,
  { tokenHash, code }: CallParams<"confirmCode">,
): Promise<Result<CallResult<"confirmCode">, Failure>> => {
  const attempt = await findAttempt(ctx, tokenHash)
  if (attempt === undefined) return neutral
  const { value } = await ctx.change(async (change) => {
    await change.lockAccount(attempt.accountUuid)
    const nowMs = ctx.clock.nowMs()
    const digits = code.replace(/[\s-]/g, "")
    const { numUpdatedRows } = await change.tx
      .updateTable("attempt")
      .set({ state: "verified" })
      .where("token_hash", "=", tokenHash)
      .where("state", "=", "open")
      .where("expires_ms", ">", nowMs)
      .where("tries", "<", CODE_TRIES)
      .where((e) =>
        e.exists(
          e
            .selectFrom("device")
            .select("device.id")
            .whereRef("device.id", "=", "attempt.device_id")
            .where("device.code", "=", digits)
            .where("device.state", "in", ["pending", "pending-first"])
            .where((d) => d.or([d("device.expires_ms", "=", 0), d("device.expires_ms", ">", nowMs)])),
        ),
      )
      .executeTakeFirst()
    if (numUpdatedRows === 1n) return ok({ state: await confirmOne(ctx, change, attempt) })
    await noteFailure(change.tx, tokenHash, attempt, digits, nowMs)
    // Committed: the try counts.
    return neutral
  })
  return value
}

const findAttempt = async (ctx: StrongroomContext, tokenHash: Uint8Array): Promise<Attempt | undefined> => {
  const row = await ctx.store.read((db) =>
    db
      .selectFrom("attempt")
      .select(["device_id", "account_uuid"])
      .where("token_hash", "=", tokenHash)
      .executeTakeFirst(),
  )
  return row === undefined ? undefined : { deviceId: row.device_id, accountUuid: row.account_uuid }
}

/** The device of a link or code that was just found good. Under the account's row lock. */
const confirmOne = async (
  ctx: StrongroomContext,
  change: Change,
  { deviceId, accountUuid }: Attempt,
): Promise<DeviceState> => {
  const { tx } = change
  const nowMs = ctx.clock.nowMs()
  await endAttempts(tx, deviceId, "superseded")
  await tx.updateTable("device").set({ link_reason: null }).where("id", "=", deviceId).execute()
  if (await moveDevice(tx, deviceId, ["pending"], "confirmed", nowMs)) {
    await change.event({ accountUuid, deviceId, kind: "device-confirmed" })
    await tellDevices(change, accountUuid)
    return "confirmed"
  }
  return confirmAccount(ctx, change, accountUuid, deviceId)
}

/** The first device: what is confirmed is the account. */
const confirmAccount = async (
  ctx: StrongroomContext,
  change: Change,
  accountUuid: string,
  deviceId: Uint8Array | undefined,
): Promise<DeviceState> => {
  const { tx } = change
  const { numUpdatedRows } = await tx
    .updateTable("account")
    .set({ confirmed_ms: ctx.clock.nowMs() })
    .where("uuid", "=", accountUuid)
    .where("confirmed_ms", "=", 0)
    .executeTakeFirst()
  if (deviceId !== undefined) await tx.updateTable("device").set({ code: null }).where("id", "=", deviceId).execute()
  if (numUpdatedRows === 1n)
    await change.event({ accountUuid, kind: "device-confirmed", ...(deviceId === undefined ? {} : { deviceId }) })
  await activateReady(ctx, change, accountUuid)
  const row = await tx
    .selectFrom("device")
    .select("state")
    .where("account_uuid", "=", accountUuid)
    .where("state", "in", ["active", "pending-first", "reserved"])
    .orderBy("created_ms")
    .limit(1)
    .executeTakeFirst()
  return (row?.state ?? "reserved") as DeviceState
}

/** Counts the try, and leaves the reason for the device that waits. */
const noteFailure = async (
  tx: Tx,
  tokenHash: Uint8Array,
  attempt: Attempt,
  digits: string,
  nowMs: number,
): Promise<void> => {
  const row = await tx
    .selectFrom("attempt")
    .select(["state", "tries", "expires_ms"])
    .where("token_hash", "=", tokenHash)
    .executeTakeFirstOrThrow()
  if (row.state !== "open") return noteReason(tx, attempt.deviceId, "verify-link-used")
  if (row.expires_ms <= nowMs) {
    await tx.updateTable("attempt").set({ state: "expired" }).where("token_hash", "=", tokenHash).execute()
    return noteReason(tx, attempt.deviceId, "verify-link-expired")
  }
  const tries = row.tries + 1
  const isDead = tries >= CODE_TRIES
  await tx
    .updateTable("attempt")
    .set({ tries, state: isDead ? "dead" : "open" })
    .where("token_hash", "=", tokenHash)
    .execute()
  await noteReason(tx, attempt.deviceId, isDead ? "verify-link-used" : "verify-code-wrong")
  // The code of another device, typed under this link: that device learns that the link was not its own.
  const other = await tx
    .selectFrom("device")
    .select(["id", "account_uuid"])
    .where("code", "=", digits)
    .where("state", "in", ["pending", "pending-first"])
    .executeTakeFirst()
  if (other !== undefined && !equalBytes(other.id, attempt.deviceId))
    await noteReason(
      tx,
      other.id,
      other.account_uuid === attempt.accountUuid ? "verify-link-wrong-device" : "verify-link-wrong-account",
    )
}

const noteReason = async (tx: Tx, deviceId: Uint8Array, reason: ErrorCode): Promise<void> => {
  await tx
    .updateTable("device")
    .set({ link_reason: reason })
    .where("id", "=", deviceId)
    .where("state", "in", ["pending", "pending-first"])
    .execute()
}

/** "This was not me": the device ends, its keys are dead, nobody enrols for a day. Errors: verify-link-not-valid. */
export const confirmDeny = async (
  ctx: StrongroomContext,
  { tokenHash }: CallParams<"confirmDeny">,
): Promise<Result<CallResult<"confirmDeny">, Failure>> => {
  const attempt = await findAttempt(ctx, tokenHash)
  if (attempt === undefined) return neutral
  return rejecting(ctx, attempt, async ({ tx }) => {
    const { numUpdatedRows } = await tx
      .updateTable("attempt")
      .set({ state: "denied" })
      .where("token_hash", "=", tokenHash)
      .where("state", "=", "open")
      .where("expires_ms", ">", ctx.clock.nowMs())
      .executeTakeFirst()
    return numUpdatedRows === 1n
  })
}

/** The same by an active device. Errors: verify-link-not-valid, where one does not wait or the other is not active. */
export const denyDevice = (
  ctx: StrongroomContext,
  attempt: Attempt,
  by: Uint8Array,
): Promise<Result<{ readonly state: string }, Failure>> =>
  rejecting(ctx, attempt, async ({ tx }) => (await stateOf(tx, by)) === "active")

const rejecting = async (
  ctx: StrongroomContext,
  { accountUuid, deviceId }: Attempt,
  isDue: (change: Change) => Promise<boolean>,
): Promise<Result<{ readonly state: string }, Failure>> => {
  let buried: readonly Tombstone[] = []
  const { value } = await ctx.change(async (change) => {
    const { tx } = change
    await change.lockAccount(accountUuid)
    if (!(await isDue(change))) return rollBack(neutral)
    const row = await tx
      .selectFrom("device")
      .select(["id", "sig_pk", "kem_pk", "auth_pk"])
      .where("id", "=", deviceId)
      .where("account_uuid", "=", accountUuid)
      .executeTakeFirst()
    const nowMs = ctx.clock.nowMs()
    const waited: readonly DeviceState[] = ["pending", "confirmed", "pending-first"]
    if (row === undefined || !(await moveDevice(tx, deviceId, waited, "rejected", nowMs))) return rollBack(neutral)
    await endAttempts(tx, deviceId, "denied")
    await tx
      .updateTable("account")
      .set({ enrol_frozen_until_ms: nowMs + FREEZE_MS })
      .where("uuid", "=", accountUuid)
      .execute()
    await change.event({ accountUuid, deviceId, kind: "device-rejected" })
    await tellDevices(change, accountUuid)
    const keys = { id: row.id, sigPk: row.sig_pk, kemPk: row.kem_pk, authPk: row.auth_pk }
    buried = deviceTombstones(ctx.primitives, keys, new Uint8Array(32))
    await ctx.leases.kill([deviceId], buried)
    return ok({ state: "rejected" })
  })
  if (value.ok) await ctx.leases.confirm(buried)
  return value
}

/** The link that the server printed or mailed for the first account stands for its mail. Errors: not-found. */
export const confirmFirst = async (
  ctx: StrongroomContext,
  { accountUuid }: CallParams<"confirmFirst">,
): Promise<Result<CallResult<"confirmFirst">, Failure>> => {
  const { value } = await ctx.change(async (change) => {
    if ((await change.lockAccount(accountUuid)) === undefined) return rollBack(err<Failure>({ code: "not-found" }))
    const first = await change.tx
      .selectFrom("device")
      .select("id")
      .where("account_uuid", "=", accountUuid)
      .where("state", "in", ["pending-first", "reserved"])
      .limit(1)
      .executeTakeFirst()
    return ok({ state: await confirmAccount(ctx, change, accountUuid, first?.id) })
  })
  return value
}

/** What remains where mail is off. Errors: not-found, where no device shows that code now. */
export const operatorConfirm = async (
  ctx: StrongroomContext,
  { code }: CallParams<"operatorConfirm">,
): Promise<Result<CallResult<"operatorConfirm">, Failure>> => {
  const notFound = err<Failure>({ code: "not-found" })
  const found = await ctx.store.read((db) =>
    db
      .selectFrom("device")
      .select(["id", "account_uuid"])
      .where("code", "=", code)
      .where("state", "in", ["pending", "pending-first"])
      .executeTakeFirst(),
  )
  if (found === undefined) return notFound
  const { value } = await ctx.change(async (change) => {
    await change.lockAccount(found.account_uuid)
    const nowMs = ctx.clock.nowMs()
    const still = await change.tx
      .selectFrom("device")
      .select("id")
      .where("id", "=", found.id)
      .where("code", "=", code)
      .where("state", "in", ["pending", "pending-first"])
      .where((e) => e.or([e("expires_ms", "=", 0), e("expires_ms", ">", nowMs)]))
      .executeTakeFirst()
    if (still === undefined) return rollBack(notFound)
    const attempt = { accountUuid: found.account_uuid, deviceId: found.id }
    return ok({ ...attempt, state: await confirmOne(ctx, change, attempt) })
  })
  return value
}
