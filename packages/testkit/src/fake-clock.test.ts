import { expect, test } from "vitest"
import { createFakeClock, TEST_EPOCH_MS } from "./fake-clock.ts"

test("time stands until it is moved", async () => {
  const clock = createFakeClock()
  expect([clock.nowMs(), clock.monotonicMs()]).toEqual([TEST_EPOCH_MS, 0])
  await clock.advanceMs(250)
  expect([clock.nowMs(), clock.monotonicMs()]).toEqual([TEST_EPOCH_MS + 250, 250])
})

test("what is due happens in order, at its own moment, also what it starts itself", async () => {
  const clock = createFakeClock(0)
  const seen: string[] = []
  clock.after(20, () => seen.push(`b ${clock.nowMs()}`))
  clock.after(10, () => {
    seen.push(`a ${clock.nowMs()}`)
    clock.after(5, () => seen.push(`nested ${clock.nowMs()}`))
  })
  const cancel = clock.after(15, () => seen.push("never"))
  void clock.sleepMs(30).then(() => seen.push("later"))
  cancel()
  await clock.advanceMs(20)
  expect(seen).toEqual(["a 10", "nested 15", "b 20"])
  await clock.advanceMs(10)
  expect(seen.at(-1)).toBe("later")
})

test("a wall clock that is set back moves no time", async () => {
  const clock = createFakeClock(1000)
  await clock.advanceMs(100)
  clock.setWallMs(500)
  expect([clock.nowMs(), clock.monotonicMs()]).toEqual([500, 100])
  await expect(clock.advanceMs(-1)).rejects.toThrow("does not go back")
})
