import {
  bytesToHex,
  bytesUpTo,
  type Field,
  err,
  listOf,
  ok,
  type Result,
  struct,
  textUpTo,
  tuple,
  uint,
} from "@keyferry/base"

import { HELD_BY_CHOICE, HELD_BY_SWITCH, type LocalItem, POLICY_LOCAL, POLICY_SYNCED } from "./formats.ts"
import { CARD_VERSION, cardOf, type ItemCard, rememberCard } from "./item-card.ts"

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
  policies: [9, numbers],
  deletedAtMs: [10, numbers],
  /** 1 where something is not at the server yet. */
  waiting: [11, numbers],
  by: [12, bytesUpTo(16 * PAGE_ITEMS)],
  recordKinds: [13, numbers],
  prevHashes: [14, bytesUpTo(32 * PAGE_ITEMS)],
  // What few items have: [which item, value].
  bases: [15, at(body)],
  heldBy: [16, at(uint)],
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
  readonly items: readonly LocalItem[]
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
    page.vaultIds.some((id) => id.length !== 32)
  )
    return err("malformed")
  const bases = new Map(page.bases)
  const heldBy = new Map(page.heldBy)
  const orders = new Map(page.orders)
  const tried = new Map(page.tried)
  const items: LocalItem[] = []
  for (const [n, itemBody] of page.bodies.entries()) {
    const vaultId = page.vaultIds[page.vaults[n] ?? -1]
    const policy = page.policies[n]
    const held = heldBy.get(n)
    const base = bases.get(n)
    const order = orders.get(n)
    const sent = tried.get(n)
    if (vaultId === undefined || (policy !== POLICY_SYNCED && policy !== POLICY_LOCAL)) return err("malformed")
    if (held !== undefined && held !== HELD_BY_CHOICE && held !== HELD_BY_SWITCH) return err("malformed")
    const item: LocalItem = {
      itemId: part(page.itemIds, n, 16),
      vaultId,
      rev: page.revs[n] ?? 0,
      epoch: page.epochs[n] ?? 0,
      ctHash: part(page.ctHashes, n, 32),
      body: itemBody,
      policy,
      strict,
      deletedAtMs: page.deletedAtMs[n] ?? 0,
      waiting: page.waiting[n] === 1,
      by: part(page.by, n, 16),
      recordKind: page.recordKinds[n] ?? 0,
      prevHash: part(page.prevHashes, n, 32),
    }
    const hasMore = base !== undefined || held !== undefined || order !== undefined || sent !== undefined
    const kind = page.kinds[n] ?? ""
    if (page.cardVersion === CARD_VERSION && kind !== "")
      rememberCard(item, {
        kind,
        title: page.titles[n] ?? "",
        summary: page.summaries[n] ?? "",
        tags: page.tags[n] ?? [],
        updatedMs: page.updatedMs[n] ?? 0,
        conflicts: page.conflicts[n] ?? 0,
      })
    items.push(hasMore ? withMore(item, { base, held, order, sent }) : item)
  }
  return ok({ revision: page.revision, items })
}

/** A view of one of many of the same size. Quicker made than by `subarray`, and ten thousand items have four each. */
const part = (column: Uint8Array, n: number, size: number): Uint8Array =>
  new Uint8Array(column.buffer, column.byteOffset + size * n, size)

/** What few items have. */
const withMore = (
  item: LocalItem,
  more: {
    readonly base: LocalItem["base"]
    readonly held: LocalItem["heldBy"]
    readonly order: LocalItem["order"]
    readonly sent: LocalItem["tried"]
  },
): LocalItem => ({
  ...item,
  ...(more.base === undefined ? {} : { base: more.base }),
  ...(more.held === undefined ? {} : { heldBy: more.held }),
  ...(more.order === undefined ? {} : { order: more.order }),
  ...(more.sent === undefined ? {} : { tried: more.sent }),
})

/** The pages that there are, with the newest revision of each, and how many items each holds. */
export const pageIndex = struct({
  pages: [1, listOf(tuple(textUpTo(16), textUpTo(16), uint, uint), 100_000)],
})

/** About what an item takes in its page. */
export const sizeInPage = (item: LocalItem): number =>
  230 + item.body.length + (item.base?.length ?? 0) + (item.tried?.length ?? 0) + (cardOf(item)?.title.length ?? 0)
