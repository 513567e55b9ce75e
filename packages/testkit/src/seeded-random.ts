import { createHash } from "node:crypto"
import type { Random } from "@keyferry/base"

export interface SeededRandom extends Random {
  /** 0 ≤ result < limit, evenly. */
  readonly integer: (limit: number) => number
  /** One of the list. Throws if it is empty. */
  readonly pick: <T>(list: readonly T[]) => T
  /** Another generator, independent of how much this one has given. */
  readonly fork: (label: string) => SeededRandom
}

/**
 * The same bytes for the same seed, for tests and vectors only: SHA-256 of the seed and a counter.
 * It is no source of secrets; production code gets its `Random` from the platform.
 */
export const createSeededRandom = (seed: string): SeededRandom => {
  let counter = 0
  let rest: Buffer = Buffer.alloc(0)

  const bytes = (length: number): Uint8Array => {
    const out = new Uint8Array(length)
    for (let at = 0; at < length;) {
      if (rest.length === 0) rest = createHash("sha256").update(`${seed}\n${counter++}`).digest()
      const taken = rest.subarray(0, length - at)
      out.set(taken, at)
      at += taken.length
      rest = rest.subarray(taken.length)
    }
    return out
  }

  const integer = (limit: number): number => {
    if (!Number.isInteger(limit) || limit < 1 || limit > 2 ** 32) throw new RangeError("limit is 1 … 2³²")
    // Values above the last whole multiple would make small results likelier.
    const fair = 2 ** 32 - (2 ** 32 % limit)
    for (;;) {
      const value = new DataView(bytes(4).buffer).getUint32(0)
      if (value < fair) return value % limit
    }
  }

  const pick = <T>(list: readonly T[]): T => {
    if (list.length === 0) throw new RangeError("nothing to pick from")
    return list[integer(list.length)] as T
  }

  return Object.freeze({ bytes, integer, pick, fork: (label: string) => createSeededRandom(`${seed}\n${label}`) })
}
