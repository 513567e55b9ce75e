import { decodeItem, kindByName } from "@keyferry/items"

import type { LocalItem } from "./formats.ts"

/** What a list says of an item. Kept in its page, so that ten thousand bodies need not be decoded to draw a list. */
export interface ItemCard {
  readonly kind: string
  readonly title: string
  readonly summary: string
  readonly tags: readonly string[]
  readonly updatedMs: number
  readonly conflicts: number
}

/** Grows when what a card says of the same body changes: cards of another number are made anew. */
export const CARD_VERSION = 1

/** `null`: the body does not open. By the very bytes of the body, which are never changed in place. */
const cards = new WeakMap<Uint8Array, ItemCard | null>()

export const cardOf = (item: LocalItem): ItemCard | undefined => {
  const known = cards.get(item.body)
  if (known !== undefined) return known ?? undefined
  const decoded = decodeItem(item.body, { itemId: item.itemId, vaultId: item.vaultId })
  const card = decoded.ok
    ? {
        kind: decoded.value.kind,
        title: decoded.value.title,
        summary: kindByName(decoded.value.kind)?.summary(decoded.value.fields) ?? "",
        tags: decoded.value.tags,
        updatedMs: decoded.value.updatedMs,
        conflicts: decoded.value.alternatives.length,
      }
    : null
  cards.set(item.body, card)
  return card ?? undefined
}

/** A card that was read together with its body. */
export const rememberCard = (item: LocalItem, card: ItemCard): void => void cards.set(item.body, card)
