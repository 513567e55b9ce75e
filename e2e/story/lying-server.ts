import { once } from "node:events"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"

export interface LyingServer {
  readonly port: number
  readonly asked: () => readonly string[]
  readonly stop: () => void
}

/** Says to everybody that their device was removed, and shows no signed link that says so. */
export const startLyingServer = async (): Promise<LyingServer> => {
  const asked: string[] = []
  const server = createServer((request, reply) => {
    asked.push(request.url ?? "")
    request.resume()
    reply.writeHead(401, { "content-type": "application/problem+json" })
    reply.end(JSON.stringify({ type: "urn:keyferry:error:device-removed", code: "device-removed", status: 401 }))
  })
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  return {
    port: (server.address() as AddressInfo).port,
    asked: () => asked,
    stop: () => {
      server.closeAllConnections()
      server.close()
    },
  }
}
