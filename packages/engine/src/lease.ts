/*
 * The device's side of a lease: which items open, until when, and what a clock that lies may do. Pure: times come in.
 * Source: spec/grace.md, LS20–LS29
 */

/** What both clocks may differ by before it counts as tampering. */
export const CLOCK_TOLERANCE_MS = 5 * 60_000
/** No answer of a server opens more often offline than this. */
export const OFFLINE_UNLOCKS_CEILING = 50
/** How long a factor that was just given counts as fresh. */
export const FRESH_FACTOR_MS = 5 * 60_000

/** `strict` opens only while the server answers, `standard` also within a grace. */
export type LeaseClass = "strict" | "standard"

/** What the newest lease token says. */
export interface LeaseTerms {
  readonly issuedAtMs: number
  readonly expiresAtMs: number
  readonly maxOfflineUnlocks: number
}

/** Kept authenticated on the device, beside the grace bundle. */
export interface GraceClock {
  /** The latest time this device has ever seen, its own or the server's. */
  readonly highWaterMs: number
  readonly unlocksLeft: number
}

/** The token's terms, cut to what the account's signed policy and this version allow. `undefined` where there is no grace (LS21). */
export const limitTerms = (terms: LeaseTerms, policy: { readonly graceMaxS: number }): LeaseTerms | undefined => {
  const expiresAtMs = Math.min(terms.expiresAtMs, terms.issuedAtMs + policy.graceMaxS * 1000)
  const maxOfflineUnlocks = Math.min(terms.maxOfflineUnlocks, OFFLINE_UNLOCKS_CEILING)
  return expiresAtMs <= terms.issuedAtMs || maxOfflineUnlocks <= 0
    ? undefined
    : { issuedAtMs: terms.issuedAtMs, expiresAtMs, maxOfflineUnlocks }
}

/** A fresh answer of the server starts the count again; the high-water mark is not older than that answer (LS22). */
export const startGrace = (terms: LeaseTerms, nowMs: number): GraceClock => ({
  highWaterMs: Math.max(terms.issuedAtMs, nowMs),
  unlocksLeft: terms.maxOfflineUnlocks,
})

/** To be stored at every start and every five minutes while running (LS23). */
export const noteTime = (clock: GraceClock, nowMs: number): GraceClock =>
  nowMs > clock.highWaterMs ? { ...clock, highWaterMs: nowMs } : clock

export type OfflineDecision =
  /** Store `clock` first, then open: a crash between the two costs an unlock, never gives one. */
  | { readonly decision: "open"; readonly clock: GraceClock }
  | { readonly decision: "refuse"; readonly code: "clock-moved" }
  /** The grace bundle is destroyed; nothing else is. */
  | { readonly decision: "wipe"; readonly code: "lease-expired" }

/** Whether the standard class opens without the server (LS24–LS26). `terms` are those of `limitTerms`. */
export const decideOfflineUnlock = (terms: LeaseTerms, clock: GraceClock, nowMs: number): OfflineDecision => {
  const latestMs = Math.max(nowMs, clock.highWaterMs)
  if (latestMs >= terms.expiresAtMs || clock.unlocksLeft <= 0) return { decision: "wipe", code: "lease-expired" }
  if (nowMs < clock.highWaterMs - CLOCK_TOLERANCE_MS) return { decision: "refuse", code: "clock-moved" }
  return { decision: "open", clock: { highWaterMs: latestMs, unlocksLeft: clock.unlocksLeft - 1 } }
}

/** Both clocks of a host, read together. */
export interface Instant {
  readonly wallMs: number
  readonly monotonicMs: number
}

/** True if the wall clock went another way than the monotonic one since `then`: lock, and ask the server (LS27). */
export const hasClockMoved = (then: Instant, now: Instant): boolean =>
  Math.abs(now.wallMs - then.wallMs - (now.monotonicMs - then.monotonicMs)) > CLOCK_TOLERANCE_MS

/** The longer of what both clocks say has passed: one of them stops while a machine sleeps, the other can be set back. */
export const elapsedMs = (then: Instant, now: Instant): number =>
  Math.max(now.wallMs - then.wallMs, now.monotonicMs - then.monotonicMs)

/** True once the device has been open for longer than the policy allows, however busy it was, or once a grace has run out (LS28). */
export const isUnlockOver = (
  opened: { readonly at: Instant; readonly graceUntilMs?: number },
  now: Instant,
  policy: { readonly unlockMaxS: number },
): boolean =>
  elapsedMs(opened.at, now) >= policy.unlockMaxS * 1000 ||
  (opened.graceUntilMs !== undefined && now.wallMs >= opened.graceUntilMs)

/** True while a factor given at `then` still counts for actions that want it fresh. */
export const isFactorFresh = (then: Instant, now: Instant): boolean =>
  !hasClockMoved(then, now) && elapsedMs(then, now) <= FRESH_FACTOR_MS

/** The class of an item: chosen by hand for it, else for its vault, else by its kind (LS20). */
export const effectiveClass = (item: {
  readonly kindDefault: LeaseClass
  readonly byVault?: LeaseClass | undefined
  readonly byHand?: LeaseClass | undefined
}): LeaseClass => item.byHand ?? item.byVault ?? item.kindDefault

/** Moving between synced and local-only, or between copies, never lowers a class (LS29). */
export const classAfterMove = (before: LeaseClass, after: LeaseClass): LeaseClass =>
  before === "strict" ? "strict" : after
