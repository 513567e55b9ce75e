import { bytesToHex, equalBytes, err, ok, type Result, type TypeOf } from "@keyferry/base"
import {
  type AccountState,
  encodeAccountState,
  hashAt,
  HOLDER_RECOVERY,
  type Holder,
  newestSlot,
  type OpenLink,
  productCode,
  verifyAccountLink,
} from "@keyferry/chain"
import { decodeWrapEntry, sealedHash, sealedStruct, type WrapEntry, wrapsHash } from "@keyferry/crypto"
import type { Failure, repairRequestStruct } from "@keyferry/protocol"
import { rollBack } from "@keyferry/store"

import { IN_CHAIN_STATES, moveDevice, WAITING_STATES } from "../accounts/devices.ts"
import type { SigningDevice, StrongroomContext, Tx } from "../context.ts"
import type { Handler } from "../execute.ts"
import { lookAgain } from "../lease/heads.ts"
import { prevSealedPlace, wrapPlace } from "../places.ts"
import { FRESH_MS } from "../verifier.ts"
import { type AccountChange, accountChange, replacesPassword, tombstonesOfChange } from "./account-change.ts"
import { isBehind } from "./behind.ts"
import { openBytes } from "./prepared.ts"
import type { PushParts } from "./push.ts"
import { prepareAll, pushAll } from "./sync.ts"

/*
 * After a restore a device brings back what the server has lost: first the account chain, then vaults. Every link is
 * verified as on any device; the rows follow from the chain, never from what the request says beside it.
 * Source: spec/feed.md SY90–SY93
 */
type RepairBody = TypeOf<typeof repairRequestStruct>

/** Errors: chain-invalid, chain-forked (nothing of the account chain was taken), too-large, malformed, kms-unavailable */
export const repair =
  (parts: PushParts): Handler<"repair"> =>
  async (ctx, { device, limits }, body) => {
    const asHistory = isBehind(parts, device)
    if (body.accountLinks.length > 0) {
      if (!asHistory) return err({ code: "not-allowed", detail: "No chain of this account waits for a repair." })
      const done = await repairAccount(ctx, device, body)
      if (!done.ok) return done
    }
    const prepared = prepareAll(ctx, body.vaults, { mayMiss: true })
    if (!prepared.ok) return prepared
    const pushed = await pushAll(ctx, parts, prepared.value, { device, limits, why: "repair", asHistory })
    if (!pushed.ok) return pushed
    if (asHistory && (await lookAgain(ctx, parts.leases, device.accountId)))
      ctx.log({ level: "info", what: "repaired", account: bytesToHex(device.accountId).slice(0, 12) })
    return ok({
      reply: { results: pushed.value.map(({ result }) => result) },
      commit: Math.max(0, ...pushed.value.map(({ commit }) => commit)),
    })
  }

interface Step {
  readonly open: OpenLink
  readonly bytes: Uint8Array
  readonly change: AccountChange
  readonly wraps: readonly { readonly recipient: Uint8Array; readonly sealed: Uint8Array }[]
  readonly older: Uint8Array | undefined
}

const repairAccount = async (
  ctx: StrongroomContext,
  device: SigningDevice,
  body: RepairBody,
): Promise<Result<undefined, Failure>> => {
  const before = await ctx.store.read((db) => ctx.accounts.read(db, device.accountUuid))
  if (before === undefined) return err({ code: "device-not-enrolled" })
  const steps = await verifySuffix(ctx, device.accountId, before, body)
  if (!steps.ok) return steps
  const last = steps.value.at(-1)
  if (last === undefined) return ok(undefined)
  const { value } = await ctx.change(async (change) => {
    const { tx } = change
    await change.lockAccount(device.accountUuid)
    const { numUpdatedRows } = await tx
      .updateTable("account")
      .set(accountRow(last.change.next))
      .where("uuid", "=", device.accountUuid)
      .where("head_seq", "=", before.head.seq)
      .where("head_hash", "=", before.head.hash)
      .executeTakeFirstOrThrow()
    if (numUpdatedRows !== 1n) return rollBack(err<Failure>({ code: "revision-conflict" }))
    for (const step of steps.value) await writeStep(ctx, tx, device.accountUuid, step)
    if (steps.value.some((step) => replacesPassword(step.change)))
      await tx
        .updateTable("account")
        .set({ sealed_opaque_record: null })
        .where("uuid", "=", device.accountUuid)
        .execute()
    change.notify({
      accountUuid: device.accountUuid,
      by: device.deviceId,
      closed: steps.value.flatMap((step) => step.change.removedDevices.map(({ id }) => id)),
    })
    const tombstones = steps.value.flatMap((step) => tombstonesOfChange(ctx.primitives, step.change))
    const removed = steps.value.flatMap((step) => step.change.removedDevices.map(({ id }) => id))
    if (tombstones.length > 0) await ctx.leases.kill(removed, tombstones)
    return ok(tombstones)
  })
  if (!value.ok) return value
  await ctx.leases.confirm(value.value)
  return ok(undefined)
}

const accountRow = (next: AccountState) => ({
  head_seq: next.head.seq,
  head_hash: next.head.hash,
  chain_state: encodeAccountState(next),
  relogin_max_s: next.policy.reloginMaxS,
  rec_pk: newestSlot(next, HOLDER_RECOVERY)?.holder.recPk ?? null,
})

/** Links that are stored already are passed over. Errors: chain-forked, chain-invalid, kms-unavailable */
const verifySuffix = async (
  ctx: StrongroomContext,
  accountId: Uint8Array,
  before: AccountState,
  body: RepairBody,
): Promise<Result<readonly Step[], Failure>> => {
  const entries = readEntries(body)
  const steps: Step[] = []
  let state = before
  for (const bytes of body.accountLinks) {
    const open = openBytes(ctx.primitives, bytes)
    if (!open.ok) return open
    const stored = hashAt(state, open.value.payload.seq)
    if (stored !== undefined) {
      if (!equalBytes(stored, open.value.hash)) return err({ code: "chain-forked" })
      continue
    }
    const next = await verifyAccountLink(ctx.primitives, state, open.value.link)
    if (!next.ok) return err({ code: productCode(next.error), detail: next.error.code })
    const change = accountChange(state, next.value, open.value.payload.type)
    const sealed = await sealStep(ctx, accountId, change, entries, body)
    if (!sealed.ok) return sealed
    steps.push({ open: open.value, bytes, change, ...sealed.value })
    state = next.value
  }
  return ok(steps)
}

type Entry = WrapEntry & { readonly epoch: number; readonly bytes: Uint8Array }

const readEntries = (body: RepairBody): readonly Entry[] =>
  body.accountWraps.flatMap(([epoch, bytes]) => {
    const entry = decodeWrapEntry(bytes)
    return entry.ok ? [{ ...entry.value, epoch, bytes }] : []
  })

/** Wraps and older key of a link, if the request has exactly those that it committed to; else it stays without. */
const sealStep = async (
  ctx: StrongroomContext,
  accountId: Uint8Array,
  change: AccountChange,
  entries: readonly Entry[],
  body: RepairBody,
): Promise<Result<Pick<Step, "wraps" | "older">, Failure>> => {
  const { primitives: p } = ctx
  const wraps = entriesFor(ctx, change, entries)
  const older = body.accountPrevSealed.find(([epoch, bytes]) => {
    const sealed = sealedStruct.decode(bytes, 400)
    const expected = change.key?.prevSealedHash
    return (
      epoch === change.key?.epoch &&
      expected !== undefined &&
      sealed.ok &&
      equalBytes(sealedHash(p, sealed.value), expected)
    )
  })?.[1]
  const outer = await ctx.atRest.encryptAll([
    ...wraps.map(({ recipient, bytes }) => ({
      place: wrapPlace(p, accountId, accountId, change.seq, recipient),
      plaintext: bytes,
    })),
    ...(older === undefined
      ? []
      : [{ place: prevSealedPlace(p, accountId, accountId, change.key?.epoch ?? 0), plaintext: older }]),
  ])
  if (!outer.ok) return outer
  return ok({
    wraps: wraps.map(({ recipient }, i) => ({ recipient, sealed: outer.value[i] ?? new Uint8Array() })),
    older: older === undefined ? undefined : outer.value.at(-1),
  })
}

const entriesFor = (ctx: StrongroomContext, { wraps }: AccountChange, entries: readonly Entry[]): readonly Entry[] => {
  if (wraps === undefined) return []
  const { primitives: p } = ctx
  const isFor = (holder: Holder) => (entry: Entry) =>
    entry.epoch === wraps.epoch &&
    equalBytes(entry.recipient, holder.id) &&
    equalBytes(entry.kemPkHash, p.sha256(holder.kemPk))
  const found = wraps.recipients.flatMap((holder) => entries.find(isFor(holder)) ?? [])
  return found.length === wraps.recipients.length && equalBytes(wrapsHash(p, found), wraps.hash) ? found : []
}

const writeStep = async (ctx: StrongroomContext, tx: Tx, accountUuid: string, step: Step): Promise<void> => {
  const { change, open, bytes, wraps, older } = step
  await tx
    .insertInto("account_link")
    .values({ account_uuid: accountUuid, seq: change.seq, hash: open.hash, link: bytes })
    .execute()
  for (const { recipient, sealed } of wraps)
    await tx
      .insertInto("account_wrap")
      .values({
        account_uuid: accountUuid,
        seq: change.seq,
        epoch: change.wraps?.epoch ?? 0,
        recipient,
        sealed_entry: sealed,
      })
      .execute()
  if (older !== undefined)
    await tx
      .insertInto("account_prev_sealed")
      .values({ account_uuid: accountUuid, epoch: change.key?.epoch ?? 0, sealed_bytes: older })
      .execute()
  const nowMs = ctx.clock.nowMs()
  for (const { id } of change.removedDevices)
    await moveDevice(tx, id, [...IN_CHAIN_STATES, ...WAITING_STATES, "reserved"], "removed", nowMs)
  for (const holder of change.addedDevices) await restoreDevice(ctx, tx, accountUuid, holder)
}

/** A device that the restored store has forgotten, or still thinks to be waiting. */
const restoreDevice = async (ctx: StrongroomContext, tx: Tx, accountUuid: string, holder: Holder): Promise<void> => {
  const nowMs = ctx.clock.nowMs()
  const { id, sigPk, kemPk, authPk, leasePk, leaseId } = holder
  if (authPk === undefined || leasePk === undefined || leaseId === undefined) return
  if (await moveDevice(tx, id, [...WAITING_STATES, "reserved", "expired"], "approved", nowMs)) return
  await tx
    .insertInto("device")
    .values({
      id,
      account_uuid: accountUuid,
      state: "approved",
      state_ms: nowMs,
      expires_ms: 0,
      platform: "",
      sig_pk: sigPk,
      kem_pk: kemPk,
      auth_pk: authPk,
      lease_id: leaseId,
      lease_pk: leasePk,
      created_ms: nowMs,
      last_seen_ms: 0,
      last_factor_ms: 0,
      // It was in the chain, so it may ask; what wants a fresh password still wants one.
      last_password_ms: nowMs - FRESH_MS,
      code: null,
      link_reason: null,
      sealed_factor_seed: null,
      factor_seed_ms: 0,
      retire_seq: null,
      retire_head: null,
      retire_signature: null,
    })
    .onConflict((c) => c.column("id").doNothing())
    .execute()
}
