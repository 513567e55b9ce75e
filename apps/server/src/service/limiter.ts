import { createHmac } from "node:crypto"

import { type Clock, err, ok, type Result } from "@keyferry/base"
import type { Failure } from "@keyferry/protocol"

import type { LimitRule } from "../policy/limits.ts"
import { addPoints, deleteOldWindows, listWindows, saveWindows, type Window } from "../store/limiter.ts"
import type { ServerStore } from "../store/tables.ts"

export interface LimitState {
  readonly limit: number
  readonly remaining: number
  readonly resetS: number
  readonly windowS: number
}

export interface Limiter {
  /**
   * Counts one request of `subject` in a bucket and refuses it beyond the rule. Survives a restart.
   * Errors: rate-limited, with the seconds to wait
   */
  readonly count: (bucket: string, rule: LimitRule, subject: string) => Promise<Result<LimitState, Failure>>
  /** The same in memory, for what happens at every request: written every few seconds and at stop. */
  readonly countFast: (rule: LimitRule, subject: string) => Result<LimitState, Failure>
  readonly flush: () => Promise<void>
}

interface Deps {
  readonly store: ServerStore
  readonly clock: Clock
  /** Names of networks and addresses are kept only as keyed hashes. */
  readonly key: Uint8Array
  readonly scale: number
}

const FAST = "fast:"
const MAX_FAST_WINDOWS = 100_000
const MAX_FAST_NAMES = 10_000

export const createLimiter = async ({ store, clock, key: hmacKey, scale }: Deps): Promise<Limiter> => {
  const nameOf = (prefix: string, rule: LimitRule, subject: string): string =>
    `${prefix}:${rule.by}:${rule.windowMs}:${createHmac("sha256", hmacKey).update(subject).digest("base64url").slice(0, 22)}`
  // Few networks ask again and again.
  const fastNames = new Map<string, string>()
  const fastName = (rule: LimitRule, subject: string): string => {
    const key = `${rule.by} ${rule.windowMs} ${subject}`
    const known = fastNames.get(key)
    if (known !== undefined) return known
    const made = nameOf("fast", rule, subject)
    if (fastNames.size >= MAX_FAST_NAMES) fastNames.clear()
    fastNames.set(key, made)
    return made
  }
  const saved = await store.read((db) => listWindows(db, FAST, clock.nowMs()))
  const windows = new Map<string, Window>(saved.map((w) => [w.bucket, w]))
  const dirty = new Set<string>()

  const judge = (window: Window, rule: LimitRule): Result<LimitState, Failure> => {
    const limit = rule.points * scale
    const resetS = Math.max(1, Math.ceil((window.endsMs - clock.nowMs()) / 1000))
    if (window.points > limit) return err({ code: "rate-limited", retryAfterS: resetS })
    return ok({ limit, remaining: limit - window.points, resetS, windowS: rule.windowMs / 1000 })
  }
  return Object.freeze<Limiter>({
    count: async (bucket, rule, subject) => {
      const window = await store.transaction((tx) =>
        addPoints(tx, {
          bucket: nameOf(bucket, rule, subject),
          points: 1,
          nowMs: clock.nowMs(),
          windowMs: rule.windowMs,
        }),
      )
      return judge(window, rule)
    },
    countFast: (rule, subject) => {
      const bucket = fastName(rule, subject)
      const nowMs = clock.nowMs()
      const known = windows.get(bucket)
      const window =
        known === undefined || known.endsMs <= nowMs
          ? { bucket, points: 1, endsMs: nowMs + rule.windowMs }
          : { ...known, points: known.points + 1 }
      if (windows.size >= MAX_FAST_WINDOWS && known === undefined) windows.delete(windows.keys().next().value ?? "")
      windows.set(bucket, window)
      dirty.add(bucket)
      return judge(window, rule)
    },
    flush: async () => {
      const nowMs = clock.nowMs()
      const changed = [...dirty].flatMap((bucket) => windows.get(bucket) ?? [])
      dirty.clear()
      for (const [bucket, window] of windows) if (window.endsMs <= nowMs) windows.delete(bucket)
      await store.transaction(async (tx) => {
        await saveWindows(tx, changed)
        await deleteOldWindows(tx, nowMs)
      })
    },
  })
}
