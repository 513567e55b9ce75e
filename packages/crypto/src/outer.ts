import {
  bytesOf,
  bytesUpTo,
  type DecodedMemory,
  type LpPart,
  lp,
  oneOf,
  type Random,
  type Result,
  type Secret,
  struct,
} from "@keyferry/base"

import { openCommitting, sealCommitting } from "./aead.ts"
import type { Primitives } from "./primitives/primitives.ts"

const LABEL = "kf1/outer"
const MAX_OUTER_CT = 1 << 20

/** What a data key of the outer layer is for. */
export type OuterPurpose = "record" | "lease" | "totp" | "opaque" | "mail"

/** Where a row of the strongroom belongs; a row moved anywhere else does not open. */
export interface OuterPlace {
  readonly deployment: string
  /** An account or team, or the device for a lease. */
  readonly tenant: Uint8Array
  readonly purpose: OuterPurpose
  readonly chainId: Uint8Array
  readonly recordId: Uint8Array
  readonly rev: number
}

export type OuterKey = Secret<"OuterKey">

const outerStruct = struct({
  v: [1, oneOf(1)],
  dekId: [2, bytesOf(16)],
  salt: [3, bytesOf(32)],
  commit: [4, bytesOf(32)],
  ct: [5, bytesUpTo(MAX_OUTER_CT)],
})

export interface OuterRecord {
  readonly v: 1
  readonly dekId: Uint8Array
  readonly salt: Uint8Array
  readonly commit: Uint8Array
  readonly ct: Uint8Array
}

export const encodeOuter = (record: OuterRecord): Uint8Array => outerStruct.encode(record)

/** Errors: malformed. Names the data key to fetch. */
export const decodeOuter = (bytes: Uint8Array, memory: DecodedMemory = "own"): Result<OuterRecord, "malformed"> =>
  outerStruct.decode(bytes, MAX_OUTER_CT + 256, memory)

/** The strongroom's own layer over what is already ciphertext. Source   spec/records.md RC7 */
export const sealOuter = async (
  p: Primitives,
  random: Random,
  input: {
    readonly key: OuterKey
    readonly dekId: Uint8Array
    readonly place: OuterPlace
    readonly plaintext: Uint8Array
  },
): Promise<OuterRecord> => {
  const { key, dekId, place, plaintext } = input
  const sealed = await sealCommitting(p, random, { key, label: LABEL, header: outerAad(place, dekId), plaintext })
  return { v: 1, dekId, ...sealed }
}

/** Errors: cannot-open. Source   spec/records.md RC7 */
export const openOuter = (
  p: Primitives,
  input: { readonly key: OuterKey; readonly place: OuterPlace; readonly record: OuterRecord },
): Promise<Result<Uint8Array, "cannot-open">> => {
  const { key, place, record } = input
  return openCommitting(p, { key, label: LABEL, header: outerAad(place, record.dekId), sealed: record })
}

const outerAad = (place: OuterPlace, dekId: Uint8Array): Uint8Array => {
  const { deployment, tenant, purpose, chainId, recordId, rev } = place
  const parts: LpPart[] = ["kf1/outer-aad", deployment, tenant, purpose, chainId, recordId, rev, dekId]
  return lp(...parts)
}
