import type { ItemSummary } from "@keyferry/sdk"
import { expect, test } from "vitest"

import { createListHearer, createListTeller } from "./list-line.ts"
import { decodePart, encodePart } from "./list-part.ts"

const summary = (id: string, title = id): ItemSummary => ({
  id,
  vault: "here",
  kind: "note",
  title,
  summary: "",
  tags: [],
  policy: "synced",
  class: "standard",
  rev: 1,
  updatedAtMs: 0,
  custody: "synced",
  conflicts: 0,
})

/** Both ends, with what crossed between them. */
const line = () => {
  const teller = createListTeller()
  const hearer = createListHearer()
  let last = 0
  return {
    teller,
    hearer,
    cross: (items: readonly ItemSummary[]) => {
      const id = ++last
      const parts: number[] = []
      const end = teller.tell(items, (part) => {
        parts.push(decodePart(part).length)
        hearer.part(id, part)
      })
      return { heard: hearer.end(id, structuredClone(end)), parts }
    },
  }
}

test("the first list crosses whole, in parts; then only what changed, and the rest stays the same objects", () => {
  const { cross } = line()
  const items = Array.from({ length: 1200 }, (_, n) => summary(`i${n}`))
  const first = cross(items)
  expect(first.parts).toEqual([500, 500, 200])
  expect(first.heard).toEqual(items)
  const edited = items.with(7, summary("i7", "new")).toSpliced(3, 1)
  const second = cross([...edited, summary("more")])
  expect(second.parts).toEqual([2])
  const titles = new Set(second.heard.map(({ title }) => title))
  expect(titles).toEqual(new Set([...edited, summary("more")].map(({ title }) => title)))
  expect(second.heard[0]).toBe(first.heard[0])
})

test("after a lock nothing of the old list is left at either end, and a new holder begins anew", () => {
  const { cross, teller, hearer } = line()
  cross([summary("a"), summary("b")])
  teller.forget()
  expect(cross([summary("b")]).heard.map(({ id }) => id)).toEqual(["b"])
  hearer.forget()
  teller.forget()
  expect(cross([]).heard).toEqual([])
})

test("two lists under way at once end in the order they were told", () => {
  const teller = createListTeller()
  const hearer = createListHearer()
  const a = summary("a")
  const one = teller.tell([a], (part) => hearer.part(1, part))
  const two = teller.tell([summary("b")], (part) => hearer.part(2, part))
  expect(hearer.end(1, one)).toEqual([a])
  expect(hearer.end(2, two).map(({ id }) => id)).toEqual(["b"])
})

test("a part says every field of every summary, and of one that was changed the same", () => {
  const items: readonly ItemSummary[] = [
    summary("a"),
    { ...summary("b", "\u202e\ud800 \\"), tags: ["x", ""], policy: "local-only", class: "strict", custody: "local" },
    {
      ...summary("c"),
      vault: "vlt_2",
      kind: "login",
      summary: "s",
      rev: 7,
      updatedAtMs: 3,
      conflicts: 2,
      deletedAtMs: 9,
    },
    summary("d"),
  ]
  expect(decodePart(encodePart(items))).toEqual(items)
  expect(decodePart(encodePart([]))).toEqual([])
})
