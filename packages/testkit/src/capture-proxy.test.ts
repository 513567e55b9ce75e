import { once } from "node:events"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { afterAll, beforeAll, expect, test } from "vitest"
import { startCaptureProxy } from "./capture-proxy.ts"
import { createRequestReader } from "./request-reader.ts"

const server = createServer((request, response) => {
  request.resume().on("end", () => response.end(`answer to ${request.url}`))
})
let port = 0
beforeAll(async () => {
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  port = (server.address() as AddressInfo).port
})
afterAll(() => server.close())

test("both directions are kept, and requests are told with their times", async () => {
  await using proxy = await startCaptureProxy({ port })
  const answer = await fetch(`${proxy.url}/api/sync?x=1`, {
    method: "POST",
    body: "planted\r\nGET /inside HTTP/1.1\r\n\r\n",
  })
  expect(await answer.text()).toBe("answer to /api/sync?x=1")
  const between = proxy.nowMs()
  await (await fetch(`${proxy.url}/second`)).text()
  expect(proxy.requests().map(({ method, path }) => `${method} ${path}`)).toEqual(["POST /api/sync?x=1", "GET /second"])
  expect(proxy.requests(between).map(({ path }) => path)).toEqual(["/second"])
  expect(proxy.requests(proxy.nowMs())).toEqual([])
  expect(Buffer.from(proxy.bytes("up")).toString()).toContain("planted")
  expect(Buffer.from(proxy.bytes("down")).toString()).toContain("answer to /second")
})

test("large bodies pass whole", async () => {
  await using proxy = await startCaptureProxy({ port })
  const body = Buffer.alloc(3_000_000, 7)
  await (await fetch(`${proxy.url}/large`, { method: "POST", body })).text()
  expect(Buffer.from(proxy.bytes("up")).includes(body)).toBe(true)
})

test("an unplugged proxy reaches nobody until it is plugged in again", async () => {
  await using proxy = await startCaptureProxy({ port })
  proxy.unplug()
  await expect(fetch(`${proxy.url}/a`)).rejects.toThrow()
  proxy.plug()
  expect((await fetch(`${proxy.url}/b`)).status).toBe(200)
  expect(proxy.requests().map(({ path }) => path)).toEqual(["/b"])
})

test("a target that is not there ends the connection", async () => {
  await using proxy = await startCaptureProxy({ port: 1 })
  await expect(fetch(proxy.url)).rejects.toThrow()
})

test("requests are found however the bytes are cut", () => {
  const text =
    "POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nGET /\r\n0\r\n\r\n" +
    "PUT /b HTTP/1.1\r\nContent-Length: 18\r\n\r\nGET /x HTTP/1.1\r\n\r" +
    "GET /c HTTP/1.1\r\nUpgrade: websocket\r\n\r\nGET /d HTTP/1.1\r\n\r\n"
  for (const size of [1, 3, 1000]) {
    const seen: string[] = []
    const read = createRequestReader(({ method, path }) => void seen.push(`${method} ${path}`))
    for (let at = 0; at < text.length; at += size) read(Buffer.from(text.slice(at, at + size)))
    expect(seen).toEqual(["POST /a", "PUT /b", "GET /c"])
  }
})
