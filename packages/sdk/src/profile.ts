import {
  bool,
  bytesOf,
  bytesToHex,
  equalBytes,
  hexToBytes,
  listOf,
  oneOf,
  optional,
  struct,
  textUpTo,
  tuple,
  type TypeOf,
  uint,
} from "@keyferry/base"
import { mergeProfiles, type VaultProfile } from "@keyferry/engine"

/*
 * The vault's own settings, sealed like an item (record kind 2): whether credentials sync, and what each item that left
 * the server means for copies elsewhere. Source: spec/sync.md
 */
export const KEEP = 1
export const DELETE = 2

/** [item id, revision of the deletion, keep or delete] */
const departures = listOf(tuple(bytesOf(16), uint, oneOf(KEEP, DELETE)), 100_000)
const profileStruct = struct({ name: [1, textUpTo(200)], credentials: [2, bool], left: [3, departures] })
const departuresStruct = struct({ left: [3, departures] })
export type Profile = TypeOf<typeof profileStruct>

export type Departure = Profile["left"][number]

/** What left stands in as many records, by the first bits of the item's id: one record holds about 3,000 (RC18). */
export const PROFILE_PARTS = 16
export const partOf = (itemId: Uint8Array): number => (itemId[0] ?? 0) >> 4

export const encodeDepartures = (left: readonly Departure[]): Uint8Array => departuresStruct.encode({ left: [...left] })

export const decodeDepartures = (bytes: Uint8Array): readonly Departure[] | undefined => {
  const decoded = departuresStruct.decode(bytes, 70_000)
  return decoded.ok ? decoded.value.left : undefined
}

export const NEW_PROFILE: Profile = { name: "Personal", credentials: true, left: [] }

export const encodeProfile = (profile: Profile): Uint8Array => profileStruct.encode(profile)

export const decodeProfile = (bytes: Uint8Array): Profile | undefined => {
  const decoded = profileStruct.decode(bytes, 70_000)
  return decoded.ok ? decoded.value : undefined
}

/** The profile as the engine decides about it; item ids in hex. */
export const toVaultProfile = (profile: Profile): VaultProfile => ({
  credentials: profile.credentials,
  left: new Map(profile.left.map(([id, rev, what]) => [bytesToHex(id), [rev, what === KEEP ? "keep" : "delete"]])),
})

/** The same profile with what was decided, in the one order that every device writes. */
export const withVaultProfile = (profile: Profile, decided: VaultProfile): Profile => ({
  ...profile,
  credentials: decided.credentials,
  left: [...decided.left]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([id, [rev, what]]) => {
      const bytes = hexToBytes(id)
      return bytes === undefined ? [] : [[bytes, rev, what === "keep" ? KEEP : DELETE] as const]
    }),
})

/** Profiles, or one part of what left, that two devices changed at once; what cannot be read adds nothing. */
export const mergeProfileBodies = (
  baseBytes: Uint8Array | undefined,
  committedBytes: Uint8Array,
  mineBytes: Uint8Array,
): Uint8Array => {
  const mineLeft = decodeDepartures(mineBytes)
  const committedLeft = decodeDepartures(committedBytes)
  if (mineLeft !== undefined && committedLeft !== undefined) {
    const baseLeft = baseBytes === undefined ? undefined : decodeDepartures(baseBytes)
    const part = (left: readonly Departure[]): VaultProfile => toVaultProfile({ ...NEW_PROFILE, left: [...left] })
    const merged = mergeProfiles(
      baseLeft === undefined ? undefined : part(baseLeft),
      part(committedLeft),
      part(mineLeft),
    )
    return encodeDepartures(withVaultProfile(NEW_PROFILE, merged).left)
  }
  const base = baseBytes === undefined ? undefined : decodeProfile(baseBytes)
  const committed = decodeProfile(committedBytes)
  const mine = decodeProfile(mineBytes)
  if (mine === undefined) return committedBytes
  if (committed === undefined) return mineBytes
  const decided = mergeProfiles(
    base === undefined ? undefined : toVaultProfile(base),
    toVaultProfile(committed),
    toVaultProfile(mine),
  )
  const name = base !== undefined && base.name !== mine.name ? mine.name : committed.name
  return encodeProfile(withVaultProfile({ ...committed, name }, decided))
}

/** `kit`: the recovery slot that this device's rescue file is wrapped to. The device itself says so. */
const labelStruct = struct({
  name: [1, textUpTo(100)],
  platform: [2, textUpTo(64)],
  kit: [3, optional(bytesOf(16))],
})
export type DeviceLabel = TypeOf<typeof labelStruct>
export const encodeLabel = (label: DeviceLabel): Uint8Array => labelStruct.encode(label)
export const decodeLabel = (bytes: Uint8Array): DeviceLabel | undefined => {
  const decoded = labelStruct.decode(bytes, 1024)
  return decoded.ok ? decoded.value : undefined
}

/** Labels that two devices changed at once: one gave it another name while the device itself told of its kit. */
export const mergeLabelBodies = (
  baseBytes: Uint8Array | undefined,
  committedBytes: Uint8Array,
  mineBytes: Uint8Array,
): Uint8Array => {
  const base = baseBytes === undefined ? undefined : decodeLabel(baseBytes)
  const committed = decodeLabel(committedBytes)
  const mine = decodeLabel(mineBytes)
  if (mine === undefined) return committedBytes
  if (base === undefined || committed === undefined) return mineBytes
  const kit = isSame(base.kit, mine.kit) ? committed.kit : mine.kit
  return encodeLabel({
    name: base.name === mine.name ? committed.name : mine.name,
    platform: base.platform === mine.platform ? committed.platform : mine.platform,
    ...(kit === undefined ? {} : { kit }),
  })
}

const isSame = (a: Uint8Array | undefined, b: Uint8Array | undefined): boolean =>
  a === undefined || b === undefined ? a === b : equalBytes(a, b)
