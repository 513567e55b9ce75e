import { bytesToHex, err, isZero, ok, type Result } from "@keyferry/base"
import { RECORD_KIND } from "@keyferry/crypto"
import {
  chooseExisting,
  makeLocalOnly,
  makeSynced,
  type PolicyItem,
  switchCredentialsOff,
  switchCredentialsOn,
  type VaultProfile,
} from "@keyferry/engine"
import { isCredential } from "@keyferry/items"
import type { Failure } from "@keyferry/protocol"

import { type Device, type LocalKeys, saveSettings } from "./device.ts"
import { HELD_BY_CHOICE, HELD_BY_SWITCH, type LocalItem, POLICY_LOCAL, POLICY_SYNCED } from "./formats.ts"
import { bodyOf, findItem, itemRow, syncSettings } from "./items.ts"
import { idOf } from "./item-summary.ts"
import { decodeProfile, NEW_PROFILE, toVaultProfile } from "./profile.ts"
import { changedProfileRows, vaultProfileOf } from "./profile-rows.ts"
import type { Row } from "./ports.ts"
import { profileItemId } from "./vault.ts"

/*
 * Carries out what the engine decides about synced and local-only. An item that leaves the server is named in the vault's profile
 * together with what happens to its copies elsewhere; profile and deletions travel in one link. Source: spec/sync.md, SY25–SY32
 */
type Elsewhere = "keep" | "delete"

/** One row as the engine's policy sees it. */
export const policyItem = (item: LocalItem): PolicyItem => {
  const body = bodyOf(item)
  const kind = body.ok ? body.value.kind : "unknown"
  return {
    itemId: bytesToHex(item.itemId),
    credential: isCredential(kind),
    kind,
    choice: item.policy === POLICY_SYNCED ? "synced" : "local-only",
    ...(item.heldBy === undefined ? {} : { localBecause: item.heldBy === HELD_BY_CHOICE ? "choice" : "switch" }),
    rev: item.rev,
    onServer: item.rev > 0 && !isZero(item.ctHash),
    edited: item.waiting && item.policy === POLICY_SYNCED && item.deletedAtMs === 0,
  }
}

/** Synced or local-only, item by item. Errors: locked, not-found, credential-sync-disabled, lease-needs-server */
export const choosePolicy = async (
  device: Device,
  ids: readonly string[],
  policy: "synced" | "local-only",
  elsewhere: Elsewhere,
): Promise<Result<void, Failure>> => {
  const items: PolicyItem[] = []
  for (const id of ids) {
    const found = findItem(device, id)
    if (!found.ok) return found
    items.push(policyItem(found.value))
  }
  const profile = profileOf(device)
  if (policy === "local-only") {
    const decided = makeLocalOnly(items, profile, elsewhere)
    return write(
      device,
      decided.keepHere.map((id) => heldHere(device, id, HELD_BY_CHOICE)),
      decided.profile,
    )
  }
  const decided = makeSynced(items, profile, syncSettings(device))
  const refused = decided.refused[0]
  if (refused !== undefined) return err({ code: refused[1] })
  return write(
    device,
    decided.upload.map((id) => goingUp(device, id)),
    decided.profile,
  )
}

/** The items that go up when sync is turned on here: their ids. Errors: not-found, credential-sync-disabled for one that was named. */
export const existingToUpload = (
  device: Device,
  upload: "all" | "none" | readonly string[],
): Result<readonly string[], Failure> => {
  const named: string[] = []
  for (const id of typeof upload === "string" ? [] : upload) {
    const found = findItem(device, id)
    if (!found.ok) return found
    named.push(bytesToHex(found.value.itemId))
  }
  const live = [...device.items.values()].filter((i) => i.recordKind === RECORD_KIND.item && i.deletedAtMs === 0)
  const decided = chooseExisting(
    live.map(policyItem),
    typeof upload === "string" ? upload : named,
    syncSettings(device),
  )
  const refused = decided.refused[0]
  if (refused !== undefined) return err({ code: refused[1] })
  const chosen = new Set(decided.upload)
  return ok(live.filter((i) => chosen.has(bytesToHex(i.itemId))).map(idOf))
}

/** The switch for all credentials of the vault. Off takes them from the server; hosts, groups and snippets stay. */
export const setCredentialSwitch = async (
  device: Device,
  on: boolean,
  elsewhere: Elsewhere,
): Promise<Result<{ readonly items: number }, Failure>> => {
  if (device.local === undefined) return err({ code: "locked" })
  const decided = on ? decideOn(device) : decideOff(device, elsewhere)
  const written = await write(device, decided.items, decided.profile)
  if (!written.ok) return written
  await saveSettings(device, { credentials: on })
  return ok({ items: decided.items.length })
}

/**
 * Brings this device in step with the vault's own switch for credentials: its settings, and what only this device has.
 * Source: spec/sync.md, SY26, SY32
 */
export const followSwitch = async (device: Device): Promise<void> => {
  const { local } = device
  const row = profileRowOf(device)
  const profile = row === undefined ? undefined : decodeProfile(row.body)
  if (local === undefined || profile === undefined || profile.credentials === device.settings.credentials) return
  await saveSettings(device, { credentials: profile.credentials })
  // What is at the server is withdrawn by the device that moved the switch.
  const moved = profile.credentials ? decideOn(device).items : decideOff(device, "keep").items.filter((i) => !i.waiting)
  await writeRows(
    device,
    local,
    moved.filter((i) => !i.strict || local.strict !== undefined),
  )
}

const decideOn = (device: Device): { readonly profile: VaultProfile; readonly items: readonly LocalItem[] } => {
  const decided = switchCredentialsOn(policyItems(device), profileOf(device))
  return { profile: decided.profile, items: decided.upload.map((id) => goingUp(device, id)) }
}

const decideOff = (
  device: Device,
  elsewhere: Elsewhere,
): { readonly profile: VaultProfile; readonly items: readonly LocalItem[] } => {
  const decided = switchCredentialsOff(policyItems(device), profileOf(device), elsewhere)
  return { profile: decided.profile, items: decided.keepHere.map((id) => heldHere(device, id, HELD_BY_SWITCH)) }
}

const policyItems = (device: Device): readonly PolicyItem[] =>
  [...device.items.values()].filter((i) => i.recordKind === RECORD_KIND.item && i.deletedAtMs === 0).map(policyItem)

const profileRowOf = (device: Device): LocalItem | undefined => {
  const vault = [...device.vaults.values()][0]
  return vault === undefined ? undefined : device.items.get(bytesToHex(profileItemId(device, vault.state.id)))
}

const profileOf = (device: Device): VaultProfile => {
  const vault = [...device.vaults.values()][0]
  return vault === undefined ? toVaultProfile(NEW_PROFILE) : vaultProfileOf(device, vault.state.id)
}

const rowOf = (device: Device, id: string): LocalItem => {
  const item = device.items.get(id)
  if (item === undefined) throw new Error("the engine decided about an item that is not here")
  return item
}

/** Stays on this device and leaves the server. Its newest body there stays as the base: if it comes back, copies merge from it. */
const heldHere = (device: Device, id: string, heldBy: typeof HELD_BY_CHOICE | typeof HELD_BY_SWITCH): LocalItem => {
  const item = rowOf(device, id)
  const onServer = item.rev > 0 && !isZero(item.ctHash)
  return {
    ...item,
    policy: POLICY_LOCAL,
    heldBy,
    waiting: onServer,
    ...(item.waiting || item.rev === 0 ? {} : { base: item.body }),
  }
}

const goingUp = (device: Device, id: string): LocalItem => {
  const { heldBy: _heldBy, ...item } = rowOf(device, id)
  return { ...item, policy: POLICY_SYNCED, waiting: true }
}

const write = async (
  device: Device,
  changed: readonly LocalItem[],
  profile: VaultProfile,
): Promise<Result<void, Failure>> => {
  const { local } = device
  if (local === undefined) return err({ code: "locked" })
  const vault = [...device.vaults.values()][0]
  const all = vault === undefined ? changed : [...changed, ...changedProfileRows(device, vault.state.id, profile)]
  if (all.some((i) => i.strict) && local.strict === undefined) return err({ code: "lease-needs-server" })
  await writeRows(device, local, all)
  return ok(undefined)
}

const writeRows = async (device: Device, keys: LocalKeys, items: readonly LocalItem[]): Promise<void> => {
  const rows: Row[] = []
  for (const item of items) rows.push(itemRow(keys, item))
  if (rows.length > 0) await device.ports.store.write(rows)
  for (const item of items) device.items.set(bytesToHex(item.itemId), item)
  device.changed()
}
