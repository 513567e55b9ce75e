import { equalBytes, err, ok, type Random, type Result } from "@keyferry/base"
import type { DeviceState, Failure } from "@keyferry/protocol"
import { rollBack } from "@keyferry/store"
import type { CallParams, CallResult } from "@keyferry/strongroom-api"

import type { StrongroomContext, Tx } from "../context.ts"
import {
  areUsableKeys,
  deviceLimitReached,
  endAttempts,
  expireWaiting,
  reusedKeys,
  tellDevices,
  WAIT_MS,
  WAITING_STATES,
} from "./devices.ts"
import { newDevice } from "./signup.ts"

/*
 * A device that asks to become one of an account: a row that waits, a lease reservation, a six-digit code that only the
 * device shows, and a mailed link. Source: spec/devices.md DV6–DV10
 */
export const LINK_MS = 10 * 60_000
export const MAX_WAITING = 3

/**
 * Asked again with the same keys it answers the same device, with the new link in place of the old one.
 * Errors: malformed, not-found (no such account), account-frozen, device-rejected (somebody said "not me" today),
 * rate-limited (three are waiting), device-limit, holder-reused
 */
export const enrol = async (
  ctx: StrongroomContext,
  { accountUuid, device, tokenHash, limits }: CallParams<"enrol">,
): Promise<Result<CallResult<"enrol">, Failure>> => {
  if (!areUsableKeys(device)) return err({ code: "malformed" })
  const early = await ctx.store.read((db) => mayEnrol(ctx, db, accountUuid, device))
  if (!early.ok) return early
  const untilMs = ctx.clock.nowMs() + WAIT_MS
  const lease = await ctx.leases.reserve(device.deviceId, untilMs)
  const { value } = await ctx.change(async (change) => {
    const { tx } = change
    await change.lockAccount(accountUuid)
    await expireWaiting(ctx, change, accountUuid)
    const may = await mayEnrol(ctx, tx, accountUuid, device)
    if (!may.ok) return rollBack(may)
    const nowMs = ctx.clock.nowMs()
    if (may.value !== undefined) {
      await replaceAttempt(tx, accountUuid, device.deviceId, tokenHash, nowMs)
      return ok({
        code: may.value.code,
        lease: { leaseId: may.value.lease_id, leasePk: may.value.lease_pk },
        expiresAtMs: may.value.expires_ms,
      })
    }
    const waiting = await waitingDevices(tx, accountUuid)
    const first = waiting[0]
    if (waiting.length >= MAX_WAITING && first !== undefined)
      return rollBack(
        err<Failure>({
          code: "rate-limited",
          detail: "Three devices are waiting already.",
          retryAfterS: Math.ceil((first.expires_ms - nowMs) / 1000),
        }),
      )
    const overLimit = await deviceLimitReached(tx, accountUuid, limits.devices)
    if (overLimit !== undefined) return rollBack(err(overLimit))
    const code = await freeCode(tx, ctx.random)
    // An expired row of the same device makes room: it comes back with new keys.
    await tx.deleteFrom("attempt").where("device_id", "=", device.deviceId).execute()
    await tx.deleteFrom("device").where("id", "=", device.deviceId).where("state", "=", "expired").execute()
    await tx
      .insertInto("device")
      .values({ ...newDevice(device, accountUuid, lease, nowMs), state: "pending", expires_ms: untilMs, code })
      .execute()
    await replaceAttempt(tx, accountUuid, device.deviceId, tokenHash, nowMs)
    await change.event({ accountUuid, deviceId: device.deviceId, kind: "device-pending", detail: device.platform })
    await tellDevices(change, accountUuid)
    return ok({ code, lease, expiresAtMs: untilMs })
  })
  return value
}

interface Waiting {
  readonly code: string
  readonly lease_id: Uint8Array
  readonly lease_pk: Uint8Array
  readonly expires_ms: number
}

/** `undefined` as value: a new device. A row: the same device, waiting already. */
const mayEnrol = async (
  ctx: StrongroomContext,
  db: Pick<Tx, "selectFrom">,
  accountUuid: string,
  device: CallParams<"enrol">["device"],
): Promise<Result<Waiting | undefined, Failure>> => {
  const nowMs = ctx.clock.nowMs()
  const account = await db
    .selectFrom("account")
    .select(["id", "frozen", "enrol_frozen_until_ms"])
    .where("uuid", "=", accountUuid)
    .executeTakeFirst()
  if (account === undefined || account.id === null) return err({ code: "not-found" })
  if (account.frozen === 1) return err({ code: "account-frozen" })
  if (account.enrol_frozen_until_ms > nowMs)
    return err({ code: "device-rejected", retryAfterS: Math.ceil((account.enrol_frozen_until_ms - nowMs) / 1000) })
  const reused = await reusedKeys(ctx.primitives, ctx.leases, db, { ...device, id: device.deviceId })
  if (reused !== undefined) return err(reused)
  const row = await db
    .selectFrom("device")
    .select(["account_uuid", "state", "sig_pk", "kem_pk", "auth_pk", "code", "lease_id", "lease_pk", "expires_ms"])
    .where("id", "=", device.deviceId)
    .executeTakeFirst()
  if (row === undefined) return ok(undefined)
  if (row.account_uuid !== accountUuid) return err({ code: "holder-reused" })
  const isSame =
    equalBytes(row.sig_pk, device.sigPk) &&
    equalBytes(row.auth_pk, device.authPk) &&
    equalBytes(row.kem_pk, device.kemPk)
  const state = row.state as DeviceState
  if (state === "expired") return isSame ? err({ code: "holder-reused" }) : ok(undefined)
  if (state !== "pending" || !isSame || row.code === null) return err({ code: "holder-reused" })
  return ok({ ...row, code: row.code })
}

const waitingDevices = (tx: Tx, accountUuid: string) =>
  tx
    .selectFrom("device")
    .select(["id", "expires_ms"])
    .where("account_uuid", "=", accountUuid)
    .where("state", "in", [...WAITING_STATES])
    .orderBy("expires_ms")
    .execute()

/** The older link of the device is dead from here on. */
const replaceAttempt = async (
  tx: Tx,
  accountUuid: string,
  deviceId: Uint8Array,
  tokenHash: Uint8Array,
  nowMs: number,
): Promise<void> => {
  await endAttempts(tx, deviceId, "superseded")
  await tx
    .insertInto("attempt")
    .values({
      token_hash: tokenHash,
      device_id: deviceId,
      account_uuid: accountUuid,
      state: "open",
      tries: 0,
      made_ms: nowMs,
      expires_ms: nowMs + LINK_MS,
    })
    .execute()
}

/** Six digits that no other waiting device shows, because an operator may confirm by the code alone. */
const freeCode = async (tx: Tx, random: Random): Promise<string> => {
  for (;;) {
    const code = sixDigits(random)
    const taken = await tx.selectFrom("device").select("id").where("code", "=", code).executeTakeFirst()
    if (taken === undefined) return code
  }
}

const sixDigits = (random: Random): string => {
  for (;;) {
    const bytes = random.bytes(4)
    const n = new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0)
    // The last incomplete million would make small numbers likelier.
    if (n < 4_294_000_000) return String(n % 1_000_000).padStart(6, "0")
  }
}

/**
 * A new mail, for a device that waits or for the first one. The code stays, unless the last link died of wrong codes:
 * otherwise each mail would be five more guesses at the same one.
 * Errors: device-not-enrolled, device-expired, device-rejected
 */
export const enrolMail = async (
  ctx: StrongroomContext,
  { accountUuid, deviceId, tokenHash }: CallParams<"enrolMail">,
): Promise<Result<CallResult<"enrolMail">, Failure>> => {
  const { value } = await ctx.change(async (change) => {
    const { tx } = change
    await change.lockAccount(accountUuid)
    await expireWaiting(ctx, change, accountUuid)
    const row = await tx
      .selectFrom("device")
      .select(["state", "code"])
      .where("id", "=", deviceId)
      .where("account_uuid", "=", accountUuid)
      .executeTakeFirst()
    const refused = refusalOfWaiting(row?.state as DeviceState | undefined)
    // Committed all the same: a device that expired just now stays expired.
    if (refused !== undefined) return err(refused)
    const last = await tx
      .selectFrom("attempt")
      .select("state")
      .where("device_id", "=", deviceId)
      .orderBy("made_ms", "desc")
      .limit(1)
      .executeTakeFirst()
    const keeps = row?.code !== undefined && row.code !== null && last?.state !== "dead"
    const code = keeps && row.code !== null ? row.code : await freeCode(tx, ctx.random)
    await tx.updateTable("device").set({ code, link_reason: null }).where("id", "=", deviceId).execute()
    await replaceAttempt(tx, accountUuid, deviceId, tokenHash, ctx.clock.nowMs())
    return ok({ code })
  })
  return value
}

/** The code of a waiting device whose link still takes it: whoever asks again goes on with that one. */
export const enrolRunning = async (
  ctx: StrongroomContext,
  { accountUuid, deviceId }: CallParams<"enrolRunning">,
): Promise<Result<CallResult<"enrolRunning">, Failure>> => {
  const nowMs = ctx.clock.nowMs()
  const row = await ctx.store.read((db) =>
    db
      .selectFrom("attempt")
      .innerJoin("device", "device.id", "attempt.device_id")
      .select("device.code")
      .where("attempt.device_id", "=", deviceId)
      .where("device.account_uuid", "=", accountUuid)
      .where("device.state", "in", ["pending", "pending-first"])
      .where((d) => d.or([d("device.expires_ms", "=", 0), d("device.expires_ms", ">", nowMs)]))
      .where("attempt.state", "=", "open")
      .where("attempt.expires_ms", ">", nowMs)
      .executeTakeFirst(),
  )
  return ok(row?.code === undefined || row.code === null ? {} : { code: row.code })
}

const refusalOfWaiting = (state: DeviceState | undefined): Failure | undefined => {
  switch (state) {
    case "pending":
    case "pending-first":
      return undefined
    case "expired":
      return { code: "device-expired" }
    case "rejected":
      return { code: "device-rejected" }
    case "removed":
      return { code: "device-removed" }
    case undefined:
    case "reserved":
      return { code: "device-not-enrolled" }
    default:
      return { code: "not-allowed", detail: "This device is confirmed already." }
  }
}

/** Errors: device-not-enrolled. */
export const enrolState = async (
  ctx: StrongroomContext,
  { accountUuid, deviceId }: CallParams<"enrolState">,
): Promise<Result<CallResult<"enrolState">, Failure>> => {
  const { value } = await ctx.change(async (change) => {
    await change.lockAccount(accountUuid)
    await expireWaiting(ctx, change, accountUuid)
    const row = await change.tx
      .selectFrom("device")
      .select(["state", "link_reason"])
      .where("id", "=", deviceId)
      .where("account_uuid", "=", accountUuid)
      .executeTakeFirst()
    if (row === undefined) return err<Failure>({ code: "device-not-enrolled" })
    const active = await change.tx
      .selectFrom("device")
      .select("id")
      .where("account_uuid", "=", accountUuid)
      .where("state", "=", "active")
      .limit(1)
      .executeTakeFirst()
    const reason = row.link_reason ?? (await expiredLink(ctx, change.tx, deviceId))
    return ok({ state: row.state, approver: active !== undefined, ...(reason === undefined ? {} : { reason }) })
  })
  return value
}

/** The waiting device is told that its newest link ran out, without anybody having to try it. */
const expiredLink = async (ctx: StrongroomContext, tx: Tx, deviceId: Uint8Array): Promise<string | undefined> => {
  const newest = await tx
    .selectFrom("attempt")
    .select(["state", "expires_ms"])
    .where("device_id", "=", deviceId)
    .orderBy("made_ms", "desc")
    .limit(1)
    .executeTakeFirst()
  if (newest === undefined) return undefined
  const isOver = newest.state === "expired" || (newest.state === "open" && newest.expires_ms <= ctx.clock.nowMs())
  return isOver ? "verify-link-expired" : undefined
}
