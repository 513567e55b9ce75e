import { expect, test, vi } from "vitest"

import { ok } from "@keyferry/base"

import type { BrowserDevice } from "../../bridge/contract.ts"
import { createAppStore } from "./store.ts"

/** A device whose list of devices says what the test says. */
const startWith = async (lastSeenMs: number) => {
  let seenMs = lastSeenMs
  let asked = 0
  let changed = (): void => undefined
  const device = {
    status: async () => ({ lock: "unlocked", mode: "account", account: { deviceState: "active" } }),
    list: async () => ok([{ policy: "synced", updatedAtMs: 1000 }]),
    devices: async () => {
      asked++
      return ok([
        { isThis: true, state: "active", lastSeenMs: 0 },
        { isThis: false, state: "active", lastSeenMs: seenMs },
      ])
    },
    rotationList: async () => ok([]),
    onChange: (listener: () => void) => {
      changed = listener
      return () => undefined
    },
  }
  const store = createAppStore(device as unknown as BrowserDevice)
  await store.refresh()
  return { store, asked: () => asked, change: () => changed(), see: (ms: number) => void (seenMs = ms) }
}

test("while a change is on its way to another device, the list of devices is asked for again, a few times and no more", async () => {
  vi.useFakeTimers()
  try {
    const { store, asked, change, see } = await startWith(999)
    expect(asked()).toBe(1)
    await vi.advanceTimersByTimeAsync(20_000)
    expect(asked()).toBe(2)
    await vi.advanceTimersByTimeAsync(3_600_000)
    expect(asked()).toBe(4)
    // The next change begins anew, and an answer that has it ends it.
    change()
    await vi.advanceTimersByTimeAsync(250)
    expect(asked()).toBe(5)
    see(1000)
    await vi.advanceTimersByTimeAsync(20_000)
    expect(asked()).toBe(6)
    expect(store.get().devices?.[1]?.lastSeenMs).toBe(1000)
    await vi.advanceTimersByTimeAsync(3_600_000)
    expect(asked()).toBe(6)
    store.close()
  } finally {
    vi.useRealTimers()
  }
})
