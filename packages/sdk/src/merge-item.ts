import { bytesToHex, equalBytes, isZero } from "@keyferry/base"
import type { Leaf } from "@keyferry/chain"
import { RECORD_KIND } from "@keyferry/crypto"
import { type Alternative, decodeItem, encodeItem, type Item, itemToMergeFields, withMergeFields } from "@keyferry/items"
import { afterDeletion, mergeFields } from "@keyferry/engine"

import type { Device } from "./device.ts"
import { type LocalItem, POLICY_LOCAL, POLICY_SYNCED } from "./formats.ts"
import { classOf, heldBecause, itemRows } from "./items.ts"
import { decodeProfile, mergeProfileBodies, type Profile, toVaultProfile } from "./profile.ts"
import { afterSwitchElsewhere, policyItem } from "./sync-choice.ts"

/** One leaf as it was committed, with what its record held. Without a body it is a deletion, or damaged. */
export interface Committed {
  readonly leaf: Leaf
  readonly body?: Uint8Array
  readonly by?: Uint8Array
  readonly recordKind?: number
  readonly damaged?: boolean
  readonly prevHash?: Uint8Array
}

export interface Merged {
  readonly items: readonly { readonly item: LocalItem; readonly gone: boolean }[]
  /** Leaves that this device keeps no item for. */
  readonly others: readonly Leaf[]
}

const NOBODY = new Uint8Array(16)
const NO_HASH = new Uint8Array(32)
const NOTHING_LEFT = { left: new Map() }

/** What the items become once these leaves are the server's newest. Pure but for the clock of the bin. */
export const applyCommitted = (device: Device, vaultId: Uint8Array, committed: readonly Committed[]): Merged => {
  const items: { item: LocalItem; gone: boolean }[] = []
  const others: Leaf[] = []
  const profile = profileAfter(device, vaultId, committed)
  for (const c of committed) {
    const local = device.items.get(bytesToHex(c.leaf.itemId))
    if (c.leaf.tombstone) {
      const after = local === undefined ? undefined : afterRemoteDelete(device, local, c.leaf, profile)
      if (after === undefined) {
        others.push(c.leaf)
        if (local !== undefined) items.push({ item: local, gone: true })
      } else {
        items.push({ item: after, gone: false })
      }
      continue
    }
    items.push({ item: afterRemotePut(device, vaultId, local, c), gone: false })
  }
  return { items, others }
}

/** The profile is applied before any deletion of the same link: it says what happens to copies of what leaves. */
const profileAfter = (device: Device, vaultId: Uint8Array, committed: readonly Committed[]): Profile | undefined => {
  const incoming = committed.find((c) => c.recordKind === RECORD_KIND.vaultProfile && c.body !== undefined)
  if (incoming?.body !== undefined) return decodeProfile(incoming.body)
  const stored = [...device.items.values()].find((i) => i.recordKind === RECORD_KIND.vaultProfile && equalBytes(i.vaultId, vaultId))
  return stored === undefined ? undefined : decodeProfile(stored.body)
}

/** The row as a tombstone of the server; its last record stays where the history starts. */
const placed = (local: LocalItem, leaf: Leaf): LocalItem => ({
  ...local,
  rev: leaf.rev,
  epoch: leaf.epoch,
  ctHash: leaf.ctHash,
  prevHash: isZero(local.ctHash) ? local.prevHash : local.ctHash,
})

/** `undefined`: nothing stays here. */
const afterRemoteDelete = (device: Device, local: LocalItem, leaf: Leaf, profile: Profile | undefined): LocalItem | undefined => {
  const next = placed(local, leaf)
  const item = policyItem(local)
  const fate = afterDeletion(profile === undefined ? NOTHING_LEFT : toVaultProfile(profile), item, leaf.rev)
  if (local.policy === POLICY_LOCAL) return { ...next, waiting: false }
  if (fate === "erase") return undefined
  if (fate === "local-only-copy") {
    // What the switch took away it gives back; what a person took away somewhere, nobody decided about here.
    const heldBy = heldBecause(profile?.credentials === false && item.credential ? "switch" : undefined)
    return { ...next, policy: POLICY_LOCAL, ...heldBy, waiting: false, base: local.base ?? local.body }
  }
  if (item.edited) return { ...next, waiting: true }
  return { ...next, waiting: false, deletedAtMs: local.deletedAtMs === 0 ? device.ports.clock.nowMs() : local.deletedAtMs }
}

const afterRemotePut = (device: Device, vaultId: Uint8Array, local: LocalItem | undefined, c: Committed): LocalItem => {
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
    strict: strictOf(c.body, leaf.itemId, vaultId, recordKind, local),
    deletedAtMs: 0,
    waiting: false,
    by: c.by ?? NOBODY,
    recordKind,
    prevHash: c.prevHash ?? local?.prevHash ?? NO_HASH,
  }
  if (c.body === undefined || local === undefined) return fresh
  // A copy of an item that had left the server and comes back merges like an edit: nothing written here meanwhile is lost.
  const cameBack = local.policy === POLICY_LOCAL && isZero(local.ctHash) && local.rev > 0
  if ((!local.waiting && !cameBack) || local.deletedAtMs > 0) return fresh
  if (cameBack && !local.waiting) {
    const both = mergeBodies(device, local, c.body, leaf.rev)
    return both === undefined || equalBytes(both, c.body) ? fresh : { ...fresh, body: both, base: c.body, waiting: true, strict: fresh.strict || local.strict }
  }
  const merged = mergeBodies(device, local, c.body, leaf.rev)
  if (merged === undefined || equalBytes(merged, c.body)) return local.policy === POLICY_LOCAL ? { ...fresh, policy: POLICY_LOCAL, waiting: true } : fresh
  return { ...fresh, body: merged, base: c.body, waiting: true, policy: local.policy, strict: fresh.strict || local.strict }
}

const strictOf = (body: Uint8Array | undefined, itemId: Uint8Array, vaultId: Uint8Array, recordKind: number, local: LocalItem | undefined): boolean => {
  if (recordKind !== RECORD_KIND.item) return false
  const item = body === undefined ? undefined : decodeItem(body, { itemId, vaultId })
  return item?.ok === true ? classOf(item.value) === "strict" : (local?.strict ?? true)
}

/** `undefined` where nothing of mine remains, or where one side cannot be read: then what was committed stands. */
const mergeBodies = (device: Device, local: LocalItem, committedBody: Uint8Array, rev: number): Uint8Array | undefined => {
  if (local.recordKind === RECORD_KIND.vaultProfile) return mergeProfileBodies(local.base, committedBody, local.body)
  if (local.recordKind !== RECORD_KIND.item) return local.body
  const place = { itemId: local.itemId, vaultId: local.vaultId }
  const committed = decodeItem(committedBody, place)
  const mine = decodeItem(local.body, place)
  const base = local.base === undefined ? undefined : decodeItem(local.base, place)
  if (!committed.ok || !mine.ok) return undefined
  const item = mergeItems(base?.ok === true ? base.value : undefined, committed.value, mine.value, device.record?.account?.deviceId ?? NOBODY, rev + 1)
  const bytes = encodeItem(item)
  return bytes.ok ? bytes.value : undefined
}

/** Field by field: the value that is earlier in the chain stays, the other is kept as an alternative of the new revision. */
export const mergeItems = (base: Item | undefined, committed: Item, mine: Item, deviceId: Uint8Array, revision: number): Item => {
  const result = mergeFields({
    base: base === undefined ? undefined : itemToMergeFields(base),
    committed: itemToMergeFields(committed),
    mine: itemToMergeFields(mine),
  })
  const lost: Alternative[] = result.conflicts.map((c) => ({ field: c.name, value: c.mine?.value ?? "", deviceId, revision }))
  const merged = withMergeFields(committed, result.fields)
  const kept = [...committed.alternatives, ...mine.alternatives.filter((a) => !committed.alternatives.some((b) => sameAlternative(a, b))), ...lost]
  return { ...merged, alternatives: kept, updatedMs: Math.max(committed.updatedMs, mine.updatedMs) }
}

const sameAlternative = (a: Alternative, b: Alternative): boolean =>
  a.field === b.field && a.value === b.value && a.revision === b.revision && equalBytes(a.deviceId, b.deviceId)

/** The same item as one of a vault: its body names its place, so it is written again. */
export const moveToVault = (local: LocalItem, vaultId: Uint8Array): LocalItem => {
  if (local.recordKind !== RECORD_KIND.item) return { ...local, vaultId }
  const item = decodeItem(local.body, { itemId: local.itemId, vaultId: local.vaultId })
  if (!item.ok) return { ...local, vaultId }
  const body = encodeItem({ ...item.value, vaultId })
  return { ...local, vaultId, body: body.ok ? body.value : local.body }
}

/** Brings this device's settings in step with the vault's own switch for credentials, and what only this device has with it. */
export const afterProfile = async (device: Device): Promise<void> => {
  const row = [...device.items.values()].find((i) => i.recordKind === RECORD_KIND.vaultProfile)
  const profile = row === undefined ? undefined : decodeProfile(row.body)
  if (profile !== undefined && profile.credentials !== device.settings.credentials) {
    const { saveSettings } = await import("./device.ts")
    await saveSettings(device, { credentials: profile.credentials })
    const { local } = device
    if (local === undefined) return
    const moved = afterSwitchElsewhere(device, profile.credentials).filter((i) => !i.strict || local.strict !== undefined)
    const rows = []
    for (const item of moved) rows.push(...(await itemRows(device, local, item)))
    if (rows.length > 0) await device.ports.store.write(rows)
    for (const item of moved) device.items.set(bytesToHex(item.itemId), item)
  }
}
