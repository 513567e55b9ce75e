import { createServer } from "node:http"
import { createServer as createLine, type Server, type Socket } from "node:net"

/** What may stand at the address of a server that is gone: a proxy that says so, or something that takes a call and never answers. */
export type Standing = "proxy" | "silence"

/** Stands there until it is closed. */
export const standAt = async (origin: string, what: Standing): Promise<() => Promise<void>> => {
  const sockets = new Set<Socket>()
  const server: Server =
    what === "silence"
      ? createLine()
      : createServer((_, answer) => {
          answer.writeHead(502, { "content-type": "text/html" })
          answer.end("<h1>502 Bad Gateway</h1>")
        })
  server.on("connection", (socket: Socket) => {
    sockets.add(socket)
    socket.on("error", () => socket.destroy())
  })
  const { hostname, port } = new URL(origin)
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject)
    server.listen(Number(port), hostname, resolve)
  })
  return async () => {
    for (const socket of sockets) socket.destroy()
    await new Promise<void>((resolve) => server.close(() => resolve()))
  }
}
