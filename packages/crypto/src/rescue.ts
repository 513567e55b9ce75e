import {
  bytesOf,
  bytesUpTo,
  Defect,
  equalBytes,
  err,
  lp,
  ok,
  type Random,
  type Result,
  type Secret,
  secret,
  struct,
} from "@keyferry/base"

import { H } from "./hash.ts"
import { hpkeOpen, hpkeSeal, KEM_ENC_LENGTH, KEM_PUBLIC_KEY_LENGTH } from "./hazmat/hpke.ts"
import type { KemKeyPair } from "./kem.ts"
import type { Primitives } from "./primitives/primitives.ts"

const MAX_LOCAL_KEYS = 4_096

/** A device's local keys, for the kit to open when there is no server; the file never leaves the device. */
export interface RescueBox {
  /** The recovery slot, so that a person can be told which kit is needed. */
  readonly slotId: Uint8Array
  readonly kemPkHash: Uint8Array
  readonly enc: Uint8Array
  readonly ct: Uint8Array
}

const rescueStruct = struct({
  slotId: [1, bytesOf(16)],
  kemPkHash: [2, bytesOf(32)],
  enc: [3, bytesOf(KEM_ENC_LENGTH)],
  ct: [4, bytesUpTo(MAX_LOCAL_KEYS + 16)],
})

export interface RescuePlace {
  readonly uid: Uint8Array
  readonly deviceId: Uint8Array
  readonly slotId: Uint8Array
}

export const encodeRescue = (box: RescueBox): Uint8Array => rescueStruct.encode(box)

/** Errors: malformed. */
export const decodeRescue = (bytes: Uint8Array): Result<RescueBox, "malformed"> =>
  rescueStruct.decode(bytes, MAX_LOCAL_KEYS + KEM_ENC_LENGTH + 256)

/** Seals local keys to the current recovery slot. Source   spec/keys.md KE21 */
export const sealRescue = async (
  p: Primitives,
  random: Random,
  place: RescuePlace,
  slotKemPk: Uint8Array,
  localKeys: Secret<"LocalKeys">,
): Promise<RescueBox> => {
  if (slotKemPk.length !== KEM_PUBLIC_KEY_LENGTH || localKeys.length > MAX_LOCAL_KEYS)
    throw new Defect("rescue of a wrong length")
  const kemPkHash = H(p, slotKemPk)
  const info = rescueInfo(place, kemPkHash)
  const { enc, ct } = await hpkeSeal(random, slotKemPk, info, new Uint8Array(), localKeys.reveal())
  return { slotId: place.slotId, kemPkHash, enc, ct }
}

/** Errors: cannot-open, for another kit, account or device and for any changed byte. Source   spec/keys.md KE21 */
export const openRescue = async (
  p: Primitives,
  place: RescuePlace,
  slotKem: KemKeyPair,
  box: RescueBox,
): Promise<Result<Secret<"LocalKeys">, "cannot-open">> => {
  const kemPkHash = H(p, slotKem.publicKey)
  if (!equalBytes(box.slotId, place.slotId) || !equalBytes(box.kemPkHash, kemPkHash)) return err("cannot-open")
  if (box.enc.length !== KEM_ENC_LENGTH) return err("cannot-open")
  const info = rescueInfo(place, kemPkHash)
  const opened = await hpkeOpen({ seed: slotKem.seed.reveal() }, box.enc, info, new Uint8Array(), box.ct)
  return opened === undefined ? err("cannot-open") : ok(secret<"LocalKeys">(opened))
}

const rescueInfo = (place: RescuePlace, kemPkHash: Uint8Array): Uint8Array =>
  lp("kf1/rescue", place.uid, place.deviceId, place.slotId, kemPkHash)
