import { bytesToHex, err, ok, type Result } from "@keyferry/base"
import { RECORD_KIND } from "@keyferry/crypto"
import { isCredential } from "@keyferry/items"
import type { Failure } from "@keyferry/protocol"

import { type Device, saveSettings } from "./device.ts"
import { type LocalItem, POLICY_LOCAL, POLICY_SYNCED } from "./formats.ts"
import { bodyOf, findItem, itemRows } from "./items.ts"
import { decodeProfile, DELETE, encodeProfile, KEEP, NEW_PROFILE, type Profile } from "./profile.ts"
import { profileItemId } from "./vault.ts"

/**
 * Synced or local-only, item by item. An item that leaves the server is named in the vault's profile together with
 * what happens to its copies elsewhere; profile and deletions travel in one link.
 */
export const choosePolicy = async (device: Device, ids: readonly string[], policy: "synced" | "local-only", elsewhere: "keep" | "delete"): Promise<Result<void, Failure>> => {
  const changed: LocalItem[] = []
  for (const id of ids) {
    const found = findItem(device, id)
    if (!found.ok) return found
    const item = found.value
    if (policy === "synced") {
      const refused = refusedHere(device, item)
      if (refused !== undefined) return err(refused)
      if (item.policy !== POLICY_SYNCED) changed.push({ ...item, policy: POLICY_SYNCED, waiting: true })
      continue
    }
    if (item.policy !== POLICY_LOCAL) changed.push(leavingServer(item))
  }
  return write(device, changed, elsewhere)
}

/** Its newest body at the server stays as the base: if it comes back, divergent copies merge from there. */
const leavingServer = (item: LocalItem): LocalItem => ({
  ...item,
  policy: POLICY_LOCAL,
  waiting: item.rev > 0 && !isTombstone(item),
  ...(item.waiting || item.rev === 0 ? {} : { base: item.body }),
})

const isTombstone = (item: LocalItem): boolean => item.ctHash.every((b) => b === 0)

const refusedHere = (device: Device, item: LocalItem): Failure | undefined => {
  const body = bodyOf(item)
  const credential = body.ok && isCredential(body.value.kind)
  return credential && !device.settings.credentials ? { code: "credential-sync-disabled" } : undefined
}

/** The switch for all credentials of the vault. Off takes them from the server; hosts, groups and snippets stay. */
export const setCredentialSwitch = async (device: Device, on: boolean, elsewhere: "keep" | "delete"): Promise<Result<{ readonly items: number }, Failure>> => {
  if (device.local === undefined) return err({ code: "locked" })
  const credentials = [...device.items.values()].filter((i) => {
    const body = i.recordKind === RECORD_KIND.item && i.deletedAtMs === 0 ? bodyOf(i) : undefined
    return body?.ok === true && isCredential(body.value.kind)
  })
  await saveSettings(device, { credentials: on })
  const changed = on
    ? credentials.filter((i) => i.policy === POLICY_LOCAL).map((i) => ({ ...i, policy: POLICY_SYNCED, waiting: true }) as const)
    : credentials.filter((i) => i.policy === POLICY_SYNCED).map(leavingServer)
  const written = await write(device, changed, elsewhere, on)
  return written.ok ? ok({ items: changed.length }) : written
}

const write = async (device: Device, changed: readonly LocalItem[], elsewhere: "keep" | "delete", credentials?: boolean): Promise<Result<void, Failure>> => {
  const { local } = device
  if (local === undefined) return err({ code: "locked" })
  const leaving = changed.filter((i) => i.policy === POLICY_LOCAL && i.waiting)
  const all = [...changed]
  if (leaving.length > 0 || credentials !== undefined) {
    const vault = [...device.vaults.values()][0]
    if (vault !== undefined) {
      const stored = device.items.get(bytesToHex(profileItemId(device, vault.state.id)))
      const before: Profile = stored === undefined ? NEW_PROFILE : (decodeProfile(stored.body) ?? NEW_PROFILE)
      const next: Profile = {
        ...before,
        credentials: credentials ?? before.credentials,
        left: [...before.left, ...leaving.map((i) => [i.itemId, i.rev + 1, elsewhere === "keep" ? KEEP : DELETE] as const)],
      }
      all.push(profileRow(device, vault.state.id, stored, next))
    }
  }
  if (all.some((i) => i.strict) && local.strict === undefined) return err({ code: "lease-needs-server" })
  const rows = []
  for (const item of all) rows.push(...(await itemRows(device, local, item)))
  if (rows.length > 0) await device.ports.store.write(rows)
  for (const item of all) device.items.set(bytesToHex(item.itemId), item)
  device.changed()
  return ok(undefined)
}

const profileRow = (device: Device, vaultId: Uint8Array, stored: LocalItem | undefined, profile: Profile): LocalItem => {
  const body = encodeProfile(profile)
  if (stored !== undefined) return { ...stored, body, waiting: true, ...(stored.waiting ? {} : { base: stored.body }) }
  return {
    itemId: profileItemId(device, vaultId),
    vaultId,
    rev: 0,
    epoch: 0,
    ctHash: new Uint8Array(32),
    body,
    policy: POLICY_SYNCED,
    strict: false,
    deletedAtMs: 0,
    waiting: true,
    by: new Uint8Array(16),
    recordKind: RECORD_KIND.vaultProfile,
    prevHash: new Uint8Array(32),
  }
}
