import { jsonMessages, type JsonRoute } from "@keyferry/protocol/schemas"
import { describe, expect, test } from "vitest"

import { isReply } from "./replies.ts"

interface Schema {
  readonly type?: string
  readonly properties?: Readonly<Record<string, Schema>>
  readonly required?: readonly string[]
  readonly items?: Schema
  readonly anyOf?: readonly { readonly const: string }[]
  readonly maxLength?: number
  readonly pattern?: string
}

/** The longest answer that the server's own schema lets through. */
const largest = (schema: Schema): unknown => {
  if (schema.anyOf !== undefined) return schema.anyOf.at(-1)?.const
  switch (schema.type) {
    case "object":
      return Object.fromEntries(Object.entries(schema.properties ?? {}).map(([name, inner]) => [name, largest(inner)]))
    case "array":
      return [largest(schema.items ?? {})]
    case "string":
      return "a".repeat(schema.maxLength ?? 0)
    case "integer":
      return 1
    case "boolean":
      return true
    default:
      throw new Error(`no example of ${schema.type}`)
  }
}

/** The same answer, wrong in one place: every text one longer, every property of another type, every mandatory one missing. */
const wrongOnes = (schema: Schema, value: unknown): readonly unknown[] => {
  if (schema.anyOf !== undefined) return ["another", 1]
  switch (schema.type) {
    case "object": {
      const object = value as Record<string, unknown>
      return Object.entries(schema.properties ?? {}).flatMap(([name, inner]) => {
        const { [name]: _, ...without } = object
        const changed = wrongOnes(inner, object[name]).map((wrong) => ({ ...object, [name]: wrong }))
        return schema.required?.includes(name) === true ? [...changed, without] : changed
      })
    }
    case "array":
      return [...wrongOnes(schema.items ?? {}, (value as unknown[])[0]).map((wrong) => [wrong]), {}, "text", null]
    case "string":
      return [`${String(value)}a`, 1, null, ["a"]]
    case "integer":
      return ["1", 1.5, -1, 2 ** 60, null]
    default:
      return ["true", 0, null]
  }
}

describe.each(Object.keys(jsonMessages) as JsonRoute[])("%s", (route) => {
  const schema = jsonMessages[route].reply as unknown as Schema

  test("takes what the server's schema allows, and more properties", () => {
    const answer = largest(schema) as object
    expect(isReply(route, answer)).toBe(true)
    expect(isReply(route, { ...answer, newer: 1 })).toBe(true)
  })

  test("takes nothing else", () => {
    for (const wrong of [...wrongOnes(schema, largest(schema)), undefined, null, [], "text", 1])
      expect([isReply(route, wrong), wrong]).toEqual([false, wrong])
  })
})
