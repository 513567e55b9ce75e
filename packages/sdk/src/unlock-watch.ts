import { ok, type Result } from "@keyferry/base"
import { hasClockMoved, isUnlockOver } from "@keyferry/engine"
import type { Failure } from "@keyferry/protocol"

import { answering } from "./answering.ts"
import type { Device } from "./device.ts"
import { instantOf, unlockMaxS } from "./open-time.ts"
import { noteGraceTime } from "./grace.ts"

/** How often the mark of the grace is raised, and both clocks are compared. Source: spec/grace.md, LS23 */
const LOOK_MS = 5 * 60_000

/**
 * Watches the clocks of an open device until the answer is called: locks when its time is over or when the wall clock was
 * moved, and notes the time for the grace. Source: spec/grace.md, LS23, LS27, LS28
 */
export const watchUnlock = (device: Device, lock: () => void, onFailure: (failure: Failure) => void): (() => void) => {
  let cancel: () => void = () => undefined
  let stopped = false
  const look = (): void => {
    const { openedAt } = device
    if (stopped || openedAt === undefined) return
    const now = instantOf(device)
    const opened = { at: openedAt, ...(device.grace === undefined ? {} : { graceUntilMs: device.grace.untilMs }) }
    if (isUnlockOver(opened, now, { unlockMaxS: unlockMaxS(device) }) || hasClockMoved(openedAt, now)) {
      lock()
      return
    }
    // Nobody waits for it.
    const note = async (): Promise<Result<void, Failure>> => ok(await noteGraceTime(device))
    void device.turns
      .background(() => answering(device.ports, note))
      .then(({ result }) => {
        if (!result.ok) onFailure(result.error)
      })
    cancel = device.ports.schedule(look, Math.max(1000, Math.min(LOOK_MS, device.unlockedUntilMs - now.wallMs)))
  }
  look()
  return () => {
    stopped = true
    cancel()
  }
}
