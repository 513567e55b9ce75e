import { formatId, isZero } from "@keyferry/base"

import type { ItemSummary } from "./api.ts"
import { type LocalItem, POLICY_LOCAL, POLICY_SYNCED } from "./formats.ts"
import { cardOf } from "./item-card.ts"

export const idOf = (item: LocalItem): string => formatId("itm", item.itemId)

/** By the row, which is never changed in place: the same summary object until something of the item changes. */
const summaries = new WeakMap<LocalItem, ItemSummary>()

export const summaryOf = (local: LocalItem): ItemSummary => {
  const known = summaries.get(local)
  if (known !== undefined) return known
  const made = makeSummary(local)
  summaries.set(local, made)
  return made
}

const makeSummary = (local: LocalItem): ItemSummary => {
  const card = cardOf(local)
  return {
    id: idOf(local),
    vault: vaultName(local.vaultId),
    kind: card?.kind ?? "unknown",
    title: card?.title ?? "(cannot be opened)",
    summary: card?.summary ?? "",
    tags: card?.tags ?? [],
    policy: local.policy === POLICY_SYNCED ? "synced" : "local-only",
    class: local.strict ? "strict" : "standard",
    rev: local.rev,
    updatedAtMs: card?.updatedMs ?? 0,
    custody: local.policy === POLICY_LOCAL ? "local" : local.waiting ? "waiting" : "synced",
    conflicts: card?.conflicts ?? 0,
    ...(local.deletedAtMs === 0 ? {} : { deletedAtMs: local.deletedAtMs }),
  }
}

/** Many items name the same few vaults, mostly by the same bytes. */
let lastVault: readonly [Uint8Array, string] | undefined
const vaultName = (vaultId: Uint8Array): string => {
  if (lastVault?.[0] !== vaultId) lastVault = [vaultId, isZero(vaultId) ? "here" : formatId("vlt", vaultId)]
  return lastVault[1]
}
