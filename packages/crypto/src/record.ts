import {
  bytesOf,
  bytesUpTo,
  type DecodedMemory,
  Defect,
  equalBytes,
  err,
  lpAtOnce,
  ok,
  oneOf,
  type Random,
  type Result,
  type Secret,
  struct,
  type StructOf,
  uint,
} from "@keyferry/base"

import { openCommitting, sealCommitting } from "./aead.ts"
import { H } from "./hash.ts"
import { pad, PADDED_LIMIT, unpad } from "./padding.ts"
import type { Primitives } from "./primitives/primitives.ts"

/** What a record holds; field 3 of its header. Source   spec/records.md RC2 */
export const RECORD_KIND = { item: 1, vaultProfile: 2, peerPin: 3, apiCredential: 4, deviceLabel: 5 } as const
export type RecordKind = (typeof RECORD_KIND)[keyof typeof RECORD_KIND]

const LABEL = "kf1/item"
const MAX_HEADER = 512
/** The most that an encoded record can be. */
export const MAX_RECORD: number = PADDED_LIMIT + MAX_HEADER + 128

const headerFields = {
  v: [1, oneOf(1)],
  suite: [2, uint],
  kind: [3, oneOf(1, 2, 3, 4, 5)],
  vid: [4, bytesOf(32)],
  epoch: [5, uint],
  itemId: [6, bytesOf(16)],
  rev: [7, uint],
  byUid: [8, bytesOf(32)],
  by: [9, bytesOf(16)],
  prevCtHash: [10, bytesOf(32)],
} as const
const headerStruct = struct(headerFields)

/** Place, revision and author of a record; authenticated, readable without a key. `prevCtHash` is zeros at revision 1. */
export type RecordHeader = StructOf<typeof headerFields>

const recordStruct = struct({
  header: [1, bytesUpTo(MAX_HEADER)],
  salt: [2, bytesOf(32)],
  commit: [3, bytesOf(32)],
  ct: [4, bytesUpTo(PADDED_LIMIT + 16)],
})

/** A record as it is stored and sent: header bytes and a sealed, padded plaintext. */
export interface SealedRecord {
  readonly header: Uint8Array
  readonly salt: Uint8Array
  readonly commit: Uint8Array
  readonly ct: Uint8Array
}

/** Source   spec/records.md RC5 */
export const encodeRecord = (record: SealedRecord): Uint8Array => recordStruct.encode(record)

/** Errors: malformed, before any key is needed. */
export const decodeRecord = (bytes: Uint8Array, memory: DecodedMemory = "own"): Result<SealedRecord, "malformed"> =>
  recordStruct.decode(bytes, MAX_RECORD, memory)

/**
 * The header's fields. Nobody has vouched for them until `openRecord` succeeds, or until the record's hash was found in
 * a verified link.
 * Errors: malformed; suite-unknown, for a suite that this version does not have.
 */
export const readRecordHeader = (record: SealedRecord): Result<RecordHeader, "malformed" | "suite-unknown"> => {
  const header = headerStruct.decode(record.header, MAX_HEADER)
  if (!header.ok) return header
  const { suite, epoch, rev, prevCtHash } = header.value
  if (suite !== 1) return err("suite-unknown")
  if (epoch < 1 || rev < 1) return err("malformed")
  return (rev === 1) === prevCtHash.every((b) => b === 0) ? header : err("malformed")
}

export interface RecordToSeal {
  readonly key: Secret<"VaultKey">
  readonly header: Omit<RecordHeader, "v" | "suite">
  /** At most `ITEM_LIMIT` bytes; padded here. */
  readonly plaintext: Uint8Array
}

/** Pads and seals one revision of one item under the vault key of its epoch. Source   spec/records.md RC4 */
export const sealRecord = async (p: Primitives, random: Random, input: RecordToSeal): Promise<SealedRecord> => {
  const header = headerStruct.encode({ v: 1, suite: 1, ...input.header })
  const plaintext = pad(input.plaintext)
  const { salt, commit, ct } = await sealCommitting(p, random, { key: input.key, label: LABEL, header, plaintext })
  return { header, salt, commit, ct }
}

export interface RecordToOpen {
  readonly key: Secret<"VaultKey">
  /** Where the caller found the record: one that was moved does not open. */
  readonly vid: Uint8Array
  readonly itemId: Uint8Array
  readonly record: SealedRecord
}

export interface OpenedRecord {
  readonly header: RecordHeader
  readonly plaintext: Uint8Array
}

/** Errors: cannot-open, whatever the reason. The copy of the ids inside the plaintext is for `items` to check. Source   spec/records.md RC4 */
export const openRecord = async (p: Primitives, input: RecordToOpen): Promise<Result<OpenedRecord, "cannot-open">> => {
  const { key, record } = input
  const opened = await openCommitting(p, { key, label: LABEL, header: record.header, sealed: record })
  if (!opened.ok) return opened
  const header = readRecordHeader(record)
  if (!header.ok) return err("cannot-open")
  if (!equalBytes(header.value.vid, input.vid) || !equalBytes(header.value.itemId, input.itemId)) {
    return err("cannot-open")
  }
  const plaintext = unpad(opened.value)
  return plaintext.ok ? ok({ header: header.value, plaintext: plaintext.value }) : err("cannot-open")
}

/** What the signed link says about a record; gives it its author and its place in history. Source   spec/records.md RC6 */
export const ctHash = (p: Primitives, record: SealedRecord): Uint8Array => {
  if (record.salt.length !== 32 || record.commit.length !== 32) throw new Defect("record not decoded")
  return lpAtOnce((bytes) => H(p, bytes), "kf1/record", record.header, record.salt, record.commit, record.ct)
}
