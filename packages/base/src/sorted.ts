/** Where `one` belongs in a list that is in order: the index of the first that does not stand before it. */
export const placeInOrder = <T>(sorted: readonly T[], one: T, compare: (a: T, b: T) => number): number => {
  let from = 0
  let to = sorted.length
  while (from < to) {
    const middle = (from + to) >> 1
    if (compare(sorted[middle] as T, one) < 0) from = middle + 1
    else to = middle
  }
  return from
}
