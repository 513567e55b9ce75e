import { bytesToHex, compareBytes, equalBytes, err, ok, type Result } from "@keyferry/base"
import {
  type AccountState,
  type ChainError,
  compareWithKnown,
  createMemoryTree,
  currentEpoch,
  encodeLink,
  isRotationDue,
  itemsPayload,
  knownAccount,
  type Leaf,
  type Link,
  OP_DEL,
  OP_PUT,
  type Op,
  productCode,
  ROTATE_REMOVAL,
  signPayload,
  type VaultState,
  verifyAccountLink,
  verifyVaultBootstrap,
  verifyVaultLinks,
} from "@keyferry/chain"
import { ctHash, decodeRecord, encodeRecord, openRecord, type SealedRecord, sealRecord } from "@keyferry/crypto"
import {
  bootstrapReplyStruct,
  bootstrapRequestStruct,
  type Failure,
  isErrorCode,
  MAX_PUSH_OPS,
  PUSH_ACCEPTED,
  PUSH_CONFLICT,
  type SyncReply,
  syncReplyStruct,
  syncRequestStruct,
  type VaultChanges,
  type VaultPush,
} from "@keyferry/protocol"

import type { OnProgress } from "./api.ts"
import {
  chainRows,
  decodeLinks,
  type Device,
  type FullKeys,
  loadAuthSeed,
  type LocalKeys,
  requestSigner,
  settingsStateRow,
  transportOf,
} from "./device.ts"
import { recordEvidence } from "./evidence.ts"
import { type AccountRecord, type LocalItem, POLICY_LOCAL, type VaultRow } from "./formats.ts"
import { itemRows, removedItemRows } from "./items.ts"
import { afterProfile, applyCommitted, type Committed } from "./merge-item.ts"
import type { Row } from "./ports.ts"
import { bundleRow } from "./unlock.ts"
import {
  acceptOlderKeys,
  acceptVaultKey,
  linkSigner,
  lookupOf,
  makeRotation,
  makeVault,
  rowOfState,
  type Vault,
  vaultKeyOf,
  vaultStoreRow,
  withVaultKey,
} from "./vault.ts"
import { keyIdOf } from "./wire.ts"

/*
 * One exchange with the server: everything that waits goes up, everything new comes down, in one request. What is
 * applied is written together with the vault state it leads to, so a stop at any instant leaves a state to go on from.
 */
const ANSWER_BYTES = 4 * 1024 * 1024
const PUSH_BYTES = 3 * 1024 * 1024
const ZERO32 = new Uint8Array(32)
const MAX_TRIES = 5

export interface SyncOutcome {
  readonly sent: number
  readonly received: number
}

/** What an exchange needs; `undefined` where this device may not sync now. */
export interface SyncScope {
  readonly account: AccountState
  readonly record: AccountRecord
  readonly full: FullKeys
  readonly keys: LocalKeys
}

export const syncScope = (device: Device): Result<SyncScope, Failure> => {
  const { account, full, local, record } = device
  if (local === undefined) return err({ code: "locked" })
  if (record?.account === undefined || account === undefined) return err({ code: "sync-not-enabled-here" })
  if (full === undefined || local.strict === undefined) return err({ code: "network-unreachable", detail: "Opened offline; unlock again while the server answers." })
  return ok({ account, record: record.account, full, keys: local })
}

/** Sends and receives until nothing is left. Errors: what the server says, or the integrity code that froze a vault. */
export const syncNow = async (device: Device, onProgress?: OnProgress): Promise<Result<SyncOutcome, Failure>> => {
  let sent = 0
  let received = 0
  // An account's first vault is made only after the server was asked whether there is one already.
  let asked = false
  for (let tries = 0, rounds = 0; ; rounds++) {
    const scope = syncScope(device)
    if (!scope.ok) return scope
    const prepared = await preparePushes(device, scope.value, asked)
    if (!prepared.ok) return prepared
    const { pushes } = prepared.value
    const total = waitingItems(device).length + sent
    const reply = await exchange(device, scope.value, pushes.map((p) => p.push))
    if (!reply.ok) return reply
    const applied = await applyReply(device, reply.value, pushes, onProgress)
    if (!applied.ok) return applied
    const wasAsked = asked
    asked = true
    sent += applied.value.sent
    received += applied.value.received
    if (applied.value.sent > 0 && onProgress !== undefined) onProgress({ step: "uploading", done: sent, total: Math.max(total, sent) })
    if (applied.value.refused !== undefined) return err(applied.value.refused)
    if (!applied.value.again && waitingItems(device).length === 0) break
    if (wasAsked && applied.value.sent === 0 && applied.value.received === 0) {
      tries++
      if (tries >= MAX_TRIES) return err({ code: "busy" })
    } else {
      tries = 0
    }
    if (rounds > 100_000) return err({ code: "busy" })
  }
  await markSynced(device)
  return ok({ sent, received })
}

const markSynced = async (device: Device): Promise<void> => {
  if (device.local === undefined) return
  device.settings = { ...device.settings, lastSyncMs: device.ports.clock.nowMs() }
  await device.ports.store.write([await settingsStateRow(device, device.local, device.settings)])
  device.changed()
}

export const waitingItems = (device: Device): readonly LocalItem[] =>
  [...device.items.values()].filter((item) => item.waiting && !isFrozen(device, item.vaultId))

const isFrozen = (device: Device, vaultId: Uint8Array): boolean =>
  device.vaults.get(bytesToHex(vaultId))?.row.frozen !== undefined

// ── up ───────────────────────────────────────────────────────────────────────────────────────────────────────────

interface PreparedPush {
  readonly push: VaultPush
  /** The vault as it will be once this is accepted. */
  readonly vault: Vault
  readonly full: FullKeys
  /** Rows as they were sealed: [as pushed, as they become when accepted]. */
  readonly items: readonly { readonly before: LocalItem; readonly after: LocalItem | undefined }[]
}

const preparePushes = async (device: Device, scope: SyncScope, asked: boolean): Promise<Result<{ readonly pushes: readonly PreparedPush[] }, Failure>> => {
  const waiting = waitingItems(device)
  if (device.vaults.size === 0) {
    if (waiting.length === 0 || !asked) return ok({ pushes: [] })
    const made = await makeVault(device, scope.account, scope.full, scope.record.deviceId)
    return ok({ pushes: [{ ...made, items: [] }] })
  }
  const pushes: PreparedPush[] = []
  for (const vault of device.vaults.values()) {
    if (vault.row.frozen !== undefined || vault.row.resumeAfter !== undefined) continue
    if (isRotationDue(vault.state, scope.account)) {
      if (vaultKeyOf(scope.full, vault.state.id, currentEpoch(vault.state).epoch) === undefined) continue
      const made = await makeRotation(device, scope.account, scope.full, vault, scope.record.deviceId, ROTATE_REMOVAL)
      pushes.push({ ...made, items: [] })
      continue
    }
    const mine = waiting.filter((item) => equalBytes(item.vaultId, vault.state.id))
    if (mine.length === 0) continue
    const prepared = await prepareItems(device, scope, vault, mine)
    if (!prepared.ok) return prepared
    pushes.push(prepared.value)
  }
  return ok({ pushes })
}

const prepareItems = async (device: Device, scope: SyncScope, vault: Vault, waiting: readonly LocalItem[]): Promise<Result<PreparedPush, Failure>> => {
  const p = device.ports.primitives
  const epoch = currentEpoch(vault.state).epoch
  const key = vaultKeyOf(scope.full, vault.state.id, epoch)
  if (key === undefined) return err({ code: "key-not-trusted" })
  const ops: Op[] = []
  const records: Uint8Array[] = []
  const items: { before: LocalItem; after: LocalItem | undefined }[] = []
  let size = 0
  // The profile goes first: it says what happens to items that leave in the same link.
  const ordered = waiting.toSorted((a, b) => (b.recordKind === 2 ? 1 : 0) - (a.recordKind === 2 ? 1 : 0))
  for (const item of ordered) {
    if (ops.length >= MAX_PUSH_OPS || size > PUSH_BYTES) break
    const rev = item.rev + 1
    const leaving = item.deletedAtMs > 0 || item.policy === POLICY_LOCAL
    if (leaving) {
      ops.push([OP_DEL, item.itemId, rev, epoch, ZERO32, 0])
      items.push({ before: item, after: afterDelete(item, rev, epoch) })
      continue
    }
    const record = await sealRecord(p, device.ports.random, {
      key,
      header: {
        kind: item.recordKind as 1,
        vid: vault.state.id,
        epoch,
        itemId: item.itemId,
        rev,
        byUid: scope.account.id,
        by: scope.record.deviceId,
        prevCtHash: previousHash(item),
      },
      plaintext: item.body,
    })
    const bytes = encodeRecord(record)
    const hash = ctHash(p, record)
    ops.push([OP_PUT, item.itemId, rev, epoch, hash, bytes.length])
    records.push(bytes)
    size += bytes.length
    const { base: _base, ...rest } = item
    items.push({ before: item, after: { ...rest, rev, epoch, ctHash: hash, prevHash: previousHash(item), waiting: false, by: scope.record.deviceId } })
  }
  const payload = await itemsPayload(vault.state, scope.account, vault.tree, ops, { byHolder: scope.record.deviceId, ts: device.ports.clock.nowMs() })
  const link = await signPayload(linkSigner(device, scope.full, scope.record.deviceId), payload)
  const verified = await verifyVaultLinks(p, vault.state, [link], { account: lookupOf(scope.account), tree: vault.tree })
  if (!verified.ok) throw new Error(`own link refused: ${verified.error.code}`)
  return ok({
    push: { vaultId: vault.state.id, links: [encodeLink(link)], records },
    vault: { row: rowOfState(vault.row, verified.value.state), state: verified.value.state, tree: verified.value.tree },
    full: scope.full,
    items,
  })
}

/** What the next record of an item follows: the current one, or after a deletion the last one before it. */
const previousHash = (item: LocalItem): Uint8Array => (equalBytes(item.ctHash, ZERO32) ? item.prevHash : item.ctHash)

/** A deleted item stays as a tombstone with its body, for the bin; a local-only one goes on as a copy of this device. */
const afterDelete = (item: LocalItem, rev: number, epoch: number): LocalItem => ({ ...item, rev, epoch, prevHash: previousHash(item), ctHash: ZERO32, waiting: false })

// ── the request ──────────────────────────────────────────────────────────────────────────────────────────────────

const credentials = async (device: Device, record: AccountRecord) => {
  const seed = await loadAuthSeed(device.ports)
  return seed === undefined ? undefined : { signer: requestSigner(device.ports, keyIdOf(record.deviceId), "kf1-dev" as const, seed) }
}

export const cursorsOf = (device: Device): { account: readonly [number, Uint8Array]; cursors: readonly (readonly [Uint8Array, number, Uint8Array])[] } => ({
  account: [device.account?.head.seq ?? 0, device.account?.head.hash ?? ZERO32],
  cursors: [...device.vaults.values()]
    .map((v) => [v.state.id, v.state.head.seq, v.state.head.hash] as const)
    .sort(([a], [b]) => compareBytes(a, b)),
})

const exchange = async (device: Device, scope: SyncScope, pushes: readonly VaultPush[]): Promise<Result<SyncReply, Failure>> => {
  const as = await credentials(device, scope.record)
  if (as === undefined) return err({ code: "store-corrupt" })
  const body = syncRequestStruct.encode({ ...cursorsOf(device), pushes, maxBytes: ANSWER_BYTES })
  const reply = await transportOf(device, scope.record.server.origin).cbor("sync", body, as)
  if (!reply.ok) return reply
  const decoded = syncReplyStruct.decode(reply.value, 80 * 1024 * 1024)
  return decoded.ok ? decoded : err({ code: "malformed" })
}

// ── down ─────────────────────────────────────────────────────────────────────────────────────────────────────────

interface Applied {
  readonly sent: number
  readonly received: number
  readonly again: boolean
  readonly refused?: Failure
}

export const applyReply = async (
  device: Device,
  reply: SyncReply,
  pushes: readonly PreparedPush[] = [],
  onProgress?: OnProgress,
): Promise<Result<Applied, Failure>> => {
  const account = await applyAccountLinks(device, reply.accountLinks)
  if (!account.ok) return account
  let sent = 0
  let received = 0
  let again = false
  let refused: Failure | undefined
  for (const result of reply.results) {
    const prepared = pushes.find((p) => equalBytes(p.push.vaultId, result.vaultId))
    if (prepared === undefined) continue
    if (result.outcome === PUSH_ACCEPTED) {
      sent += await acceptPush(device, prepared)
      again ||= prepared.items.length === 0
    } else if (result.outcome === PUSH_CONFLICT || result.code === "epoch-stale") {
      again = true
    } else {
      refused = { code: result.code !== undefined && isErrorCode(result.code) ? result.code : "internal" }
    }
  }
  for (const changes of reply.vaults) {
    const applied = await applyChanges(device, changes)
    if (!applied.ok) return applied
    received += applied.value
    again ||= changes.more
    if (onProgress !== undefined && received > 0) onProgress({ step: "retrieving", done: received, total: received })
  }
  for (const [vaultId, seq, hash] of reply.heads) {
    const known = device.vaults.get(bytesToHex(vaultId))
    if (known === undefined || known.row.resumeAfter !== undefined) {
      const first = await bootstrapVault(device, vaultId, onProgress)
      if (!first.ok) return first
      received += first.value
      again = true
      continue
    }
    const servedHead = { seq, hash }
    const compared = compareWithKnown(device.ports.primitives, { head: known.state.head, hashAt: () => undefined }, { head: servedHead, links: [] })
    if (!compared.ok) return freeze(device, known, compared.error)
  }
  device.changed()
  return ok({ sent, received, again, ...(refused === undefined ? {} : { refused }) })
}

/** New links of the own account: verified whole, stored with the key of a new epoch where one started. */
export const applyAccountLinks = async (device: Device, served: readonly Uint8Array[]): Promise<Result<void, Failure>> => {
  const { account } = device
  if (account === undefined || served.length === 0) return ok(undefined)
  const links = decodeLinks(served)
  if (links === undefined) return err({ code: "chain-invalid" })
  const compared = compareWithKnown(device.ports.primitives, knownAccount(account), { head: account.head, links })
  if (!compared.ok) return err(await recordEvidence(device, compared.error))
  let state = account
  for (const link of compared.value) {
    const next = await verifyAccountLink(device.ports.primitives, state, link)
    if (!next.ok) return err(await recordEvidence(device, next.error))
    state = next.value
  }
  if (compared.value.length === 0) return ok(undefined)
  return acceptAccount(device, state, [...device.links, ...compared.value.map(encodeLink)])
}

/** Makes a verified account state the device's own. A new key epoch is fetched and unwrapped by `account-keys.ts`. */
export const acceptAccount = async (device: Device, state: AccountState, links: readonly Uint8Array[]): Promise<Result<void, Failure>> => {
  const rows: Row[] = [...(await chainRows(device, links))]
  const before = device.account
  device.account = state
  if (device.full !== undefined && device.local !== undefined) {
    const { fetchAccountKeys } = await import("./account-keys.ts")
    const keyed = await fetchAccountKeys(device, state)
    if (!keyed.ok) {
      device.account = before
      return keyed
    }
    rows.push(await bundleRow(device, device.full, device.local))
  }
  await device.ports.store.write(rows)
  device.links = links
  return ok(undefined)
}

const acceptPush = async (device: Device, prepared: PreparedPush): Promise<number> => {
  const { local } = device
  if (local === undefined) return 0
  const rows: Row[] = [await vaultStoreRow(device, local, prepared.vault.row)]
  const changed: LocalItem[] = []
  for (const { before, after } of prepared.items) {
    if (after === undefined) continue
    const now = device.items.get(bytesToHex(before.itemId))
    // Edited again while the request was out: the newer edit waits, on top of what the server has now.
    const next = now === before || now === undefined ? after : { ...now, rev: after.rev, epoch: after.epoch, ctHash: after.ctHash, prevHash: after.prevHash, by: after.by, base: before.body }
    changed.push(next)
    rows.push(...(await itemRows(device, local, next)))
  }
  if (prepared.full !== device.full && device.full !== undefined) {
    device.full = prepared.full
    rows.push(await bundleRow(device, prepared.full, local))
  }
  const isNewVault = !device.vaults.has(bytesToHex(prepared.vault.state.id))
  if (isNewVault) {
    for (const row of await adoptHomeless(device, local, prepared.vault.state.id, changed)) rows.push(row)
  }
  await device.ports.store.write(rows)
  for (const item of changed) device.items.set(bytesToHex(item.itemId), item)
  device.vaults.set(bytesToHex(prepared.vault.state.id), prepared.vault)
  return prepared.items.length
}

/** What was on this device before it read the account's vault belongs to that vault from now on. */
const adoptHere = async (device: Device, vaultId: Uint8Array): Promise<Result<void, Failure>> => {
  const { local } = device
  if (local === undefined) return err({ code: "locked" })
  const changed: LocalItem[] = []
  const rows = await adoptHomeless(device, local, vaultId, changed)
  if (rows.length > 0) await device.ports.store.write(rows)
  for (const item of changed) device.items.set(bytesToHex(item.itemId), item)
  return ok(undefined)
}

/** Items from before the first vault become its items; their bodies name their place. */
const adoptHomeless = async (device: Device, keys: LocalKeys, vaultId: Uint8Array, changed: LocalItem[]): Promise<readonly Row[]> => {
  const { moveToVault } = await import("./merge-item.ts")
  const rows: Row[] = []
  for (const item of device.items.values()) {
    if (!equalBytes(item.vaultId, ZERO32)) continue
    const moved = moveToVault(item, vaultId)
    changed.push(moved)
    rows.push(...(await itemRows(device, keys, moved)))
  }
  return rows
}

const applyChanges = async (device: Device, changes: VaultChanges): Promise<Result<number, Failure>> => {
  const vault = device.vaults.get(bytesToHex(changes.vaultId))
  const scope = syncScope(device)
  if (!scope.ok) return scope
  if (vault === undefined || vault.row.frozen !== undefined) return ok(0)
  const p = device.ports.primitives
  const links = decodeLinks(changes.links)
  if (links === undefined) return freeze(device, vault, { code: "chain-malformed", what: "link" })
  // The head is compared as far as the links go: an answer may be cut.
  const fresh = compareWithKnown(p, { head: vault.state.head, hashAt: () => undefined }, { head: headOrLonger(vault.state, changes, links), links })
  if (!fresh.ok) return freeze(device, vault, fresh.error)
  if (fresh.value.length === 0) return ok(0)
  const step = await verifyVaultLinks(p, vault.state, fresh.value, { account: lookupOf(scope.value.account), tree: vault.tree })
  if (!step.ok) return freeze(device, vault, step.error)
  const keyed = await acceptEpochs(device, scope.value, step.value.state, changes.wraps ?? [])
  if (!keyed.ok) return keyed
  const committed = await openCommitted(device, keyed.value, step.value.state, lastOps(step.value.ops), changes.records)
  if (!committed.ok) return committed.error.code === "chain-omission" ? freeze(device, vault, { code: "chain-omission", seq: step.value.state.head.seq }) : committed
  const row: VaultRow = { ...rowOfState(vault.row, step.value.state), wraps: [...vault.row.wraps, ...(changes.wraps ?? [])] }
  return store(device, keyed.value, { row, state: step.value.state, tree: step.value.tree }, committed.value)
}

const headOrLonger = (state: VaultState, changes: VaultChanges, links: readonly Link[]) =>
  changes.more || links.length > 0 ? { seq: Math.max(changes.head[0], state.head.seq), hash: changes.head[0] >= state.head.seq ? changes.head[1] : state.head.hash } : { seq: changes.head[0], hash: changes.head[1] }

/** Of several changes of one item in these links only the newest matters. */
const lastOps = (ops: readonly Op[]): readonly Op[] => [...new Map(ops.map((op) => [bytesToHex(op[1]), op])).values()]

const acceptEpochs = async (
  device: Device,
  scope: SyncScope,
  state: VaultState,
  wraps: readonly (readonly [number, Uint8Array, readonly Uint8Array[]])[],
): Promise<Result<FullKeys, Failure>> => {
  let full = scope.full
  for (const entry of state.epochs) {
    if (vaultKeyOf(full, state.id, entry.epoch) !== undefined) continue
    const served = wraps.find(([epoch]) => epoch === entry.epoch)
    if (served === undefined) continue
    const key = await acceptVaultKey(device, scope.account, full, state, entry, { entry: served[1], hashes: served[2] })
    if (!key.ok) return key
    full = withVaultKey(full, state.id, entry.epoch, key.value)
  }
  return vaultKeyOf(full, state.id, currentEpoch(state).epoch) === undefined ? err({ code: "key-not-trusted" }) : ok(full)
}

/** Opens the records of these ops; each must be the one that was signed. Errors: chain-omission, record-mismatch is kept per item. */
const openCommitted = async (
  device: Device,
  full: FullKeys,
  state: VaultState,
  ops: readonly Op[],
  recordBytes: readonly Uint8Array[],
): Promise<Result<readonly Committed[], Failure>> => {
  const p = device.ports.primitives
  const byHash = new Map<string, SealedRecord>()
  for (const bytes of recordBytes) {
    const record = decodeRecord(bytes)
    if (record.ok) byHash.set(bytesToHex(ctHash(p, record.value)), record.value)
  }
  const out: Committed[] = []
  for (const [op, itemId, rev, epoch, hash] of ops) {
    const leaf: Leaf = { itemId, rev, epoch, ctHash: hash, tombstone: op === OP_DEL }
    if (op === OP_DEL) {
      out.push({ leaf })
      continue
    }
    const record = byHash.get(bytesToHex(hash))
    if (record === undefined) return err({ code: "chain-omission" })
    const opened = await openLeaf(device, full, state, leaf, record)
    out.push(opened)
  }
  return ok(out)
}

/** A record that does not open is kept as damaged: one bad item never stops the others. */
const openLeaf = async (device: Device, full: FullKeys, state: VaultState, leaf: Leaf, record: SealedRecord): Promise<Committed> => {
  const key = vaultKeyOf(full, state.id, leaf.epoch)
  if (key === undefined) return { leaf, damaged: true }
  const opened = await openRecord(device.ports.primitives, { key, vid: state.id, itemId: leaf.itemId, record })
  if (!opened.ok || opened.value.header.rev !== leaf.rev || opened.value.header.epoch !== leaf.epoch) return { leaf, damaged: true }
  const { by, kind, prevCtHash } = opened.value.header
  return { leaf, body: opened.value.plaintext, by, recordKind: kind, prevHash: prevCtHash }
}

/** Merges what was committed into the items and writes everything in one batch. */
const store = async (device: Device, full: FullKeys, vault: Vault, committed: readonly Committed[]): Promise<Result<number, Failure>> => {
  const { local } = device
  if (local?.strict === undefined) return err({ code: "locked" })
  const rows: Row[] = []
  const merged = applyCommitted(device, vault.state.id, committed)
  for (const { item, gone } of merged.items) {
    if (gone) rows.push(...removedItemRows(item))
    else rows.push(...(await itemRows(device, local, item)))
  }
  const known = new Set(merged.items.filter((m) => !m.gone).map((m) => bytesToHex(m.item.itemId)))
  const others = merged.others.map((l) => [l.itemId, l.rev, l.epoch, l.ctHash, l.tombstone ? 1 : 0] as const)
  const touched = new Set([...known, ...merged.others.map((l) => bytesToHex(l.itemId))])
  const row: VaultRow = {
    ...vault.row,
    otherLeaves: [...vault.row.otherLeaves.filter(([id]) => !touched.has(bytesToHex(id))), ...others],
  }
  rows.push(await vaultStoreRow(device, local, row))
  if (full !== device.full) rows.push(await bundleRow(device, full, local))
  await device.ports.store.write(rows)
  device.full = full
  for (const { item, gone } of merged.items) {
    if (gone) device.items.delete(bytesToHex(item.itemId))
    else device.items.set(bytesToHex(item.itemId), item)
  }
  device.vaults.set(bytesToHex(vault.state.id), { ...vault, row })
  await afterProfile(device)
  device.changed()
  return ok(committed.length)
}

// ── first read ───────────────────────────────────────────────────────────────────────────────────────────────────

/**
 * Reads a vault from nothing, page by page. What a page brought is durable before the next is asked for, so that a stop
 * goes on where it was.
 */
const bootstrapVault = async (device: Device, vaultId: Uint8Array, onProgress?: OnProgress): Promise<Result<number, Failure>> => {
  const scope = syncScope(device)
  if (!scope.ok) return scope
  const as = await credentials(device, scope.value.record)
  if (as === undefined) return err({ code: "store-corrupt" })
  const transport = transportOf(device, scope.value.record.server.origin)
  const ask = async (after: Uint8Array | undefined) => {
    const body = bootstrapRequestStruct.encode({ vaultId, maxBytes: ANSWER_BYTES, ...(after === undefined ? {} : { after }) })
    const reply = await transport.cbor("bootstrap", body, as)
    if (!reply.ok) return reply
    const decoded = bootstrapReplyStruct.decode(reply.value, 160 * 1024 * 1024)
    return decoded.ok ? decoded : err({ code: "malformed" } as const)
  }
  const first = await ask(undefined)
  if (!first.ok) return first
  const authorityLinks = decodeLinks(first.value.authorityLinks)
  const headLinks = decodeLinks([first.value.headLink])
  const headLink = headLinks?.[0]
  if (authorityLinks === undefined || headLink === undefined) return err({ code: "chain-invalid" })
  const leaves = first.value.leaves.map(([itemId, rev, epoch, hash, dead]) => ({ itemId, rev, epoch, ctHash: hash, tombstone: dead === 1 }))
  const verified = await verifyVaultBootstrap(device.ports.primitives, { authorityLinks, headLink, leaves }, lookupOf(scope.value.account))
  if (!verified.ok) return err(await recordEvidence(device, verified.error))
  const { state, trie } = verified.value
  if (!equalBytes(state.id, vaultId)) return err({ code: "chain-invalid" })
  const full = await bootstrapKeys(device, scope.value, state, first.value)
  if (!full.ok) return full
  const live = leaves.filter((l) => !l.tombstone)
  const leafByHash = new Map(live.map((l) => [bytesToHex(l.ctHash), l]))
  let page = first.value
  let done = 0
  const missing = new Map(leaves.map((l) => [bytesToHex(l.itemId), l]))
  for (;;) {
    const committed: Committed[] = []
    for (const bytes of page.records) {
      const record = decodeRecord(bytes)
      const leaf = record.ok ? leafByHash.get(bytesToHex(ctHash(device.ports.primitives, record.value))) : undefined
      if (!record.ok || leaf === undefined) continue
      committed.push(await openLeaf(device, full.value, state, leaf, record.value))
      missing.delete(bytesToHex(leaf.itemId))
    }
    done += committed.length
    const row: VaultRow = {
      ...rowOfState(undefined, state),
      otherLeaves: [...missing.values()].map((l) => [l.itemId, l.rev, l.epoch, l.ctHash, l.tombstone ? 1 : 0] as const),
      wraps: first.value.wraps,
      prevSealed: first.value.prevSealed,
      ...(page.next === undefined ? {} : { resumeAfter: page.next }),
    }
    const stored = await store(device, full.value, { row, state, tree: createMemoryTree(trie) }, committed)
    if (!stored.ok) return stored
    onProgress?.({ step: "retrieving", done, total: live.length })
    if (page.next === undefined) break
    const next = await ask(page.next)
    if (!next.ok) return next
    page = next.value
  }
  const adopted = await adoptHere(device, vaultId)
  if (!adopted.ok) return adopted
  // Every live leaf must have come with its record: what the server leaves out is named, not passed over.
  if ([...missing.values()].some((l) => !l.tombstone)) {
    const changed = device.vaults.get(bytesToHex(vaultId))
    if (changed !== undefined && live.some((l) => missing.has(bytesToHex(l.itemId)) )) return settleMissing(device, changed, missing)
  }
  return ok(done)
}

/** Records that changed while the pages were read come with the links after the head; others are an omission. */
const settleMissing = async (device: Device, vault: Vault, missing: ReadonlyMap<string, Leaf>): Promise<Result<number, Failure>> => {
  const scope = syncScope(device)
  if (!scope.ok) return scope
  const reply = await exchange(device, scope.value, [])
  if (!reply.ok) return reply
  const changes = reply.value.vaults.find((v) => equalBytes(v.vaultId, vault.state.id))
  const applied = changes === undefined ? ok(0) : await applyChanges(device, changes)
  if (!applied.ok) return applied
  const still = [...missing.values()].filter((l) => !l.tombstone && !device.items.has(bytesToHex(l.itemId)) && device.vaults.get(bytesToHex(vault.state.id))?.tree.trie.get(l.itemId)?.tombstone !== true)
  return still.length === 0 ? applied : freeze(device, vault, { code: "chain-omission", seq: vault.state.head.seq })
}

const bootstrapKeys = async (
  device: Device,
  scope: SyncScope,
  state: VaultState,
  reply: { readonly wraps: readonly (readonly [number, Uint8Array, readonly Uint8Array[]])[]; readonly prevSealed: readonly (readonly [number, Uint8Array])[] },
): Promise<Result<FullKeys, Failure>> => {
  const newest = currentEpoch(state)
  const served = reply.wraps.find(([epoch]) => epoch === newest.epoch)
  if (served === undefined) return err({ code: "key-not-trusted" })
  const key = await acceptVaultKey(device, scope.account, scope.full, state, newest, { entry: served[1], hashes: served[2] })
  if (!key.ok) return key
  return acceptOlderKeys(device, withVaultKey(scope.full, state.id, newest.epoch, key.value), state, new Map(reply.prevSealed))
}

// ── when the server contradicts itself ───────────────────────────────────────────────────────────────────────────

const freeze = async (device: Device, vault: Vault, error: ChainError): Promise<{ readonly ok: false; readonly error: Failure }> => {
  const { local } = device
  const failure = await recordEvidence(device, error)
  if (productCode(error) === "revision-conflict") return err(failure)
  if (local !== undefined) {
    const row: VaultRow = { ...vault.row, frozen: failure.code }
    await device.ports.store.write([await vaultStoreRow(device, local, row)])
    device.vaults.set(bytesToHex(vault.state.id), { ...vault, row })
    device.changed()
  }
  return err(failure)
}

