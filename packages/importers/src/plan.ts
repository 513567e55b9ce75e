import { formatId, parseId, type Random } from "@keyferry/base"
import { type FieldValue, type Item, itemToMergeFields, kindByName } from "@keyferry/items"

import { fingerprintOf } from "./fingerprint.ts"
import { ARCHIVE_FORMAT } from "./archive-export.ts"
import type { ImportedItem } from "./format.ts"

/** What to do with an item that is here already and differs: leave it, make a new revision of it, or have both. */
export type Dedupe = "skip" | "version" | "keep-both"

export type PlannedImport =
  | { readonly action: "add"; readonly imported: ImportedItem }
  /** The same in every part, or different and `skip` was asked for. */
  | { readonly action: "skip"; readonly imported: ImportedItem; readonly existing: Item; readonly identical: boolean }
  | { readonly action: "version"; readonly imported: ImportedItem; readonly existing: Item }

/**
 * Compares what a file holds with what is here: by (source, id) first, by fingerprint else. Something identical is
 * skipped under every rule but `keep-both`. Two equal items within one file are both kept: nothing is dropped unseen.
 */
export const planImport = async (
  imported: readonly ImportedItem[],
  existing: readonly Item[],
  dedupe: Dedupe,
): Promise<readonly PlannedImport[]> => {
  const byOrigin = new Map<string, Item>()
  const byFingerprint = new Map<string, Item>()
  for (const item of existing) {
    byFingerprint.set(await fingerprintOf(item), item)
    byOrigin.set(originKey(ARCHIVE_FORMAT, formatId("itm", item.itemId)), item)
    if (item.origin !== undefined) byOrigin.set(originKey(item.origin.source, item.origin.id), item)
  }
  const plan: PlannedImport[] = []
  for (const item of imported) {
    const known =
      byOrigin.get(originKey(item.from.source, item.from.id)) ?? byFingerprint.get(await fingerprintOf(item))
    if (known === undefined || dedupe === "keep-both") {
      plan.push({ action: "add", imported: item })
      continue
    }
    const identical = hasSameContent(item, known)
    plan.push(
      identical || dedupe === "skip"
        ? { action: "skip", imported: item, existing: known, identical }
        : { action: "version", imported: item, existing: known },
    )
  }
  return plan
}

/**
 * Gives imported items their ids and a vault, and points their references at the new ids. An id of an archive is kept
 * where it is free, so that a restored account has the references it had.
 * `isTaken` must also answer true for deleted items: an id is never used twice in a vault.
 */
export const assignIds = (
  imported: readonly ImportedItem[],
  vaultId: Uint8Array,
  isTaken: (itemId: Uint8Array) => boolean,
  random: Random,
): readonly Item[] => {
  const given = new Map<string, Uint8Array>()
  const ids = imported.map((item) => {
    const old = item.from.source === ARCHIVE_FORMAT ? parseId("itm", item.from.id) : undefined
    const free = old?.ok === true && !isTaken(old.value) && !given.has(item.from.id)
    const itemId = free ? old.value : random.bytes(16)
    if (old?.ok === true) given.set(item.from.id, itemId)
    return itemId
  })
  return imported.map(({ from, vaultName: _vaultName, ...item }, i) => {
    const itemId = ids[i] ?? random.bytes(16)
    const kept = from.source === ARCHIVE_FORMAT && formatId("itm", itemId) === from.id
    const origin = item.origin ?? (kept ? undefined : from)
    return { ...item, itemId, vaultId, fields: pointAt(item, given), ...(origin === undefined ? {} : { origin }) }
  })
}

const originKey = (source: string, id: string): string => `${source}\n${id}`

const hasSameContent = (imported: ImportedItem, existing: Item): boolean => {
  const place = { itemId: existing.itemId, vaultId: existing.vaultId }
  const a = [...itemToMergeFields({ ...imported, ...place })]
  const b = itemToMergeFields(existing)
  const isSame = ([name, field]: readonly [string, FieldValue]): boolean =>
    b.get(name)?.value === field.value && b.get(name)?.secret === field.secret
  return imported.kind === existing.kind && a.length === b.size && a.every(isSame)
}

const pointAt = (item: Pick<Item, "kind" | "fields">, given: ReadonlyMap<string, Uint8Array>): Item["fields"] => {
  const referring = new Set(
    (kindByName(item.kind)?.fields ?? []).filter((spec) => spec.refersTo !== undefined).map((spec) => spec.name),
  )
  return new Map(
    [...item.fields].map(([name, field]) => {
      const target = referring.has(name) ? given.get(field.value) : undefined
      return [name, target === undefined ? field : { ...field, value: formatId("itm", target) }]
    }),
  )
}
