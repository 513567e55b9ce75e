import { afterEach, beforeEach, expect, test, vi } from "vitest"

import { firstUp } from "./first-up.ts"

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

const tries = () => {
  const all: { readonly say: () => void; readonly up: Promise<void>; readonly drop: () => void; isDropped: boolean }[] =
    []
  const begin = () => {
    const { promise: up, resolve: say } = Promise.withResolvers<void>()
    const one = { up, say, isDropped: false, drop: () => void (one.isDropped = true) }
    all.push(one)
    return one
  }
  return { all, begin }
}

test("one that never says that it is up does not hold up the page: another begins beside it, and takes its place", async () => {
  const { all, begin } = tries()
  const kept = firstUp(begin)
  await vi.advanceTimersByTimeAsync(4_999)
  expect(all).toHaveLength(1)
  await vi.advanceTimersByTimeAsync(1)
  expect(all).toHaveLength(2)
  all[1]?.say()
  expect(await kept).toBe(all[1])
  expect(all.map(({ isDropped }) => isDropped)).toEqual([true, false])
  await vi.advanceTimersByTimeAsync(600_000)
  expect(all).toHaveLength(2)
})

test("one that is only slow is kept when it comes, and the later ones are dropped", async () => {
  const { all, begin } = tries()
  const kept = firstUp(begin)
  await vi.advanceTimersByTimeAsync(15_000)
  expect(all).toHaveLength(3)
  all[0]?.say()
  expect(await kept).toBe(all[0])
  all[2]?.say()
  await vi.advanceTimersByTimeAsync(0)
  expect(all.map(({ isDropped }) => isDropped)).toEqual([false, true, true])
})

test("one that is up at once is the only one", async () => {
  const { all, begin } = tries()
  const kept = firstUp(begin)
  all[0]?.say()
  expect(await kept).toBe(all[0])
  await vi.advanceTimersByTimeAsync(600_000)
  expect(all).toHaveLength(1)
})
