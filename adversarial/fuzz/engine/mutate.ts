import { concatBytes } from "@keyferry/base"

import { encodeTree, mutateTree, parseTree, type Tree } from "./cbor-tree.ts"
import { AWKWARD, mutateText } from "./mutate-text.ts"
import { createDice, type Dice, type FuzzTarget, textInput } from "./target.ts"

const BYTES = [
  0x00, 0x01, 0x17, 0x18, 0x1f, 0x20, 0x40, 0x5f, 0x60, 0x7f, 0x80, 0x9f, 0xa0, 0xbf, 0xc0, 0xf5, 0xf6, 0xf7, 0xfb,
  0xff,
]

/** One to eight changes that know nothing of the format. */
export const mutateBytes = (dice: Dice, sample: Uint8Array, others: readonly Uint8Array[] = []): Uint8Array => {
  let bytes: Uint8Array = sample.slice()
  for (let i = 1 + dice.below(dice.chance(3) ? 8 : 2); i > 0; i--) bytes = changeBytes(dice, bytes, others)
  return bytes
}

const changeBytes = (dice: Dice, bytes: Uint8Array, others: readonly Uint8Array[]): Uint8Array => {
  const at = dice.below(bytes.length + 1)
  const to = Math.min(bytes.length, at + dice.below(1 + Math.min(64, bytes.length)))
  const out = bytes.slice()
  switch (dice.below(9)) {
    case 0:
      if (at < out.length) out[at] = (out[at] ?? 0) ^ (1 << dice.below(8))
      return out
    case 1:
      if (at < out.length) out[at] = dice.pick(BYTES)
      return out
    case 2:
      return concatBytes(bytes.subarray(0, at), bytes.subarray(to))
    case 3:
      return concatBytes(bytes.subarray(0, at), dice.bytes(1 + dice.below(16)), bytes.subarray(at))
    case 4:
      return concatBytes(bytes.subarray(0, to), bytes.subarray(at, to), bytes.subarray(to))
    case 5:
      return bytes.slice(0, at)
    case 6:
      out.fill(dice.pick(BYTES), at, to)
      return out
    case 7: {
      if (others.length === 0) return out
      const other = dice.pick(others)
      return concatBytes(bytes.subarray(0, at), other.subarray(dice.below(other.length + 1)))
    }
    default: {
      // A length field anywhere: the numbers at which programs go wrong.
      const width = dice.pick([1, 2, 4])
      const value = dice.pick([0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff])
      for (let i = 0; i < width && at + i < out.length; i++) out[at + i] = (value >>> (8 * (width - 1 - i))) & 255
      return out
    }
  }
}

/** Any JSON value, changed in one to four places. */
export const mutateJson = (dice: Dice, sample: unknown, words: readonly string[] = []): unknown => {
  let value = sample
  for (let i = 1 + dice.below(4); i > 0; i--) value = changeJson(dice, value, words)
  return value
}

const changeJson = (dice: Dice, value: unknown, words: readonly string[]): unknown => {
  if (dice.chance(5)) return oddJson(dice, words)
  if (Array.isArray(value) && value.length > 0) {
    const at = dice.below(value.length)
    if (dice.chance(5)) return value.toSpliced(at, 1)
    if (dice.chance(5)) return [...value, ...value]
    return value.with(at, changeJson(dice, value[at], words))
  }
  if (typeof value === "object" && value !== null) {
    const entries = Object.entries(value)
    if (entries.length === 0 || dice.chance(8)) return { ...value, [dice.pick(AWKWARD)]: oddJson(dice, words) }
    const [name, inner] = dice.pick(entries)
    if (dice.chance(6)) return Object.fromEntries(entries.filter(([other]) => other !== name))
    return Object.fromEntries(entries.map(([k, v]) => [k, k === name ? changeJson(dice, inner, words) : v]))
  }
  if (typeof value === "string") return mutateText(dice, value, words)
  if (typeof value === "number") return dice.pick([value + 1, value - 1, -value, value + 0.5, 0, 2 ** 53, 1e308, -1])
  return oddJson(dice, words)
}

const oddJson = (dice: Dice, words: readonly string[]): unknown =>
  dice.pick<() => unknown>([
    () => null,
    () => true,
    () => 0,
    () => -1,
    () => 1.5,
    () => 2 ** 53,
    () => [],
    () => ({}),
    () => [[[[]]]],
    () => ({ a: { b: { c: null } } }),
    () => dice.pick(AWKWARD),
    () => (words.length === 0 ? "" : dice.pick(words)),
    () => "A".repeat(dice.pick([43, 44, 64, 1640, 9000])),
  ])()

/** Inputs of a CBOR format: changed as trees three times of four, else as bytes. */
export const makeCbor = (samples: readonly Uint8Array[]): FuzzTarget["make"] => {
  const trees = samples.map(parseTree)
  const known = trees.filter((tree): tree is Tree => tree !== undefined)
  return (dice) => {
    const i = dice.below(samples.length)
    const [sample, tree] = [samples[i] ?? new Uint8Array(), trees[i]]
    if (tree === undefined || dice.chance(4)) return mutateBytes(dice, sample, samples)
    return encodeTree(mutateTree(dice, tree, known))
  }
}

export const makeBytes =
  (samples: readonly Uint8Array[]): FuzzTarget["make"] =>
  (dice) =>
    mutateBytes(dice, dice.pick(samples), samples)

export const makeText =
  (samples: readonly string[], words: readonly string[] = []): FuzzTarget["make"] =>
  (dice) =>
    textInput(dice.chance(40) ? dice.pick(samples) : mutateText(dice, dice.pick(samples), words))

/** The dice that an input itself holds, for targets whose world is made anew each time. */
export const diceOf = (input: Uint8Array): Dice => createDice(Buffer.from(input).toString("hex"))
