/**
 * Which drawn row shows which item, by item id. Without the focus in the list a row belongs to a place: a letter in the filter changes
 * words where they stand, and a scroll moves one row to the other end, instead of making thirty anew. `from` is the place of the
 * first, `most` how many rows there are at most.
 *
 * With the focus on the item `held`, an item that stays in view keeps its row and one that comes takes a free one. The row of
 * `held` is given to no other item: what is done next would be done to that one.
 */
export const placeInSlots = (
  before: ReadonlyMap<string, number>,
  ids: readonly string[],
  { from, most, held }: { readonly from: number; readonly most: number; readonly held: string | undefined },
): ReadonlyMap<string, number> =>
  held === undefined ? new Map(ids.map((id, n) => [id, (from + n) % most])) : keepingRows(before, ids, held)

const keepingRows = (
  before: ReadonlyMap<string, number>,
  ids: readonly string[],
  held: string,
): ReadonlyMap<string, number> => {
  const slots = new Map<string, number>()
  const taken = new Set<number>()
  const keep = (id: string): void => {
    const slot = before.get(id)
    if (slot === undefined) return
    slots.set(id, slot)
    taken.add(slot)
  }
  for (const id of ids) keep(id)
  const heldSlot = before.get(held)
  if (heldSlot !== undefined) taken.add(heldSlot)
  let free = 0
  for (const id of ids) {
    if (slots.has(id)) continue
    while (taken.has(free)) free++
    slots.set(id, free)
    taken.add(free)
  }
  return slots
}

/** The row that keys act on. It is an item and not a place: another device may put one above it at any moment. */
export interface ActiveRow {
  readonly id: string | undefined
  readonly index: number
}

/** Where it is now; of one that is gone, the row that took its place. */
export const activeIndex = (items: readonly { readonly id: string }[], { id, index }: ActiveRow): number => {
  if (id === undefined || items[index]?.id === id) return Math.max(0, Math.min(index, items.length - 1))
  const found = items.findIndex((item) => item.id === id)
  return found >= 0 ? found : Math.max(0, Math.min(index, items.length - 1))
}
