/**
 * Which (key id, nonce) pairs were seen. In memory: what was seen before this process started is refused by its time.
 * Two generations, each at least half of the keeping time, so that forgetting costs nothing.
 * Source: spec/http.md HT6
 */
export interface Nonces {
  /** `full` refuses: forgetting early would let a replay through. */
  readonly take: (keyId: string, nonce: string, nowMs: number) => "new" | "seen" | "full"
}

const KEEP_MS = 130_000
const MAX_NONCES = 400_000

export const createNonces = (maxNonces = MAX_NONCES): Nonces => {
  let young = new Set<string>()
  let old = new Set<string>()
  let turnedMs = 0
  return Object.freeze({
    take: (keyId: string, nonce: string, nowMs: number) => {
      // A clock that went back keeps everything longer, which is harmless.
      if (nowMs - turnedMs >= KEEP_MS) {
        old = nowMs - turnedMs >= 2 * KEEP_MS ? new Set() : young
        young = new Set()
        turnedMs = nowMs
      }
      const pair = `${keyId} ${nonce}`
      if (young.has(pair) || old.has(pair)) return "seen"
      if (young.size + old.size >= maxNonces) return "full"
      young.add(pair)
      return "new"
    },
  })
}
