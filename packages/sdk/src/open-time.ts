import { DEFAULT_POLICY } from "@keyferry/chain"
import { type Instant, isFactorFresh } from "@keyferry/engine"

import type { Device } from "./device.ts"

/** The password was right just now: from here on the time counts. */
export const afterUnlock = (device: Device): void => {
  device.openedAt = instantOf(device)
  limitUnlocked(device)
  device.changed()
}

/** Says until when this device is open; asked again when the policy changes. */
export const limitUnlocked = (device: Device): void => {
  if (device.openedAt === undefined) return
  device.unlockedUntilMs = Math.min(
    device.openedAt.wallMs + unlockMaxS(device) * 1000,
    device.grace?.untilMs ?? Number.MAX_SAFE_INTEGER,
  )
}

/** Both clocks of this host, read together. */
export const instantOf = (device: Device): Instant => ({
  wallMs: device.ports.clock.nowMs(),
  monotonicMs: device.ports.clock.monotonicMs(),
})

/** How long this device stays open: as the account's signed policy says. */
export const unlockMaxS = (device: Device): number => (device.account?.policy ?? DEFAULT_POLICY).unlockMaxS

export const isFreshPassword = (device: Device): boolean =>
  device.openedAt !== undefined && isFactorFresh(device.openedAt, instantOf(device))
