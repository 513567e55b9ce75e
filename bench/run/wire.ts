import { connect, type Socket } from "node:net"

import { signRequest } from "../../apps/strongroom/src/fixture.ts"
import type { RouteName } from "../../packages/protocol/src/index.ts"
import type { TestDevice } from "../../apps/strongroom/src/fixture.ts"

/*
 * HTTP/1.1 over one kept connection, written by hand: the client of a load must not be what limits it. Requests are signed
 * beforehand where the load allows it, since the devices of a real crowd sign on their own processors.
 */
export interface Answer {
  readonly status: number
  readonly body: Uint8Array
  /** Of the whole answer on the wire, with its head. */
  readonly wireBytes: number
}

export interface Connection {
  /** One request at a time; the answer is whole. */
  readonly send: (request: Uint8Array) => Promise<Answer>
  readonly close: () => void
}

export const openConnection = (port: number): Promise<Connection> =>
  new Promise((resolve, reject) => {
    const socket: Socket = connect({ host: "127.0.0.1", port, noDelay: true })
    let held: Buffer = Buffer.alloc(0)
    // Of a large answer: joined once, when all of it is there.
    let parts: Buffer[] = []
    let still = 0
    let waiting: { readonly resolve: (answer: Answer) => void; readonly reject: (error: Error) => void } | undefined
    socket.on("data", (chunk: Buffer) => {
      parts.push(chunk)
      still -= chunk.length
      if (still > 0) return
      held = parts.length === 1 ? chunk : Buffer.concat(parts)
      parts = [held]
      const end = held.indexOf("\r\n\r\n")
      if (end < 0 || waiting === undefined) return
      const head = held.toString("latin1", 0, end)
      const length = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0)
      const total = end + 4 + length
      still = total - held.length
      if (still > 0) return
      const answer = {
        status: Number(head.slice(9, 12)),
        body: new Uint8Array(held.subarray(end + 4, total)),
        wireBytes: total,
      }
      held = held.subarray(total)
      parts = held.length === 0 ? [] : [held]
      still = 0
      const { resolve: done } = waiting
      waiting = undefined
      done(answer)
    })
    const fail = (error: Error): void => {
      waiting?.reject(error)
      reject(error)
    }
    socket.once("error", fail)
    socket.once("close", () => fail(new Error("the connection was closed")))
    socket.once("connect", () =>
      resolve({
        send: (request) =>
          new Promise((done, failed) => {
            if (socket.destroyed) failed(new Error("the connection was closed"))
            waiting = { resolve: done, reject: failed }
            socket.write(request)
          }),
        close: () => {
          socket.removeAllListeners("close")
          socket.destroy()
        },
      }),
    )
  })

/** A signed request as bytes for the wire. */
export const wireRequest = async (
  route: RouteName,
  device: TestDevice,
  authority: string,
  body: Uint8Array,
): Promise<Uint8Array> => {
  const signed = await signRequest(route, device.authSeed, device.deviceId, body, Date.now(), { authority })
  const lines = [
    `${signed.method} ${signed.path} HTTP/1.1`,
    `host: ${authority}`,
    "keyferry-client: bench/1.0.0 protocol/1",
    ...signed.headers.map(([name, value]) => `${name}: ${value}`),
    ...(body.length === 0 ? [] : [`content-length: ${body.length}`]),
  ]
  return Buffer.concat([Buffer.from(`${lines.join("\r\n")}\r\n\r\n`, "latin1"), body])
}
