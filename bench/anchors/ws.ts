import { createRequire } from "node:module"
import { join } from "node:path"

import { type RunningAnchor, startAnchor } from "../run/anchor.ts"
import { PEERS } from "../run/peers.ts"

interface Socket {
  readonly on: (event: string, listener: (message: never) => void) => void
  readonly once: (event: string, listener: (message: never) => void) => void
  readonly send: (message: Uint8Array) => void
  readonly close: () => void
}

export interface Echo {
  readonly server: RunningAnchor
  readonly open: () => Promise<Socket>
}

/** An echo over WebSockets. Needs the peer `ws`. */
export const startEcho = async (): Promise<Echo> => {
  const server = await startAnchor("ws-echo.mjs", [PEERS])
  const WebSocket = createRequire(join(PEERS, "package.json"))("ws") as new (url: string, options: object) => Socket
  return {
    server,
    open: () =>
      new Promise((resolve, reject) => {
        const socket = new WebSocket(`ws://127.0.0.1:${server.port}`, { perMessageDeflate: false })
        socket.once("open", () => resolve(socket))
        socket.once("error", reject)
      }),
  }
}

export const echoOnce = (socket: Socket, message: Uint8Array): Promise<void> =>
  new Promise((resolve) => {
    socket.once("message", () => resolve())
    socket.send(message)
  })
