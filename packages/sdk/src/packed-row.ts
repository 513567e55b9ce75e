import type { ItemSummary } from "./api.ts"
import { type ItemCard, cardOf, rememberCard } from "./item-card.ts"
import { type LocalItem, POLICY_LOCAL } from "./formats.ts"

/*
 * A row that lies in its page still. Ten thousand rows are there at an unlock, and a list, the counts and a sync that finds
 * nothing ask them for a few words each; the row itself is made when somebody asks for it.
 */

/** What a row says of itself to whoever looks at all of them. */
export type RowHead = Pick<
  LocalItem,
  "itemId" | "vaultId" | "rev" | "epoch" | "ctHash" | "policy" | "strict" | "deletedAtMs" | "waiting" | "recordKind"
>

/** The items of one page, column by column: checked, so that every place has a value. */
export interface PageColumns {
  readonly strict: boolean
  /** 16 bytes an item; hashes 32. */
  readonly itemIds: Uint8Array
  readonly ctHashes: Uint8Array
  readonly by: Uint8Array
  readonly prevHashes: Uint8Array
  readonly vaultIds: readonly Uint8Array[]
  readonly vaults: readonly number[]
  readonly revs: readonly number[]
  readonly epochs: readonly number[]
  readonly bodies: readonly Uint8Array[]
  readonly policies: readonly LocalItem["policy"][]
  readonly deletedAtMs: readonly number[]
  readonly waiting: readonly number[]
  readonly recordKinds: readonly number[]
  /** What few items have, by their place. */
  readonly bases: ReadonlyMap<number, Uint8Array>
  readonly heldBy: ReadonlyMap<number, NonNullable<LocalItem["heldBy"]>>
  readonly orders: ReadonlyMap<number, number>
  readonly tried: ReadonlyMap<number, Uint8Array>
  /** `undefined` where the page's cards are of another version. An empty kind: the body does not open. */
  readonly cards: CardColumns | undefined
}
export interface CardColumns {
  readonly kinds: readonly string[]
  readonly titles: readonly string[]
  readonly summaries: readonly string[]
  readonly tags: readonly (readonly string[])[]
  readonly updatedMs: readonly number[]
  readonly conflicts: readonly number[]
}

const NO_BYTES = new Uint8Array()

export class PackedRow implements RowHead {
  readonly #columns: PageColumns
  readonly #n: number
  #row: LocalItem | undefined
  /** What a list said of it, once one was made. A table of ten thousand weak keys takes longer than the list. */
  summary: ItemSummary | undefined

  constructor(columns: PageColumns, n: number) {
    this.#columns = columns
    this.#n = n
  }

  get itemId(): Uint8Array {
    return part(this.#columns.itemIds, this.#n, 16)
  }
  get vaultId(): Uint8Array {
    const { vaults, vaultIds } = this.#columns
    return vaultIds[vaults[this.#n] ?? 0] ?? NO_BYTES
  }
  get rev(): number {
    return this.#columns.revs[this.#n] ?? 0
  }
  get epoch(): number {
    return this.#columns.epochs[this.#n] ?? 0
  }
  get ctHash(): Uint8Array {
    return part(this.#columns.ctHashes, this.#n, 32)
  }
  get policy(): LocalItem["policy"] {
    return this.#columns.policies[this.#n] ?? POLICY_LOCAL
  }
  get strict(): boolean {
    return this.#columns.strict
  }
  get deletedAtMs(): number {
    return this.#columns.deletedAtMs[this.#n] ?? 0
  }
  get waiting(): boolean {
    return this.#columns.waiting[this.#n] === 1
  }
  get recordKind(): number {
    return this.#columns.recordKinds[this.#n] ?? 0
  }
  get tried(): Uint8Array | undefined {
    return this.#columns.tried.get(this.#n)
  }

  /** Bytes of the body, and of the bodies kept beside it. */
  get bodyBytes(): number {
    const { bodies, bases, tried } = this.#columns
    const n = this.#n
    return (bodies[n]?.length ?? 0) + (bases.get(n)?.length ?? 0) + (tried.get(n)?.length ?? 0)
  }

  /** `undefined` where the body does not open. */
  get card(): ItemCard | undefined {
    return this.#keptCard() ?? cardOf(this.open())
  }

  /** The row itself: the same one each time. */
  open(): LocalItem {
    this.#row ??= this.#make()
    return this.#row
  }

  #make(): LocalItem {
    const { bodies, by, prevHashes, bases, heldBy, orders, tried } = this.#columns
    const n = this.#n
    const base = bases.get(n)
    const held = heldBy.get(n)
    const order = orders.get(n)
    const sent = tried.get(n)
    const row: LocalItem = {
      itemId: this.itemId,
      vaultId: this.vaultId,
      rev: this.rev,
      epoch: this.epoch,
      ctHash: this.ctHash,
      body: bodies[n] ?? NO_BYTES,
      policy: this.policy,
      strict: this.strict,
      deletedAtMs: this.deletedAtMs,
      waiting: this.waiting,
      by: part(by, n, 16),
      recordKind: this.recordKind,
      prevHash: part(prevHashes, n, 32),
      ...(base === undefined ? {} : { base }),
      ...(held === undefined ? {} : { heldBy: held }),
      ...(order === undefined ? {} : { order }),
      ...(sent === undefined ? {} : { tried: sent }),
    }
    const card = this.#keptCard()
    if (card !== undefined) rememberCard(row, card)
    return row
  }

  #keptCard(): ItemCard | undefined {
    const { cards } = this.#columns
    const n = this.#n
    const kind = cards?.kinds[n] ?? ""
    if (cards === undefined || kind === "") return undefined
    return {
      kind,
      title: cards.titles[n] ?? "",
      summary: cards.summaries[n] ?? "",
      tags: cards.tags[n] ?? [],
      updatedMs: cards.updatedMs[n] ?? 0,
      conflicts: cards.conflicts[n] ?? 0,
    }
  }
}

/** What a list says of a row, wherever it lies. `undefined` where the body does not open. */
export const cardOfRow = (row: LocalItem | PackedRow): ItemCard | undefined =>
  row instanceof PackedRow ? row.card : cardOf(row)

/** A view of one of many of the same size. Quicker made than by `subarray`. */
const part = (column: Uint8Array, n: number, size: number): Uint8Array =>
  new Uint8Array(column.buffer, column.byteOffset + size * n, size)
