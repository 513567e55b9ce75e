import type { Clock, MonotonicClock } from "@keyferry/base"

export interface FakeClock extends Clock, MonotonicClock {
  /** Time passes: both clocks move, and everything due in between runs in order. */
  readonly advanceMs: (ms: number) => Promise<void>
  /** Somebody sets the wall clock; no time passes. */
  readonly setWallMs: (nowMs: number) => void
  /** Resolves once that much time has passed. */
  readonly sleepMs: (ms: number) => Promise<void>
  /** Runs `act` once that much time has passed; the result cancels it. */
  readonly after: (ms: number, act: () => void) => () => void
}

interface Timer {
  readonly atMs: number
  readonly order: number
  readonly act: () => void
}

/** 2026-01-01T00:00:00Z: a start that is the same in every test. */
export const TEST_EPOCH_MS = 1_767_225_600_000

/** A clock that stands still until a test moves it. */
export const createFakeClock = (startMs: number = TEST_EPOCH_MS): FakeClock => {
  let passedMs = 0
  let wallOffsetMs = startMs
  let order = 0
  const timers = new Set<Timer>()

  const after = (ms: number, act: () => void): (() => void) => {
    const timer: Timer = { atMs: passedMs + Math.max(0, ms), order: order++, act }
    timers.add(timer)
    return () => void timers.delete(timer)
  }

  const advanceMs = async (ms: number): Promise<void> => {
    if (!(ms >= 0)) throw new RangeError("time does not go back; use setWallMs for a clock that was set")
    const untilMs = passedMs + ms
    for (;;) {
      const due = [...timers].filter((timer) => timer.atMs <= untilMs)
      const next = due.sort((a, b) => a.atMs - b.atMs || a.order - b.order)[0]
      if (next === undefined) break
      timers.delete(next)
      passedMs = Math.max(passedMs, next.atMs)
      next.act()
      await settle()
    }
    passedMs = untilMs
    await settle()
  }

  return Object.freeze({
    nowMs: () => wallOffsetMs + passedMs,
    monotonicMs: () => passedMs,
    advanceMs,
    setWallMs: (nowMs: number) => {
      wallOffsetMs = nowMs - passedMs
    },
    sleepMs: (ms: number) => new Promise<void>((resolve) => void after(ms, resolve)),
    after,
  })
}

/** Lets everything that waits for a resolved promise run, before time goes on. */
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
