import { expect, test } from "vitest"

import { placeInOrder } from "./sorted.ts"

const byNumber = (a: number, b: number): number => a - b

test("the place of a value is before its equals and behind all that is smaller", () => {
  for (const sorted of [[], [1], [1, 2], [1, 2, 2, 3], [1, 1, 1, 1, 5, 9, 9]])
    for (let one = 0; one < 11; one++)
      expect(placeInOrder(sorted, one, byNumber)).toBe(sorted.filter((there) => there < one).length)
})
