import {
  bytesToHex,
  bytesUpTo,
  type Field,
  err,
  listOf,
  ok,
  oneOf,
  type Result,
  struct,
  textUpTo,
  tuple,
  uint,
} from "@keyferry/base"

import { HELD_BY_CHOICE, HELD_BY_SWITCH, type LocalItem, POLICY_LOCAL, POLICY_SYNCED } from "./formats.ts"
import { CARD_VERSION, cardOf, type ItemCard } from "./item-card.ts"
import { cardOfRow, PackedRow, type PageColumns } from "./packed-row.ts"

/*
 * A page: the items of one class, field by field. Columns, because ten thousand maps of seventeen keys each take longer to
 * read than a person waits. Source: spec/device-store.md
 */
/** Items of one page at most; a page is closed by its bytes long before, unless items are tiny. */
export const PAGE_ITEMS = 1024
/** One item may be larger than a page, and then has one to itself. */
const MAX_PAGE = 512 * 1024

const numbers = listOf(uint, PAGE_ITEMS)
const at = <T>(field: Field<T>) => listOf(tuple(uint, field), PAGE_ITEMS)
const body = bytesUpTo(70_000)
const text = textUpTo(70_000)

const pageStruct = struct({
  /** Grows with each writing of this page. */
  revision: [1, uint],
  itemIds: [2, bytesUpTo(16 * PAGE_ITEMS)],
  vaultIds: [3, listOf(bytesUpTo(32), PAGE_ITEMS)],
  /** Which of the vaults. */
  vaults: [4, numbers],
  revs: [5, numbers],
  epochs: [6, numbers],
  ctHashes: [7, bytesUpTo(32 * PAGE_ITEMS)],
  bodies: [8, listOf(body, PAGE_ITEMS)],
  policies: [9, listOf(oneOf(POLICY_SYNCED, POLICY_LOCAL), PAGE_ITEMS)],
  deletedAtMs: [10, numbers],
  /** 1 where something is not at the server yet. */
  waiting: [11, numbers],
  by: [12, bytesUpTo(16 * PAGE_ITEMS)],
  recordKinds: [13, numbers],
  prevHashes: [14, bytesUpTo(32 * PAGE_ITEMS)],
  // What few items have: [which item, value].
  bases: [15, at(body)],
  heldBy: [16, at(oneOf(HELD_BY_CHOICE, HELD_BY_SWITCH))],
  orders: [17, at(uint)],
  tried: [18, at(body)],
  cardVersion: [19, uint],
  /** Empty where the body does not open: then the other columns of the card say nothing. */
  kinds: [20, listOf(text, PAGE_ITEMS)],
  titles: [21, listOf(text, PAGE_ITEMS)],
  summaries: [22, listOf(text, PAGE_ITEMS)],
  tags: [23, listOf(listOf(text, 10_000), PAGE_ITEMS)],
  updatedMs: [24, numbers],
  conflicts: [25, numbers],
})

const NO_CARD: ItemCard = { kind: "", title: "", summary: "", tags: [], updatedMs: 0, conflicts: 0 }

const joined = (parts: readonly Uint8Array[], size: number): Uint8Array => {
  const out = new Uint8Array(parts.length * size)
  for (const [n, part] of parts.entries()) out.set(part, n * size)
  return out
}

const some = <T>(items: readonly LocalItem[], value: (item: LocalItem) => T | undefined): (readonly [number, T])[] =>
  items.flatMap((item, n) => {
    const v = value(item)
    return v === undefined ? [] : [[n, v] as const]
  })

export const encodePage = (revision: number, items: readonly LocalItem[]): Uint8Array => {
  const vaultIds: Uint8Array[] = []
  const placeByVault = new Map<string, number>()
  const vaults = items.map(({ vaultId }) => {
    const hex = bytesToHex(vaultId)
    const known = placeByVault.get(hex)
    if (known !== undefined) return known
    placeByVault.set(hex, vaultIds.length)
    return vaultIds.push(vaultId) - 1
  })
  const cards = items.map((item) => cardOf(item) ?? NO_CARD)
  return pageStruct.encode({
    revision,
    itemIds: joined(
      items.map((i) => i.itemId),
      16,
    ),
    vaultIds,
    vaults,
    revs: items.map((i) => i.rev),
    epochs: items.map((i) => i.epoch),
    ctHashes: joined(
      items.map((i) => i.ctHash),
      32,
    ),
    bodies: items.map((i) => i.body),
    policies: items.map((i) => i.policy),
    deletedAtMs: items.map((i) => i.deletedAtMs),
    waiting: items.map((i) => (i.waiting ? 1 : 0)),
    by: joined(
      items.map((i) => i.by),
      16,
    ),
    recordKinds: items.map((i) => i.recordKind),
    prevHashes: joined(
      items.map((i) => i.prevHash),
      32,
    ),
    bases: some(items, (i) => i.base),
    heldBy: some(items, (i) => i.heldBy),
    orders: some(items, (i) => i.order),
    tried: some(items, (i) => i.tried),
    cardVersion: CARD_VERSION,
    kinds: cards.map((c) => c.kind),
    titles: cards.map((c) => c.title),
    summaries: cards.map((c) => c.summary),
    tags: cards.map((c) => c.tags),
    updatedMs: cards.map((c) => c.updatedMs),
    conflicts: cards.map((c) => c.conflicts),
  })
}

export interface ReadPage {
  readonly revision: number
  readonly rows: readonly PackedRow[]
}

/** Errors: malformed, for anything that `encodePage` does not write. */
export const decodePage = (bytes: Uint8Array, strict: boolean): Result<ReadPage, "malformed"> => {
  // Just opened, and nobody else's: the bodies stay where they are.
  const decoded = pageStruct.decode(bytes, MAX_PAGE, "shared")
  if (!decoded.ok) return decoded
  const page = decoded.value
  const count = page.bodies.length
  const columns = [page.vaults, page.revs, page.epochs, page.policies, page.deletedAtMs, page.waiting]
  const cardColumns = [page.kinds, page.titles, page.summaries, page.tags, page.updatedMs, page.conflicts]
  const wide = [
    [page.itemIds, 16],
    [page.ctHashes, 32],
    [page.by, 16],
    [page.prevHashes, 32],
  ] as const
  if (
    [...columns, ...cardColumns, page.recordKinds].some((column) => column.length !== count) ||
    wide.some(([column, size]) => column.length !== count * size) ||
    page.vaultIds.some((id) => id.length !== 32) ||
    page.vaults.some((n) => n >= page.vaultIds.length)
  )
    return err("malformed")
  const { revision, cardVersion, bases, heldBy, orders, tried, kinds, titles, summaries, tags, ...rest } = page
  const shared: PageColumns = {
    ...rest,
    strict,
    bases: new Map(bases),
    heldBy: new Map(heldBy),
    orders: new Map(orders),
    tried: new Map(tried),
    cards:
      cardVersion === CARD_VERSION
        ? { kinds, titles, summaries, tags, updatedMs: page.updatedMs, conflicts: page.conflicts }
        : undefined,
  }
  return ok({ revision, rows: page.bodies.map((_, n) => new PackedRow(shared, n)) })
}

/** The pages that there are, with the newest revision of each, and how many items each holds. */
export const pageIndex = struct({
  pages: [1, listOf(tuple(textUpTo(16), textUpTo(16), uint, uint), 100_000)],
})

/** About what an item takes in its page. */
export const sizeInPage = (row: LocalItem | PackedRow): number =>
  230 + bodyBytes(row) + (cardOfRow(row)?.title.length ?? 0)

const bodyBytes = (row: LocalItem | PackedRow): number =>
  row instanceof PackedRow ? row.bodyBytes : row.body.length + (row.base?.length ?? 0) + (row.tried?.length ?? 0)
