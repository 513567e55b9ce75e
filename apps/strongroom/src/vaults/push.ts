import { bytesToHex, Defect, equalBytes, err, isZero, ok, type Result } from "@keyferry/base"
import {
  type AccountState,
  activeDevices,
  CHAIN_VAULT,
  type ChainError,
  type Head,
  productCode,
  type StoredTree,
  VAULT_EPOCH_ROTATE,
  type VaultState,
  type VaultStep,
  verifyVaultLinks,
} from "@keyferry/chain"
import {
  type ErrorCode,
  type Failure,
  feedEventStruct,
  PUSH_ACCEPTED,
  PUSH_CONFLICT,
  PUSH_REFUSED,
  type PushResult,
  type VaultChanges,
} from "@keyferry/protocol"
import { rollBack } from "@keyferry/store"
import type { Limits } from "@keyferry/strongroom-api"

import type { Change, SigningDevice, StrongroomContext, Tx } from "../context.ts"
import type { LeaseDatabase } from "../lease/store.ts"
import { prevSealedPlace, recordPlace, wrapPlace } from "../places.ts"
import type { HotVault, HotVaults } from "./hot-vaults.ts"
import { type PreparedLink, type PreparedPush, type PreparedRecord, recordsOf } from "./prepared.ts"
import { type RecordBlocks, RECORDS_IN_BLOCK } from "./record-blocks.ts"
import {
  countAccount,
  countVaults,
  insertRecords,
  insertVault,
  insertVaultLinks,
  insertVaultPrevSealed,
  insertVaultWraps,
  lockWritableAccount,
  moveVault,
  type NewRecord,
  readVault,
  type StoredLeaf,
  supersede,
  vaultLinkHash,
  type VaultRow,
  type VaultStates,
  type WritableAccount,
  writeLeaves,
  writeTrieRows,
} from "./rows.ts"

/*
 * One push: links of one vault, all or nothing, in a savepoint of a shared commit. Whatever decides is read inside the
 * transaction under the account's lock; the outer layer was put on before.
 * Source: spec/feed.md SY63–SY69
 */
export interface PushParts {
  readonly hot: HotVaults
  readonly blocks: RecordBlocks
  /** The newest account states that pushes needed; the row's head decides whether one still is. */
  readonly accounts: Map<string, AccountState>
  readonly states: VaultStates
  readonly leases: LeaseDatabase
}

/** A push whose records, wraps and older key already wear the outer layer. */
export interface SealedPush {
  readonly push: PreparedPush
  /** By what was given: one for each record. */
  readonly records: ReadonlyMap<PreparedRecord, Uint8Array>
  readonly wraps: readonly { readonly recipient: Uint8Array; readonly sealed: Uint8Array }[]
  readonly prevSealed?: Uint8Array
  /** Where its records are numbered; 0 where it brings none. */
  readonly block: number
}

export interface PushRules {
  readonly device: SigningDevice
  readonly limits: Limits
  /**
   * `rotation`: carried by an account link that was just committed. Its links may only start epochs, so it is let through
   * while sync is suspended or no second factor is set, and by a device that is approved and not yet active.
   * `repair`: links of any device of the account, verified as history while the account is behind; see repair.ts.
   */
  readonly why: "sync" | "rotation" | "repair"
  readonly asHistory?: boolean
}

export interface Pushed {
  readonly result: PushResult
  /** 0 where nothing changed. */
  readonly commit: number
}

const MAX_VAULTS = 256
const MAX_ACCOUNTS = 1000
const NO_HEAD: Head = { seq: 0, hash: new Uint8Array(32) }

/** One KMS unwrap at most. Errors: kms-unavailable. */
export const sealPush = async (
  ctx: StrongroomContext,
  parts: PushParts,
  accountId: Uint8Array,
  push: PreparedPush,
): Promise<Result<SealedPush, Failure>> => {
  const { vaultId, wraps, prevSealed } = push
  const { primitives: p } = ctx
  const records = recordsOf(push.links)
  const authority = push.links.find((link) => link.epoch !== undefined)
  const seq = authority?.open.payload.seq ?? 0
  const epoch = authority?.epoch?.epoch ?? 0
  const sealed = await ctx.atRest.encryptAll([
    ...records.map((r) => ({ place: recordPlace(accountId, vaultId, r.itemId, r.rev), plaintext: r.bytes })),
    ...wraps.map((w) => ({ place: wrapPlace(p, accountId, vaultId, seq, w.recipient), plaintext: w.bytes })),
    ...(prevSealed === undefined
      ? []
      : [{ place: prevSealedPlace(p, accountId, vaultId, epoch), plaintext: prevSealed }]),
  ])
  if (!sealed.ok) return sealed
  const at = (i: number): Uint8Array => {
    const bytes = sealed.value[i]
    if (bytes === undefined) throw new Defect("fewer sealed values than asked for")
    return bytes
  }
  return ok({
    push,
    block: records.length === 0 ? 0 : await parts.blocks.next(),
    records: new Map(records.map((record, i) => [record, at(i)])),
    wraps: wraps.map(({ recipient }, i) => ({ recipient, sealed: at(records.length + i) })),
    ...(prevSealed === undefined ? {} : { prevSealed: at(records.length + wraps.length) }),
  })
}

/** Never throws for what a device sent; a result names what happened and where the vault now is. */
export const commitPush = async (
  ctx: StrongroomContext,
  parts: PushParts,
  sealed: SealedPush,
  rules: PushRules,
): Promise<Pushed> => {
  const { value, commit } = await ctx.change.grouped(async (change) => {
    const outcome = await applyPush(ctx, parts, change, sealed, rules)
    return outcome.outcome === PUSH_ACCEPTED ? outcome : rollBack(outcome)
  })
  if (value.outcome === PUSH_ACCEPTED) {
    const [seq, hash] = value.head
    parts.leases.noteHead({ kind: CHAIN_VAULT, id: value.vaultId, accountId: rules.device.accountId, seq, hash })
  }
  return { result: value, commit }
}

type Refused = { readonly ok: false; readonly error: ErrorCode }
type Allowed<T> = { readonly ok: true; readonly value: T } | Refused

const applyPush = async (
  ctx: StrongroomContext,
  parts: PushParts,
  change: Change,
  sealed: SealedPush,
  rules: PushRules,
): Promise<PushResult> => {
  const { tx } = change
  const { push } = sealed
  const { device } = rules
  const account = await lockWritableAccount(ctx.store, tx, device.accountUuid, device.deviceId)
  const stored = await readVault(tx, push.vaultId, parts.states)
  const vault = stored?.accountUuid === device.accountUuid ? stored : undefined
  const head = vault?.state.head ?? NO_HEAD
  const refused = (code: ErrorCode): PushResult => resultOf(push, PUSH_REFUSED, head, code)
  const conflict = resultOf(push, PUSH_CONFLICT, head, "revision-conflict")

  const may = mayWrite(account, push, rules)
  if (!may.ok) return refused(may.error)
  if (stored !== undefined && vault === undefined) return refused("vault-not-found")
  const known = await countStored(tx, vault, push)
  if (known === "conflict") return rules.why === "repair" ? refused("chain-forked") : conflict
  const links = push.links.slice(known)
  if (links.length === 0) return resultOf(push, PUSH_ACCEPTED, head)
  const place = await checkPlace(tx, vault, links, rules)
  if (!place.ok) return refused(place.error)

  const state = await accountState(ctx, parts, tx, device.accountUuid, account?.headHash)
  if (state === undefined) return refused("device-not-enrolled")
  const hot = parts.hot.open(tx, push.vaultId, head.hash)
  const step = await verify(ctx, state, vault?.state, links, hot, rules.asHistory !== true)
  if (!step.ok) return refused(productCode(step.error))
  const next = step.value.state
  if (!equalBytes(next.id, push.vaultId)) return refused("chain-invalid")

  const plan = planRecords(hot, links, sealed, ctx.clock.nowMs())
  if (!plan.ok) return refused(plan.error)
  const items = next.count - (vault?.state.count ?? 0)
  const within = checkLimits(may.value, items, plan.value.bytes, rules)
  if (!within.ok) return refused(within.error)
  if (!(await moveHead(ctx, tx, device.accountUuid, vault, next, plan.value.bytes))) return conflict
  await writePush(ctx, tx, sealed, links, step.value, plan.value)
  if (items !== 0 || plan.value.bytes !== 0) await countAccount(tx, device.accountUuid, items, plan.value.bytes)
  hot.move(next.head.hash, step.value.tree.changedRows, plan.value.leaves)
  announce(change, state, device, changesOf(ctx, state.id, sealed, links, next.head, plan.value))
  return resultOf(push, PUSH_ACCEPTED, next.head)
}

/** The chain that the row's head stands for, read again only if that head is new here. */
const accountState = async (
  ctx: StrongroomContext,
  { accounts }: PushParts,
  tx: Tx,
  accountUuid: string,
  headHash: Uint8Array | undefined,
): Promise<AccountState | undefined> => {
  const known = accounts.get(accountUuid)
  if (known !== undefined && headHash !== undefined && equalBytes(known.head.hash, headHash)) return known
  const state = await ctx.accounts.read(tx, accountUuid)
  if (accounts.size >= MAX_ACCOUNTS) accounts.clear()
  if (state !== undefined) accounts.set(accountUuid, state)
  return state
}

const resultOf = (push: PreparedPush, outcome: number, head: Head, code?: ErrorCode): PushResult => ({
  vaultId: push.vaultId,
  outcome,
  head: [head.seq, head.hash],
  ...(code === undefined ? {} : { code }),
})

/** Signer's state, second factor, suspension and freeze, as they are now. */
const mayWrite = (
  account: WritableAccount | undefined,
  push: PreparedPush,
  rules: PushRules,
): Allowed<WritableAccount> => {
  if (account === undefined) return err("device-not-enrolled")
  if (account.frozen) return err("account-frozen")
  const { deviceState } = account
  if (rules.why === "rotation") {
    if (push.links.some((link) => link.open.payload.type !== VAULT_EPOCH_ROTATE)) return err("not-allowed")
    return deviceState === "active" || deviceState === "approved" ? ok(account) : err(codeOfState(deviceState))
  }
  if (deviceState !== "active") return err(codeOfState(deviceState))
  if (account.syncSuspended) return err("sync-suspended")
  return account.hasFactor ? ok(account) : err("two-factor-required")
}

const codeOfState = (state: string): ErrorCode => {
  if (state === "removed") return "device-removed"
  if (state === "retired") return "device-retired"
  return state === "lease-locked" ? "lease-locked" : "device-not-verified"
}

/** How many leading links are stored already, exactly so: a device that asks again gets the same answer. */
const countStored = async (tx: Tx, vault: VaultRow | undefined, push: PreparedPush): Promise<number | "conflict"> => {
  if (vault === undefined) return 0
  const { head } = vault.state
  for (const [i, link] of push.links.entries()) {
    const { seq, prev } = link.open.payload
    // What is new must follow the head: somebody else may have been faster after what is stored.
    if (seq > head.seq) return seq === head.seq + 1 && equalBytes(prev, head.hash) ? i : "conflict"
    const stored = await vaultLinkHash(tx, push.vaultId, seq)
    if (stored === undefined || !equalBytes(stored, link.open.hash)) return "conflict"
  }
  return push.links.length
}

const checkPlace = async (
  tx: Tx,
  vault: VaultRow | undefined,
  links: readonly PreparedLink[],
  { device, why }: PushRules,
): Promise<Allowed<undefined>> => {
  // The request was signed by this device, so its links are its own: what others wrote arrives by repair only.
  if (why !== "repair" && links.some(({ open }) => !equalBytes(open.payload.byHolder, device.deviceId)))
    return err("not-allowed")
  if (vault !== undefined) return ok(undefined)
  if (links[0]?.open.payload.seq !== 1) return err("vault-not-found")
  return (await countVaults(tx, device.accountUuid)) < MAX_VAULTS ? ok(undefined) : err("quota-exceeded")
}

const verify = (
  ctx: StrongroomContext,
  account: AccountState,
  vault: VaultState | undefined,
  links: readonly PreparedLink[],
  { tree }: HotVault,
  atCommit: boolean,
): Promise<Result<VaultStep<StoredTree>, ChainError>> =>
  verifyVaultLinks(
    ctx.primitives,
    vault,
    links.map(({ open }) => open.link),
    { account: (id) => (equalBytes(id, account.id) ? account : undefined), tree, atCommit },
  )

interface RecordPlan {
  readonly records: readonly NewRecord[]
  /** Numbers of stored records that are no longer the newest. */
  readonly superseded: readonly number[]
  readonly leaves: readonly StoredLeaf[]
  /** Change of the bytes of newest records. */
  readonly bytes: number
}

/** What becomes of each item, op by op. The verification has read the leaves. Errors: record-mismatch. */
const planRecords = (
  hot: HotVault,
  links: readonly PreparedLink[],
  sealed: SealedPush,
  nowMs: number,
): Allowed<RecordPlan> => {
  const leaves = new Map<string, StoredLeaf>()
  const records = new Map<number, NewRecord>()
  const superseded: number[] = []
  let bytes = 0
  let n = sealed.block * RECORDS_IN_BLOCK
  for (const { open, ops } of links)
    for (const { leaf, record } of ops) {
      const name = bytesToHex(leaf.itemId)
      const before = leaves.get(name) ?? hot.storedLeaf(leaf.itemId)
      if (before?.recordN !== undefined && !before.tombstone) {
        const own = records.get(before.recordN)
        if (own === undefined) superseded.push(before.recordN)
        else records.set(own.n, { ...own, supersededMs: nowMs })
        bytes -= before.size
      }
      const outer = record === undefined ? undefined : sealed.records.get(record)
      if (record === undefined || outer === undefined) {
        // Deleted: its history begins where it ended. Lost: nothing of it is served until it is pushed anew.
        leaves.set(name, { ...leaf, recordN: leaf.tombstone ? before?.recordN : undefined, size: 0 })
        continue
      }
      if (!isAfter(record, before)) return err("record-mismatch")
      const { itemId, rev } = leaf
      const size = record.bytes.length
      const { seq } = open.payload
      records.set(n, { n, itemId, rev, seq, size, supersededMs: undefined, prevN: before?.recordN, sealed: outer })
      leaves.set(name, { ...leaf, recordN: n, size })
      bytes += size
      n++
    }
  return ok({ records: [...records.values()], superseded, leaves: [...leaves.values()], bytes })
}

/** Field 10 of a header names the revision before. After a delete that is one the strongroom may no longer have. */
const isAfter = (record: PreparedRecord, before: StoredLeaf | undefined): boolean => {
  if (before === undefined) return isZero(record.prevCtHash)
  return before.tombstone || equalBytes(record.prevCtHash, before.ctHash)
}

/** Shrinking is always allowed: a plan that became smaller must not keep anybody from tidying up. */
const checkLimits = (
  account: WritableAccount,
  items: number,
  bytes: number,
  { limits, why }: PushRules,
): Allowed<undefined> => {
  // What is repaired was counted before.
  if (why === "repair") return ok(undefined)
  if (items > 0 && limits.items > 0 && account.items + items > limits.items) return err("item-limit")
  if (bytes > 0 && limits.bytes > 0 && account.bytes + bytes > limits.bytes) return err("quota-exceeded")
  return ok(undefined)
}

/** Compare-and-set. False: another link was there first. */
const moveHead = async (
  ctx: StrongroomContext,
  tx: Tx,
  accountUuid: string,
  vault: VaultRow | undefined,
  next: VaultState,
  bytes: number,
): Promise<boolean> => {
  if (vault !== undefined) return moveVault(tx, vault.state, next, vault.bytes + bytes)
  await insertVault(tx, accountUuid, next, bytes, ctx.clock.nowMs())
  return true
}

const writePush = async (
  ctx: StrongroomContext,
  tx: Tx,
  sealed: SealedPush,
  links: readonly PreparedLink[],
  step: VaultStep<StoredTree>,
  plan: RecordPlan,
): Promise<void> => {
  const { vaultId } = sealed.push
  const nowMs = ctx.clock.nowMs()
  const rows = links.map(({ open, bytes, epoch }) => ({
    seq: open.payload.seq,
    hash: open.hash,
    isAuthority: epoch !== undefined,
    bytes,
  }))
  await insertVaultLinks(tx, vaultId, rows, plan.records.length === 0 ? 0 : sealed.block, nowMs)
  await insertRecords(tx, vaultId, plan.records)
  await supersede(tx, plan.superseded, nowMs)
  await writeLeaves(tx, vaultId, plan.leaves)
  await writeTrieRows(tx, vaultId, step.tree.changedRows)
  const epoch = links.find((link) => link.epoch !== undefined)?.epoch
  if (epoch === undefined) return
  await insertVaultWraps(tx, vaultId, epoch.epoch, sealed.wraps)
  if (sealed.prevSealed !== undefined) await insertVaultPrevSealed(tx, vaultId, epoch.epoch, sealed.prevSealed)
}

/** What other devices are told: exactly what a pull from before the push would answer. */
const changesOf = (
  ctx: StrongroomContext,
  accountId: Uint8Array,
  sealed: SealedPush,
  links: readonly PreparedLink[],
  head: Head,
  plan: RecordPlan,
): VaultChanges => {
  const newest = new Set(
    plan.records.flatMap((r) => (r.supersededMs === undefined ? [`${bytesToHex(r.itemId)} ${r.rev}`] : [])),
  )
  const records = recordsOf(links).filter((r) => newest.has(`${bytesToHex(r.itemId)} ${r.rev}`))
  const epoch = links.find((link) => link.epoch !== undefined)?.epoch
  const { prevSealed } = sealed.push
  const own = sealed.push.wraps.find((wrap) => equalBytes(wrap.recipient, accountId))
  const hashes = sealed.push.wraps.map((wrap) => ctx.primitives.sha256(wrap.bytes))
  return {
    vaultId: sealed.push.vaultId,
    links: links.map(({ bytes }) => bytes),
    records: records.map(({ bytes }) => bytes),
    head: [head.seq, head.hash],
    more: false,
    ...(epoch === undefined || own === undefined ? {} : { wraps: [[epoch.epoch, own.bytes, hashes]] }),
    ...(epoch === undefined || prevSealed === undefined ? {} : { prevSealed: [[epoch.epoch, prevSealed]] }),
  }
}

const announce = (change: Change, account: AccountState, device: SigningDevice, changes: VaultChanges): void =>
  change.notify({
    accountUuid: device.accountUuid,
    by: device.deviceId,
    audience: activeDevices(account).map(({ holder }) => holder.id),
    event: (commit) => feedEventStruct.encode({ commit, accountLinks: [], vaults: [changes] }),
  })
