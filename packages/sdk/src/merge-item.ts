import { bytesToHex, equalBytes, isZero } from "@keyferry/base"
import type { Leaf } from "@keyferry/chain"
import { RECORD_KIND } from "@keyferry/crypto"
import { afterDeletion, type MergeBodies, mergeItem, type News, type Outbox, type VaultProfile } from "@keyferry/engine"
import {
  type Alternative,
  decodeItem,
  encodeItem,
  type Item,
  itemToMergeFields,
  withMergeFields,
} from "@keyferry/items"

import type { Device } from "./device.ts"
import { type LocalItem, POLICY_LOCAL, POLICY_SYNCED } from "./formats.ts"
import { classOf, heldBecause } from "./items.ts"
import { type Body, withEntry } from "./outbox-rows.ts"
import { mergeLabelBodies, mergeProfileBodies } from "./profile.ts"
import { profileBodies, vaultProfileOf } from "./profile-rows.ts"
import { policyItem } from "./sync-choice.ts"
import type { RowChange } from "./vault-run.ts"

/*
 * What verified news make of the items of this device. The engine merges and decides; here bodies are taken apart for it and
 * put together again. Source: spec/sync.md, SY1–SY6, SY31
 */

/** One leaf as it was committed, with what its record held. Without a body it is a deletion, or damaged. */
export interface Committed {
  readonly leaf: Leaf
  readonly body?: Uint8Array
  readonly by?: Uint8Array
  readonly recordKind?: number
  readonly damaged?: boolean
  readonly prevHash?: Uint8Array
}

/** Rows after news, and the leaves that this device keeps no item for. */
export interface Merged extends RowChange {
  readonly others: readonly Leaf[]
}

const NOBODY = new Uint8Array(16)
const NO_HASH = new Uint8Array(32)

/** Committed leaves as the engine hears of them. `own`: the newest revision of each that this device signed. */
export const newsOf = (
  device: Device,
  vaultId: Uint8Array,
  committed: readonly Committed[],
  own: ReadonlyMap<string, number>,
): ReadonlyMap<string, News<Body>> => {
  // The profile is applied before any deletion of the same link: it says what happens to copies of what leaves.
  const profile = vaultProfileOf(device, vaultId, profileBodies(committed))
  const news = new Map<string, News<Body>>()
  for (const { leaf, body } of committed) {
    const itemId = bytesToHex(leaf.itemId)
    const ownRev = own.get(itemId)
    const local = device.items.get(itemId)
    const isDeparture =
      leaf.tombstone && local !== undefined && afterDeletion(profile, policyItem(local), leaf.rev) !== "bin"
    // A record that does not open has no body to merge with: an edit that waits here takes its place.
    news.set(itemId, {
      rev: leaf.rev,
      body: body ?? "deleted",
      ...(ownRev === undefined ? {} : { ownRev }),
      ...(isDeparture ? { isDeparture } : {}),
    })
  }
  return news
}

/** What the items become once these leaves are the server's newest and `outbox` is what still waits. */
export const afterNews = (
  device: Device,
  vaultId: Uint8Array,
  committed: readonly Committed[],
  outbox: Outbox<Body>,
): Merged => {
  const items: LocalItem[] = []
  const gone: LocalItem[] = []
  const others: Leaf[] = []
  const profile = vaultProfileOf(device, vaultId, profileBodies(committed))
  for (const c of committed) {
    const itemId = bytesToHex(c.leaf.itemId)
    const local = device.items.get(itemId)
    // Read again from the start, a page may tell what is known.
    const isKnown = local !== undefined && local.rev >= c.leaf.rev
    const after = isKnown
      ? local
      : c.leaf.tombstone
        ? afterTombstone(device, local, c.leaf, outbox, profile)
        : afterPut(device, vaultId, local, c, outbox)
    if (after !== undefined) {
      items.push(after)
      continue
    }
    others.push(c.leaf)
    if (local !== undefined) gone.push(local)
  }
  return { items, gone, others }
}

/** The row at another leaf of the server; after a deletion its last record stays where the history starts. */
const placed = (local: LocalItem, leaf: Leaf): LocalItem => ({
  ...local,
  rev: leaf.rev,
  epoch: leaf.epoch,
  ctHash: leaf.ctHash,
  prevHash: isZero(local.ctHash) ? local.prevHash : local.ctHash,
})

/** `undefined`: nothing stays here. */
const afterTombstone = (
  device: Device,
  local: LocalItem | undefined,
  leaf: Leaf,
  outbox: Outbox<Body>,
  profile: VaultProfile,
): LocalItem | undefined => {
  if (local === undefined) return undefined
  const entry = outbox.get(bytesToHex(leaf.itemId))
  const next = placed(local, leaf)
  if (entry !== undefined || local.policy === POLICY_LOCAL) return withEntry(next, entry)
  const item = policyItem(local)
  const fate = afterDeletion(profile, item, leaf.rev)
  if (fate === "erase") return undefined
  if (fate === "bin")
    return withEntry(
      { ...next, deletedAtMs: local.deletedAtMs === 0 ? device.ports.clock.nowMs() : local.deletedAtMs },
      undefined,
    )
  // What the switch took away it gives back; about what a person took away elsewhere nobody decided here.
  const held = heldBecause(!profile.credentials && item.credential ? "switch" : undefined)
  return withEntry({ ...next, policy: POLICY_LOCAL, ...held, base: local.base ?? local.body }, undefined)
}

const afterPut = (
  device: Device,
  vaultId: Uint8Array,
  local: LocalItem | undefined,
  c: Committed,
  outbox: Outbox<Body>,
): LocalItem => {
  const { leaf } = c
  const recordKind = c.recordKind ?? local?.recordKind ?? RECORD_KIND.item
  const fresh: LocalItem = {
    itemId: leaf.itemId,
    vaultId,
    rev: leaf.rev,
    epoch: leaf.epoch,
    ctHash: leaf.ctHash,
    body: c.body ?? new Uint8Array(),
    policy: POLICY_SYNCED,
    strict: isStrict(c.body, leaf.itemId, vaultId, recordKind, local),
    deletedAtMs: 0,
    waiting: false,
    by: c.by ?? NOBODY,
    recordKind,
    prevHash: c.prevHash ?? local?.prevHash ?? NO_HASH,
  }
  if (local === undefined) return fresh
  const entry = outbox.get(bytesToHex(leaf.itemId))
  const strict = fresh.strict || local.strict
  if (entry === undefined) {
    // A copy that is only here, of an item that comes to the server from elsewhere, merges like an edit: nothing written here is lost.
    const copy = local.policy === POLICY_LOCAL && local.deletedAtMs === 0 ? mergedCopy(device, local, c) : undefined
    return copy === undefined || c.body === undefined
      ? fresh
      : { ...fresh, body: copy, base: c.body, waiting: true, strict }
  }
  const { body, policy, deletedAtMs } = local
  const kept: LocalItem = {
    ...fresh,
    body,
    policy,
    deletedAtMs,
    strict,
    ...(local.heldBy === undefined ? {} : { heldBy: local.heldBy }),
    ...(local.base === undefined ? {} : { base: local.base }),
  }
  const next = withEntry(kept, entry)
  // On its way off the server: what is kept here takes in what others wrote until then.
  return policy === POLICY_LOCAL
    ? { ...next, body: mergedCopy(device, local, c) ?? c.body ?? body }
    : { ...next, deletedAtMs: entry.mine === "deleted" ? deletedAtMs : 0 }
}

/** A body of this device with what was committed, `undefined` where it adds nothing. */
const mergedCopy = (device: Device, local: LocalItem, { leaf, body }: Committed): Body | undefined => {
  if (body === undefined) return local.body
  const merged = mergeBodies(device, local, { rev: leaf.rev, base: local.base, committed: body, mine: local.body })
  return merged.outcome === "merged" ? merged.body : undefined
}

const isStrict = (
  body: Uint8Array | undefined,
  itemId: Uint8Array,
  vaultId: Uint8Array,
  recordKind: number,
  local: LocalItem | undefined,
): boolean => {
  if (recordKind !== RECORD_KIND.item) return false
  const item = body === undefined ? undefined : decodeItem(body, { itemId, vaultId })
  return item?.ok === true ? classOf(item.value) === "strict" : (local?.strict ?? true)
}

// ── bodies ───────────────────────────────────────────────────────────────────────────────────────────────────────

/** The merge of this device's items, as the engine's machine calls it. */
export const mergeRows =
  (device: Device): MergeBodies<Body> =>
  ({ itemId, rev, base, committed, mine }) => {
    const local = device.items.get(itemId)
    if (local === undefined) return { outcome: "committed" }
    // Taken off the server by choice: that is no deletion, and an edit elsewhere does not undo it.
    if (local.policy === POLICY_LOCAL && mine === "deleted")
      return { outcome: committed === "deleted" ? "committed" : "deleted" }
    // After a deletion the last common body is still what both sides grew out of.
    return mergeBodies(device, local, { rev, base: base ?? local.base, committed, mine })
  }

type Merge = ReturnType<MergeBodies<Body>>
const COMMITTED: Merge = { outcome: "committed" }

const mergeBodies = (
  device: Device,
  local: LocalItem,
  input: Omit<Parameters<MergeBodies<Body>>[0], "itemId">,
): Merge => {
  const { rev, base, committed, mine } = input
  if (local.recordKind !== RECORD_KIND.item) {
    // Nobody deletes a profile or a label; whoever finds one gone puts it back.
    if (mine === "deleted") return COMMITTED
    const mergeOf = local.recordKind === RECORD_KIND.vaultProfile ? mergeProfileBodies : mergeLabelBodies
    const body = committed === "deleted" ? mine : mergeOf(base, committed, mine)
    return committed !== "deleted" && equalBytes(body, committed) ? COMMITTED : merged(body)
  }
  const itemOf = (body: Body | "deleted"): Item | "deleted" | undefined => {
    if (body === "deleted") return body
    const item = decodeItem(body, { itemId: local.itemId, vaultId: local.vaultId })
    return item.ok ? item.value : undefined
  }
  const baseItem = base === undefined ? undefined : itemOf(base)
  const theirs = itemOf(committed)
  const ours = itemOf(mine)
  // What cannot be read is of a newer version: it stands.
  if (theirs === undefined || ours === undefined) return COMMITTED
  const result = mergeItems(
    baseItem === "deleted" ? undefined : baseItem,
    theirs,
    ours,
    device.record?.account?.deviceId ?? NOBODY,
    rev + 1,
  )
  if (result.outcome !== "merged") return result
  const bytes = encodeItem(result.item)
  return bytes.ok ? merged(bytes.value) : COMMITTED
}

const merged = (body: Body): Merge => ({ outcome: "merged", body, sizeBytes: body.length })

export type ItemsMerge =
  | { readonly outcome: "committed" | "deleted" }
  | { readonly outcome: "merged"; readonly item: Item }

/** Part by part: of two values the earlier in the chain stays, the other is kept as an alternative of the new revision, until chosen. */
export const mergeItems = (
  base: Item | undefined,
  committed: Item | "deleted",
  mine: Item | "deleted",
  deviceId: Uint8Array,
  revision: number,
): ItemsMerge => {
  const parts = (item: Item | "deleted") => (item === "deleted" ? item : itemToMergeFields(item))
  const result = mergeItem({
    base: base === undefined ? undefined : itemToMergeFields(base),
    committed: parts(committed),
    mine: parts(mine),
  })
  if (mine === "deleted") return result.outcome === "deleted" ? result : { outcome: "committed" }
  if (committed === "deleted")
    return result.outcome === "merged" ? { outcome: "merged", item: mine } : { outcome: "committed" }
  const conflicts = result.outcome === "merged" ? result.conflicts : []
  const lost: Alternative[] = conflicts.map((c) => ({ field: c.name, value: c.mine.value, deviceId, revision }))
  const alternatives = [
    ...mergeAlternatives(base?.alternatives ?? [], committed.alternatives, mine.alternatives),
    ...lost,
  ]
  const isSame =
    alternatives.length === committed.alternatives.length &&
    alternatives.every((a) => hasAlternative(committed.alternatives, a))
  if (result.outcome !== "merged" && isSame) return { outcome: "committed" }
  const fields = result.outcome === "merged" ? result.fields : itemToMergeFields(committed)
  const item = {
    ...withMergeFields(committed, fields),
    alternatives,
    updatedMs: Math.max(committed.updatedMs, mine.updatedMs),
  }
  return { outcome: "merged", item }
}

/** What either side added is kept; what either side chose about, and took out, is gone. */
const mergeAlternatives = (
  base: readonly Alternative[],
  committed: readonly Alternative[],
  mine: readonly Alternative[],
): readonly Alternative[] => [
  ...committed.filter((a) => hasAlternative(mine, a) || !hasAlternative(base, a)),
  ...mine.filter((a) => !hasAlternative(committed, a) && !hasAlternative(base, a)),
]

const hasAlternative = (list: readonly Alternative[], a: Alternative): boolean =>
  list.some(
    (b) =>
      a.field === b.field && a.value === b.value && a.revision === b.revision && equalBytes(a.deviceId, b.deviceId),
  )

/** The same item as one of a vault: its body names its place, so it is written again. */
export const moveToVault = (local: LocalItem, vaultId: Uint8Array): LocalItem => {
  if (local.recordKind !== RECORD_KIND.item) return { ...local, vaultId }
  const item = decodeItem(local.body, { itemId: local.itemId, vaultId: local.vaultId })
  if (!item.ok) return { ...local, vaultId }
  const body = encodeItem({ ...item.value, vaultId })
  return { ...local, vaultId, body: body.ok ? body.value : local.body }
}
