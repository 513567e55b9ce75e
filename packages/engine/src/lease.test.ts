import fc from "fast-check"
import { describe, expect, test } from "vitest"

import { withFrozenInput } from "./frozen.ts"
import * as engine from "./lease.ts"
import type { GraceClock, LeaseTerms, OfflineDecision } from "./lease.ts"

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR
const T0 = 1_700_000_000_000

const decide = withFrozenInput(engine.decideOfflineUnlock)
const limitTerms = withFrozenInput(engine.limitTerms)
const terms: LeaseTerms = { issuedAtMs: T0, expiresAtMs: T0 + DAY, maxOfflineUnlocks: 50 }
const fresh = engine.startGrace(terms, T0)
const kind = (decision: OfflineDecision): string => (decision.decision === "open" ? "open" : decision.code)
const instant = (wallMs: number, monotonicMs: number): engine.Instant => ({ wallMs, monotonicMs })

describe("classes", () => {
  test("[LS20] by hand, else by vault, else by kind", () => {
    expect(engine.effectiveClass({ kindDefault: "strict" })).toBe("strict")
    expect(engine.effectiveClass({ kindDefault: "standard", byVault: "strict" })).toBe("strict")
    expect(engine.effectiveClass({ kindDefault: "strict", byVault: "strict", byHand: "standard" })).toBe("standard")
  })

  test("[LS29] a move never lowers a class", () => {
    expect(engine.classAfterMove("strict", "standard")).toBe("strict")
    expect(engine.classAfterMove("standard", "strict")).toBe("strict")
    expect(engine.classAfterMove("standard", "standard")).toBe("standard")
  })
})

describe("the grace", () => {
  test("[LS21] a server cannot give more than the signed policy and fifty unlocks", () => {
    const generous = { ...terms, expiresAtMs: T0 + 30 * DAY, maxOfflineUnlocks: 1000 }
    expect(limitTerms(generous, { graceMaxS: 3600 })).toEqual({
      issuedAtMs: T0,
      expiresAtMs: T0 + HOUR,
      maxOfflineUnlocks: 50,
    })
    expect(limitTerms(terms, { graceMaxS: 7 * 24 * 3600 })).toEqual(terms)
    expect(limitTerms(terms, { graceMaxS: 0 })).toBeUndefined()
    expect(limitTerms({ ...terms, expiresAtMs: T0 }, { graceMaxS: 3600 })).toBeUndefined()
    expect(limitTerms({ ...terms, maxOfflineUnlocks: 0 }, { graceMaxS: 3600 })).toBeUndefined()
  })

  test("[LS22] starts no earlier than the server's answer, whatever the clock says", () => {
    expect(engine.startGrace(terms, T0 - DAY)).toEqual({ highWaterMs: T0, unlocksLeft: 50 })
    expect(engine.startGrace(terms, T0 + HOUR)).toEqual({ highWaterMs: T0 + HOUR, unlocksLeft: 50 })
  })

  test("[LS23] the high-water mark only rises", () => {
    expect(engine.noteTime(fresh, T0 + HOUR).highWaterMs).toBe(T0 + HOUR)
    expect(engine.noteTime(fresh, T0 - HOUR)).toEqual(fresh)
  })

  test("[LS24] opens until it ends, counting down before it opens", () => {
    expect(decide(terms, fresh, T0 + 5)).toEqual({ decision: "open", clock: { highWaterMs: T0 + 5, unlocksLeft: 49 } })
    expect(kind(decide(terms, fresh, T0 + DAY - 1))).toBe("open")
    expect(decide(terms, fresh, T0 + DAY)).toEqual({ decision: "wipe", code: "lease-expired" })
    const last = { ...fresh, unlocksLeft: 1 }
    const opened = decide(terms, last, T0)
    expect(opened).toMatchObject({ decision: "open", clock: { unlocksLeft: 0 } })
    expect(kind(decide(terms, { ...fresh, unlocksLeft: 0 }, T0))).toBe("lease-expired")
  })

  test("[LS25] a clock that went back more than five minutes refuses, and destroys nothing", () => {
    const later = engine.noteTime(fresh, T0 + 12 * HOUR)
    expect(kind(decide(terms, later, T0 + 12 * HOUR - 5 * MINUTE))).toBe("open")
    expect(decide(terms, later, T0 + 12 * HOUR - 5 * MINUTE - 1)).toEqual({ decision: "refuse", code: "clock-moved" })
  })

  test("[LS26] turning the clock back after the end does not bring it back", () => {
    const past = engine.noteTime(fresh, T0 + DAY + HOUR)
    expect(kind(decide(terms, past, T0 + HOUR))).toBe("lease-expired")
  })

  test("[LS24] [LS26] whatever the clock does, one grace gives at most fifty unlocks and none after its end", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -2 * DAY, max: 2 * DAY }), { maxLength: 120 }), (times) => {
        let clock: GraceClock | undefined = fresh
        let opened = 0
        let latest = T0
        for (const offset of times) {
          if (clock === undefined) break
          const now = T0 + offset
          const decision: OfflineDecision = decide(terms, clock, now)
          if (decision.decision === "wipe") {
            clock = undefined
          } else if (decision.decision === "open") {
            opened++
            expect(now).toBeLessThan(terms.expiresAtMs)
            expect(now).toBeGreaterThanOrEqual(latest - 5 * MINUTE)
            expect(decision.clock.highWaterMs).toBeGreaterThanOrEqual(clock.highWaterMs)
            latest = Math.max(latest, now)
            clock = decision.clock
          }
        }
        expect(opened).toBeLessThanOrEqual(50)
      }),
    )
  })
})

describe("while running", () => {
  test("[LS27] the two clocks disagree by more than five minutes, in either direction", () => {
    const then = instant(T0, 1000)
    expect(engine.hasClockMoved(then, instant(T0 + HOUR, 1000 + HOUR))).toBe(false)
    expect(engine.hasClockMoved(then, instant(T0 + HOUR + 5 * MINUTE, 1000 + HOUR))).toBe(false)
    expect(engine.hasClockMoved(then, instant(T0 + HOUR + 5 * MINUTE + 1, 1000 + HOUR))).toBe(true)
    expect(engine.hasClockMoved(then, instant(T0 - 6 * MINUTE, 1000))).toBe(true)
  })

  test("[LS28] an open device closes after the policy's limit, by whichever clock says more, or when its grace ends", () => {
    const opened = { at: instant(T0, 0) }
    const policy = { unlockMaxS: 3600 }
    expect(engine.isUnlockOver(opened, instant(T0 + HOUR - 1, HOUR - 1), policy)).toBe(false)
    expect(engine.isUnlockOver(opened, instant(T0 + HOUR, 5), policy)).toBe(true)
    expect(engine.isUnlockOver(opened, instant(T0 - DAY, HOUR), policy)).toBe(true)
    expect(engine.isUnlockOver({ ...opened, graceUntilMs: T0 + 10 }, instant(T0 + 9, 9), policy)).toBe(false)
    expect(engine.isUnlockOver({ ...opened, graceUntilMs: T0 + 10 }, instant(T0 + 10, 10), policy)).toBe(true)
  })

  test("[LS28] a factor is fresh for five minutes, and a moved clock makes it no fresher", () => {
    const later = instant(T0, 9 * MINUTE)
    expect(engine.isFactorFresh(later, instant(T0 + MINUTE, 10 * MINUTE))).toBe(true)
    const then = instant(T0, 0)
    expect(engine.isFactorFresh(then, instant(T0 + 5 * MINUTE, 5 * MINUTE))).toBe(true)
    expect(engine.isFactorFresh(then, instant(T0 + 5 * MINUTE + 1, 5 * MINUTE + 1))).toBe(false)
    expect(engine.isFactorFresh(then, instant(T0, 5 * MINUTE + 1))).toBe(false)
    expect(engine.isFactorFresh(then, instant(T0 + 5 * MINUTE + 1, 0))).toBe(false)
    expect(engine.isFactorFresh(then, instant(T0 - 6 * MINUTE, 1))).toBe(false)
  })
})
