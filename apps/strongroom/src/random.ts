import { randomFillSync } from "node:crypto"

import type { Random } from "@keyferry/base"

const POOL_BYTES = 16 * 1024

/**
 * The system's randomness, fetched in larger pieces: a push asks for a salt for each record. What was handed out is
 * overwritten in the pool, so that no bytes are ever given twice or found there later.
 */
export const createPooledRandom = (fill: (bytes: Uint8Array) => void = randomFillSync): Random => {
  const pool = new Uint8Array(POOL_BYTES)
  let at = POOL_BYTES
  return Object.freeze<Random>({
    bytes: (length) => {
      if (length > POOL_BYTES / 4) {
        const own = new Uint8Array(length)
        fill(own)
        return own
      }
      if (at + length > POOL_BYTES) {
        fill(pool)
        at = 0
      }
      const given = pool.slice(at, at + length)
      pool.fill(0, at, at + length)
      at += length
      return given
    },
  })
}
