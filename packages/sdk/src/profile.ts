import { bool, bytesOf, equalBytes, listOf, oneOf, struct, textUpTo, tuple, type TypeOf, uint } from "@keyferry/base"

/*
 * The vault's own settings, sealed like an item (record kind 2): whether credentials sync, and what each item that left
 * the server means for copies elsewhere. Source: spec/sync.md
 */
export const KEEP = 1
export const DELETE = 2

const profileStruct = struct({
  name: [1, textUpTo(200)],
  credentials: [2, bool],
  /** [item id, revision of the deletion, keep or delete] */
  left: [3, listOf(tuple(bytesOf(16), uint, oneOf(KEEP, DELETE)), 100_000)],
})
export type Profile = TypeOf<typeof profileStruct>

export const NEW_PROFILE: Profile = { name: "Personal", credentials: true, left: [] }

export const encodeProfile = (profile: Profile): Uint8Array => profileStruct.encode(profile)

export const decodeProfile = (bytes: Uint8Array): Profile | undefined => {
  const decoded = profileStruct.decode(bytes, 70_000)
  return decoded.ok ? decoded.value : undefined
}

/** Both lists of what left are kept; a changed switch or name of mine wins over an unchanged one. */
export const mergeProfiles = (baseBytes: Uint8Array | undefined, committedBytes: Uint8Array, mineBytes: Uint8Array): Uint8Array => {
  const base = baseBytes === undefined ? undefined : decodeProfile(baseBytes)
  const committed = decodeProfile(committedBytes)
  const mine = decodeProfile(mineBytes)
  if (mine === undefined) return committedBytes
  if (committed === undefined) return mineBytes
  const added = mine.left.filter(([id, rev]) => !committed.left.some(([other, r]) => equalBytes(id, other) && rev === r))
  return encodeProfile({
    name: base !== undefined && base.name !== mine.name ? mine.name : committed.name,
    credentials: base !== undefined && base.credentials !== mine.credentials ? mine.credentials : committed.credentials,
    left: [...committed.left, ...added],
  })
}

const labelStruct = struct({ name: [1, textUpTo(100)], platform: [2, textUpTo(64)] })
export type DeviceLabel = TypeOf<typeof labelStruct>
export const encodeLabel = (label: DeviceLabel): Uint8Array => labelStruct.encode(label)
export const decodeLabel = (bytes: Uint8Array): DeviceLabel | undefined => {
  const decoded = labelStruct.decode(bytes, 1024)
  return decoded.ok ? decoded.value : undefined
}
