import { describe, expect, test } from "vitest"

import { type Ordered, type Pair, pairs } from "./pairs.ts"

interface Row {
  readonly id: Uint8Array
  readonly from: string
}

/** Ids of two bytes, given out a few at a time. */
const rowsOf = (
  from: string,
  ids: readonly number[],
  pageRows: number,
): Ordered<Row> & { readonly asked: number[] } => {
  const rows = ids.map((n): Row => ({ id: Uint8Array.of(n >> 8, n & 255), from }))
  const asked: number[] = []
  const after = async (id: Uint8Array): Promise<readonly Row[]> => {
    const last = id.length === 0 ? -1 : (id[0] ?? 0) * 256 + (id[1] ?? 0)
    asked.push(last)
    return rows.filter(({ id: [high = 0, low = 0] }) => high * 256 + low > last).slice(0, pageRows)
  }
  return { after, idOf: (row) => row.id, asked }
}

const numberOf = (row: Row | undefined): number | undefined =>
  row === undefined ? undefined : (row.id[0] ?? 0) * 256 + (row.id[1] ?? 0)
const walk = async (a: Ordered<Row>, b: Ordered<Row>): Promise<readonly (readonly (number | undefined)[])[]> => {
  const found: Pair<Row, Row>[] = []
  for await (const page of pairs(a, b)) found.push(...page)
  for (const [left, right] of found)
    expect([left?.from ?? "left", right?.from ?? "right"], "sides").toEqual(["left", "right"])
  return found.map(([left, right]) => [numberOf(left), numberOf(right)])
}

describe("[LS13] what two stores have under one id", () => {
  test.each([
    ["nothing on either side", [], []],
    ["only left", [1, 2, 3, 4, 5], []],
    ["only right", [], [1, 2, 3, 4, 5]],
    ["the same on both", [1, 2, 3, 4, 5, 6, 7], [1, 2, 3, 4, 5, 6, 7]],
    ["left first, then right", [1, 2, 3], [300, 400, 500]],
    ["right first, then left", [300, 400, 500], [1, 2, 3]],
    ["holes on both", [1, 3, 4, 7, 256, 257, 900], [2, 3, 7, 8, 9, 10, 257]],
    ["one far longer", [5], Array.from({ length: 40 }, (_, i) => i)],
  ])("%s", async (_, left, right) => {
    const all = [...new Set([...left, ...right])].toSorted((x, y) => x - y)
    const expected = all.map((n) => [left.includes(n) ? n : undefined, right.includes(n) ? n : undefined])
    for (const rows of [1, 2, 3, 100])
      for (const others of [1, 3, 100])
        expect(await walk(rowsOf("left", left, rows), rowsOf("right", right, others))).toEqual(expected)
  })

  test("each page is asked for once, after the last row of the one before", async () => {
    const [a, b] = [rowsOf("left", [1, 2, 3], 2), rowsOf("right", [2], 2)] as const
    await walk(a, b)
    expect([a.asked, b.asked]).toEqual([
      [-1, 2, 3],
      [-1, 2],
    ])
  })
})
