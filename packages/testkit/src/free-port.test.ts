import { createServer } from "node:net"
import { expect, test } from "vitest"

import { freePort } from "./free-port.ts"

const listenAt = (port: number): Promise<ReturnType<typeof createServer>> =>
  new Promise((resolve, reject) => {
    const server = createServer().once("error", reject)
    server.listen(port, "127.0.0.1", () => resolve(server))
  })

test("a port can be listened on, again and again, and is none that the system gives to others meanwhile", async () => {
  const port = await freePort()
  const others = await Promise.all(Array.from({ length: 200 }, () => listenAt(0)))
  const given = others.map((server) => (server.address() as { readonly port: number }).port)
  expect(given).not.toContain(port)
  for (let starts = 0; starts < 3; starts++) {
    const server = await listenAt(port)
    await new Promise((resolve) => server.close(resolve))
  }
  for (const server of others) server.close()
})
