import { type ErrorCode, errors } from "@keyferry/sdk/errors"
import type { ItemSummary } from "@keyferry/sdk"
import { WORDS } from "@keyferry/sdk/words"
import { describe, expect, test } from "vitest"

import { device } from "../../../gallery/fixtures.ts"
import { betterNameFor, joinedLater } from "./device-state.ts"
import { actionFor } from "./error-actions.ts"
import { createItemOrder, fold, rank, type SortOrder } from "./filter.ts"
import { makePassword, strengthOf } from "./strength.ts"

test("no error leads a person of the app to a terminal", () => {
  for (const code of Object.keys(errors) as ErrorCode[]) expect(actionFor(code), code).not.toMatch(/\bkf \w|\bkf$|--\w/)
})

describe("passwords", () => {
  test("a made one has six words of the list, each of which counts ten bits once, and six different ones are strong", () => {
    const made = makePassword()
    const words = made.split(" ")
    expect(words).toHaveLength(6)
    // A word may come twice, also two of them; then each counts once.
    expect(strengthOf(made).bits).toBe(10 * new Set(words).size)
    expect(strengthOf(WORDS.slice(0, 6).join(" "))).toMatchObject({ bits: 60, level: 3 })
    expect(makePassword()).not.toBe(made)
  })

  test.each(["short", "aaaaaaaaaaaaaaaaaaaa", "123456789012345", "password1234", "abcdefghijklmnop"])(
    "%s is weak",
    (text) => expect(strengthOf(text).level).toBe(1),
  )
})

describe("finding", () => {
  test("accents and case do not matter", () => expect(fold("Café ÉTÉ")).toBe("cafe ete"))
  test("the beginning of the name comes before the beginning of a word, and that before the middle", () => {
    const scores = [rank("Bybit main", "by"), rank("Main Bybit", "by"), rank("Ruby", "by"), rank("Kraken", "by")]
    expect(scores).toEqual([...scores].sort((a, b) => b - a))
    expect(new Set(scores).size).toBe(4)
  })
})

test("a browser that joined with a name that an older device has is offered the first free one", () => {
  const name = "Chrome on Linux"
  const first = device({ id: "dev_a", name, addedAtMs: 1 })
  const second = device({ id: "dev_b", name: "chrome on linux ", addedAtMs: 2 })
  const third = device({ id: "dev_c", name, addedAtMs: 2 })
  const taken = device({ id: "dev_d", name: "Chrome on Linux 2", addedAtMs: 3 })
  const all = [first, second, third, taken]
  expect(betterNameFor(first, all)).toBeUndefined()
  expect(betterNameFor(third, all)).toBe("Chrome on Linux 3")
  expect(betterNameFor(taken, all)).toBeUndefined()
  expect(betterNameFor(third, [third, { ...first, state: "removed" }])).toBeUndefined()
})

test("a device that came into an account has something to retrieve, also where no other device is left", () => {
  const made = device({ isThis: true, how: "first" })
  const came = (["device", "kit", "passkey", "recovery"] as const).map((how) => device({ isThis: true, how }))
  expect(came.map((one) => joinedLater([one]))).toEqual([true, true, true, true])
  expect(joinedLater([made])).toBe(false)
  expect(joinedLater([made, device({ id: "dev_b" })])).toBe(true)
  expect(joinedLater([made, device({ id: "dev_b", state: "pending", how: "none" })])).toBe(false)
  expect(joinedLater([])).toBe(false)
})

const summaryOfNothing: ItemSummary = {
  id: "",
  vault: "here",
  kind: "note",
  title: "",
  summary: "",
  tags: [],
  policy: "synced",
  class: "standard",
  rev: 1,
  updatedAtMs: 0,
  custody: "synced",
  conflicts: 0,
}

describe("the order of a list", () => {
  test.each<SortOrder>(["changed", "name"])("by %s is the same after any changes as sorting it anew", (sort) => {
    const order = createItemOrder()
    let next = 0
    const made = (): ItemSummary => {
      const n = next++
      return { ...summaryOfNothing, id: `itm_${n}`, title: `item ${(n * 7) % 40}`, updatedAtMs: (n * 31) % 50 }
    }
    const filled = (): readonly ItemSummary[] => Array.from({ length: 300 }, made)
    let items = filled()
    const changes: readonly ((before: readonly ItemSummary[]) => readonly ItemSummary[])[] = [
      (before) => before.with(17, made()),
      (before) => [...before, made()],
      (before) => before.toSpliced(5, 1),
      (before) => before.with(3, made()).with(299, made()),
      (before) => before.map(made),
      (before) => before.toReversed(),
      () => [],
      () => [made(), made()],
    ]
    for (const change of [...changes, filled, ...changes]) {
      expect(order(items, sort)).toEqual(createItemOrder()(items, sort))
      items = change(items)
    }
  })
})
