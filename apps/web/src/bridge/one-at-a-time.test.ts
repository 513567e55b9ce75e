import { expect, test } from "vitest"

import { oneAtATime } from "./one-at-a-time.ts"

test("whoever asks during an answer shares the next one, which is as fresh as any of them wanted", async () => {
  const runs: { readonly fresh: boolean; readonly answer: PromiseWithResolvers<void> }[] = []
  const ask = oneAtATime((fresh) => {
    const answer = Promise.withResolvers<void>()
    runs.push({ fresh, answer })
    return answer.promise
  })
  const first = ask()
  const second = ask()
  const third = ask(true)
  expect(runs.map(({ fresh }) => fresh)).toEqual([false])
  runs[0]?.answer.resolve()
  await first
  await Promise.resolve()
  expect(runs.map(({ fresh }) => fresh)).toEqual([false, true])
  runs[1]?.answer.resolve()
  await Promise.all([second, third])
  expect(runs.length).toBe(2)
})

test("an answer that failed is told to those who waited for it, and the next one comes", async () => {
  let n = 0
  const ask = oneAtATime(() => (++n < 3 ? Promise.reject(new Error(`try ${n}`)) : Promise.resolve()))
  const first = ask()
  const second = ask()
  await expect(first).rejects.toThrow("try 1")
  await expect(second).rejects.toThrow("try 2")
  await ask()
  expect(n).toBe(3)
})
