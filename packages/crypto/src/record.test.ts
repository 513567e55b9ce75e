import { describe, expect, test } from "vitest"

import { encodeCbor, type Random, secret } from "@keyferry/base"

import { sealCommitting } from "./aead.ts"
import { makeVaultKey } from "./keys.ts"
import { ITEM_LIMIT, pad } from "./padding.ts"
import { systemRandom as random } from "./primitives/conformance.ts"
import { noblePrimitives } from "./primitives/noble.ts"
import { nodePrimitives as p } from "./primitives/node.ts"
import {
  ctHash,
  decodeRecord,
  encodeRecord,
  MAX_RECORD,
  openRecord,
  readRecordHeader,
  RECORD_KIND,
  sealRecord,
} from "./record.ts"

const key = makeVaultKey(random)
const vid = random.bytes(32)
const itemId = random.bytes(16)
const zeros = new Uint8Array(32)
const header = {
  kind: 1,
  vid,
  epoch: 3,
  itemId,
  rev: 1,
  byUid: random.bytes(32),
  by: random.bytes(16),
  prevCtHash: zeros,
} as const
const plaintext = random.bytes(300)
const record = await sealRecord(p, random, { key, header, plaintext })
const flip = (bytes: Uint8Array, at: number): Uint8Array => bytes.with(at, (bytes[at] ?? 0) ^ 1)
const cannotOpen = { ok: false, error: "cannot-open" }

/** Sealed with the right key by somebody who makes other headers or texts than this version does. */
const sealedAs = async (headerBytes: Uint8Array, text: Uint8Array) => ({
  header: headerBytes,
  ...(await sealCommitting(p, random, { key, label: "kf1/item", header: headerBytes, plaintext: text })),
})
const headerBytes = (changes: readonly (readonly [number, number | Uint8Array])[]): Uint8Array => {
  const { kind, epoch, rev, byUid, by, prevCtHash } = header
  const fields: [number, number | Uint8Array][] = [
    [1, 1],
    [2, 1],
    [3, kind],
    [4, vid],
    [5, epoch],
    [6, itemId],
    [7, rev],
    [8, byUid],
    [9, by],
    [10, prevCtHash],
  ]
  return encodeCbor(new Map([...fields, ...changes].sort((a, b) => a[0] - b[0])))
}

describe("records", () => {
  test("[RC2] the header holds place, revision and author, in ten fields", () => {
    expect(record.header).toEqual(headerBytes([]))
    expect(readRecordHeader(record)).toEqual({ ok: true, value: { v: 1, suite: 1, ...header } })
    expect(RECORD_KIND).toEqual({ item: 1, vaultProfile: 2, peerPin: 3, apiCredential: 4, deviceLabel: 5 })
  })

  test.each([
    ["version 0", [[1, 0]]],
    ["version 2", [[1, 2]]],
    ["kind 0", [[3, 0]]],
    ["kind 6", [[3, 6]]],
    ["epoch 0", [[5, 0]]],
    ["revision 0", [[7, 0]]],
    [
      "revision 0 and a predecessor",
      [
        [7, 0],
        [10, new Uint8Array(32).fill(1)],
      ],
    ],
    ["a first revision with a predecessor", [[10, new Uint8Array(32).fill(1)]]],
    ["a first revision with one that begins with zeros", [[10, new Uint8Array(32).fill(1, 9)]]],
    ["a second revision without one", [[7, 2]]],
    ["a short vault id", [[4, new Uint8Array(31)]]],
    ["an eleventh field", [[11, 0]]],
  ] as const)("[RC2] a header with %s is malformed, and a record with it does not open", async (_name, changes) => {
    const hostile = await sealedAs(headerBytes(changes), pad(plaintext))
    expect(readRecordHeader(hostile)).toEqual({ ok: false, error: "malformed" })
    expect(await openRecord(p, { key, vid, itemId, record: hostile })).toEqual(cannotOpen)
  })

  test("[RC2] the first epoch, and a later revision whose predecessor's hash has zeros in it, are right", async () => {
    const first = await sealedAs(headerBytes([[5, 1]]), pad(plaintext))
    expect((await openRecord(p, { key, vid, itemId, record: first })).ok).toBe(true)
    const later = await sealedAs(
      headerBytes([
        [7, 2],
        [10, new Uint8Array(32).fill(1, 9)],
      ]),
      pad(plaintext),
    )
    expect((await openRecord(p, { key, vid, itemId, record: later })).ok).toBe(true)
  })

  test.each([0, 2, 3])("[RC2] suite %i is unknown, and a record with it does not open", async (suite) => {
    const hostile = await sealedAs(headerBytes([[2, suite]]), pad(plaintext))
    expect(readRecordHeader(hostile)).toEqual({ ok: false, error: "suite-unknown" })
    expect(await openRecord(p, { key, vid, itemId, record: hostile })).toEqual(cannotOpen)
  })

  test("[RC3] a record whose padding is not exact does not open", async () => {
    const good = await sealedAs(headerBytes([]), pad(plaintext))
    expect((await openRecord(p, { key, vid, itemId, record: good })).ok).toBe(true)
    const bad = await sealedAs(headerBytes([]), pad(plaintext).with(511, 1))
    expect(await openRecord(p, { key, vid, itemId, record: bad })).toEqual(cannotOpen)
    const unpadded = await sealedAs(headerBytes([]), plaintext)
    expect(await openRecord(p, { key, vid, itemId, record: unpadded })).toEqual(cannotOpen)
  })

  test("[RC4] a record opens with its key, in its place, also with other primitives", async () => {
    const value = { header: { v: 1, suite: 1, ...header }, plaintext }
    expect(await openRecord(p, { key, vid, itemId, record })).toEqual({ ok: true, value })
    expect(await openRecord(noblePrimitives, { key, vid, itemId, record })).toEqual({ ok: true, value })
  })

  test("[RC4] a moved record does not open: not as another item, not in another vault", async () => {
    expect(await openRecord(p, { key, vid, itemId: flip(itemId, 15), record })).toEqual(cannotOpen)
    expect(await openRecord(p, { key, vid: flip(vid, 0), itemId, record })).toEqual(cannotOpen)
  })

  test.each([
    ["header", { header: flip(record.header, record.header.length - 1) }],
    ["salt", { salt: flip(record.salt, 0) }],
    ["commitment", { commit: flip(record.commit, 0) }],
    ["ciphertext", { ct: flip(record.ct, 0) }],
    ["tag", { ct: flip(record.ct, record.ct.length - 1) }],
  ])("[RC4] a record with a changed %s does not open", async (_name, changes) => {
    expect(await openRecord(p, { key, vid, itemId, record: { ...record, ...changes } })).toEqual(cannotOpen)
  })

  test("[RC4] another epoch's key does not open", async () => {
    const other = secret<"VaultKey">(random.bytes(32))
    expect(await openRecord(p, { key: other, vid, itemId, record })).toEqual(cannotOpen)
  })

  test("[RC5] the wire form is strict and bounded", () => {
    const bytes = encodeRecord(record)
    expect(decodeRecord(bytes)).toEqual({ ok: true, value: record })
    expect(decodeRecord(new Uint8Array([...bytes, 0]))).toEqual({ ok: false, error: "malformed" })
    expect(decodeRecord(bytes.subarray(1))).toEqual({ ok: false, error: "malformed" })
    const wide = encodeRecord({ ...record, header: new Uint8Array(513) })
    expect(decodeRecord(wide)).toEqual({ ok: false, error: "malformed" })
    expect(decodeRecord(new Uint8Array(MAX_RECORD + 1))).toEqual({ ok: false, error: "malformed" })
  })

  test("[RC5] the largest item fits on the wire", async () => {
    const large = await sealRecord(p, random, { key, header, plaintext: random.bytes(ITEM_LIMIT) })
    const decoded = decodeRecord(encodeRecord(large))
    expect(decoded).toEqual({ ok: true, value: large })
    expect((await openRecord(p, { key, vid, itemId, record: large })).ok).toBe(true)
  })

  test("[RC6] the record's hash covers header, salt, commitment and ciphertext", () => {
    const hash = ctHash(p, record)
    expect(hash.length).toBe(32)
    for (const part of ["header", "salt", "commit", "ct"] as const) {
      expect(ctHash(p, { ...record, [part]: flip(record[part], 0) })).not.toEqual(hash)
    }
    expect(() => ctHash(p, { ...record, salt: new Uint8Array(31) })).toThrow("record not decoded")
    expect(() => ctHash(p, { ...record, commit: new Uint8Array(33) })).toThrow("record not decoded")
  })

  test("[RC6] the same item sealed again has another hash", async () => {
    const again = await sealRecord(p, random, { key, header, plaintext })
    expect(ctHash(p, again)).not.toEqual(ctHash(p, record))
  })

  test("[RC4] a revision takes one salt from the given randomness", async () => {
    const fixed: Random = { bytes: (n) => new Uint8Array(n).fill(1) }
    const one = await sealRecord(p, fixed, { key, header, plaintext })
    expect(one.salt).toEqual(new Uint8Array(32).fill(1))
    expect(await sealRecord(noblePrimitives, fixed, { key, header, plaintext })).toEqual(one)
  })
})
