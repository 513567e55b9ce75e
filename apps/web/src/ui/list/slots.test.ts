import fc from "fast-check"
import { describe, expect, test } from "vitest"

import { activeIndex, placeInSlots } from "./slots.ts"

const none: ReadonlyMap<string, number> = new Map()
const ids = fc.uniqueArray(fc.constantFrom(..."abcdefghijklmnop"), { maxLength: 12 })

const at = (from: number, most: number, held?: string) => ({ from, most, held })

describe("rows of the list", () => {
  test("no two items share one, and with the focus in the list an item that stays keeps its row", () => {
    fc.assert(
      fc.property(
        ids,
        ids,
        fc.option(fc.constantFrom(..."abcdefghijklmnop"), { nil: undefined }),
        (first, then, held) => {
          const before = placeInSlots(none, first, at(3, 12))
          const after = placeInSlots(before, then, at(5, 12, held))
          expect([...after.keys()].toSorted()).toEqual(then.toSorted())
          expect(new Set(after.values()).size).toBe(then.length)
          if (held !== undefined) for (const id of then) if (before.has(id)) expect(after.get(id)).toBe(before.get(id))
        },
      ),
    )
  })

  test("without it a row belongs to a place, and a scroll gives the row that left to the one that came", () => {
    const before = placeInSlots(none, ["a", "b", "c"], at(0, 3))
    expect([...placeInSlots(before, ["x", "b", "y"], at(0, 3)).values()]).toEqual([0, 1, 2])
    expect([...placeInSlots(before, ["b", "c", "d"], at(1, 3))]).toEqual([
      ["b", 1],
      ["c", 2],
      ["d", 0],
    ])
  })

  test("with it what comes takes the rows that are free, and the row with the focus goes to no other item", () => {
    const before = placeInSlots(none, ["a", "b", "c"], at(0, 3))
    expect([...placeInSlots(before, ["x", "b", "y", "z"], at(0, 3, "b"))]).toEqual([
      ["b", 1],
      ["x", 0],
      ["y", 2],
      ["z", 3],
    ])
    expect([...placeInSlots(before, ["x", "y"], at(0, 3, "a")).values()]).toEqual([1, 2])
  })
})

describe("the row that keys act on", () => {
  const items = ["a", "b", "c"].map((id) => ({ id }))
  test("is the same item after another device put one above it", () => {
    expect(activeIndex([{ id: "new" }, ...items], { id: "b", index: 1 })).toBe(2)
  })
  test("is the one that took its place where it is gone, and the last where none did", () => {
    expect(activeIndex([{ id: "a" }, { id: "c" }], { id: "b", index: 1 })).toBe(1)
    expect(activeIndex([{ id: "a" }], { id: "c", index: 2 })).toBe(0)
    expect(activeIndex([], { id: "c", index: 2 })).toBe(0)
  })
  test("is the first before any was chosen", () => {
    expect(activeIndex(items, { id: undefined, index: 0 })).toBe(0)
  })
})
