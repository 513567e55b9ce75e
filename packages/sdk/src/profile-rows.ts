import { bytesToHex, lp } from "@keyferry/base"
import { RECORD_KIND } from "@keyferry/crypto"
import type { VaultProfile } from "@keyferry/engine"

import type { Device } from "./device.ts"
import { type LocalItem, POLICY_SYNCED } from "./formats.ts"
import { withEdit } from "./outbox-rows.ts"
import {
  decodeDepartures,
  decodeProfile,
  type Departure,
  encodeDepartures,
  encodeProfile,
  NEW_PROFILE,
  PROFILE_PARTS,
  type Profile,
  partOf,
  toVaultProfile,
  withVaultProfile,
} from "./profile.ts"
import { profileItemId } from "./vault.ts"

/*
 * A vault's profile as it lies in rows: one for the name and the switch, and sixteen for what left, by the first four bits of
 * the item's id, so that as many items as a vault holds can leave at once. Source: spec/records.md RC15, RC18
 */

/** Where the departures of one part stand among a vault's items. */
export const departuresItemId = (device: Device, vaultId: Uint8Array, part: number): Uint8Array =>
  device.ports.primitives.sha256(lp("kf1/profile-left", vaultId, Uint8Array.of(part))).slice(0, 16)

/** The ids of the vault's own records of settings. */
export const profileItemIds = (device: Device, vaultId: Uint8Array): readonly Uint8Array[] => [
  profileItemId(device, vaultId),
  ...Array.from({ length: PROFILE_PARTS }, (_, part) => departuresItemId(device, vaultId, part)),
]

/** What a vault keeps for the devices themselves: its settings, and their names under their ids. Nobody sees these as items. */
export const ownRecordIds = (device: Device, vaultId: Uint8Array): ReadonlySet<string> =>
  new Set([...profileItemIds(device, vaultId).map(bytesToHex), ...(device.account?.holders.keys() ?? [])])

/** The vault's profile out of these bodies, or out of its rows where one is not among them. */
export const profileOf = (
  device: Device,
  vaultId: Uint8Array,
  incoming: ReadonlyMap<string, Uint8Array> = new Map(),
): Profile => {
  const [main, ...parts] = profileItemIds(device, vaultId).map((id) => {
    const key = bytesToHex(id)
    return incoming.get(key) ?? device.items.get(key)?.body
  })
  const profile = (main === undefined ? undefined : decodeProfile(main)) ?? NEW_PROFILE
  const left = new Map<string, Departure>()
  for (const departure of [
    ...profile.left,
    ...parts.flatMap((body) => (body === undefined ? [] : (decodeDepartures(body) ?? []))),
  ])
    left.set(bytesToHex(departure[0]), departure)
  return { ...profile, left: [...left.values()] }
}

/** The bodies among committed records that belong to the profile, by item id. */
export const profileBodies = (
  committed: readonly {
    readonly leaf: { readonly itemId: Uint8Array }
    readonly recordKind?: number
    readonly body?: Uint8Array
  }[],
): ReadonlyMap<string, Uint8Array> =>
  new Map(
    committed.flatMap(({ leaf, recordKind, body }) =>
      recordKind === RECORD_KIND.vaultProfile && body !== undefined ? [[bytesToHex(leaf.itemId), body]] : [],
    ),
  )

/** The profile's records as waiting rows, those that change. */
export const changedProfileRows = (
  device: Device,
  vaultId: Uint8Array,
  decided: VaultProfile,
): readonly LocalItem[] => {
  const before = profileOf(device, vaultId)
  const after = withVaultProfile(before, decided)
  const leftByPart = Array.from({ length: PROFILE_PARTS }, (): Departure[] => [])
  for (const departure of after.left) leftByPart[partOf(departure[0])]?.push(departure)
  const [mainId, ...partIds] = profileItemIds(device, vaultId)
  const rows: LocalItem[] = []
  const put = (itemId: Uint8Array | undefined, body: Uint8Array, empty: Uint8Array): void => {
    if (itemId === undefined) return
    const stored = device.items.get(bytesToHex(itemId))
    if (bytesToHex(body) === bytesToHex(stored?.body ?? empty)) return
    rows.push(stored === undefined ? newRow(itemId, vaultId, body) : withEdit(stored, body))
  }
  put(mainId, encodeProfile({ ...after, left: [] }), encodeProfile(NEW_PROFILE))
  for (const [part, left] of leftByPart.entries()) put(partIds[part], encodeDepartures(left), encodeDepartures([]))
  return rows
}

/** The profile as the engine decides about it. */
export const vaultProfileOf = (
  device: Device,
  vaultId: Uint8Array,
  incoming?: ReadonlyMap<string, Uint8Array>,
): VaultProfile => toVaultProfile(profileOf(device, vaultId, incoming))

const newRow = (itemId: Uint8Array, vaultId: Uint8Array, body: Uint8Array): LocalItem => ({
  itemId,
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
})
