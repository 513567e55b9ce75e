import { type CborValue, encodeCbor } from "@keyferry/base"
import fc from "fast-check"
import { describe, expect, test } from "vitest"

import {
  decodeItem,
  encodeItem,
  fieldToMergeName,
  itemToMergeFields,
  makeItem,
  MAX_ITEM_BYTES,
  mergeNameToField,
  withMergeFields,
} from "./index.ts"

const place = { itemId: new Uint8Array(16).fill(7), vaultId: new Uint8Array(32).fill(9) }
const small = makeItem({
  ...place,
  kind: "note",
  title: "T",
  fields: new Map([["text", { value: "x", secret: true }]]),
  nowMs: 5,
})

const body = (changes: Readonly<Record<number, CborValue | undefined>> = {}): Uint8Array => {
  const map = new Map<number, CborValue>([
    [1, "note"],
    [2, 1],
    [3, place.itemId],
    [4, place.vaultId],
    [5, "T"],
    [6, [["text", "x", true]]],
    [7, []],
    [8, 5],
    [9, 5],
    [10, new Map()],
  ])
  for (const [key, value] of Object.entries(changes)) {
    if (value === undefined) map.delete(Number(key))
    else map.set(Number(key), value)
  }
  return encodeCbor(map)
}

describe("item bodies", () => {
  test("[RC8] the bytes are these, in this order", () => {
    expect(encodeItem(small)).toEqual({ ok: true, value: body() })
    expect(decodeItem(body(), place)).toEqual({ ok: true, value: small })
  })

  test.each<[string, Readonly<Record<number, CborValue | undefined>>]>([
    ["another item's id", { 3: new Uint8Array(16).fill(8) }],
    ["another vault's id", { 4: new Uint8Array(32).fill(8) }],
    ["a short id", { 3: new Uint8Array(15) }],
    ["no kind", { 1: undefined }],
    ["an empty kind", { 1: "" }],
    ["version 0", { 2: 0 }],
    [
      "two fields of one name",
      {
        6: [
          ["a", "1", true],
          ["a", "2", true],
        ],
      },
    ],
    ["a field without a name", { 6: [["", "1", true]] }],
    ["a field without its mark", { 6: [["a", "1"]] }],
    ["tags that are no list", { 7: "a" }],
    ["flags that are no map", { 10: 1 }],
    ["an unknown class", { 10: new Map([[1, 2]]) }],
    ["empty notes", { 11: "" }],
    ["an empty list of alternatives", { 12: [] }],
    ["an alternative without a device", { 12: [["a", "b", new Uint8Array(3), 1]] }],
    ["half an origin", { 13: ["dotenv"] }],
  ])("[RC8] [RC9] [RC10] %s is malformed", (_what, changes) => {
    expect(decodeItem(body(changes), place)).toEqual({ ok: false, error: "malformed" })
  })

  test("[RC8] each of the first ten keys must be there", () => {
    for (let key = 1; key <= 10; key++) {
      expect(decodeItem(body({ [key]: undefined }), place)).toEqual({ ok: false, error: "malformed" })
    }
  })

  test("[RC9] what was sealed for one place is not the body of another", () => {
    for (const other of [
      { ...place, itemId: new Uint8Array(16).fill(8) },
      { ...place, vaultId: new Uint8Array(32) },
    ]) {
      expect(decodeItem(body(), other)).toEqual({ ok: false, error: "malformed" })
    }
  })

  test("[RC11] a known kind of a later version is told apart", () => {
    expect(decodeItem(body({ 2: 2 }), place)).toEqual({ ok: false, error: "unknown-version" })
  })

  test("[RC8] random bytes never throw and never decode", () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => !decodeItem(bytes, place).ok))
  })

  test("[RC12] what does not fit the largest padding is refused, what just fits is not", () => {
    const withText = (length: number) =>
      encodeItem({ ...small, fields: new Map([["text", { value: "x".repeat(length), secret: true }]]) })
    const empty = withText(60_000)
    const room = MAX_ITEM_BYTES - (empty.ok ? empty.value.length : 0)
    const full = withText(60_000 + room)
    expect(full.ok && full.value.length).toBe(MAX_ITEM_BYTES)
    expect(full.ok && decodeItem(full.value, place).ok).toBe(true)
    expect(withText(60_001 + room)).toEqual({ ok: false, error: "too-large" })
  })

  test("[RC10] half a surrogate pair is refused instead of being changed", () => {
    expect(encodeItem({ ...small, title: "\ud800" })).toEqual({ ok: false, error: "not-text" })
    expect(encodeItem({ ...small, fields: new Map([["\udfff", { value: "", secret: true }]]) }).ok).toBe(false)
  })

  test("any text in any field survives", () => {
    const text = fc.string({ unit: "binary", maxLength: 50 })
    const fields = fc.uniqueArray(
      fc.tuple(
        text.filter((name) => name !== ""),
        text,
        fc.boolean(),
      ),
      { selector: ([name]) => name, maxLength: 8 },
    )
    fc.assert(
      fc.property(text, fields, fc.array(text, { maxLength: 4 }), text, (title, entries, tags, notes) => {
        const item = {
          ...small,
          title,
          notes,
          tags,
          fields: new Map(entries.map(([name, value, secret]) => [name, { value, secret }])),
        }
        const bytes = encodeItem(item)
        expect(bytes.ok && decodeItem(bytes.value, place)).toEqual({ ok: true, value: item })
      }),
    )
  })
})

describe("merge fields", () => {
  test("[RC14] an item comes back from its parts, even with fields called like the pseudo-fields", () => {
    const item = {
      ...small,
      kind: "env-set",
      tags: ["x", "y"],
      notes: "line\nline",
      leaseClass: "strict" as const,
      fields: new Map([
        ["title", { value: "a variable", secret: true }],
        ["field:title", { value: "another", secret: true }],
        ["Z", { value: "", secret: false }],
      ]),
    }
    const merge = itemToMergeFields(item)
    expect([...merge.keys()]).toEqual(["title", "field:title", "field:field:title", "Z", "tags", "notes", "class"])
    expect(withMergeFields(item, merge)).toEqual(item)
    expect(withMergeFields(item, new Map([["title", { value: "only", secret: false }]]))).toEqual({
      ...small,
      kind: "env-set",
      title: "only",
      fields: new Map(),
      tags: [],
      notes: "",
    })
  })

  test("[RC14] every field name has its own merge name", () => {
    fc.assert(fc.property(fc.string(), (name) => mergeNameToField(fieldToMergeName(name)) === name))
    expect(mergeNameToField("notes")).toBeUndefined()
  })
})
