import { createServer, type RequestListener, type Server } from "node:http"

import { utf8ToText } from "@keyferry/base"
import { afterEach, describe, expect, test } from "vitest"

import type { HttpRequest } from "../ports.ts"
import { createNodeHttp } from "./http.ts"

const LIMIT_MS = 400
let server: Server | undefined
const timers: NodeJS.Timeout[] = []
afterEach(() => {
  for (const timer of timers.splice(0)) clearInterval(timer)
  server?.closeAllConnections()
  server?.close()
})

const serve = async (listener: RequestListener): Promise<HttpRequest> => {
  server = createServer(listener)
  const port = await new Promise<number>((resolve) => {
    server?.listen(0, "127.0.0.1", () => {
      const address = server?.address()
      resolve(typeof address === "object" && address !== null ? address.port : 0)
    })
  })
  return { method: "GET", url: `http://127.0.0.1:${port}/`, headers: {}, timeoutMs: LIMIT_MS }
}
const drip = (write: () => void): void => void timers.push(setInterval(write, 20))

describe("a server that answers nothing, or too slowly", () => {
  test.each<readonly [string, RequestListener]>([
    ["takes the request and is silent", () => undefined],
    [
      "sends the first line and goes on for ever with its header",
      ({ socket }) => {
        socket.write("HTTP/1.1 200 OK\r\n")
        drip(() => void socket.write("x: y\r\n"))
      },
    ],
    [
      "sends its answer a byte at a time",
      (_, reply) => {
        reply.writeHead(200)
        drip(() => void reply.write(" "))
      },
    ],
  ])(
    "%s: no answer, soon after the limit",
    async (_, listener) => {
      const request = await serve(listener)
      const beganMs = performance.now()
      expect(await createNodeHttp().send(request)).toBeUndefined()
      expect(performance.now() - beganMs).toBeGreaterThanOrEqual(LIMIT_MS - 5)
    },
    10_000,
  )

  test("opens no stream by being silent, and none by refusing a byte at a time", async () => {
    const silent = await serve(() => undefined)
    expect(await createNodeHttp().stream(silent, () => undefined)).toEqual({ ok: false, error: undefined })
    const slow = await serve((_, reply) => {
      reply.writeHead(503)
      drip(() => void reply.write(" "))
    })
    expect(await createNodeHttp().stream(slow, () => undefined)).toEqual({ ok: false, error: undefined })
  })
})

describe("a server that takes its time and goes on", () => {
  test("a long answer may take longer than the limit while it moves", async () => {
    const part = Buffer.alloc(64 * 1024, 0x61)
    const request = await serve((_, reply) => {
      let left = 40
      drip(() => {
        if (left-- > 0) reply.write(part)
        else reply.end()
      })
    })
    const beganMs = performance.now()
    const answer = await createNodeHttp().send(request)
    expect(answer?.body.length).toBe(40 * part.length)
    expect(performance.now() - beganMs).toBeGreaterThan(LIMIT_MS)
  })

  test("a stream that is open lasts beyond the limit, and ends when it is closed", async () => {
    const request = await serve((_, reply) => {
      reply.writeHead(200)
      drip(() => void reply.write("."))
    })
    let heard = ""
    let onLate: () => void = () => undefined
    const late = new Promise<void>((resolve) => {
      onLate = resolve
    })
    const beganMs = performance.now()
    const opened = await createNodeHttp().stream(request, (chunk) => {
      heard += utf8ToText(chunk) ?? ""
      if (performance.now() - beganMs > 2 * LIMIT_MS) onLate()
    })
    await late
    expect(opened.ok).toBe(true)
    expect(heard.length).toBeGreaterThan(5)
    if (!opened.ok) return
    opened.value.close()
    await opened.value.closed
  })
})
