import { bytesToBase64url, formatId, type IdPrefix } from "@keyferry/base"

import type { Dice } from "./target.ts"

/** The part of JSON Schema that the message schemas are made of. */
export interface Schema {
  readonly type?: string | undefined
  readonly const?: unknown
  readonly anyOf?: readonly Schema[] | undefined
  readonly properties?: Readonly<Record<string, Schema>> | undefined
  readonly required?: readonly string[] | undefined
  readonly items?: Schema | undefined
  readonly pattern?: string | undefined
  readonly maxLength?: number | undefined
  readonly minimum?: number | undefined
  readonly maximum?: number | undefined
}

const LONG_IDS = new Set(["acc", "vlt", "tem"])

/** A value that the schema accepts, as a well-behaved peer would send it. */
export const sampleOf = (schema: Schema, dice: Dice): unknown => {
  if (schema.const !== undefined) return schema.const
  if (schema.anyOf !== undefined) return sampleOf(dice.pick(schema.anyOf), dice)
  switch (schema.type) {
    case "object":
      return Object.fromEntries(
        Object.entries(schema.properties ?? {})
          .filter(([name]) => (schema.required ?? []).includes(name) || dice.chance(2))
          .map(([name, inner]) => [name, sampleOf(inner, dice)]),
      )
    case "array":
      return Array.from({ length: dice.below(3) }, () => sampleOf(schema.items ?? {}, dice))
    case "integer":
    case "number":
      return Math.min(schema.maximum ?? 2 ** 31, Math.max(schema.minimum ?? 0, dice.below(100)))
    case "boolean":
      return dice.chance(2)
    case "string":
      return textFor(schema, dice)
    default:
      return null
  }
}

const textFor = (schema: Schema, dice: Dice): string => {
  const prefix = /^\^([a-z]{3})_/.exec(schema.pattern ?? "")?.[1]
  if (prefix !== undefined) return formatId(prefix as IdPrefix, dice.bytes(LONG_IDS.has(prefix) ? 32 : 16))
  const longest = schema.maxLength ?? 64
  // Fields of bytes are mostly of the one length that fits: 44 characters hold 32 bytes, 88 hold 64.
  if (schema.pattern !== undefined)
    return bytesToBase64url(dice.bytes(Math.floor((longest * 3) / 4) - (longest % 4 === 0 ? 1 : 0)))
  return dice.pick(["active", "ada@example.com", "123456", "one two three", "2026-01-01"]).slice(0, longest)
}
