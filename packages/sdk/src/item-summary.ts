import { formatId, isZero } from "@keyferry/base"

import type { ItemSummary } from "./api.ts"
import { type LocalItem, POLICY_LOCAL, POLICY_SYNCED } from "./formats.ts"
import { cardOf, type ItemCard } from "./item-card.ts"
import { PackedRow, type RowHead } from "./packed-row.ts"

export const idOf = (item: Pick<LocalItem, "itemId">): string => formatId("itm", item.itemId)

/** By the row, which is never changed in place: the same summary object until something of the item changes. */
const summaries = new WeakMap<LocalItem, ItemSummary>()

export const summaryOf = (row: LocalItem | PackedRow): ItemSummary => {
  if (row instanceof PackedRow) return (row.summary ??= makeSummary(row, row.card))
  const known = summaries.get(row)
  if (known !== undefined) return known
  const made = makeSummary(row, cardOf(row))
  summaries.set(row, made)
  return made
}

/** The row in place of the one that lay in its page, which may have been listed. */
export const openRowOf = (packed: PackedRow): LocalItem => {
  const row = packed.open()
  if (packed.summary !== undefined) summaries.set(row, packed.summary)
  return row
}

const makeSummary = (row: RowHead, card: ItemCard | undefined): ItemSummary => ({
  id: idOf(row),
  vault: vaultName(row.vaultId),
  kind: card?.kind ?? "unknown",
  title: card?.title ?? "(cannot be opened)",
  summary: card?.summary ?? "",
  tags: card?.tags ?? [],
  policy: row.policy === POLICY_SYNCED ? "synced" : "local-only",
  class: row.strict ? "strict" : "standard",
  rev: row.rev,
  updatedAtMs: card?.updatedMs ?? 0,
  custody: row.policy === POLICY_LOCAL ? "local" : row.waiting ? "waiting" : "synced",
  conflicts: card?.conflicts ?? 0,
  ...(row.deletedAtMs === 0 ? {} : { deletedAtMs: row.deletedAtMs }),
})

/** Many items name the same few vaults, mostly by the same bytes. */
let lastVault: readonly [Uint8Array, string] | undefined
const vaultName = (vaultId: Uint8Array): string => {
  if (lastVault?.[0] !== vaultId) lastVault = [vaultId, isZero(vaultId) ? "here" : formatId("vlt", vaultId)]
  return lastVault[1]
}
