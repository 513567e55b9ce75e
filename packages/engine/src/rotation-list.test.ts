import { describe, expect, test } from "vitest"

import { withFrozenInput } from "./frozen.ts"
import * as engine from "./rotation-list.ts"
import type { ReadableItem } from "./rotation-list.ts"

const rotationList = withFrozenInput(engine.rotationList)
const item = (over: Partial<ReadableItem>): ReadableItem => ({
  itemId: over.title ?? "x",
  kind: "login",
  title: "x",
  class: "standard",
  fieldsPresent: ["password"],
  secretsPresent: ["password"],
  ...over,
})
const key = (title: string, permissions?: string): ReadableItem =>
  item({ kind: "exchange-key", title, class: "strict", ...(permissions === undefined ? {} : { permissions }) })

describe("the rotation list", () => {
  test("[SY40] what can withdraw comes first, then what trades, signs in, reads", () => {
    const list = rotationList([
      item({ kind: "note", title: "note" }),
      item({ kind: "ssh-key", title: "ssh" }),
      item({ kind: "something-new", title: "new kind" }),
      key("reads", "read"),
      key("trades", "Read, Trade"),
      key("withdraws", "read, trade, withdraw"),
      key("transfers", "transfer"),
    ])
    expect(list.map((e) => `${e.title}:${e.harm}`)).toEqual([
      "transfers:withdraws",
      "withdraws:withdraws",
      "trades:trades",
      "ssh:signs-in",
      "note:reads",
      "reads:reads",
      "new kind:other",
    ])
  })

  test("[SY40] permissions that nobody noted, or nobody understands, count as the worst", () => {
    expect(rotationList([key("a"), key("b", "  "), key("c", "everything")]).map((e) => e.harm)).toEqual(
      Array(3).fill("withdraws"),
    )
    expect(rotationList([key("a")])[0]?.why).toContain("not noted")
    expect(rotationList([key("c", "everything")])[0]?.why).toContain("not understood")
  })

  test("[SY41] within one harm, what that device opened comes first, newest first, then by title", () => {
    const list = rotationList([
      item({ title: "b" }),
      item({ title: "a" }),
      item({ title: "old", lastOpenedMs: 5 }),
      item({ title: "new", lastOpenedMs: 9 }),
      item({ title: "a", itemId: "0" }),
    ])
    expect(list.map((e) => `${e.title}${e.itemId}`)).toEqual(["newnew", "oldold", "a0", "aa", "bb"])
    expect(list[0]?.why).toContain("It was opened there.")
    expect(list[2]?.why).toContain("Readable there")
    expect(rotationList([key("k", "trade")])[0]?.why).toContain("Closed there for ever, unless")
  })

  test("[SY42] what holds no secret is not in it", () => {
    expect(
      rotationList([item({ kind: "host", secretsPresent: [] }), item({ kind: "login", secretsPresent: [] })]),
    ).toEqual([])
  })

  test("[SY40] every kind that signs in says so", () => {
    const kinds = ["ssh-key", "login", "identity", "api-token", "env-set"]
    const list = rotationList(kinds.map((kind) => item({ kind, title: kind })))
    expect(new Set(list.map((e) => e.harm))).toEqual(new Set(["signs-in"]))
    expect(new Set(list.map((e) => e.why)).size).toBe(5)
    const withCodes = rotationList([item({ fieldsPresent: ["password", "otp"] })])
    expect(withCodes[0]?.why).toContain("one-time codes")
  })
})
