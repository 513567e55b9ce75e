import { err } from "@keyferry/base"
import { expect, test } from "vitest"

import { type ByteChannel, createStrongroomClient, serveStrongroom, type StrongroomHandlers } from "./channel.ts"

/** Two ends of one line, here. */
const line = (): readonly [ByteChannel, ByteChannel] => {
  const heard: ((chunk: Uint8Array) => void)[] = []
  const end = (own: 0 | 1): ByteChannel => ({
    send: (bytes) => heard[1 - own]?.(bytes),
    onReceive: (listener) => void (heard[own] = listener),
    onClose: () => undefined,
  })
  return [end(0), end(1)]
}

test("a failure crosses with all that it says: its code, its words, when to come back, and the strongroom's time", async () => {
  const failure = { code: "clock-skew", detail: "in words", retryAfterS: 7, serverTimeMs: 1_790_000_000_617 } as const
  const [near, far] = line()
  const client = createStrongroomClient(near)
  const handlers = { events: async () => err(failure), accounts: async () => err({ code: "busy" }) }
  serveStrongroom(far, handlers as unknown as StrongroomHandlers, (_, error) => {
    throw error
  })
  expect(await client.call("events", { after: 0, max: 1 })).toEqual(err(failure))
  expect(await client.call("accounts", {})).toEqual(err({ code: "busy" }))
})
