import { equalBytes, err, ok, type Result } from "@keyferry/base"
import {
  type AccountState,
  decodeLink,
  encodeAccountState,
  encodeLink,
  HOLDER_DEVICE,
  HOLDER_RECOVERY,
  newestAccountKey,
  productCode,
  verifyAccountLink,
} from "@keyferry/chain"
import { answerOpaqueRegistration } from "@keyferry/crypto"
import type { Failure } from "@keyferry/protocol"
import { rollBack } from "@keyferry/store"
import type { CallParams, CallResult } from "@keyferry/strongroom-api"

import type { StrongroomContext } from "../context.ts"
import type { Handler } from "../execute.ts"
import { wrapPlace } from "../places.ts"
import {
  areUsableKeys,
  deviceLimitReached,
  isHolderOfRow,
  moveDevice,
  reusedKeys,
  stateOf,
  WAIT_MS,
} from "./devices.ts"
import { prepareOpaqueRecord, storeOpaqueRecord } from "./opaque-records.ts"
import { checkAccountWraps } from "./wraps.ts"

/*
 * Signing up: a reservation, then one transaction that makes the OPAQUE record, the lease key and the chain.
 * Source: spec/devices.md DV4, DV5
 */

/** Errors: malformed, holder-reused, not-allowed (the account exists already), kms-unavailable. */
export const registerStart = async (
  ctx: StrongroomContext,
  { accountUuid, registrationRequest, device }: CallParams<"registerStart">,
): Promise<Result<CallResult<"registerStart">, Failure>> => {
  if (!areUsableKeys(device)) return err({ code: "malformed" })
  const registrationResponse = await answerOpaqueRegistration(ctx.opaque, accountUuid, registrationRequest)
  if (!registrationResponse.ok) return err({ code: "malformed" })
  const free = await ctx.store.read((db) => isReservable(ctx, db, accountUuid, device))
  if (!free.ok) return free
  const expiresMs = ctx.clock.nowMs() + WAIT_MS
  const lease = await ctx.leases.reserve(device.deviceId, expiresMs)
  const done = await ctx.store.transaction(async (tx) => {
    const still = await isReservable(ctx, tx, accountUuid, device)
    if (!still.ok) return rollBack(still)
    const nowMs = ctx.clock.nowMs()
    await tx
      .insertInto("account")
      .values({ uuid: accountUuid, created_ms: nowMs, ...NEW_ACCOUNT })
      .onConflict((c) => c.column("uuid").doNothing())
      .execute()
    // Only one reservation for each account that is signing up: asked again, the newest counts.
    await tx.deleteFrom("device").where("account_uuid", "=", accountUuid).where("state", "=", "reserved").execute()
    await tx
      .insertInto("device")
      .values({ ...newDevice(device, accountUuid, lease, nowMs), state: "reserved", expires_ms: expiresMs })
      .execute()
    return ok(undefined)
  })
  return done.ok ? ok({ registrationResponse: registrationResponse.value, lease }) : done
}

const isReservable = async (
  ctx: StrongroomContext,
  db: Parameters<Parameters<typeof ctx.store.read>[0]>[0],
  accountUuid: string,
  device: CallParams<"registerStart">["device"],
): Promise<Result<undefined, Failure>> => {
  const account = await db.selectFrom("account").select("id").where("uuid", "=", accountUuid).executeTakeFirst()
  if (account !== undefined && account.id !== null) return err({ code: "not-allowed" })
  const row = await db
    .selectFrom("device")
    .select(["account_uuid", "state"])
    .where("id", "=", device.deviceId)
    .executeTakeFirst()
  if (row !== undefined && (row.account_uuid !== accountUuid || row.state !== "reserved"))
    return err({ code: "holder-reused" })
  const reused = await reusedKeys(ctx.primitives, ctx.leases, db, { ...device, id: device.deviceId })
  return reused === undefined ? ok(undefined) : err(reused)
}

const NEW_ACCOUNT = {
  id: null,
  frozen: 0,
  enrol_frozen_until_ms: 0,
  sync_suspended: 0,
  confirmed_ms: 0,
  sealed_opaque_record: null,
  opaque_rev: 0,
  rec_pk: null,
  head_seq: 0,
  head_hash: null,
  chain_state: null,
  relogin_max_s: 30 * 24 * 3600,
  items: 0,
  bytes: 0,
} as const

/** The columns of a device that nobody has confirmed yet. */
export const newDevice = (
  device: CallParams<"registerStart">["device"],
  accountUuid: string,
  lease: { readonly leaseId: Uint8Array; readonly leasePk: Uint8Array },
  nowMs: number,
) => ({
  id: device.deviceId,
  account_uuid: accountUuid,
  state_ms: nowMs,
  platform: device.platform,
  sig_pk: device.sigPk,
  kem_pk: device.kemPk,
  auth_pk: device.authPk,
  lease_id: lease.leaseId,
  lease_pk: lease.leasePk,
  created_ms: nowMs,
  last_seen_ms: nowMs,
  last_factor_ms: 0,
  last_password_ms: 0,
  code: null,
  link_reason: null,
  sealed_factor_seed: null,
  factor_seed_ms: 0,
  retire_seq: null,
  retire_head: null,
  retire_signature: null,
})

/**
 * The one transaction of signing up. Asked again with the same genesis it answers the same.
 * Errors: malformed, chain-invalid, not-allowed, holder-reused, device-expired, device-limit, kms-unavailable
 */
export const signupFinish: Handler<"signup.finish"> = async (ctx, { device, limits }, body) => {
  const { primitives: p } = ctx
  if (body.accountUuid !== device.accountUuid) return err({ code: "not-allowed" })
  const link = decodeLink(body.genesis)
  if (!link.ok) return err({ code: productCode(link.error) })
  const verified = await verifyAccountLink(p, undefined, link.value)
  if (!verified.ok) return err({ code: productCode(verified.error), detail: verified.error.code })
  const chain = verified.value
  const holders = [...chain.holders.values()].map((entry) => entry.holder)
  const wraps = checkAccountWraps(p, body.wraps, holders, newestAccountKey(chain).wrapsHash)
  if (!wraps.ok) return wraps
  const recPk = holders.find((holder) => holder.kind === HOLDER_RECOVERY)?.recPk
  const own = holders.find((holder) => holder.kind === HOLDER_DEVICE)
  if (recPk === undefined || own === undefined) return err({ code: "chain-invalid" })
  for (const holder of holders) {
    const reused = await ctx.store.read((db) => reusedKeys(p, ctx.leases, db, holder))
    if (reused !== undefined || (await ctx.leases.isBuried("slot", holder.id))) return err({ code: "holder-reused" })
  }
  const record = await prepareOpaqueRecord(ctx, chain.id, body.registrationRecord, chain.head.hash)
  if (!record.ok) return record
  const sealedWraps = await ctx.atRest.encryptAll(
    wraps.value.map(({ entry, bytes }) => ({
      place: wrapPlace(p, chain.id, chain.id, 1, entry.recipient),
      plaintext: bytes,
    })),
  )
  if (!sealedWraps.ok) return sealedWraps
  const { value } = await ctx.change(async ({ tx, event, lockAccount }) => {
    const account = await lockAccount(device.accountUuid)
    if (account === undefined) return rollBack(err<Failure>({ code: "device-expired" }))
    const state = await stateOf(tx, device.deviceId)
    // A lost answer: the same genesis is already there.
    if (account.id !== null)
      return equalBytes(account.id, chain.id) && state !== undefined
        ? ok({ accountId: chain.id, state })
        : rollBack(err<Failure>({ code: "not-allowed" }))
    const row = await tx
      .selectFrom("device")
      .select(["id", "state", "expires_ms", "sig_pk", "kem_pk", "auth_pk", "lease_id", "lease_pk"])
      .where("id", "=", device.deviceId)
      .executeTakeFirstOrThrow()
    if (row.state !== "reserved" || row.expires_ms <= ctx.clock.nowMs())
      return rollBack(err<Failure>({ code: "device-expired" }))
    if (!isHolderOfRow(own, row))
      return rollBack(err<Failure>({ code: "chain-invalid", detail: "The genesis names another device." }))
    const overLimit = await deviceLimitReached(tx, device.accountUuid, limits.devices)
    if (overLimit !== undefined) return rollBack(err(overLimit))
    if (!(await writeGenesis(tx, device.accountUuid, chain, recPk)))
      return rollBack(err<Failure>({ code: "not-allowed" }))
    if (!(await storeOpaqueRecord(tx, device.accountUuid, record.value)))
      return rollBack(err<Failure>({ code: "not-allowed" }))
    await tx
      .insertInto("account_link")
      .values({ account_uuid: device.accountUuid, seq: 1, hash: chain.head.hash, link: encodeLink(link.value) })
      .execute()
    for (const [i, { entry }] of wraps.value.entries())
      await tx
        .insertInto("account_wrap")
        .values({
          account_uuid: device.accountUuid,
          seq: 1,
          epoch: 1,
          recipient: entry.recipient,
          sealed_entry: sealedWraps.value[i] ?? new Uint8Array(),
        })
        .execute()
    await moveDevice(tx, device.deviceId, ["reserved"], "pending-first", ctx.clock.nowMs())
    // A password and a proof of the device's keys were just given.
    await tx
      .updateTable("device")
      .set({ last_password_ms: ctx.clock.nowMs() })
      .where("id", "=", device.deviceId)
      .execute()
    await event({
      accountUuid: device.accountUuid,
      accountId: chain.id,
      deviceId: device.deviceId,
      kind: "account-created",
    })
    // Last, because it is another store: it is flushed before this transaction commits.
    if (!(await ctx.leases.makeLive(device.deviceId))) return rollBack(err<Failure>({ code: "device-expired" }))
    return ok({ accountId: chain.id, state: "pending-first" })
  })
  return value.ok ? ok({ reply: value.value }) : value
}

const writeGenesis = async (
  tx: Parameters<typeof storeOpaqueRecord>[0],
  accountUuid: string,
  chain: AccountState,
  recPk: Uint8Array,
): Promise<boolean> => {
  const { numUpdatedRows } = await tx
    .updateTable("account")
    .set({
      id: chain.id,
      head_seq: chain.head.seq,
      head_hash: chain.head.hash,
      chain_state: encodeAccountState(chain),
      rec_pk: recPk,
      relogin_max_s: chain.policy.reloginMaxS,
    })
    .where("uuid", "=", accountUuid)
    .where("id", "is", null)
    .executeTakeFirst()
  return numUpdatedRows === 1n
}
