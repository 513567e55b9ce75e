import { utf8 } from "@keyferry/base"
import { processorTimer } from "@keyferry/testkit"
import { describe, expect, test } from "vitest"

import { createEventReader } from "./event-stream.ts"

const read = (chunks: readonly Uint8Array[]): readonly (readonly [string, string])[] => {
  const events: [string, string][] = []
  const take = createEventReader((text, name) => void events.push([name, text]))
  for (const chunk of chunks) expect(take(chunk)).toBe(true)
  return events
}

describe("a stream of events", () => {
  const stream = utf8("event: change\ndata: AA\ndata: BB\n\n: ping\n\ndata: Zoë\n\n\nevent: closed\n\ndata: unended")
  const told = [
    ["change", "AABB"],
    ["message", "Zoë"],
    ["closed", ""],
  ]

  test("is told event by event; comments and an end that is missing are not", () => {
    expect(read([stream])).toEqual(told)
  })

  test("is the same however it is cut, in the middle of a character and of the two line ends too", () => {
    for (let cut = 0; cut <= stream.length; cut++)
      expect(read([stream.subarray(0, cut), stream.subarray(cut)])).toEqual(told)
    expect(read([...stream].map((byte) => Uint8Array.of(byte)))).toEqual(told)
  })

  test("an event that is no UTF-8 is passed over, the next one is told", () => {
    expect(read([Uint8Array.of(...utf8("data: "), 0xff, 0x0a, 0x0a), utf8("data: B\n\n")])).toEqual([["message", "B"]])
  })

  test("an event that never ends is given up after 32 MiB, and costs no more than its bytes in however small pieces", () => {
    const take = createEventReader(() => undefined)
    const piece = utf8("data: ".padEnd(1024, "A"))
    const timer = processorTimer()
    let pieces = 0
    while (take(piece)) pieces++
    expect(pieces).toBe(32 * 1024)
    expect(take(utf8("\n\n"))).toBe(false)
    // 0.1 s here. Copying what is held for each piece takes minutes.
    expect(timer()).toBeLessThan(5000)
  })

  test("one chunk of any size takes no more room than its longest event may; the events before are told", () => {
    const chunk = new Uint8Array(160 * 1024 * 1024).fill(0x41)
    chunk.set(utf8("data: A\n\ndata: B"))
    chunk.set(utf8("\n\n"), chunk.length - 2)
    const told: string[] = []
    const take = createEventReader((text) => void told.push(text))
    const beforeBytes = process.memoryUsage().arrayBuffers
    expect(take(chunk)).toBe(false)
    expect(process.memoryUsage().arrayBuffers - beforeBytes).toBeLessThan(100 * 1024 * 1024)
    expect(told).toEqual(["A"])
    expect(take(utf8("data: C\n\n"))).toBe(false)
  })
})
