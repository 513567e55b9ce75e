import { placeInOrder } from "@keyferry/base"
import type { ItemSummary } from "@keyferry/sdk"

export type SyncFilter = "all" | "synced" | "local" | "waiting" | "conflicts"
export type SortOrder = "changed" | "name"

export interface ListFilter {
  readonly text: string
  readonly sync: SyncFilter
  readonly sort: SortOrder
  readonly kind?: string | undefined
}

const collator = new Intl.Collator("en", { numeric: true, sensitivity: "base" })

/** Lower case and without accents, so that "cafe" finds "Café". */
export const fold = (text: string): string =>
  PLAIN.test(text) ? text.toLowerCase() : text.normalize("NFKD").replaceAll(/\p{M}/gu, "").toLowerCase()
/** Nothing to take off: most of what people type. */
const PLAIN = /^[\x20-\x7e]*$/

const LONGEST = 2_000

/** What a search looks through: never a secret, for a summary has none. */
export const searchText = (item: ItemSummary): string =>
  fold(
    `${item.title.slice(0, LONGEST)} ${item.summary.slice(0, LONGEST)} ${item.tags.join(" ").slice(0, LONGEST)} ${item.kind}`,
  )

const passes: Readonly<Record<SyncFilter, (item: ItemSummary) => boolean>> = {
  all: () => true,
  synced: (item) => item.policy === "synced",
  local: (item) => item.policy === "local-only",
  waiting: (item) => item.custody === "waiting",
  conflicts: (item) => item.conflicts > 0,
}

/** Folding ten thousand titles costs more than looking through them; each summary is folded once. */
const folded = new WeakMap<ItemSummary, string>()
const foldedOf = (item: ItemSummary): string => {
  const known = folded.get(item)
  if (known !== undefined) return known
  const made = searchText(item)
  folded.set(item, made)
  return made
}

export const filterItems = (
  items: readonly ItemSummary[],
  filter: ListFilter,
  inOrder: ItemOrder,
): readonly ItemSummary[] => {
  const words = fold(filter.text).split(/\s+/).filter(Boolean)
  return inOrder(items, filter.sort).filter(
    (item) =>
      (filter.kind === undefined || item.kind === filter.kind) &&
      passes[filter.sync](item) &&
      words.every((word) => foldedOf(item).includes(word)),
  )
}

/** Folds every item's text ahead of the first search, a part at a time, so that the first letter waits for none of it. */
export const foldAhead = (items: readonly ItemSummary[], later: (run: () => void) => () => void): (() => void) => {
  let stop = (): void => undefined
  const part = (from: number): void => {
    for (const item of items.slice(from, from + FOLDED_AT_ONCE)) foldedOf(item)
    if (from + FOLDED_AT_ONCE < items.length) stop = later(() => part(from + FOLDED_AT_ONCE))
  }
  stop = later(() => part(0))
  return () => stop()
}
const FOLDED_AT_ONCE = 500

/** Puts a list in order. Kept by the page that shows it, and forgotten with it: a locked tab holds no titles. */
export type ItemOrder = (items: readonly ItemSummary[], sort: SortOrder) => readonly ItemSummary[]

/** Remembers the last list: a letter more or less in the filter sorts nothing, and a saved item only looks for its place. */
export const createItemOrder = (): ItemOrder => {
  let last: Ordered = { of: [], sort: "changed", sorted: [] }
  return (items, sort) => {
    if (last.of === items && last.sort === sort) return last.sorted
    last = { of: items, sort, sorted: withChanges(last, items, sort) ?? items.toSorted(compare[sort]) }
    return last.sorted
  }
}
interface Ordered {
  readonly of: readonly ItemSummary[]
  readonly sort: SortOrder
  readonly sorted: readonly ItemSummary[]
}

/** So few that finding each one's place costs less than sorting all. */
const FEW = 64

/** A list in which items were changed in place or added at the end, as saving does; `undefined` where more than that happened. */
const withChanges = (
  last: Ordered,
  items: readonly ItemSummary[],
  sort: SortOrder,
): readonly ItemSummary[] | undefined => {
  if (last.sort !== sort || items.length < last.of.length || items.length - last.of.length > FEW) return undefined
  const gone = new Set<ItemSummary>()
  const fresh: ItemSummary[] = []
  for (const [at, item] of items.entries()) {
    const before = last.of[at]
    if (before === item) continue
    if (before !== undefined) gone.add(before)
    fresh.push(item)
    if (fresh.length > FEW) return undefined
  }
  const sorted = last.sorted.filter((item) => !gone.has(item))
  for (const item of fresh) sorted.splice(placeInOrder(sorted, item, compare[sort]), 0, item)
  return sorted
}

const compare: Readonly<Record<SortOrder, (a: ItemSummary, b: ItemSummary) => number>> = {
  name: (a, b) => collator.compare(a.title, b.title) || compareIds(a, b),
  changed: (a, b) =>
    b.updatedAtMs - a.updatedAtMs || (a.title < b.title ? -1 : a.title > b.title ? 1 : compareIds(a, b)),
}
const compareIds = (a: ItemSummary, b: ItemSummary): number => (a.id < b.id ? -1 : 1)

/** Best matches first, for the palette: the beginning of the title, of a word, anywhere, then letters in order. */
export const rank = (text: string, query: string): number => {
  const inText = fold(text)
  const wanted = fold(query).trim()
  if (wanted === "") return 1
  const at = inText.indexOf(wanted)
  if (at === 0) return 100
  if (at > 0) return /[\s\-_/.·]/.test(inText.charAt(at - 1)) ? 80 : 60
  const words = wanted.split(/\s+/)
  if (words.length > 1 && words.every((word) => inText.includes(word))) return 50
  let from = 0
  for (const letter of wanted.replaceAll(" ", "")) {
    from = inText.indexOf(letter, from) + 1
    if (from === 0) return 0
  }
  return 20
}
