import { bytesToHex, compareBytes, equalBytes, err, ok, type Result } from "@keyferry/base"
import {
  type ChainError,
  compareWithKnown,
  createMemoryTree,
  currentEpoch,
  encodeLink,
  type Leaf,
  type Link,
  OP_DEL,
  openLink,
  type Op,
  type VaultState,
  verifyVaultBootstrap,
  verifyVaultLink,
} from "@keyferry/chain"
import { ctHash, decodeRecord, openRecord, type SealedRecord } from "@keyferry/crypto"
import type { News, SyncInput } from "@keyferry/engine"
import { bootstrapReplyStruct, bootstrapRequestStruct, type Failure, type VaultChanges } from "@keyferry/protocol"

import type { OnProgress } from "./api.ts"
import { adoptHere } from "./adopt-homeless.ts"
import { decodeLinks, type Device, type FullKeys, transportOf } from "./device.ts"
import { recordEvidence } from "./evidence.ts"
import type { VaultRow } from "./formats.ts"
import { keptRows, type LinksToKeep } from "./kept.ts"
import { afterNews, type Committed, newsOf } from "./merge-item.ts"
import type { Body } from "./outbox-rows.ts"
import { ownRecordIds } from "./profile-rows.ts"
import { followSwitch } from "./sync-choice.ts"
import { ANSWER_BYTES, credentials, exchange, type SyncScope, syncScope } from "./sync-exchange.ts"
import { bundleRow } from "./key-bundle.ts"
import {
  acceptOlderKeys,
  acceptVaultKey,
  lookupOf,
  rowOfState,
  type Vault,
  vaultKeyOf,
  vaultStoreRow,
  withVaultKey,
} from "./vault.ts"
import { advance, openRun, type VaultRun } from "./vault-run.ts"

/*
 * What comes down: links and records are verified and opened, given to the vault's machine as news, and stored in one batch with
 * the vault state they lead to. A stop at any instant leaves a state to go on from.
 */

/** The input of the machine that these news are: of a pull, or the winners of a lost race. */
export type AsInput = (news: ReadonlyMap<string, News<Body>>, inStep: boolean) => SyncInput<Body>
const pulled: AsInput = (news, inStep) => ({ type: "pulled", news, inStep })

/** Applies new links of one vault. Answers how many leaves changed. Errors: the integrity code that froze the vault, key-not-trusted */
export const applyChanges = async (
  device: Device,
  run: VaultRun,
  changes: VaultChanges,
  asInput: AsInput = pulled,
): Promise<Result<number, Failure>> => {
  const vault = device.vaults.get(bytesToHex(changes.vaultId))
  const scope = syncScope(device)
  if (!scope.ok) return scope
  if (vault === undefined || vault.row.frozen !== undefined) return ok(0)
  const p = device.ports.primitives
  const links = decodeLinks(changes.links)
  if (links === undefined) return freeze(device, vault, { code: "chain-malformed", what: "link" })
  // The head is compared as far as the links go: an answer may be cut.
  const fresh = compareWithKnown(
    p,
    { head: vault.state.head, hashAt: () => undefined },
    { head: headOrLonger(vault.state, changes, links), links },
  )
  if (!fresh.ok) return freeze(device, vault, fresh.error)
  if (fresh.value.length === 0) {
    await advance(device, run, asInput(new Map(), !changes.more))
    return ok(0)
  }
  let { state, tree } = vault
  const ops: Op[] = []
  const own = new Map<string, number>()
  for (const link of fresh.value) {
    const next = await verifyVaultLink(p, state, link, { account: lookupOf(scope.value.account), tree })
    if (!next.ok) return freeze(device, vault, next.error)
    state = next.value.state
    tree = next.value.tree
    ops.push(...next.value.ops)
    const opened = openLink(p, link)
    if (!opened.ok || !equalBytes(opened.value.payload.byHolder, scope.value.record.deviceId)) continue
    for (const [, itemId, rev] of next.value.ops) own.set(bytesToHex(itemId), rev)
  }
  const keyed = await acceptEpochs(device, scope.value, state, changes.wraps ?? [])
  if (!keyed.ok) return keyed
  const committed = await openCommitted(device, keyed.value, state, lastOps(ops), changes.records)
  if (!committed.ok)
    return committed.error.code === "chain-omission"
      ? freeze(device, vault, { code: "chain-omission", seq: state.head.seq })
      : committed
  const row: VaultRow = {
    ...rowOfState(vault.row, state),
    wraps: [...vault.row.wraps, ...(changes.wraps ?? [])],
    prevSealed: [...vault.row.prevSealed, ...(changes.prevSealed ?? [])],
  }
  return store(device, run, {
    full: keyed.value,
    vault: { row, state, tree },
    committed: committed.value,
    own,
    asInput: (news) => asInput(news, !changes.more),
    kept: {
      vaultId: changes.vaultId,
      links: fresh.value.map(encodeLink),
      records: changes.records,
      wraps: (changes.wraps ?? []).map(([, entry]) => entry),
      prevSealed: new Map(changes.prevSealed ?? []),
    },
  })
}

const headOrLonger = (state: VaultState, changes: VaultChanges, links: readonly Link[]) =>
  changes.more || links.length > 0
    ? {
        seq: Math.max(changes.head[0], state.head.seq),
        hash: changes.head[0] >= state.head.seq ? changes.head[1] : state.head.hash,
      }
    : { seq: changes.head[0], hash: changes.head[1] }

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
    // Every epoch, not only the newest: without its key, records of that epoch would look damaged and take the place of good ones.
    if (served === undefined) return err({ code: "key-not-trusted" })
    const key = await acceptVaultKey(device, scope.account, full, state, entry, { entry: served[1], hashes: served[2] })
    if (!key.ok) return key
    full = withVaultKey(full, state.id, entry.epoch, key.value)
  }
  return vaultKeyOf(full, state.id, currentEpoch(state).epoch) === undefined
    ? err({ code: "key-not-trusted" })
    : ok(full)
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
const openLeaf = async (
  device: Device,
  full: FullKeys,
  state: VaultState,
  leaf: Leaf,
  record: SealedRecord,
): Promise<Committed> => {
  const key = vaultKeyOf(full, state.id, leaf.epoch)
  if (key === undefined) return { leaf, damaged: true }
  const opened = await openRecord(device.ports.primitives, { key, vid: state.id, itemId: leaf.itemId, record })
  if (!opened.ok || opened.value.header.rev !== leaf.rev || opened.value.header.epoch !== leaf.epoch)
    return { leaf, damaged: true }
  const { by, kind, prevCtHash } = opened.value.header
  return { leaf, body: opened.value.plaintext, by, recordKind: kind, prevHash: prevCtHash }
}

interface Taken {
  readonly full: FullKeys
  readonly vault: Vault
  readonly committed: readonly Committed[]
  readonly own: ReadonlyMap<string, number>
  readonly asInput: (news: ReadonlyMap<string, News<Body>>) => SyncInput<Body>
  /** Links to keep for a repair. */
  readonly kept: LinksToKeep
}

/** Gives the machine its news and writes what they make of the items, the vault's state and its keys in one batch. */
const store = async (device: Device, run: VaultRun, taken: Taken): Promise<Result<number, Failure>> => {
  const { local } = device
  if (local?.strict === undefined) return err({ code: "locked" })
  const { full, vault, committed } = taken
  const vaultId = vault.state.id
  const input = taken.asInput(newsOf(device, vaultId, committed, taken.own))
  const bundle = full === device.full ? [] : [await bundleRow(device, full, local)]
  const kept = await keptRows(device, local, taken.kept)
  let row = vault.row
  await advance(device, run, input, async (outbox) => {
    const merged = afterNews(device, vaultId, committed, outbox)
    const others = merged.others.map((l) => [l.itemId, l.rev, l.epoch, l.ctHash, l.tombstone ? 1 : 0] as const)
    const touched = new Set([
      ...merged.items.map((i) => bytesToHex(i.itemId)),
      ...merged.others.map((l) => bytesToHex(l.itemId)),
    ])
    row = {
      ...vault.row,
      otherLeaves: [...vault.row.otherLeaves.filter(([id]) => !touched.has(bytesToHex(id))), ...others],
    }
    return { ...merged, rows: [await vaultStoreRow(device, local, row), ...bundle, ...kept] }
  })
  device.full = full
  device.vaults.set(bytesToHex(vaultId), { ...vault, row })
  await followSwitch(device)
  device.changed()
  return ok(committed.length)
}

/** Of a first read: small enough that a pause is soon, and that a stop costs little. */
const PAGE_BYTES = ANSWER_BYTES / 4
/** Opening a page takes a moment; a person sees it move. */
const TELL_EVERY = 100

// ── first read ───────────────────────────────────────────────────────────────────────────────────────────────────

/**
 * Reads a vault from nothing, page by page. What a page brought is durable before the next is opened, so that a stop goes
 * on where it was.
 */
export const bootstrapVault = async (
  device: Device,
  vaultId: Uint8Array,
  onProgress?: OnProgress,
): Promise<Result<number, Failure>> => {
  const scope = syncScope(device)
  if (!scope.ok) return scope
  const as = await credentials(device, scope.value.record)
  if (as === undefined) return err({ code: "store-corrupt" })
  const transport = transportOf(device, scope.value.record.server.origin)
  const ask = async (after: Uint8Array | undefined, maxBytes = PAGE_BYTES) => {
    const body = bootstrapRequestStruct.encode({
      vaultId,
      maxBytes,
      ...(after === undefined ? {} : { after }),
    })
    const reply = await device.turns.answerOrGiveWay(() => transport.cbor("bootstrap", body, as))
    if (reply === undefined) return err({ code: "network-unreachable" } as const)
    if (!reply.ok) return reply
    const decoded = bootstrapReplyStruct.decode(reply.value, 160 * 1024 * 1024, "shared")
    return decoded.ok ? decoded : err({ code: "malformed" } as const)
  }
  const known = device.vaults.get(bytesToHex(vaultId))
  // Where some of it is here already, the first page is asked for what is signed, not for its records.
  const first = await ask(undefined, known === undefined ? PAGE_BYTES : 1)
  if (!first.ok) return first
  const authorityLinks = decodeLinks(first.value.authorityLinks)
  const headLinks = decodeLinks([first.value.headLink])
  const headLink = headLinks?.[0]
  if (authorityLinks === undefined || headLink === undefined) return err({ code: "chain-invalid" })
  const leaves = first.value.leaves.map(([itemId, rev, epoch, hash, dead]) => ({
    itemId,
    rev,
    epoch,
    ctHash: hash,
    tombstone: dead === 1,
  }))
  const verified = await verifyVaultBootstrap(
    device.ports.primitives,
    { authorityLinks, headLink, leaves },
    lookupOf(scope.value.account),
  )
  if (!verified.ok) return err(await recordEvidence(device, verified.error))
  const { state, trie } = verified.value
  if (!equalBytes(state.id, vaultId)) return err({ code: "chain-invalid" })
  // A first read that goes on after a stop has verified a head already: it may be newer now, never older or another one.
  const compared =
    known === undefined
      ? undefined
      : compareWithKnown(
          device.ports.primitives,
          { head: known.state.head, hashAt: () => undefined },
          { head: state.head, links: [] },
        )
  if (known !== undefined && compared?.ok === false) return freeze(device, known, compared.error)
  const full = await bootstrapKeys(device, scope.value, state, first.value)
  if (!full.ok) return full
  const live = leaves.filter((l) => !l.tombstone)
  const leafByHash = new Map(live.map((l) => [bytesToHex(l.ctHash), l]))
  const missing = new Map(leaves.map((l) => [bytesToHex(l.itemId), l]))
  let page = first.value
  let done = 0
  const here = known === undefined ? [] : inStepHere(device, live)
  const last = here.at(-1)
  if (last !== undefined && here.length > page.records.length) {
    for (const { itemId } of here) missing.delete(bytesToHex(itemId))
    done = here.length
    const next = await ask(last.itemId)
    if (!next.ok) return next
    page = next.value
  }
  // What people count are the items that they will see.
  const own = ownRecordIds(device, vaultId)
  const countSeen = (some: readonly Leaf[]): number => some.filter((l) => !own.has(bytesToHex(l.itemId))).length
  const total = countSeen(live)
  let seen = done === 0 ? 0 : countSeen(here)
  const tell = (): void => {
    device.retrieve = { done: seen, total, paused: false }
    onProgress?.({ step: "retrieving", done: seen, total })
  }
  tell()
  device.changed()
  for (;;) {
    // The server makes the next page while this one is opened. A stop loses what was asked too early, nothing else.
    const following = page.next === undefined || device.pauseWanted ? undefined : ask(page.next)
    const committed: Committed[] = []
    for (const bytes of page.records) {
      const record = decodeRecord(bytes, "shared")
      const leaf = record.ok ? leafByHash.get(bytesToHex(ctHash(device.ports.primitives, record.value))) : undefined
      if (!record.ok || leaf === undefined) continue
      committed.push(await openLeaf(device, full.value, state, leaf, record.value))
      missing.delete(bytesToHex(leaf.itemId))
      seen += countSeen([leaf])
      if (committed.length % TELL_EVERY === 0) tell()
    }
    done += committed.length
    const row: VaultRow = {
      ...rowOfState(undefined, state),
      otherLeaves: [...missing.values()].map((l) => [l.itemId, l.rev, l.epoch, l.ctHash, l.tombstone ? 1 : 0] as const),
      wraps: first.value.wraps,
      prevSealed: first.value.prevSealed,
      ...(page.next === undefined ? {} : { resumeAfter: page.next }),
    }
    const vault = { row, state, tree: createMemoryTree(trie) }
    const byUs = new Map(
      committed
        .filter((c) => c.by !== undefined && equalBytes(c.by, scope.value.record.deviceId))
        .map((c) => [bytesToHex(c.leaf.itemId), c.leaf.rev]),
    )
    // Other pages may hold what this one does not: nothing counts as missing yet.
    const stored = await store(device, openRun(device, vault), {
      full: full.value,
      vault,
      committed,
      own: byUs,
      asInput: (news) => pulled(news, false),
      // The links between are not served; the newest tells a restored server from one that has it.
      kept: { vaultId, links: [first.value.headLink], records: page.records },
    })
    if (!stored.ok) return stored
    tell()
    device.changed()
    if (page.next === undefined) break
    if (device.pauseWanted) {
      device.pauseWanted = false
      device.retrieve = { done: seen, total, paused: true }
      return ok(done)
    }
    const next = await (following ?? ask(page.next))
    if (!next.ok) return next
    // In the order of the ids, each page further than the one before: a server that never comes to an end is no server.
    if (next.value.next !== undefined && compareBytes(next.value.next, page.next) <= 0)
      return err({ code: "malformed" })
    page = next.value
  }
  device.retrieve = undefined
  device.pauseWanted = false
  const adopted = await adoptHere(device, vaultId)
  if (!adopted.ok) return adopted
  // Every live leaf must have come with its record: what the server leaves out is named, not passed over.
  if ([...missing.values()].some((l) => !l.tombstone)) {
    const changed = device.vaults.get(bytesToHex(vaultId))
    if (changed !== undefined && live.some((l) => missing.has(bytesToHex(l.itemId))))
      return settleMissing(device, changed, missing)
  }
  return ok(done)
}

/** Records that changed while the pages were read come with the links after the head; others are an omission. */
const settleMissing = async (
  device: Device,
  vault: Vault,
  missing: ReadonlyMap<string, Leaf>,
): Promise<Result<number, Failure>> => {
  const scope = syncScope(device)
  if (!scope.ok) return scope
  const reply = await exchange(device, scope.value, [])
  if (!reply.ok) return reply
  const changes = reply.value.vaults.find((v) => equalBytes(v.vaultId, vault.state.id))
  const applied = changes === undefined ? ok(0) : await applyChanges(device, openRun(device, vault), changes)
  if (!applied.ok) return applied
  const still = [...missing.values()].filter(
    (l) =>
      !l.tombstone &&
      !device.items.has(bytesToHex(l.itemId)) &&
      device.vaults.get(bytesToHex(vault.state.id))?.tree.trie.get(l.itemId)?.tombstone !== true,
  )
  return still.length === 0 ? applied : freeze(device, vault, { code: "chain-omission", seq: vault.state.head.seq })
}

/** How far the records are here without a gap, in the order in which the server gives them. */
const inStepHere = (device: Device, live: readonly Leaf[]): readonly Leaf[] => {
  const inOrder = live.toSorted((a, b) => compareBytes(a.itemId, b.itemId))
  const gap = inOrder.findIndex((leaf) => {
    const item = device.items.get(bytesToHex(leaf.itemId))
    return item === undefined || item.rev !== leaf.rev || !equalBytes(item.ctHash, leaf.ctHash)
  })
  return gap === -1 ? inOrder : inOrder.slice(0, gap)
}

const bootstrapKeys = async (
  device: Device,
  scope: SyncScope,
  state: VaultState,
  reply: {
    readonly wraps: readonly (readonly [number, Uint8Array, readonly Uint8Array[]])[]
    readonly prevSealed: readonly (readonly [number, Uint8Array])[]
  },
): Promise<Result<FullKeys, Failure>> => {
  const newest = currentEpoch(state)
  const served = reply.wraps.find(([epoch]) => epoch === newest.epoch)
  if (served === undefined) return err({ code: "key-not-trusted" })
  const key = await acceptVaultKey(device, scope.account, scope.full, state, newest, {
    entry: served[1],
    hashes: served[2],
  })
  if (!key.ok) return key
  return acceptOlderKeys(
    device,
    withVaultKey(scope.full, state.id, newest.epoch, key.value),
    state,
    new Map(reply.prevSealed),
  )
}

// ── when the server contradicts itself ───────────────────────────────────────────────────────────────────────────

/** Keeps what contradicts itself as evidence; from now on the vault is only read. */
export const freeze = async (
  device: Device,
  vault: Vault,
  error: ChainError,
): Promise<{ readonly ok: false; readonly error: Failure }> => {
  const { local } = device
  const failure = await recordEvidence(device, error)
  // An answer that crossed another one; asked again it fits. Nothing else that does not verify comes from an honest server.
  if (failure.code === "revision-conflict") return err(failure)
  if (local !== undefined) {
    const row: VaultRow = { ...vault.row, frozen: failure.code }
    await device.ports.store.write([await vaultStoreRow(device, local, row)])
    device.vaults.set(bytesToHex(vault.state.id), { ...vault, row })
    device.changed()
  }
  return err(failure)
}
