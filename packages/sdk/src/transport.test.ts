import { ok, utf8 } from "@keyferry/base"
import { nodePrimitives } from "@keyferry/crypto/node"
import { describe, expect, test } from "vitest"

import { retryable } from "./ports.ts"
import { createTransport, type TransportPorts } from "./transport.ts"

/* A stream whose other end says nothing more, or too much. Time goes on by hand. */
const openStream = async (first?: Uint8Array) => {
  let nowMs = 0
  let closes = 0
  let next: { readonly run: () => void; readonly atMs: number } | undefined
  let chunk: (bytes: Uint8Array) => void = () => undefined
  let end: () => void = () => undefined
  const told: string[] = []
  const ports: TransportPorts = {
    clock: { nowMs: () => nowMs, monotonicMs: () => nowMs },
    random: { bytes: (length) => new Uint8Array(length) },
    primitives: nodePrimitives,
    client: "test/0",
    schedule: (run, delayMs) => {
      next = { run, atMs: nowMs + delayMs }
      return () => {
        next = undefined
      }
    },
    http: {
      send: async () => undefined,
      stream: async (_, onChunk) => {
        chunk = onChunk
        if (first !== undefined) onChunk(first)
        const closed = new Promise<void>((resolve) => {
          end = resolve
        })
        return ok({
          close: () => {
            closes++
            end()
          },
          closed,
        })
      },
    },
  }
  const opened = await createTransport(ports, "http://localhost:1").events("feed", utf8(""), {}, (text) =>
    told.push(text),
  )
  if (!opened.ok) throw new Error(opened.error.code)
  return {
    told,
    closes: () => closes,
    closed: opened.value.closed,
    chunk: (bytes: Uint8Array) => chunk(bytes),
    end: () => end(),
    isWatched: () => next !== undefined,
    wait: (ms: number) => {
      nowMs += ms
      while (next !== undefined && next.atMs <= nowMs) {
        const { run } = next
        next = undefined
        run()
      }
    },
  }
}

describe("[FD9] an open stream", () => {
  test("is hung up on after a minute without a word, and not while it says that it is there", async () => {
    const stream = await openStream()
    for (let i = 0; i < 20; i++) {
      stream.wait(20_000)
      stream.chunk(utf8(": still here\n\n"))
    }
    stream.wait(59_999)
    expect(stream.closes()).toBe(0)
    stream.wait(1)
    expect(stream.closes()).toBe(1)
    expect(await stream.closed).toBeUndefined()
  })

  test("that ended is not watched any more", async () => {
    const stream = await openStream()
    expect(stream.isWatched()).toBe(true)
    stream.end()
    expect(await stream.closed).toBeUndefined()
    expect(stream.isWatched()).toBe(false)
  })

  test.each([
    ["with the answer", true],
    ["later", false],
  ])("is hung up on for an event that is too long, %s, and says why", async (_, isFirst) => {
    const long = new Uint8Array(33 * 1024 * 1024).fill(0x41)
    const stream = await openStream(isFirst ? long : undefined)
    if (!isFirst) stream.chunk(long)
    expect(stream.closes()).toBeGreaterThan(0)
    expect(await stream.closed).toMatchObject({ code: "malformed" })
    expect(stream.told).toEqual([])
  })
})

describe("a refusal without a code", () => {
  // What a proxy says while the server behind it is away must read as that, and open what opens offline.
  test.each([
    [502, "network-unreachable"],
    [503, "strongroom-unavailable"],
    [504, "timed-out"],
  ] as const)("of status %d is %s", async (status, code) => {
    const ports = {
      clock: { nowMs: () => 0, monotonicMs: () => 0 },
      random: { bytes: (length: number) => new Uint8Array(length) },
      primitives: nodePrimitives,
      client: "test/0",
      schedule: () => () => undefined,
      http: {
        send: async () => ({ status, body: utf8("<h1>Bad Gateway</h1>") }),
        stream: () => Promise.reject(new Error()),
      },
    } as unknown as TransportPorts
    const transport = createTransport(ports, "https://keys.example.org")
    const answer = await transport.json("login.start", { address: "ada@example.org", startLoginRequest: "" }, {})
    expect(answer).toMatchObject({ ok: false, error: { code } })
    expect(answer.ok ? false : retryable(answer.error)).toBe(true)
  })
})
