/*
 * The part of JSON Schema that our messages use, as plain objects with the type of what they describe. The server hands
 * them to its validator and prints them; the strongroom checks with `matches`. A library for this brings hundreds of
 * modules, which two processes would load at every start.
 */
declare const describes: unique symbol

/** What the builders below write. */
interface Rules {
  readonly type?: "string" | "integer" | "boolean" | "array" | "object"
  readonly anyOf?: readonly Rules[]
  readonly const?: string
  readonly pattern?: string
  readonly minLength?: number
  readonly maxLength?: number
  readonly minimum?: number
  readonly maximum?: number
  readonly items?: Rules
  readonly maxItems?: number
  readonly required?: readonly string[]
  readonly properties?: Readonly<Record<string, Rules>>
  /** Always false: what is not named is refused. */
  readonly additionalProperties?: false
}

/** A JSON Schema of values of type `T`. */
export interface Schema<T> extends Rules {
  readonly [describes]?: T
}
export type Static<S> = S extends Schema<infer T> ? T : never

/** Marks a property that may be absent; only `Type.Object` understands it. */
interface Optional<T> {
  readonly optional: Schema<T>
}
type Properties = Readonly<Record<string, Schema<unknown> | Optional<unknown>>>
type Simplify<T> = { [K in keyof T]: T[K] }
type ObjectOf<P extends Properties> = Simplify<
  { [K in keyof P as P[K] extends Optional<unknown> ? never : K]: Static<P[K]> } & {
    [K in keyof P as P[K] extends Optional<unknown> ? K : never]?: P[K] extends Optional<infer T> ? T : never
  }
>

const isOptional = (property: Schema<unknown> | Optional<unknown>): property is Optional<unknown> =>
  "optional" in property

export const Type = {
  String: (rules: {
    readonly pattern?: string
    readonly minLength?: number
    readonly maxLength: number
  }): Schema<string> => made("string", rules),
  Integer: (rules: { readonly minimum?: number; readonly maximum?: number } = {}): Schema<number> =>
    made("integer", rules),
  Boolean: (): Schema<boolean> => made("boolean", {}),
  Literal: <const V extends string>(value: V): Schema<V> => made("string", { const: value }),
  Union: <const S extends readonly Schema<unknown>[]>(anyOf: S): Schema<Static<S[number]>> => ({ anyOf }),
  Array: <T>(items: Schema<T>, rules: { readonly maxItems?: number } = {}): Schema<T[]> =>
    made("array", { items, ...rules }),
  Optional: <T>(optional: Schema<T>): Optional<T> => ({ optional }),
  /** No property more, none less. */
  Object: <P extends Properties>(properties: P): Schema<ObjectOf<P>> =>
    made("object", {
      required: Object.keys(properties).filter((name) => !isOptional(properties[name] ?? {})),
      properties: Object.fromEntries(
        Object.entries(properties).map(([name, property]) => [
          name,
          isOptional(property) ? property.optional : property,
        ]),
      ),
      additionalProperties: false,
    }),
}
const made = <T>(type: NonNullable<Rules["type"]>, rules: Omit<Rules, "type">): Schema<T> => ({ type, ...rules })

/** Whether a value that JSON.parse gave is one that the schema describes. */
export const matches = <T>(schema: Schema<T>, value: unknown): value is T => check(schema, value)

const check = (rules: Rules, value: unknown): boolean => {
  if (rules.anyOf !== undefined) return rules.anyOf.some((one) => check(one, value))
  switch (rules.type) {
    case "string":
      return typeof value === "string" && checkText(rules, value)
    case "integer":
      return (
        typeof value === "number" &&
        Number.isInteger(value) &&
        value >= (rules.minimum ?? -Infinity) &&
        value <= (rules.maximum ?? Infinity)
      )
    case "boolean":
      return typeof value === "boolean"
    case "array":
      return (
        Array.isArray(value) &&
        value.length <= (rules.maxItems ?? Infinity) &&
        value.every((item) => check(rules.items ?? {}, item))
      )
    case "object":
      return typeof value === "object" && value !== null && !Array.isArray(value) && checkProperties(rules, value)
    default:
      // Nothing that a builder made: nothing is let through.
      return false
  }
}

const patterns = new Map<string, RegExp>()

const checkText = (rules: Rules, text: string): boolean => {
  if (rules.const !== undefined) return text === rules.const
  // Characters, as JSON Schema counts them, not UTF-16 units.
  const { minLength: min = 0, maxLength: max = Infinity } = rules
  if (text.length < min || text.length > 2 * max) return false
  if ((text.length > max || min > 1) && ([...text].length > max || [...text].length < min)) return false
  if (rules.pattern === undefined) return true
  const pattern = patterns.get(rules.pattern) ?? new RegExp(rules.pattern, "u")
  patterns.set(rules.pattern, pattern)
  return pattern.test(text)
}

const checkProperties = ({ required = [], properties = {} }: Rules, value: object): boolean =>
  required.every((name) => Object.hasOwn(value, name)) &&
  Object.entries(value).every(([name, member]) => {
    const rules = Object.hasOwn(properties, name) ? properties[name] : undefined
    return rules !== undefined && check(rules, member)
  })
