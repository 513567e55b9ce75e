import { expect, test } from "vitest"

import { show, tableOf } from "./table.ts"

test("figures keep three digits and no empty ones", () => {
  const shown = [0, 1, 50.04, 10, 0.7, 99.96, 1313, 0.0701, undefined].map(show)
  expect(shown).toEqual(["0", "1", "50", "10", "0.7", "100", "1,313", "0.0701", "–"])
})

test("a row of the table says what stood beside it and whether its goal was met", () => {
  const row = {
    id: "C1",
    what: "start",
    unit: "ms",
    ours: 250,
    anchor: 25,
    beside: "node -e 0",
    ratio: 10,
    goal: "≤ 300 ms",
  }
  expect(tableOf([{ ...row, met: true, rounds: 5, dropped: 0 }]).split("\n")[2]).toBe(
    "| C1 start | 250 ms | node -e 0 25 | 10 | ≤ 300 ms | met |",
  )
})
