import { setTimeout as sleep } from "node:timers/promises"

/** Fails when it is not done by then. What hangs goes on: its programs are ended with its family. */
export const inTime = async <T>(work: Promise<T>, limitMs: number): Promise<T> => {
  const limit = new AbortController()
  const late = sleep(limitMs, undefined, { signal: limit.signal }).then(() => {
    throw new Error(`void: not done after ${limitMs / 60_000} minutes`)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    late.catch(() => undefined)
    limit.abort()
  }
}
