import { equalBytes, err, ok, type Result, type TypeOf } from "@keyferry/base"
import {
  type AccountState,
  activeDevices,
  CHAIN_ACCOUNT,
  encodeAccountState,
  encodeLink,
  hashAt,
  type Head,
  HOLDER_DEVICE,
  holderOf,
  type OpenLink,
  productCode,
  verifyAccountLink,
} from "@keyferry/chain"
import { wrapsHash } from "@keyferry/crypto"
import {
  type accountAppendReplyStruct,
  type accountAppendStruct,
  type Failure,
  feedEventStruct,
  PUSH_ACCEPTED,
  PUSH_CONFLICT,
  PUSH_REFUSED,
  type PushResult,
} from "@keyferry/protocol"
import { rollBack } from "@keyferry/store"

import {
  deviceLimitReached,
  endAttempts,
  IN_CHAIN_STATES,
  isHolderOfRow,
  moveDevice,
  stateOf,
  WAITING_STATES,
} from "../accounts/devices.ts"
import { type PreparedOpaqueRecord, prepareOpaqueRecord, storeOpaqueRecord } from "../accounts/opaque-records.ts"
import { checkAccountWraps } from "../accounts/wraps.ts"
import type { Change, SigningDevice, StrongroomContext, Tx } from "../context.ts"
import type { Answer, Handler, Signed } from "../execute.ts"
import type { Tombstone } from "../lease-store.ts"
import { prevSealedPlace, wrapPlace } from "../places.ts"
import { FRESH_MS } from "../verifier.ts"
import {
  type AccountChange,
  accountChange,
  checkRegistration,
  eventsOfChange,
  needsFreshLogin,
  newRecoveryKey,
  tombstonesOfChange,
} from "./account-change.ts"
import { behind, isBehind } from "./behind.ts"
import { checkSealed, openBytes } from "./prepared.ts"
import { accountLinksAfter } from "./pull.ts"
import type { PushParts } from "./push.ts"
import { prepareAll, pushAll } from "./sync.ts"

/*
 * One link of the account chain, then the vault rotations that came with it. The link commits first and alone, and is
 * never refused because of a vault. Order of a removal: everything checked and compared in the open transaction → lease
 * store (keys destroyed, tombstones as intent, flushed) → commit → tombstones done.
 * Source: spec/feed.md SY80–SY87, spec/leases.md LS10
 */
type AppendBody = TypeOf<typeof accountAppendStruct>
type AppendReply = TypeOf<typeof accountAppendReplyStruct>

/** A device of the chain appends with its own chain key. */
export const accountAppend =
  (parts: PushParts): Handler<"account.append"> =>
  (ctx, signed, body) =>
    append(ctx, parts, signed, body, "device")

/** A device that waits appends with the key of a slot: itself, or everything anew from the kit. */
export const enrolAppend =
  (parts: PushParts): Handler<"enrol.append"> =>
  (ctx, signed, body) =>
    append(ctx, parts, signed, body, "slot")

type SignedBy = "device" | "slot"

const append = async (
  ctx: StrongroomContext,
  parts: PushParts,
  signed: Signed,
  body: AppendBody,
  by: SignedBy,
): Promise<Result<Answer<AppendReply>, Failure>> => {
  const { device } = signed
  if (isBehind(parts, device)) return behind
  const sealed = await sealAppend(ctx, device, body)
  if (!sealed.ok) return sealed
  const { value: linked, commit } = await ctx.change(async (change) => {
    const outcome = await applyLink(ctx, change, signed, sealed.value, by)
    return outcome.ok && outcome.value.outcome === PUSH_ACCEPTED ? outcome : rollBack(outcome)
  })
  if (!linked.ok) return linked
  const { outcome, head, tombstones } = linked.value
  const reply = {
    outcome,
    head: [head.seq, head.hash] as const,
    ...(outcome === PUSH_CONFLICT ? { code: "revision-conflict" } : {}),
  }
  if (outcome !== PUSH_ACCEPTED) {
    const after = sealed.value.open.payload.seq - 1
    const accountLinks = await ctx.store.read((db) => accountLinksAfter(db, device.accountUuid, after))
    return ok({ reply: { ...reply, accountLinks, results: [], state: device.state } })
  }
  await ctx.leases.confirm(tombstones)
  await parts.leases.raiseHeads([
    { kind: CHAIN_ACCOUNT, id: device.accountId, accountId: device.accountId, seq: head.seq, hash: head.hash },
  ])
  const rotated = await rotate(ctx, parts, signed, body)
  const state = await ctx.store.read((db) =>
    db.selectFrom("device").select("state").where("id", "=", device.deviceId).executeTakeFirstOrThrow(),
  )
  return ok({
    reply: { ...reply, accountLinks: [], results: rotated.results, state: state.state },
    commit: Math.max(commit, rotated.commit),
  })
}

interface SealedAppend {
  readonly open: OpenLink
  /** `undefined` where the link did not verify as the next one when it arrived: then it is stored already, or refused. */
  readonly ready: ReadyAppend | undefined
}
interface ReadyAppend {
  readonly wraps: readonly { readonly recipient: Uint8Array; readonly sealed: Uint8Array }[]
  readonly prevSealed?: Uint8Array
  readonly record?: PreparedOpaqueRecord
}

/**
 * Puts the outer layer on what comes with the link, before the transaction, which then verifies everything again at its
 * own moment. Errors: malformed, chain-invalid (wraps or older key are not those of the link), holder-reused, kms-unavailable
 */
const sealAppend = async (
  ctx: StrongroomContext,
  { accountUuid, accountId }: SigningDevice,
  body: AppendBody,
): Promise<Result<SealedAppend, Failure>> => {
  const { primitives: p } = ctx
  const opened = openBytes(p, body.link)
  if (!opened.ok) return opened
  const open = opened.value
  const state = await ctx.store.read((db) => ctx.accounts.read(db, accountUuid))
  const next = state === undefined ? undefined : await verifyAccountLink(p, state, open.link)
  if (state === undefined || next?.ok !== true) return ok({ open, ready: undefined })
  const change = accountChange(state, next.value, open.payload.type)
  const registration = checkRegistration(change, body.registrationRecord !== undefined)
  if (!registration.ok) return registration
  const wraps = checkAccountWraps(p, body.wraps, change.wraps?.recipients ?? [], change.wraps?.hash ?? wrapsHash(p, []))
  if (!wraps.ok) return wraps
  const older = checkSealed(p, body.prevSealed, change.key?.prevSealedHash)
  if (!older.ok) return older
  const { prevSealed } = older.value
  const sealed = await ctx.atRest.encryptAll([
    ...wraps.value.map(({ entry, bytes }) => ({
      place: wrapPlace(p, accountId, accountId, change.seq, entry.recipient),
      plaintext: bytes,
    })),
    ...(prevSealed === undefined
      ? []
      : [{ place: prevSealedPlace(p, accountId, accountId, change.key?.epoch ?? 0), plaintext: prevSealed }]),
  ])
  if (!sealed.ok) return sealed
  const record =
    body.registrationRecord === undefined
      ? undefined
      : await prepareOpaqueRecord(ctx, accountId, body.registrationRecord, open.hash)
  if (record !== undefined && !record.ok) return record
  const ready = {
    wraps: wraps.value.map(({ entry }, i) => ({
      recipient: entry.recipient,
      sealed: sealed.value[i] ?? new Uint8Array(),
    })),
    ...(prevSealed === undefined ? {} : { prevSealed: sealed.value.at(-1) ?? new Uint8Array() }),
    ...(record === undefined ? {} : { record: record.value }),
  }
  return ok({ open, ready })
}

interface Linked {
  readonly outcome: number
  readonly head: Head
  readonly tombstones: readonly Tombstone[]
}

/** Inside the transaction. Everything that decides is read under the account's lock. */
const applyLink = async (
  ctx: StrongroomContext,
  change: Change,
  signed: Signed,
  { open, ready }: SealedAppend,
  by: SignedBy,
): Promise<Result<Linked, Failure>> => {
  const { tx } = change
  const { accountUuid, deviceId } = signed.device
  await change.lockAccount(accountUuid)
  const state = await ctx.accounts.read(tx, accountUuid)
  if (state === undefined) return err({ code: "device-not-enrolled" })
  const { seq, prev, byHolder, type } = open.payload
  const storedHash = hashAt(state, seq)
  const linked = (outcome: number, head: Head): Result<Linked, Failure> => ok({ outcome, head, tombstones: [] })
  if (storedHash !== undefined && equalBytes(storedHash, open.hash)) return linked(PUSH_ACCEPTED, state.head)
  if (seq !== state.head.seq + 1 || !equalBytes(prev, state.head.hash)) return linked(PUSH_CONFLICT, state.head)
  const may = await mayAppend(ctx, tx, signed, state, byHolder, by)
  if (!may.ok) return may
  const next = await verifyAccountLink(ctx.primitives, state, open.link)
  if (!next.ok) return err({ code: productCode(next.error), detail: next.error.code })
  if (ready === undefined) return linked(PUSH_CONFLICT, state.head)

  const meant = accountChange(state, next.value, type)
  const allowed = checkMeaning(ctx, may.value, meant, deviceId, by)
  if (!allowed.ok) return allowed
  if (!(await moveAccount(tx, accountUuid, state.head, meant))) return linked(PUSH_CONFLICT, state.head)
  await writeLink(tx, accountUuid, open, ready, meant)
  const devices = await applyDevices(ctx, tx, signed, meant)
  if (!devices.ok) return devices
  if (ready.record !== undefined && !(await storeOpaqueRecord(tx, accountUuid, ready.record)))
    return linked(PUSH_CONFLICT, state.head)
  for (const event of eventsOfChange(meant)) await change.event({ accountUuid, accountId: state.id, ...event })
  change.notify({
    accountUuid,
    by: deviceId,
    audience: activeDevices(next.value).map(({ holder }) => holder.id),
    closed: meant.removedDevices.map(({ id }) => id),
    event: (commit) => feedEventStruct.encode({ commit, accountLinks: [encodeLink(open.link)], vaults: [] }),
  })
  const tombstones = [
    ...tombstonesOfChange(ctx.primitives, meant),
    ...(ready.record?.replaced === undefined ? [] : [ready.record.replaced]),
  ]
  return applyLeases(ctx, meant, tombstones, { outcome: PUSH_ACCEPTED, head: next.value.head, tombstones })
}

interface Appender {
  readonly state: string
  readonly hasFactor: boolean
  /** False after a restore, until an active device registers the password again. */
  readonly hasPassword: boolean
  readonly lastFactorMs: number
  readonly lastPasswordMs: number
}

/** Who may append at all, as the rows are now. */
const mayAppend = async (
  ctx: StrongroomContext,
  tx: Tx,
  { device }: Signed,
  state: AccountState,
  byHolder: Uint8Array,
  by: SignedBy,
): Promise<Result<Appender, Failure>> => {
  const row = await tx
    .selectFrom("device")
    .innerJoin("account", "account.uuid", "device.account_uuid")
    .select([
      "device.state",
      "device.expires_ms",
      "device.last_factor_ms",
      "device.last_password_ms",
      "account.frozen",
      "account.sealed_opaque_record",
    ])
    .select((e) =>
      e.selectFrom("factor").select("kind").whereRef("account_uuid", "=", "account.uuid").limit(1).as("factor"),
    )
    .where("device.id", "=", device.deviceId)
    .executeTakeFirst()
  if (row === undefined) return err({ code: "device-not-enrolled" })
  if (row.frozen === 1) return err({ code: "account-frozen" })
  if (row.state === "removed") return err({ code: "device-removed" })
  const isOwn = equalBytes(byHolder, device.deviceId)
  const isSlot = holderOf(state, byHolder)?.holder.kind !== HOLDER_DEVICE
  const isOver = row.expires_ms !== 0 && row.expires_ms <= ctx.clock.nowMs()
  if (isOver) return err({ code: "device-expired" })
  const isRight = by === "device" ? row.state === "active" && isOwn : row.state === "confirmed" && isSlot
  if (!isRight) return err({ code: "not-allowed" })
  return ok({
    state: row.state,
    hasFactor: row.factor !== null,
    hasPassword: row.sealed_opaque_record !== null,
    lastFactorMs: row.last_factor_ms,
    lastPasswordMs: row.last_password_ms,
  })
}

/** What the chain allows and the strongroom does not. */
const checkMeaning = (
  ctx: StrongroomContext,
  appender: Appender,
  meant: AccountChange,
  deviceId: Uint8Array,
  by: SignedBy,
): Result<undefined, Failure> => {
  if (by === "slot") {
    const [only, ...others] = meant.addedDevices
    // A slot speaks for the device that asks, for no other.
    return only !== undefined && others.length === 0 && equalBytes(only.id, deviceId)
      ? ok(undefined)
      : err({ code: "not-allowed" })
  }
  if (!needsFreshLogin(meant)) return ok(undefined)
  const since = ctx.clock.nowMs() - FRESH_MS
  const { hasPassword, lastPasswordMs, hasFactor, lastFactorMs } = appender
  // A password that a restore has taken cannot be asked for; the second factor then must be there, and fresh.
  if (hasPassword && lastPasswordMs < since) return err({ code: "reauth-required" })
  if (!hasFactor) return hasPassword ? ok(undefined) : err({ code: "reauth-required" })
  return lastFactorMs < since ? err({ code: "second-factor-needed" }) : ok(undefined)
}

/** Compare-and-set on the head. False: another link was there first. */
const moveAccount = async (tx: Tx, accountUuid: string, head: Head, meant: AccountChange): Promise<boolean> => {
  const { next } = meant
  const recPk = newRecoveryKey(meant)
  const { numUpdatedRows } = await tx
    .updateTable("account")
    .set({
      head_seq: next.head.seq,
      head_hash: next.head.hash,
      chain_state: encodeAccountState(next),
      relogin_max_s: next.policy.reloginMaxS,
      ...(recPk === undefined ? {} : { rec_pk: recPk }),
    })
    .where("uuid", "=", accountUuid)
    .where("head_seq", "=", head.seq)
    .where("head_hash", "=", head.hash)
    .executeTakeFirstOrThrow()
  return numUpdatedRows === 1n
}

const writeLink = async (
  tx: Tx,
  accountUuid: string,
  open: OpenLink,
  ready: ReadyAppend,
  { seq, wraps, key }: AccountChange,
): Promise<void> => {
  await tx
    .insertInto("account_link")
    .values({ account_uuid: accountUuid, seq, hash: open.hash, link: encodeLink(open.link) })
    .execute()
  if (ready.wraps.length > 0)
    await tx
      .insertInto("account_wrap")
      .values(
        ready.wraps.map(({ recipient, sealed }) => ({
          account_uuid: accountUuid,
          seq,
          epoch: wraps?.epoch ?? 0,
          recipient,
          sealed_entry: sealed,
        })),
      )
      .execute()
  if (ready.prevSealed !== undefined)
    await tx
      .insertInto("account_prev_sealed")
      .values({ account_uuid: accountUuid, epoch: key?.epoch ?? 0, sealed_bytes: ready.prevSealed })
      .execute()
}

/** Rows of devices that come and go. Removals first, so that they make room. */
const applyDevices = async (
  ctx: StrongroomContext,
  tx: Tx,
  { device, limits }: Signed,
  meant: AccountChange,
): Promise<Result<undefined, Failure>> => {
  const nowMs = ctx.clock.nowMs()
  for (const { id } of meant.removedDevices) {
    await moveDevice(tx, id, IN_CHAIN_STATES, "removed", nowMs)
    await tx.updateTable("device").set({ sealed_factor_seed: null }).where("id", "=", id).execute()
  }
  for (const holder of meant.addedDevices) {
    const row = await tx
      .selectFrom("device")
      .select(["id", "account_uuid", "expires_ms", "sig_pk", "kem_pk", "auth_pk", "lease_id", "lease_pk"])
      .where("id", "=", holder.id)
      .executeTakeFirst()
    if (row === undefined || row.account_uuid !== device.accountUuid) return err({ code: "device-not-enrolled" })
    if (!isHolderOfRow(holder, row)) return err({ code: "chain-invalid", detail: "The link names other keys." })
    if (row.expires_ms !== 0 && row.expires_ms <= nowMs) return err({ code: "device-expired" })
    const full = await deviceLimitReached(tx, device.accountUuid, limits.devices)
    if (full !== undefined) return err(full)
    if (!(await moveDevice(tx, holder.id, WAITING_STATES, "approved", nowMs))) {
      const state = await stateOf(tx, holder.id)
      return err({ code: state === "rejected" ? "device-rejected" : "device-expired" })
    }
    await endAttempts(tx, holder.id, "superseded")
  }
  return ok(undefined)
}

/** The lease store last, right before the commit: a key that was destroyed stays so whatever happens then. */
const applyLeases = async (
  ctx: StrongroomContext,
  meant: AccountChange,
  tombstones: readonly Tombstone[],
  linked: Linked,
): Promise<Result<Linked, Failure>> => {
  for (const { id } of meant.addedDevices)
    if (!(await ctx.leases.makeLive(id))) return err({ code: "device-expired", detail: "Its lease key has ended." })
  if (tombstones.length > 0)
    await ctx.leases.kill(
      meant.removedDevices.map(({ id }) => id),
      tombstones,
    )
  return ok(linked)
}

/** One result for each rotation; nothing here undoes the link. */
const rotate = async (
  ctx: StrongroomContext,
  parts: PushParts,
  { device, limits }: Signed,
  body: AppendBody,
): Promise<{ readonly results: readonly PushResult[]; readonly commit: number }> => {
  if (body.rotations.length === 0) return { results: [], commit: 0 }
  const prepared = prepareAll(ctx, body.rotations)
  const pushed = prepared.ok ? await pushAll(ctx, parts, prepared.value, { device, limits, why: "rotation" }) : prepared
  if (pushed.ok)
    return {
      results: pushed.value.map(({ result }) => result),
      commit: Math.max(0, ...pushed.value.map(({ commit }) => commit)),
    }
  const { code } = pushed.error
  const results = body.rotations.map(({ vaultId }): PushResult => ({
    vaultId,
    outcome: PUSH_REFUSED,
    code,
    head: [0, new Uint8Array(32)],
  }))
  return { results, commit: 0 }
}
