import { once } from "node:events"
import { type AddressInfo, connect, createServer, type Socket } from "node:net"
import { createRequestReader } from "./request-reader.ts"

export interface CapturedChunk {
  readonly connection: number
  /** up: from the client to the target. */
  readonly direction: "up" | "down"
  /** Milliseconds since the proxy started, never going back. */
  readonly atMs: number
  readonly bytes: Uint8Array
}

export interface CapturedRequest {
  readonly connection: number
  readonly atMs: number
  readonly method: string
  readonly path: string
}

export interface CaptureProxy extends AsyncDisposable {
  readonly port: number
  /** `http://localhost:PORT` */
  readonly url: string
  /** Now, on the clock of the captured times. */
  readonly nowMs: () => number
  readonly chunks: () => readonly CapturedChunk[]
  /** HTTP/1.1 requests by the moment their head was complete. */
  readonly requests: (fromMs?: number, toMs?: number) => readonly CapturedRequest[]
  /** All bytes of one direction, connection after connection, for a search. */
  readonly bytes: (direction: "up" | "down") => Uint8Array
  readonly openConnections: () => number
  /** Cuts every connection and refuses new ones, until `plug`: the cable is out. */
  readonly unplug: () => void
  readonly plug: () => void
  readonly stop: () => Promise<void>
}

/**
 * Stands between a client and `target` on loopback and keeps every byte of both directions. `ownPort` is for one that takes the
 * place of another; any free port otherwise.
 */
export const startCaptureProxy = async (
  target: { readonly port: number; readonly host?: string },
  ownPort = 0,
): Promise<CaptureProxy> => {
  const originMs = performance.now()
  const nowMs = (): number => performance.now() - originMs
  const chunks: CapturedChunk[] = []
  const requests: CapturedRequest[] = []
  const open = new Set<Socket>()
  let [connections, plugged] = [0, true]

  const server = createServer((client) => {
    if (!plugged) {
      client.destroy()
      return
    }
    const connection = connections++
    const upstream = connect({ port: target.port, host: target.host ?? "127.0.0.1" })
    const reader = createRequestReader(({ method, path }) => {
      requests.push({ connection, atMs: nowMs(), method, path })
    })
    const pass = (from: Socket, to: Socket, direction: "up" | "down"): void => {
      open.add(from)
      from.on("data", (bytes: Buffer) => {
        chunks.push({ connection, direction, atMs: nowMs(), bytes: Uint8Array.from(bytes) })
        if (direction === "up") reader(bytes)
        if (!to.write(bytes)) from.pause()
      })
      to.on("drain", () => from.resume())
      from.on("end", () => to.end())
      // A reset on one side is a reset on the other.
      from.on("error", () => to.destroy())
      from.on("close", () => {
        open.delete(from)
        to.destroy()
      })
    }
    pass(client, upstream, "up")
    pass(upstream, client, "down")
  })
  server.listen(ownPort, "127.0.0.1")
  await once(server, "listening")
  const { port } = server.address() as AddressInfo

  const cut = (): void => {
    for (const socket of open) socket.destroy()
  }

  const stop = async (): Promise<void> => {
    cut()
    if (!server.listening) return
    await new Promise<void>((resolve) => server.close(() => resolve()))
  }

  return Object.freeze({
    port,
    url: `http://localhost:${port}`,
    nowMs,
    chunks: () => [...chunks],
    requests: (fromMs = 0, toMs = Infinity) => requests.filter(({ atMs }) => atMs >= fromMs && atMs <= toMs),
    bytes: (direction: "up" | "down") => {
      const wanted = chunks.filter((chunk) => chunk.direction === direction)
      return Buffer.concat(wanted.sort((a, b) => a.connection - b.connection).map((chunk) => chunk.bytes))
    },
    openConnections: () => Math.ceil(open.size / 2),
    unplug: () => {
      plugged = false
      cut()
    },
    plug: () => {
      plugged = true
    },
    stop,
    [Symbol.asyncDispose]: stop,
  })
}
