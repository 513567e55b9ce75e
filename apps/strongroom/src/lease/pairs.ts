import { setImmediate as turn } from "node:timers/promises"

import { compareBytes } from "@keyferry/base"

/** Rows of one store in the order of their ids. */
export interface Ordered<R> {
  /** The first rows with an id greater than this, at most as many as a page holds; none where there are no more. */
  readonly after: (id: Uint8Array) => Promise<readonly R[]>
  readonly idOf: (row: R) => Uint8Array
}

/** As many rows as one statement brings, so that a store of any size needs no more memory than a small one. */
export const PAGE_ROWS = 2_000

export type Pair<A, B> = readonly [a: A | undefined, b: B | undefined]

/**
 * What two stores have under the same id, in the order of ids: no statement reaches both. Lets others have their turn
 * between pages.
 */
export const pairs = async function* <A, B>(
  a: Ordered<A>,
  b: Ordered<B>,
): AsyncGenerator<readonly Pair<A, B>[], void, undefined> {
  const [left, right] = [reading(a), reading(b)]
  for (;;) {
    await left.fill()
    await right.fill()
    const found: Pair<A, B>[] = []
    while (left.hasNext() && right.hasNext()) {
      const order = compareBytes(left.id(), right.id())
      found.push([order <= 0 ? left.take() : undefined, order >= 0 ? right.take() : undefined])
    }
    if (right.isOver()) for (const row of left.rest()) found.push([row, undefined])
    if (left.isOver()) for (const row of right.rest()) found.push([undefined, row])
    if (found.length === 0) return
    yield found
    await turn()
  }
}

const reading = <R>({ after, idOf }: Ordered<R>) => {
  let rows: readonly R[] = []
  let at = 0
  let last = new Uint8Array()
  let over = false
  const next = (): R => {
    const row = rows[at]
    if (row === undefined) throw new RangeError("no row left in this page")
    return row
  }
  return {
    /** Reads on where the page is used up. */
    fill: async (): Promise<void> => {
      if (over || at < rows.length) return
      rows = await after(last)
      at = 0
      const end = rows.at(-1)
      if (end === undefined) over = true
      else last = new Uint8Array(idOf(end))
    },
    hasNext: (): boolean => at < rows.length,
    isOver: (): boolean => over,
    id: (): Uint8Array => idOf(next()),
    take: (): R => {
      const row = next()
      at++
      return row
    },
    rest: (): readonly R[] => {
      const left = rows.slice(at)
      at = rows.length
      return left
    },
  }
}
