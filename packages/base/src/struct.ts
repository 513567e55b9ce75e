import { type CborValue, decodeCbor, type DecodedMemory, encodeCbor } from "./cbor.ts"
import { err, ok, type Result } from "./result.ts"

/**
 * Declares a CBOR map with integer keys once; gives its type, its encoder and its strict decoder.
 * A decoder refuses unknown keys, missing keys, wrong types, wrong lengths and every non-canonical form.
 */
export interface Field<T> {
  readonly toCbor: (value: T) => CborValue
  /** Throws `ShapeError`; only `Struct.decode` and `decodeField` call it. */
  readonly fromCbor: (value: CborValue) => T
}

export interface OptionalField<T> extends Field<T> {
  readonly optional: true
}

/** A field of whatever type: what every `Field<T>` is. */
interface AnyField {
  readonly toCbor: (value: never) => CborValue
  readonly fromCbor: (value: CborValue) => unknown
}

export type TypeOf<F> = F extends Field<infer T> ? T : never

type Fields = Readonly<Record<string, readonly [key: number, field: AnyField]>>
type OptionalKeys<F extends Fields> = {
  [K in keyof F]: F[K][1] extends { readonly optional: true } ? K : never
}[keyof F]
type Simplify<T> = { readonly [K in keyof T]: T[K] }

export type StructOf<F extends Fields> = Simplify<
  { [K in Exclude<keyof F, OptionalKeys<F>>]: TypeOf<F[K][1]> } & {
    [K in OptionalKeys<F>]?: TypeOf<F[K][1]>
  }
>

export interface Struct<T> extends Field<T> {
  readonly encode: (value: T) => Uint8Array
  /** Errors: malformed, for anything that `encode` could not have made or that is larger than `maxBytes`. */
  readonly decode: (bytes: Uint8Array, maxBytes: number, memory?: DecodedMemory) => Result<T, "malformed">
}

class ShapeError extends Error {}

const refuse = (): never => {
  throw new ShapeError()
}

export const uint: Field<number> = {
  toCbor: (v) => v,
  fromCbor: (v) => (typeof v === "number" && Number.isSafeInteger(v) && v >= 0 ? v : refuse()),
}

/** An unsigned integer of a closed set. */
export const oneOf = <const V extends readonly number[]>(...values: V): Field<V[number]> => ({
  toCbor: (v) => v,
  fromCbor: (v) => (typeof v === "number" && values.includes(v) ? v : refuse()),
})

export const bool: Field<boolean> = {
  toCbor: (v) => v,
  fromCbor: (v) => (typeof v === "boolean" ? v : refuse()),
}

/** A byte string of exactly `length` bytes. */
export const bytesOf = (length: number): Field<Uint8Array> => ({
  toCbor: (v) => v,
  fromCbor: (v) => (v instanceof Uint8Array && v.length === length ? v : refuse()),
})

/** A byte string of at most `max` bytes. */
export const bytesUpTo = (max: number): Field<Uint8Array> => ({
  toCbor: (v) => v,
  fromCbor: (v) => (v instanceof Uint8Array && v.length <= max ? v : refuse()),
})

/** Text of at most `max` UTF-16 units. */
export const textUpTo = (max: number): Field<string> => ({
  toCbor: (v) => v,
  fromCbor: (v) => (typeof v === "string" && v.length <= max ? v : refuse()),
})

export const listOf = <T>(item: Field<T>, max: number): Field<readonly T[]> => ({
  toCbor: (v) => v.map((x) => item.toCbor(x)),
  fromCbor: (v) => (Array.isArray(v) && v.length <= max ? (v as CborValue[]).map((x) => item.fromCbor(x)) : refuse()),
})

/** A fixed sequence of fields as a CBOR array. */
export const tuple = <const F extends readonly AnyField[]>(
  ...fields: F
): Field<{ readonly [K in keyof F]: TypeOf<F[K]> }> => ({
  toCbor: (v) => fields.map((f, i) => f.toCbor((v as readonly unknown[])[i] as never)),
  fromCbor: (v) =>
    Array.isArray(v) && v.length === fields.length
      ? (fields.map((f, i) => f.fromCbor((v as CborValue[])[i] ?? null)) as never)
      : refuse(),
})

/** Any value of the CBOR subset, for bodies whose shape another field decides. */
export const anyCbor: Field<CborValue> = { toCbor: (v) => v, fromCbor: (v) => v }

export const optional = <T>(field: Field<T>): OptionalField<T> => ({ ...field, optional: true })

export const struct = <const F extends Fields>(fields: F): Struct<StructOf<F>> => {
  const entries = Object.entries(fields).sort((a, b) => a[1][0] - b[1][0])
  const nameByKey = new Map(entries.map(([name, [key, field]]) => [key, [name, field as Field<unknown>] as const]))
  if (nameByKey.size !== entries.length) throw new Error("duplicate key in struct")
  const required = entries.filter(([, [, f]]) => !("optional" in f)).map(([, [key]]) => key)
  const toCbor = (value: StructOf<F>): CborValue => {
    const map = new Map<number, CborValue>()
    for (const [name, [key, field]] of entries) {
      const v = (value as Record<string, unknown>)[name]
      if (v !== undefined) map.set(key, (field as Field<unknown>).toCbor(v))
    }
    return map
  }
  const fromCbor = (value: CborValue): StructOf<F> => {
    if (!(value instanceof Map)) return refuse()
    const out: Record<string, unknown> = {}
    for (const [key, v] of value as ReadonlyMap<number, CborValue>) {
      const known = nameByKey.get(key)
      if (known === undefined) return refuse()
      out[known[0]] = known[1].fromCbor(v)
    }
    for (const key of required) if (!(value as ReadonlyMap<number, CborValue>).has(key)) return refuse()
    return out as StructOf<F>
  }
  return {
    toCbor,
    fromCbor,
    encode: (value) => encodeCbor(toCbor(value)),
    decode: (bytes, maxBytes, memory = "own") => {
      const parsed = decodeCbor(bytes, maxBytes, memory)
      return parsed.ok ? fromParsed({ toCbor, fromCbor }, parsed.value) : err("malformed")
    },
  }
}

/** Checks a value that is already parsed CBOR against a field. */
export const fromParsed = <T>(field: Field<T>, value: CborValue): Result<T, "malformed"> => {
  try {
    return ok(field.fromCbor(value))
  } catch (error) {
    if (error instanceof ShapeError) return err("malformed")
    throw error
  }
}
