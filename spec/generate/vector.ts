import { bytesToHex, concatBytes, equalBytes, hexToBytes, type Random, u64be, utf8 } from "@keyferry/base"
import { nodePrimitives } from "@keyferry/crypto/node"

/*
 * A vector is a text file: `expect:` one outcome, `comment:` one sentence, then `name: hexadecimal` lines. Integers are 8
 * bytes big-endian, texts UTF-8. A positive vector (`expect: ok`) also holds what must come out; a negative one has exactly
 * one thing wrong, and `expect` names the error.
 */

export interface Vector {
  readonly expect: string
  readonly comment: string
  readonly fields: ReadonlyMap<string, Uint8Array>
}

export interface Topic {
  readonly name: string
  /** `undefined` for published vectors, which nobody can make again. */
  readonly generate: (() => Promise<ReadonlyMap<string, Vector>>) | undefined
  /** Runs the product's own code on the fields. Answers `ok`, an error code, or `differs: NAME`. */
  readonly check: (fields: Fields) => Promise<string>
}

/** Typed reading of a vector's fields. A missing one is a broken file and throws. */
export interface Fields {
  readonly bytes: (name: string) => Uint8Array
  readonly int: (name: string) => number
  readonly text: (name: string) => string
  readonly has: (name: string) => boolean
}

export const fieldsOf = (fields: ReadonlyMap<string, Uint8Array>): Fields => {
  const bytes = (name: string): Uint8Array => {
    const value = fields.get(name)
    if (value === undefined) throw new Error(`vector without ${name}`)
    return value
  }
  return {
    bytes,
    int: (name) => Number(new DataView(bytes(name).slice().buffer).getBigUint64(0)),
    text: (name) => new TextDecoder("utf-8", { fatal: true }).decode(bytes(name)),
    has: (name) => fields.has(name),
  }
}

type Value = Uint8Array | number | string

export const bytesOfValue = (value: Value): Uint8Array =>
  typeof value === "number" ? u64be(value) : typeof value === "string" ? utf8(value) : value

export const vector = (comment: string, fields: Readonly<Record<string, Value>>, expect = "ok"): Vector => ({
  expect,
  comment,
  fields: new Map(Object.entries(fields).map(([name, value]) => [name, bytesOfValue(value)])),
})

/** The vector with one field changed, and the outcome that this must have. */
export const spoiled = (
  good: Vector,
  comment: string,
  changes: Readonly<Record<string, Value>>,
  expect: string,
): Vector => vector(comment, { ...Object.fromEntries(good.fields), ...changes }, expect)

/** `ok`, or the first field that came out otherwise. */
export const compare = (fields: Fields, computed: Readonly<Record<string, Value>>): string => {
  for (const [name, value] of Object.entries(computed)) {
    if (!equalBytes(fields.bytes(name), bytesOfValue(value))) return `differs: ${name}`
  }
  return "ok"
}

export const flip = (bytes: Uint8Array, at: number): Uint8Array => {
  const index = at < 0 ? bytes.length + at : at
  return bytes.with(index, (bytes[index] ?? 0) ^ 1)
}

export const formatVector = (v: Vector): string =>
  [
    `expect: ${v.expect}`,
    `comment: ${v.comment}`,
    ...[...v.fields].map(([name, bytes]) => (bytes.length === 0 ? `${name}:` : `${name}: ${bytesToHex(bytes)}`)),
    "",
  ].join("\n")

export const parseVector = (text: string): Vector => {
  const lines = text.split("\n")
  if (lines.pop() !== "") throw new Error("vector without a final line break")
  const [expect, comment, ...rest] = lines.map((line) => {
    const at = line.indexOf(":")
    if (at < 1) throw new Error(`not a vector line: ${line}`)
    return [line.slice(0, at), line.slice(at + 1).trim()] as const
  })
  if (expect?.[0] !== "expect" || comment?.[0] !== "comment") throw new Error("vector without expect and comment")
  const fields = new Map<string, Uint8Array>()
  for (const [name, hex] of rest) {
    const bytes = hexToBytes(hex)
    if (bytes === undefined || fields.has(name)) throw new Error(`bad vector field ${name}`)
    fields.set(name, bytes)
  }
  return { expect: expect[1], comment: comment[1], fields }
}

/** Bytes that look random and are the same in every run: SHA-256 of the label and a counter. */
export const fixedRandom = (label: string): Random => {
  let counter = 0
  return {
    bytes: (length) => {
      const parts: Uint8Array[] = []
      for (let have = 0; have < length; have += 32) {
        parts.push(nodePrimitives.sha256(concatBytes(utf8(`kf1 vectors ${label} `), u64be(counter++))))
      }
      return concatBytes(...parts).slice(0, length)
    },
  }
}
