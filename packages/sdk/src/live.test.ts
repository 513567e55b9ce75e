import { err } from "@keyferry/base"
import type { ErrorCode } from "@keyferry/protocol"
import { describe, expect, test } from "vitest"

import type { Device } from "./device.ts"
import { createLive } from "./live.ts"

/** A device whose server fails each time with `code`; timers end when the test says so. */
const failing = (code: ErrorCode) => {
  let nowMs = 0
  let attempts = 0
  const timers: { readonly run: () => void; readonly delayMs: number }[] = []
  const device = {
    settings: { syncOn: true },
    record: { account: {} },
    full: {},
    vaults: new Map(),
    changed: () => undefined,
    turns: {
      background: async (work: () => Promise<unknown>) => {
        attempts++
        // What it would do is not what is looked at here.
        await work().catch(() => undefined)
        return { result: err({ code }), gaveWay: false }
      },
    },
    ports: {
      clock: { nowMs: () => nowMs, monotonicMs: () => nowMs },
      random: { bytes: (length: number) => new Uint8Array(length) },
      schedule: (run: () => void, delayMs: number) => {
        const one = { run, delayMs }
        timers.push(one)
        return () => void timers.splice(timers.indexOf(one), timers.includes(one) ? 1 : 0)
      },
    },
  }
  const live = createLive(
    device as unknown as Device,
    () => undefined,
    () => undefined,
    () => undefined,
  )
  // The other timer renews the lease in half an hour.
  const retries = (): readonly number[] => timers.map(({ delayMs }) => delayMs).filter((ms) => ms < 30 * 60_000)
  return { live, retries, attempts: () => attempts, pass: (ms: number) => void (nowMs += ms) }
}
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

describe("the wait for a server that says nothing", () => {
  test("[SY17] ends when somebody is there, five seconds after the last attempt at the earliest, and goes on growing", async () => {
    const { live, retries, attempts, pass } = failing("network-unreachable")
    live.start()
    await settle()
    expect([attempts(), retries()]).toEqual([1, [500]])
    pass(4_999)
    live.lookAgain()
    await settle()
    expect(attempts()).toBe(1)
    pass(1)
    live.lookAgain()
    // Whoever moves a pointer does so many times before an answer can come.
    live.lookAgain()
    await settle()
    expect([attempts(), retries()]).toEqual([2, [1_000]])
    live.lookAgain()
    await settle()
    expect(attempts()).toBe(2)
    live.stop()
    pass(60_000)
    live.lookAgain()
    await settle()
    expect([attempts(), retries()]).toEqual([2, []])
  })

  test.each(["rate-limited", "busy", "kms-unavailable"] as const)("[SY17] %s is waited out", async (code) => {
    const { live, attempts, pass } = failing(code)
    live.start()
    await settle()
    pass(60_000)
    live.lookAgain()
    await settle()
    expect(attempts()).toBe(1)
  })
})
