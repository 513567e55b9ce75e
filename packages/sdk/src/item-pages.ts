import { bytesToHex, err, ok, type Result, type Secret } from "@keyferry/base"
import type { Failure } from "@keyferry/protocol"

import type { LocalKeys } from "./device.ts"
import { type LocalItem, localItem } from "./formats.ts"
import { ItemTable } from "./item-table.ts"
import { decodePage, encodePage, PAGE_ITEMS, pageIndex, type ReadPage, sizeInPage } from "./page-format.ts"
import type { DeviceStore, Row, SdkPorts } from "./ports.ts"
import { openRow, sealRow } from "./sealing.ts"

/*
 * Items lie in pages, a class in pages of its own under the key of the class. Callers write rows of single items; here they
 * become pages, in the same batch: a changed item rewrites its page and the index, nothing else. What is in memory of a page
 * is changed only after the batch is durable. Source: spec/device-store.md
 */
export const PAGE_BYTES = 64 * 1024
const STANDARD = "page"
const STRICT = "page-strict"
const INDEX = "index"
type Table = typeof STANDARD | typeof STRICT

/** A row of one item, for the store below to put into a page. Without `item` it is taken out. */
export interface ItemRow extends Row {
  readonly item?: LocalItem
  readonly keys?: LocalKeys
}

interface Page {
  readonly table: Table
  readonly key: string
  readonly revision: number
  readonly bytes: number
  readonly count: number
  /** By item id in hex. Of a page that was read they are made when the page changes. */
  readonly items: ReadonlyMap<string, LocalItem>
}
interface ClosedPage {
  readonly table: Table
  readonly key: string
  readonly revision: number
  readonly count: number
}

/** What is in memory of the pages of an open store. */
export interface ItemPages {
  readonly pages: ReadonlyMap<string, Page>
  /** Which page an item is in. */
  readonly pageByItem: ReadonlyMap<string, string>
  /** Pages of the strict class while it is closed. */
  readonly closed: readonly ClosedPage[]
}

export const NO_PAGES: ItemPages = { pages: new Map(), pageByItem: new Map(), closed: [] }

/** A store in which no item was written yet, in its own format. */
export const noItems = async ({ store }: SdkPorts): Promise<ItemPages | "rows"> =>
  (await store.format()) === 1 ? "rows" : NO_PAGES

/** Where the pages of an open store are held: the device, which forgets them when it is locked. */
export interface PagesHolder {
  local: LocalKeys | undefined
  /** "rows": this store has a row for each item still. */
  pages: ItemPages | "rows" | undefined
}

const ITEM_TABLES = new Set(["item", "strict"])
const isItemRow = (row: Row): row is ItemRow => ITEM_TABLES.has(row.table)
const tableOf = (item: LocalItem): Table => (item.strict ? STRICT : STANDARD)

/** A store that takes rows of items and keeps pages. */
export const createPagedStore = (ports: SdkPorts, holderNow: () => PagesHolder): DeviceStore => {
  const { store } = ports
  return Object.freeze<DeviceStore>({
    ...store,
    write: async (rows) => {
      const items = rows.filter(isItemRow)
      if (items.length === 0) return store.write(rows)
      const others = rows.filter((row) => !isItemRow(row))
      const holder = holderNow()
      const { pages, local } = holder
      if (local === undefined || pages === undefined) throw new Error("items are written only while the store is open")
      if (pages === "rows") return store.write([...others, ...(await singleRows(ports, items))])
      const planned = planPages(ports, pages, items)
      await store.write([...others, ...(await sealPages(ports, local, pages, planned))])
      holder.pages = planned
      return undefined
    },
    replace: async (rows) => {
      const items = rows.filter(isItemRow)
      const keys = items[0]?.keys
      const planned = planPages(ports, NO_PAGES, items)
      const sealed = keys === undefined ? [] : await sealPages(ports, keys, NO_PAGES, planned)
      await store.replace([...rows.filter((row) => !isItemRow(row)), ...sealed])
      holderNow().pages = planned
    },
  })
}

/** The pages after these changes. Nothing of `before` is changed. */
const planPages = (ports: SdkPorts, before: ItemPages, rows: readonly ItemRow[]): ItemPages => {
  const pages = new Map(before.pages)
  let pageByItem = before.pageByItem
  // A copy is made only where an item changes its page: most edits change none.
  let moved: Map<string, string> | undefined
  const place = (id: string, key: string | undefined): void => {
    if (pageByItem.get(id) === key) return
    moved ??= new Map(pageByItem)
    if (key === undefined) moved.delete(id)
    else moved.set(id, key)
    pageByItem = moved
  }
  const changed = new Map<string, { page: Page; readonly items: Map<string, LocalItem> }>()
  const openByTable = new Map<Table, string>()
  // New items go to the emptiest page of their class.
  for (const page of pages.values()) {
    const emptiest = pages.get(openByTable.get(page.table) ?? "")
    if (emptiest === undefined || page.bytes < emptiest.bytes) openByTable.set(page.table, page.key)
  }

  const change = (key: string) => {
    const known = changed.get(key)
    const page = pages.get(key)
    if (known !== undefined || page === undefined) return known
    const fresh = { page, items: new Map(page.items) }
    changed.set(key, fresh)
    return fresh
  }
  const keep = (key: string, item: LocalItem, id: string): void => {
    const draft = change(key)
    if (draft === undefined) throw new Error("a page that is not there")
    const was = draft.items.get(id)
    const bytes = draft.page.bytes + sizeInPage(item) - (was === undefined ? 0 : sizeInPage(was))
    draft.items.set(id, item)
    draft.page = { ...draft.page, bytes }
    place(id, key)
  }
  const takeOut = (id: string): void => {
    const draft = change(pageByItem.get(id) ?? "")
    const was = draft?.items.get(id)
    if (draft === undefined || was === undefined) return
    draft.items.delete(id)
    draft.page = { ...draft.page, bytes: draft.page.bytes - sizeInPage(was) }
    place(id, undefined)
  }
  const placeFor = (table: Table, size: number): string => {
    const open = openByTable.get(table)
    const page = open === undefined ? undefined : (changed.get(open)?.page ?? pages.get(open))
    const count = open === undefined ? 0 : (changed.get(open)?.items.size ?? page?.count ?? 0)
    if (page !== undefined && hasRoom(page, size, count)) return page.key
    const key = bytesToHex(ports.random.bytes(8))
    pages.set(key, { table, key, revision: 0, bytes: 0, count: 0, items: new Map() })
    openByTable.set(table, key)
    return key
  }

  for (const { key: id, item } of rows) {
    if (item === undefined) {
      takeOut(id)
      continue
    }
    const now = pageByItem.get(id)
    const page = now === undefined ? undefined : (changed.get(now)?.page ?? pages.get(now))
    const was = page === undefined ? undefined : (changed.get(page.key)?.items.get(id) ?? page.items.get(id))
    const grown = sizeInPage(item) - (was === undefined ? 0 : sizeInPage(was))
    const stays = page !== undefined && page.table === tableOf(item) && (grown <= 0 || page.bytes + grown <= PAGE_BYTES)
    if (page !== undefined && stays) keep(page.key, item, id)
    else {
      takeOut(id)
      keep(placeFor(tableOf(item), sizeInPage(item)), item, id)
    }
  }
  for (const { page, items } of changed.values()) {
    if (items.size === 0) pages.delete(page.key)
    else pages.set(page.key, { ...page, revision: page.revision + 1, count: items.size, items })
  }
  return { pages, pageByItem, closed: before.closed }
}

const hasRoom = (page: Page, size: number, count = page.count): boolean =>
  count < PAGE_ITEMS && (count === 0 || page.bytes + size <= PAGE_BYTES)

/** Rows for what differs between two states of the pages, and the index. */
const sealPages = async (
  ports: SdkPorts,
  keys: LocalKeys,
  before: ItemPages,
  after: ItemPages,
): Promise<readonly Row[]> => {
  const { primitives, random } = ports
  const rows: Row[] = []
  for (const page of before.pages.values())
    if (!after.pages.has(page.key)) rows.push({ table: page.table, key: page.key })
  for (const page of after.pages.values()) {
    if (before.pages.get(page.key) === page) continue
    const key = keyOf(keys, page.table)
    if (key === undefined) throw new Error("a strict item is written only while the server's answer is there")
    const plain = encodePage(page.revision, [...page.items.values()])
    const value = await sealRow(primitives, random, key, page.table, page.key, plain)
    rows.push({ table: page.table, key: page.key, value })
  }
  const index = pageIndex.encode({
    pages: [
      ...[...after.pages.values()].map((page) => [page.table, page.key, page.revision, page.count] as const),
      ...after.closed.map((page) => [page.table, page.key, page.revision, page.count] as const),
    ],
  })
  const value = await sealRow(primitives, random, keys.standard, STANDARD, INDEX, index)
  rows.push({ table: STANDARD, key: INDEX, value })
  return rows
}

const keyOf = (keys: LocalKeys, table: Table): Secret<string> | undefined =>
  table === STRICT ? keys.strict : keys.standard

export interface LoadedItems {
  readonly items: ItemTable
  /** Items of a class that is closed now. */
  readonly closed: number
  readonly pages: ItemPages | "rows"
}

/** The pages of both classes as they lie there, sealed. */
export type SealedPages = readonly (readonly { readonly key: string; readonly value: Uint8Array }[])[]

/** Reads them ahead of the keys; `undefined` where the store has a row for each item. */
export const readSealedPages = async ({ store }: SdkPorts): Promise<SealedPages | undefined> =>
  (await store.format()) === 1 ? undefined : Promise.all([STANDARD, STRICT].map((table) => store.list(table)))

/** Reads every item that the keys open. Errors: store-corrupt, if something that must open and be there is not. */
export const readItems = async (
  ports: SdkPorts,
  keys: LocalKeys,
  sealed: SealedPages | undefined,
): Promise<Result<LoadedItems, Failure>> =>
  sealed === undefined ? readSingleRows(ports, keys) : readPages(ports, keys, sealed)

const corrupt = (detail: string) => err({ code: "store-corrupt", detail } as const)

const readPages = async (
  { primitives }: SdkPorts,
  keys: LocalKeys,
  rows: SealedPages,
): Promise<Result<LoadedItems, Failure>> => {
  const valueByPlace = new Map<string, Uint8Array>()
  for (const [n, table] of [STANDARD, STRICT].entries())
    for (const { key, value } of rows[n] ?? []) valueByPlace.set(`${table}/${key}`, value)
  const indexRow = valueByPlace.get(`${STANDARD}/${INDEX}`)
  valueByPlace.delete(`${STANDARD}/${INDEX}`)
  if (indexRow === undefined)
    return valueByPlace.size === 0
      ? ok({ items: new ItemTable(), closed: 0, pages: NO_PAGES })
      : corrupt("The list of pages is missing.")
  const opened = await openRow(primitives, keys.standard, STANDARD, INDEX, indexRow)
  const index = opened.ok ? pageIndex.decode(opened.value, 16 * 1024 * 1024) : opened
  if (!index.ok) return corrupt("The list of pages does not open.")
  if (index.value.pages.length !== valueByPlace.size)
    return corrupt("A page of items is missing, or one too many is there.")

  const pages = new Map<string, Page>()
  const pageByItem = new Map<string, string>()
  const closed: ClosedPage[] = []
  const items = new ItemTable()
  // All at once: a browser opens them beside each other.
  const read = await Promise.all(
    index.value.pages.map(async ([table, key, revision, count]) => {
      const value = valueByPlace.get(`${table}/${key}`)
      if (value === undefined || (table !== STANDARD && table !== STRICT)) return undefined
      const secret = keyOf(keys, table)
      if (secret === undefined) return { closed: { table, key, revision, count } } as const
      const plain = await openRow(primitives, secret, table, key, value)
      const page = plain.ok ? decodePage(plain.value, table === STRICT) : plain
      return page.ok && page.value.revision === revision && page.value.rows.length === count
        ? ({ page: page.value, table, key } as const)
        : undefined
    }),
  )
  for (const one of read) {
    if (one === undefined) return corrupt("A page of items does not open, or is an older one.")
    if (one.closed !== undefined) {
      closed.push(one.closed)
      continue
    }
    let bytes = 0
    for (const row of one.page.rows) {
      const id = bytesToHex(row.itemId)
      items.set(id, row)
      pageByItem.set(id, one.key)
      bytes += sizeInPage(row)
    }
    pages.set(one.key, readPage(one.table, one.key, one.page, bytes))
  }
  const closedCount = closed.reduce((sum, { count }) => sum + count, 0)
  return ok({ items, closed: closedCount, pages: { pages, pageByItem, closed } })
}

const readPage = (table: Table, key: string, { revision, rows }: ReadPage, bytes: number): Page => {
  let items: ReadonlyMap<string, LocalItem> | undefined
  return {
    table,
    key,
    revision,
    bytes,
    count: rows.length,
    get items() {
      items ??= new Map(rows.map((row) => [bytesToHex(row.itemId), row.open()]))
      return items
    },
  }
}

// ── format 1: a row for each item ────────────────────────────────────────────────────────────────────────────────

const MAX_ROW = 300_000

const singleRows = async (ports: SdkPorts, rows: readonly ItemRow[]): Promise<readonly Row[]> => {
  const out: Row[] = []
  for (const { key, item, keys } of rows) {
    const secret = item?.strict === true ? keys?.strict : keys?.standard
    const table = item?.strict === true ? "strict" : "item"
    if (item === undefined) out.push({ table: "item", key }, { table: "strict", key })
    else if (secret === undefined) throw new Error("a strict item is written only while the server's answer is there")
    else {
      const value = await sealRow(ports.primitives, ports.random, secret, table, key, localItem.encode(item))
      out.push({ table, key, value }, { table: item.strict ? "item" : "strict", key })
    }
  }
  return out
}

const readSingleRows = async (ports: SdkPorts, keys: LocalKeys): Promise<Result<LoadedItems, Failure>> => {
  const items = new ItemTable()
  let closed = 0
  for (const table of ["item", "strict"]) {
    const secret = table === "strict" ? keys.strict : keys.standard
    for (const { key, value } of await ports.store.list(table)) {
      if (secret === undefined) {
        closed++
        continue
      }
      const opened = await openRow(ports.primitives, secret, table, key, value)
      const item = opened.ok ? localItem.decode(opened.value, MAX_ROW) : opened
      if (!item.ok) return corrupt(`The row of item ${key} does not open.`)
      items.set(key, item.value)
    }
  }
  return ok({ items, closed, pages: "rows" })
}

/** Tables whose rows go over to a new file as they are. */
const OTHER_TABLES = ["clear", "bundle", "vault", "kept", "old", "state"]

/**
 * Moves a store of format 1 into pages: everything into a new file, which takes the place of the old one in one step and only
 * after its items were read back and are the same. Until then the old file is the backup, untouched.
 * Errors: store-corrupt, where what was read back differs; throws what the store throws.
 */
export const moveIntoPages = async (
  ports: SdkPorts,
  holder: PagesHolder,
  items: ItemTable,
): Promise<Result<void, Failure>> => {
  const { store } = ports
  const keys = holder.local
  if (keys?.strict === undefined) return ok(undefined)
  const rows: ItemRow[] = [...items].map(([key, item]) => ({ table: "item", key, item, keys }))
  const planned = planPages(ports, NO_PAGES, rows)
  const sealed = await sealPages(ports, keys, NO_PAGES, planned)
  const back = new Map<string, Uint8Array>()
  for (const { table, key, value } of sealed) {
    if (value === undefined || key === INDEX) continue
    const secret = table === STRICT ? keys.strict : keys.standard
    const opened = await openRow(ports.primitives, secret, table, key, value)
    const page = opened.ok ? decodePage(opened.value, table === STRICT) : opened
    if (page.ok) for (const row of page.value.rows) back.set(bytesToHex(row.itemId), localItem.encode(row.open()))
  }
  const isSame = [...items].every(
    ([id, item]) => bytesToHex(back.get(id) ?? new Uint8Array()) === bytesToHex(localItem.encode(item)),
  )
  if (!isSame || back.size !== items.size)
    return corrupt("The items could not be moved into pages; nothing was changed.")
  const others: Row[] = []
  for (const table of OTHER_TABLES)
    for (const { key, value } of await store.list(table)) others.push({ table, key, value })
  await store.replace([...others, ...sealed])
  holder.pages = planned
  return ok(undefined)
}
