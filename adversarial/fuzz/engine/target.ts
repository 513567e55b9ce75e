import { utf8 } from "@keyferry/base"
import { createSeededRandom } from "@keyferry/testkit"

/** Choices of the fuzzer: the same for the same seed, target and number of the input. */
export interface Dice {
  /** 0 ≤ result < limit. */
  readonly below: (limit: number) => number
  readonly pick: <T>(list: readonly T[]) => T
  readonly chance: (oneIn: number) => boolean
  readonly bytes: (length: number) => Uint8Array
}

/** One decoder or parser of untrusted bytes. */
export interface FuzzTarget {
  readonly name: string
  /** One input, from nothing but the dice. */
  readonly make: (dice: Dice) => Uint8Array | Promise<Uint8Array>
  /** Throws for anything that is not the declared outcome of these bytes. */
  readonly run: (input: Uint8Array) => void | Promise<void>
  readonly close?: () => Promise<void>
}

/** What a target throws when an outcome contradicts what the format promises. */
export class BrokenPromise extends Error {
  override readonly name = "BrokenPromise"
}

export function promise(held: boolean, what: string): asserts held {
  if (!held) throw new BrokenPromise(what)
}

/** Small and fast (sfc32): an input costs thousands of choices. */
export const createDice = (seed: string): Dice => {
  const start = new DataView(createSeededRandom(seed).bytes(16).buffer)
  let [a, b, c, counter] = [start.getUint32(0), start.getUint32(4), start.getUint32(8), start.getUint32(12)]
  const next = (): number => {
    const sum = (a + b + counter) >>> 0
    counter = (counter + 1) >>> 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) >>> 0
    c = (((c << 21) | (c >>> 11)) + sum) >>> 0
    return sum
  }
  for (let i = 0; i < 12; i++) next()
  const below = (limit: number): number => next() % limit
  return Object.freeze({
    below,
    pick: <T>(list: readonly T[]): T => {
      if (list.length === 0) throw new RangeError("nothing to pick from")
      return list[below(list.length)] as T
    },
    chance: (oneIn: number) => below(oneIn) === 0,
    bytes: (length: number) => Uint8Array.from({ length }, () => next() >>> 24),
  })
}

/** Texts travel as UTF-16, so that half a surrogate pair is an input like any other. */
export const textInput = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, "utf16le"))
export const textOf = (input: Uint8Array): string => Buffer.from(input).toString("utf16le")
/** The bytes that such a text has in a file: half a pair becomes the replacement character. */
export const fileOf = (input: Uint8Array): Uint8Array => utf8(textOf(input))
