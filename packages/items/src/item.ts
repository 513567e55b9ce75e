import {
  type CborValue,
  bytesOf,
  decodeCbor,
  encodeCbor,
  bool,
  equalBytes,
  err,
  type Field,
  fromParsed,
  listOf,
  ok,
  type Result,
  textUpTo,
  tuple,
  uint,
} from "@keyferry/base"

import type { FieldValue, Fields, LeaseClass } from "./field.ts"
import { kindByName } from "./registry.ts"

/*
 * The plaintext body of an item, as it is sealed: a deterministic CBOR map.
 *
 *   1 kind · 2 version of the kind · 3 item id (16) · 4 vault id (32) · 5 title
 *   6 fields: [[name, value, secret], …] in order, names unique
 *   7 tags · 8 created (ms) · 9 updated (ms)
 *   10 flags: {1: class by hand, 0 standard or 1 strict}
 *   11 notes, left out when empty
 *   12 values that lost a merge: [[field, value, device id (16), revision], …], left out when empty
 *   13 where it was imported from: [source, id there], left out when it was not
 *
 * Other keys, at the top and in the flags, belong to a later version: they are kept and written back.
 * Ids 3 and 4 repeat the place of the record, so that a body put somewhere else is refused.
 */

/** 64 KiB less the four bytes that tell the length inside the padding. */
export const MAX_ITEM_BYTES = 65_536 - 4

/** A value that lost a merge, kept until a person chooses. `field` is a merge name (see merge-fields.ts). */
export interface Alternative {
  readonly field: string
  readonly value: string
  readonly deviceId: Uint8Array
  readonly revision: number
}

export interface ItemOrigin {
  readonly source: string
  readonly id: string
}

export interface Item {
  readonly kind: string
  readonly version: number
  readonly itemId: Uint8Array
  readonly vaultId: Uint8Array
  readonly title: string
  readonly fields: Fields
  readonly tags: readonly string[]
  readonly createdMs: number
  readonly updatedMs: number
  /** Chosen by hand; otherwise the kind decides. */
  readonly leaseClass?: LeaseClass
  readonly notes: string
  readonly alternatives: readonly Alternative[]
  readonly origin?: ItemOrigin
  /** What a later version wrote and this one does not know. */
  readonly unknownKeys: ReadonlyMap<number, CborValue>
  readonly unknownFlags: ReadonlyMap<number, CborValue>
}

/** Where a record was found: the body inside must name the same place. */
export interface ItemPlace {
  readonly itemId: Uint8Array
  readonly vaultId: Uint8Array
}

export interface NewItem extends ItemPlace {
  readonly kind: string
  readonly title: string
  readonly fields: Fields
  readonly nowMs: number
  readonly tags?: readonly string[]
  readonly notes?: string
  readonly leaseClass?: LeaseClass
  readonly origin?: ItemOrigin
}

/** An item that was never sealed: the newest version of its kind, without history. */
export const makeItem = (fresh: NewItem): Item => ({
  kind: fresh.kind,
  version: kindByName(fresh.kind)?.latest ?? 1,
  itemId: fresh.itemId,
  vaultId: fresh.vaultId,
  title: fresh.title,
  fields: fresh.fields,
  tags: fresh.tags ?? [],
  createdMs: fresh.nowMs,
  updatedMs: fresh.nowMs,
  ...(fresh.leaseClass === undefined ? {} : { leaseClass: fresh.leaseClass }),
  notes: fresh.notes ?? "",
  alternatives: [],
  ...(fresh.origin === undefined ? {} : { origin: fresh.origin }),
  unknownKeys: new Map(),
  unknownFlags: new Map(),
})

/**
 * Shapes   at most MAX_ITEM_BYTES
 * Errors   too-large; not-text: half a surrogate pair somewhere, which would not come back as it was
 */
export const encodeItem = (item: Item): Result<Uint8Array, "too-large" | "not-text"> => {
  const map = new Map<number, CborValue>([
    [1, item.kind],
    [2, item.version],
    [3, item.itemId],
    [4, item.vaultId],
    [5, item.title],
    [6, [...item.fields].map(([name, field]) => [name, field.value, field.secret])],
    [7, item.tags],
    [8, item.createdMs],
    [9, item.updatedMs],
    [10, encodeFlags(item)],
  ])
  if (item.notes !== "") map.set(11, item.notes)
  if (item.alternatives.length > 0) {
    map.set(
      12,
      item.alternatives.map((other) => [other.field, other.value, other.deviceId, other.revision]),
    )
  }
  if (item.origin !== undefined) map.set(13, [item.origin.source, item.origin.id])
  for (const [key, value] of item.unknownKeys) if (key > LAST_KEY) map.set(key, value)
  if (!isWellFormed(map)) return err("not-text")
  const bytes = encodeCbor(map)
  return bytes.length > MAX_ITEM_BYTES ? err("too-large") : ok(bytes)
}

/**
 * Errors   malformed: not what `encodeItem` writes, or not the body of this place;
 *          unknown-version: a known kind in a version that only a newer program reads
 */
export const decodeItem = (bytes: Uint8Array, place: ItemPlace): Result<Item, "malformed" | "unknown-version"> => {
  const decoded = decodeCbor(bytes, MAX_ITEM_BYTES)
  if (!decoded.ok || !(decoded.value instanceof Map)) return err("malformed")
  const map = decoded.value as ReadonlyMap<number, CborValue>
  const kind = read(map, 1, text)
  const version = read(map, 2, uint)
  if (kind === undefined || kind === "" || version === undefined || version === 0) return err("malformed")
  const known = kindByName(kind)
  if (known !== undefined && version > known.latest) return err("unknown-version")

  const itemId = read(map, 3, bytesOf(16))
  const vaultId = read(map, 4, bytesOf(32))
  const title = read(map, 5, text)
  const fields = read(map, 6, fieldList)
  const tags = read(map, 7, listOf(text, MANY))
  const createdMs = read(map, 8, uint)
  const updatedMs = read(map, 9, uint)
  const flags = map.get(10)
  const notes = map.has(11) ? read(map, 11, text) : ""
  const alternatives = map.has(12) ? read(map, 12, alternativeList) : []
  const origin = map.has(13) ? read(map, 13, originPair) : null
  if (itemId === undefined || vaultId === undefined || title === undefined || fields === undefined)
    return err("malformed")
  if (tags === undefined || createdMs === undefined || updatedMs === undefined) return err("malformed")
  if (notes === undefined || alternatives === undefined || origin === undefined) return err("malformed")
  // What the encoder leaves out must not come as an empty value, or one item would have two forms.
  if ((map.has(11) && notes === "") || (map.has(12) && alternatives.length === 0)) return err("malformed")
  if (!equalBytes(itemId, place.itemId) || !equalBytes(vaultId, place.vaultId)) return err("malformed")
  const decodedFlags = flags instanceof Map ? decodeFlags(flags as ReadonlyMap<number, CborValue>) : undefined
  const fieldMap = new Map<string, FieldValue>(fields.map(([name, value, secret]) => [name, { value, secret }]))
  if (decodedFlags === undefined || fieldMap.size !== fields.length || fieldMap.has("")) return err("malformed")

  return ok({
    kind,
    version,
    itemId,
    vaultId,
    title,
    fields: fieldMap,
    tags,
    createdMs,
    updatedMs,
    ...decodedFlags,
    notes,
    alternatives: alternatives.map(([field, value, deviceId, revision]) => ({ field, value, deviceId, revision })),
    ...(origin === null ? {} : { origin: { source: origin[0], id: origin[1] } }),
    unknownKeys: new Map([...map].filter(([key]) => key > LAST_KEY)),
  })
}

/** A kind that this program does not know is held as strictly as any: a newer program may mean it so. */
export const leaseClassOf = (item: Pick<Item, "kind" | "leaseClass">): LeaseClass =>
  item.leaseClass ?? kindByName(item.kind)?.defaultClass ?? "strict"

/** Whether the credential switch governs it. An unknown kind counts as a credential: nothing leaves by mistake. */
export const isCredential = (kind: string): boolean => kindByName(kind)?.credential ?? true

const LAST_KEY = 13
const LAST_FLAG = 1
const MANY = 10_000
const text = textUpTo(MAX_ITEM_BYTES)
const fieldList = listOf(tuple(text, text, bool), MANY)
const alternativeList = listOf(tuple(text, text, bytesOf(16), uint), MANY)
const originPair = tuple(text, text)

const read = <T>(map: ReadonlyMap<number, CborValue>, key: number, field: Field<T>): T | undefined => {
  const value = map.get(key)
  if (value === undefined) return undefined
  const parsed = fromParsed(field, value)
  return parsed.ok ? parsed.value : undefined
}

const encodeFlags = (item: Item): ReadonlyMap<number, CborValue> => {
  const flags = new Map<number, CborValue>()
  if (item.leaseClass !== undefined) flags.set(1, item.leaseClass === "strict" ? 1 : 0)
  for (const [key, value] of item.unknownFlags) if (key > LAST_FLAG) flags.set(key, value)
  return flags
}

const decodeFlags = (flags: ReadonlyMap<number, CborValue>): Pick<Item, "leaseClass" | "unknownFlags"> | undefined => {
  const chosen = flags.get(1)
  if (flags.has(0) || (chosen !== undefined && chosen !== 0 && chosen !== 1)) return undefined
  const unknownFlags = new Map([...flags].filter(([key]) => key > LAST_FLAG))
  return chosen === undefined ? { unknownFlags } : { leaseClass: chosen === 1 ? "strict" : "standard", unknownFlags }
}

const isWellFormed = (value: CborValue): boolean => {
  if (typeof value === "string") return value.isWellFormed()
  if (value instanceof Uint8Array || value === null || typeof value !== "object") return true
  const inner = value instanceof Map ? value.values() : (value as readonly CborValue[]).values()
  for (const part of inner as Iterable<CborValue>) if (!isWellFormed(part)) return false
  return true
}
