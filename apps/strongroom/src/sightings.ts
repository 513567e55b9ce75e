import { bytesToHex } from "@keyferry/base"

/**
 * When each device asked last, while its row says so only every ten minutes: whoever looks where a credential is needs to know
 * whether a device asked after the last change. In memory: after a restart the row is what is known.
 */
export interface Sightings {
  readonly note: (deviceId: Uint8Array, nowMs: number) => void
  /** `storedMs` is what the row says. */
  readonly lastMs: (deviceId: Uint8Array, storedMs: number) => number
}

const MAX_DEVICES = 100_000

export const createSightings = (maxDevices = MAX_DEVICES): Sightings => {
  const seen = new Map<string, number>()
  return Object.freeze<Sightings>({
    note: (deviceId, nowMs) => {
      const key = bytesToHex(deviceId)
      // The one that asked last stands last, so that the first is the one to forget.
      seen.delete(key)
      seen.set(key, nowMs)
      const [oldest] = seen.keys()
      if (seen.size > maxDevices && oldest !== undefined) seen.delete(oldest)
    },
    lastMs: (deviceId, storedMs) => Math.max(storedMs, seen.get(bytesToHex(deviceId)) ?? 0),
  })
}
