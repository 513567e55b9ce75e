import { bytesToCrockford, err, ok } from "@keyferry/base"
import type { Failure } from "@keyferry/protocol"
import { rollBack } from "@keyferry/store"

import type { SigningDevice, StrongroomContext, Tx } from "../context.ts"
import type { Handler, Handlers } from "../execute.ts"
import { factorSeedPlace } from "../places.ts"
import { FRESH_MS } from "../verifier.ts"
import { activateReady, changeBy, countInChain, stateOf, tellDevices } from "./devices.ts"
import { preparePasskey } from "./passkey-answer.ts"
import { counted, factorKinds, prepareCode, removeFactors, replaceRecoveryCodes } from "./second-factor.ts"
import { otpauthUri, stepOfCode, TOTP_SEED_BYTES } from "./totp.ts"

/*
 * The second factor, as a device of the chain sets, shows and ends it. Source: spec/devices.md DV14–DV19
 */
const SEED_MS = 10 * 60_000

/** What is too old for replacing a factor: the password counts first, because whoever lacks both is asked for both. */
export const staleness = (device: SigningDevice, nowMs: number): Failure | undefined => {
  if (nowMs - device.lastPasswordMs > FRESH_MS) return { code: "reauth-required" }
  return nowMs - device.lastFactorMs > FRESH_MS ? { code: "second-factor-needed" } : undefined
}

export const hasFactor = async (db: Pick<Tx, "selectFrom">, accountUuid: string): Promise<boolean> =>
  (await db.selectFrom("factor").select("kind").where("account_uuid", "=", accountUuid).limit(1).executeTakeFirst()) !==
  undefined

/** A new seed for this device to confirm. Replacing a factor needs the old one and the password, both fresh. */
const start: Handler<"two-factor.start"> = async (ctx, { device }) => {
  const replaces = await ctx.store.read((db) => hasFactor(db, device.accountUuid))
  const stale = replaces ? staleness(device, ctx.clock.nowMs()) : undefined
  if (stale !== undefined) return err(stale)
  const seed = ctx.random.bytes(TOTP_SEED_BYTES)
  const sealed = await ctx.atRest.encrypt(factorSeedPlace(ctx.primitives, device.accountId), seed)
  if (!sealed.ok) return sealed
  await ctx.store.transaction((tx) =>
    tx
      .updateTable("device")
      .set({ sealed_factor_seed: sealed.value, factor_seed_ms: ctx.clock.nowMs() })
      .where("id", "=", device.deviceId)
      .execute(),
  )
  return ok({ reply: { otpauth: otpauthUri(seed, bytesToCrockford(device.accountId).slice(0, 8)) } })
}

/** The first code proves that the authenticator has the seed. With it, what only waited for a factor becomes active. */
const confirm: Handler<"two-factor.confirm"> = async (ctx, { device }, { code }) => {
  const { accountUuid, deviceId, accountId } = device
  const waiting = await ctx.store.read((db) =>
    db
      .selectFrom("device")
      .select(["sealed_factor_seed", "factor_seed_ms"])
      .where("id", "=", deviceId)
      .executeTakeFirst(),
  )
  const nowMs = ctx.clock.nowMs()
  if (waiting === undefined || waiting.sealed_factor_seed === null || nowMs - waiting.factor_seed_ms > SEED_MS)
    return err({ code: "second-factor-wrong", detail: "Ask for a new seed first." })
  const sealedSeed = waiting.sealed_factor_seed
  const seed = await ctx.atRest.decrypt(factorSeedPlace(ctx.primitives, accountId), sealedSeed)
  if (!seed.ok) return seed
  const step = stepOfCode(seed.value, code, nowMs)
  const { value, commit } = await changeBy(ctx, device, async (change) => {
    const { tx } = change
    const replaces = await hasFactor(tx, accountUuid)
    const stale = replaces ? staleness(device, nowMs) : undefined
    if (stale !== undefined) return err(stale)
    const used = await counted(ctx, accountUuid, async () => step !== undefined)(change)
    if (!used.ok || step === undefined) return used.ok ? err<Failure>({ code: "second-factor-wrong" }) : used
    // One confirmation of one seed: a second request with the same code finds it gone.
    const { numUpdatedRows } = await tx
      .updateTable("device")
      .set({ sealed_factor_seed: null, factor_seed_ms: 0, last_factor_ms: nowMs })
      .where("id", "=", deviceId)
      .where("sealed_factor_seed", "=", sealedSeed)
      .executeTakeFirst()
    if (numUpdatedRows !== 1n) return err<Failure>({ code: "second-factor-wrong" })
    const { numDeletedRows: older } = await tx
      .deleteFrom("factor")
      .where("account_uuid", "=", accountUuid)
      .where("kind", "=", "totp")
      .executeTakeFirst()
    await tx
      .insertInto("factor")
      .values({ account_uuid: accountUuid, kind: "totp", sealed_seed: sealedSeed, last_step: step, created_ms: nowMs })
      .execute()
    await tx.deleteFrom("factor_reset").where("account_uuid", "=", accountUuid).execute()
    await change.event({
      accountUuid,
      accountId,
      deviceId,
      kind: "factor-added",
      detail: older > 0n ? "replaced" : replaces ? "further" : "first",
    })
    await activateReady(ctx, change, accountUuid)
    const state = await stateOf(tx, deviceId)
    return ok({ factors: [...(await factorKinds(tx, accountUuid))], state: state ?? device.state })
  })
  return value.ok ? ok({ reply: value.value, commit }) : value
}

const check: Handler<"two-factor.check"> = async (ctx, { device, origins }, body) => {
  const account = { uuid: device.accountUuid, id: device.accountId }
  const use =
    body.kind === "passkey"
      ? await preparePasskey(ctx, account, body.assertion, origins, { purpose: "check", deviceId: device.deviceId })
      : await prepareCode(ctx, account, body)
  if (!use.ok) return use
  const nowMs = ctx.clock.nowMs()
  const { value } = await changeBy(ctx, device, async (change) => {
    const used = await use.value(change)
    if (!used.ok) return used
    await change.tx.updateTable("device").set({ last_factor_ms: nowMs }).where("id", "=", device.deviceId).execute()
    return ok(undefined)
  })
  return value.ok ? ok({ reply: { freshUntilMs: nowMs + FRESH_MS } }) : value
}

const codes: Handler<"two-factor.codes"> = async (ctx, { device }) => {
  const { accountUuid, accountId, deviceId } = device
  const { value, commit } = await changeBy(ctx, device, async (change) => {
    if (!(await hasFactor(change.tx, accountUuid))) return rollBack(err<Failure>({ code: "two-factor-required" }))
    const made = await replaceRecoveryCodes(ctx, change.tx, { uuid: accountUuid, id: accountId })
    await change.event({ accountUuid, accountId, deviceId, kind: "recovery-codes-made" })
    return ok([...made])
  })
  return value.ok ? ok({ reply: { codes: value.value }, commit }) : value
}

/** Sync never runs without a factor: turning it off suspends sync in the same transaction, or is refused. */
const disable: Handler<"two-factor.disable"> = async (ctx, { device }, { suspendSync }) => {
  const { accountUuid, accountId, deviceId } = device
  const { value, commit } = await changeBy(ctx, device, async (change) => {
    const { tx } = change
    const devices = await countInChain(tx, accountUuid)
    const blocked = suspendSync ? undefined : await syncBlocks(tx, accountUuid, devices)
    if (blocked !== undefined) return rollBack(err(blocked))
    await suspendAndRemove(ctx, change, { accountUuid, accountId, deviceId })
    return ok({ devices, factors: [] })
  })
  return value.ok ? ok({ reply: value.value, commit }) : value
}

/** Why the last factor may not go: `undefined` while sync is suspended. */
export const syncBlocks = async (tx: Tx, accountUuid: string, devices: number): Promise<Failure | undefined> => {
  const account = await tx
    .selectFrom("account")
    .select("sync_suspended")
    .where("uuid", "=", accountUuid)
    .executeTakeFirstOrThrow()
  if (account.sync_suspended !== 0) return undefined
  return {
    code: "two-factor-disable-blocked",
    detail: `Sync is on on ${devices} ${devices === 1 ? "device" : "devices"}.`,
  }
}

/** Ends every factor of an account and stops its sync until a new one was set. */
export const suspendAndRemove = async (
  ctx: StrongroomContext,
  change: Parameters<Parameters<StrongroomContext["change"]>[0]>[0],
  about: {
    readonly accountUuid: string
    readonly accountId: Uint8Array
    readonly deviceId?: Uint8Array
    readonly detail?: string
  },
): Promise<void> => {
  const { tx, event } = change
  const had = await factorKinds(tx, about.accountUuid)
  await removeFactors(tx, about.accountUuid)
  const { numUpdatedRows } = await tx
    .updateTable("account")
    .set({ sync_suspended: 1 })
    .where("uuid", "=", about.accountUuid)
    .where("sync_suspended", "=", 0)
    .executeTakeFirst()
  if (had.length > 0) await event({ ...about, kind: "factor-removed" })
  if (numUpdatedRows === 1n) await event({ ...about, kind: "sync-suspended" })
}

const cancelReset: Handler<"two-factor.reset-cancel"> = async (ctx, { device }) => {
  const { accountUuid, accountId, deviceId } = device
  const { value, commit } = await changeBy(ctx, device, async (change) => {
    const { numDeletedRows } = await change.tx
      .deleteFrom("factor_reset")
      .where("account_uuid", "=", accountUuid)
      .executeTakeFirst()
    const cancelled = numDeletedRows > 0n
    if (cancelled) {
      await change.event({ accountUuid, accountId, deviceId, kind: "factor-reset-cancelled" })
      await tellDevices(change, accountUuid)
    }
    return ok(cancelled)
  })
  return value.ok ? ok({ reply: { cancelled: value.value }, commit }) : value
}

const resume: Handler<"sync.resume"> = async (ctx, { device }) => {
  const { accountUuid, accountId, deviceId } = device
  const { value, commit } = await changeBy(ctx, device, async ({ tx, event }) => {
    if (!(await hasFactor(tx, accountUuid))) return rollBack(err<Failure>({ code: "two-factor-required" }))
    const { numUpdatedRows } = await tx
      .updateTable("account")
      .set({ sync_suspended: 0 })
      .where("uuid", "=", accountUuid)
      .where("sync_suspended", "=", 1)
      .executeTakeFirst()
    if (numUpdatedRows === 1n) await event({ accountUuid, accountId, deviceId, kind: "sync-resumed" })
    return ok(undefined)
  })
  return value.ok ? ok({ reply: { syncSuspended: false }, commit }) : value
}

export const twoFactorHandlers = {
  "two-factor.start": start,
  "two-factor.confirm": confirm,
  "two-factor.check": check,
  "two-factor.codes": codes,
  "two-factor.disable": disable,
  "two-factor.reset-cancel": cancelReset,
  "sync.resume": resume,
} as const satisfies Partial<Handlers>
