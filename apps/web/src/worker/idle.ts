/** Nobody did anything in any tab for this long: the vault is locked. */
export const IDLE_LOCK_MS = 15 * 60_000

/** How often the clock is looked at. A machine that slept is noticed at the first look after it woke. */
const LOOK_MS = 5_000

export interface Idle {
  readonly activity: () => void
}

/** Calls `lock` once after each time of rest. By the wall clock, which goes on while a machine sleeps. */
export const watchIdle = (lock: () => void, nowMs: () => number = () => Date.now()): Idle => {
  let lastMs = nowMs()
  let resting = false
  setInterval(() => {
    if (resting || nowMs() - lastMs < IDLE_LOCK_MS) return
    resting = true
    lock()
  }, LOOK_MS)
  return {
    activity: () => {
      lastMs = nowMs()
      resting = false
    },
  }
}
