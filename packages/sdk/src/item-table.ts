import { placeInOrder } from "@keyferry/base"
import { RECORD_KIND } from "@keyferry/crypto"

import type { ItemSummary } from "./api.ts"
import { type LocalItem, POLICY_LOCAL, POLICY_SYNCED } from "./formats.ts"
import { openRowOf, summaryOf } from "./item-summary.ts"
import { cardOfRow, PackedRow, type RowHead } from "./packed-row.ts"

/** How many items outside the bin are what. */
export interface ItemCounts {
  readonly conflicts: number
  readonly synced: number
  readonly localOnly: number
}

/**
 * The rows of an open device by item id in hex, and what is known of all of them together. Status, list and sync ask for that at
 * every change; here it costs as much as what changed, and not as much as what is there. Rows are never changed in place; those
 * that were read and that nobody asked for yet lie in their pages still.
 */
export class ItemTable implements Iterable<readonly [string, LocalItem]> {
  readonly #rows = new Map<string, LocalItem | PackedRow>()
  readonly #unsettled = new Set<string>()
  #counts: Counts | undefined
  #listed: readonly ItemSummary[] = []
  /** What was set or taken out since the last list, with the row that was listed; `undefined` before the first list. */
  #changed: Map<string, LocalItem | PackedRow | undefined> | undefined

  get size(): number {
    return this.#rows.size
  }

  has(key: string): boolean {
    return this.#rows.has(key)
  }

  get(key: string): LocalItem | undefined {
    const row = this.#rows.get(key)
    return row === undefined ? undefined : this.#opened(key, row)
  }

  set(key: string, row: LocalItem | PackedRow): this {
    this.#replace(key, row)
    this.#rows.set(key, row)
    return this
  }

  delete(key: string): boolean {
    this.#replace(key, undefined)
    return this.#rows.delete(key)
  }

  clear(): void {
    for (const key of this.#rows.keys()) this.delete(key)
  }

  *[Symbol.iterator](): Generator<readonly [string, LocalItem]> {
    for (const [key, row] of this.#rows) yield [key, this.#opened(key, row)]
  }

  *values(): Generator<LocalItem> {
    for (const [, row] of this) yield row
  }

  /** All rows as they are now, for a look that needs no bodies. */
  heads(): readonly RowHead[] {
    return [...this.#rows.values()]
  }

  /** Rows that went to the bin. */
  *deleted(): Generator<readonly [string, LocalItem]> {
    for (const [key, row] of this.#rows) if (row.deletedAtMs !== 0) yield [key, this.#opened(key, row)]
  }

  /** Rows whose state the server may not know: those that wait, and those that were tried and then taken back here. */
  *unsettled(): Generator<readonly [string, LocalItem]> {
    for (const key of this.#unsettled) {
      const row = this.get(key)
      if (row !== undefined) yield [key, row]
    }
  }

  counts(): ItemCounts {
    if (this.#counts === undefined) {
      this.#counts = { conflicts: 0, synced: 0, localOnly: 0 }
      for (const row of this.#rows.values()) count(this.#counts, row, 1)
    }
    return { ...this.#counts }
  }

  /** Items outside the bin by title. The same array as before until one of them changes. */
  list(): readonly ItemSummary[] {
    if (this.#changed === undefined) {
      this.#changed = new Map()
      this.#listed = inOrder([...this.#rows.values()].filter(isLive).map(summaryOf))
      return this.#listed
    }
    if (this.#changed.size === 0) return this.#listed
    const gone = new Set<ItemSummary>()
    const fresh: ItemSummary[] = []
    for (const [key, listed] of this.#changed) {
      const before = listedAs(listed)
      const now = listedAs(this.#rows.get(key))
      if (before === now) continue
      if (before !== undefined) gone.add(before)
      if (now !== undefined) fresh.push(now)
    }
    this.#changed.clear()
    const kept = gone.size === 0 ? this.#listed : this.#listed.filter((summary) => !gone.has(summary))
    this.#listed = fresh.length < FEW ? fresh.reduce(withOne, kept) : inOrder([...kept, ...fresh])
    return this.#listed
  }

  #opened(key: string, row: LocalItem | PackedRow): LocalItem {
    if (!(row instanceof PackedRow)) return row
    const opened = openRowOf(row)
    this.#rows.set(key, opened)
    return opened
  }

  #replace(key: string, row: LocalItem | PackedRow | undefined): void {
    if (row !== undefined && isUnsettled(row)) this.#unsettled.add(key)
    else if (this.#unsettled.size > 0) this.#unsettled.delete(key)
    // A store that is being opened: nothing was asked of it yet.
    if (this.#counts === undefined && this.#changed === undefined) return
    const before = this.#rows.get(key)
    if (this.#changed?.has(key) === false) this.#changed.set(key, before)
    if (this.#counts !== undefined) {
      if (before !== undefined) count(this.#counts, before, -1)
      if (row !== undefined) count(this.#counts, row, 1)
    }
  }
}

type Counts = { -readonly [name in keyof ItemCounts]: number }

const isLive = (row: RowHead): boolean => row.recordKind === RECORD_KIND.item && row.deletedAtMs === 0

const listedAs = (row: LocalItem | PackedRow | undefined): ItemSummary | undefined =>
  row !== undefined && isLive(row) ? summaryOf(row) : undefined

const isUnsettled = (row: LocalItem | PackedRow): boolean => row.waiting || row.tried !== undefined

const count = (counts: Counts, row: LocalItem | PackedRow, by: 1 | -1): void => {
  if (!isLive(row)) return
  if ((cardOfRow(row)?.conflicts ?? 0) > 0) counts.conflicts += by
  if (row.policy === POLICY_SYNCED && row.rev > 0) counts.synced += by
  if (row.policy === POLICY_LOCAL) counts.localOnly += by
}

/** So few that finding each one's place costs less than looking at all. */
const FEW = 64

const byTitle = (a: ItemSummary, b: ItemSummary): number => a.title.localeCompare(b.title) || a.id.localeCompare(b.id)

/** By title, then by id. */
export const inOrder = (summaries: readonly ItemSummary[]): readonly ItemSummary[] => summaries.toSorted(byTitle)

const withOne = (sorted: readonly ItemSummary[], one: ItemSummary): readonly ItemSummary[] =>
  sorted.toSpliced(placeInOrder(sorted, one, byTitle), 0, one)
