import * as fc from "fast-check"
import Value from "typebox/value"
import { describe, expect, test } from "vitest"

import { jsonMessages } from "./json.ts"
import { matches, Type } from "./schema.ts"

/* What is accepted is what a library for JSON Schema accepts, which shares nothing with ours. */
const agree = (schema: Parameters<typeof matches>[0], value: unknown): void =>
  expect(matches(schema, value)).toBe(Value.Check(schema as never, value))

const person = Type.Object({
  name: Type.String({ pattern: "^[a-z]*$", maxLength: 3 }),
  age: Type.Optional(Type.Integer({ minimum: 0, maximum: 150 })),
  how: Type.Union([Type.Literal("a"), Type.Literal("b")]),
  tags: Type.Array(Type.Boolean(), { maxItems: 2 }),
  label: Type.Optional(Type.String({ minLength: 1, maxLength: 2 })),
})

describe("schemas", () => {
  test.each([
    [{ name: "abc", how: "a", tags: [] }, true],
    [{ name: "abc", age: 7, how: "b", tags: [true, false] }, true],
    [{ name: "abcd", how: "a", tags: [] }, false],
    [{ name: "AB", how: "a", tags: [] }, false],
    [{ name: "abc", how: "c", tags: [] }, false],
    [{ name: "abc", how: "a", tags: [1] }, false],
    [{ name: "abc", age: 1.5, how: "a", tags: [] }, false],
    [{ name: "abc", age: 151, how: "a", tags: [] }, false],
    [{ name: "abc", age: null, how: "a", tags: [] }, false],
    [{ name: "abc", how: "a", tags: [], more: 1 }, false],
    [{ name: "abc", how: "a" }, false],
    [{ name: "abc", how: "a", tags: [true, true, true] }, false],
    [{ name: "abc", how: "a", tags: [], label: "" }, false],
    [{ name: "abc", how: "a", tags: [], label: "x" }, true],
    [JSON.parse('{"name":"abc","how":"a","tags":[],"__proto__":1}'), false],
    [[], false],
    [null, false],
    ["abc", false],
  ])("%j: %s", (value, expected) => {
    expect(matches(person, value)).toBe(expected)
    agree(person, value)
  })

  test("characters are counted, not UTF-16 units", () => {
    const three = Type.String({ maxLength: 3 })
    expect(matches(three, "𝒳𝒳𝒳")).toBe(true)
    expect(matches(three, "𝒳𝒳𝒳𝒳")).toBe(false)
  })

  test("of any JSON, every message says what the library says", () => {
    fc.assert(
      fc.property(fc.constantFrom(...Object.values(jsonMessages)), fc.jsonValue(), ({ body, reply }, value) => {
        agree(body, value)
        agree(reply, value)
      }),
    )
  })

  test("of values near to right ones, too", () => {
    const value = fc.record(
      {
        name: fc.oneof(fc.string({ maxLength: 4 }), fc.constantFrom("abc", "")),
        age: fc.oneof(fc.integer({ min: -1, max: 151 }), fc.double()),
        how: fc.constantFrom("a", "b", "c", 1),
        tags: fc.array(fc.oneof(fc.boolean(), fc.constant(null)), { maxLength: 3 }),
        more: fc.anything(),
      },
      { requiredKeys: ["how"] },
    )
    let accepted = 0
    fc.assert(
      fc.property(value, (one) => {
        agree(person, one)
        if (matches(person, one)) accepted++
      }),
      { numRuns: 10_000 },
    )
    expect(accepted).toBeGreaterThan(20)
  })
})
