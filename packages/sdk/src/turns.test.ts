import { describe, expect, test } from "vitest"

import { createTurns } from "./turns.ts"

/** Timers that a test lets end, in the order of their delays. */
const createTimers = () => {
  const waiting: { readonly run: () => void; readonly delayMs: number }[] = []
  return {
    schedule: (run: () => void, delayMs: number) => {
      const one = { run, delayMs }
      waiting.push(one)
      return () => void waiting.splice(waiting.indexOf(one), waiting.includes(one) ? 1 : 0)
    },
    delays: () => waiting.map(({ delayMs }) => delayMs),
    end: () => waiting.shift()?.run(),
  }
}
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
const silence = (): Promise<string> => new Promise(() => undefined)

describe("turns", () => {
  test("[SY99] a background request that gets no answer gives way to somebody who waits, and says so", async () => {
    const timers = createTimers()
    const turns = createTurns(timers.schedule)
    const order: string[] = []
    const sync = turns.background(async () => {
      order.push("sync")
      return (await turns.answerOrGiveWay(silence)) ?? "given up"
    })
    await settle()
    expect(timers.delays()).toEqual([])
    const edit = turns.serial(async () => order.push("edit"))
    expect(timers.delays()).toEqual([500])
    timers.end()
    expect(await sync).toEqual({ result: "given up", gaveWay: true })
    await edit
    expect(order).toEqual(["sync", "edit"])
    expect(timers.delays()).toEqual([])
  })

  test("[SY99] what only looks waits for the calls before it, and for no sync", async () => {
    const timers = createTimers()
    const turns = createTurns(timers.schedule)
    const order: string[] = []
    const edit = turns.serial(async () => {
      await settle()
      order.push("edit")
    })
    const look = turns.reading(async () => order.push("look"))
    await Promise.all([edit, look])
    const sync = turns.background(() => turns.answerOrGiveWay(silence))
    await turns.reading(async () => order.push("look beside the sync"))
    expect(order).toEqual(["edit", "look", "look beside the sync"])
    // Nobody waits, so nothing has to give way.
    expect(timers.delays()).toEqual([])
    const failed = turns.serial(() => Promise.reject(new Error("an edit")))
    timers.end()
    await sync
    await expect(failed).rejects.toThrow("an edit")
    expect(await turns.reading(async () => "seen")).toBe("seen")
  })

  test("[SY99] patience doubles with each time, to 16 seconds, and begins anew after an answer", async () => {
    const timers = createTimers()
    const turns = createTurns(timers.schedule)
    const seen: number[] = []
    for (let i = 0; i < 7; i++) {
      const sync = turns.background(() => turns.answerOrGiveWay(silence))
      const edit = turns.serial(async () => undefined)
      await settle()
      seen.push(...timers.delays())
      timers.end()
      await Promise.all([sync, edit])
    }
    expect(seen).toEqual([500, 1000, 2000, 4000, 8000, 16_000, 16_000])
    const answered = turns.background(() => turns.answerOrGiveWay(async () => "an answer"))
    expect(await answered).toEqual({ result: "an answer", gaveWay: false })
    void turns.background(() => turns.answerOrGiveWay(silence))
    void turns.serial(async () => undefined)
    await settle()
    expect(timers.delays()).toEqual([500])
  })

  test("[SY99] what somebody asked for gives way to nobody, and an answer in time ends the watch", async () => {
    const timers = createTimers()
    const turns = createTurns(timers.schedule)
    let answer: (text: string) => void = () => undefined
    const asked = turns.serial(() => turns.answerOrGiveWay(() => new Promise<string>((resolve) => (answer = resolve))))
    const behind = turns.serial(async () => "next")
    await settle()
    expect(timers.delays()).toEqual([])
    answer("late")
    expect([await asked, await behind]).toEqual(["late", "next"])
    const sync = turns.background(() =>
      turns.answerOrGiveWay(() => new Promise<string>((resolve) => (answer = resolve))),
    )
    const edit = turns.serial(async () => "edit")
    await settle()
    expect(timers.delays()).toEqual([500])
    answer("in time")
    expect([await sync, await edit]).toEqual([{ result: "in time", gaveWay: false }, "edit"])
    expect(timers.delays()).toEqual([])
  })

  test("[SY99] a server that answers each request just in time holds nobody up: what comes after the moment is not asked any more", async () => {
    const timers = createTimers()
    const turns = createTurns(timers.schedule)
    let answer: (text: string) => void = () => undefined
    const sent: number[] = []
    const sync = turns.background(async () => {
      for (let page = 0; page < 100; page++) {
        const got = await turns.answerOrGiveWay(() => {
          sent.push(page)
          return new Promise<string>((resolve) => (answer = resolve))
        })
        if (got === undefined) return `gave way at page ${page}`
      }
      return "held up"
    })
    await settle()
    const edit = turns.serial(async () => "edit")
    for (const page of [0, 1, 2]) {
      expect([timers.delays(), sent.at(-1)]).toEqual([[500], page])
      answer("a page")
      await settle()
    }
    timers.end()
    expect(await sync).toEqual({ result: "gave way at page 3", gaveWay: true })
    expect(await edit).toBe("edit")
    // Also where the moment is over between two requests.
    const next = turns.background(async () => {
      await settle()
      return (await turns.answerOrGiveWay(async () => sent.push(-1))) ?? "not sent"
    })
    void turns.serial(async () => undefined)
    await Promise.resolve()
    await Promise.resolve()
    timers.end()
    expect(await next).toEqual({ result: "not sent", gaveWay: true })
    expect(sent).not.toContain(-1)
  })

  test("a failure of one does not stop the next", async () => {
    const turns = createTurns(createTimers().schedule)
    const failed = turns.serial(() => Promise.reject(new Error("broken")))
    const next = turns.serial(async () => "next")
    await expect(failed).rejects.toThrow("broken")
    expect(await next).toBe("next")
    await expect(turns.background(() => Promise.reject(new Error("broken")))).rejects.toThrow("broken")
    expect(await turns.serial(async () => "still")).toBe("still")
  })
})
