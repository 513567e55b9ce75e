import { connect, type Socket } from "node:net"
import process from "node:process"

import { VERSION } from "../version.ts"
import { createFrameReader, encodeFrame } from "./frames.ts"
import { type AgentMessage, parseAgentMessage, type RunAnswer, type RunMessage } from "./messages.ts"

/** One connection to the agent. */
export interface Channel {
  readonly agentVersion: string
  readonly agentPid: number
  readonly agentFolder: string
  /** Rejects with `ChannelClosed` when the agent goes away before it answers. */
  readonly call: (name: string, args: readonly unknown[], onProgress?: (progress: unknown) => void) => Promise<unknown>
  readonly run: (message: Omit<RunMessage, "id">) => Promise<RunAnswer>
  readonly onChange: (listener: () => void) => () => void
  readonly closed: Promise<void>
  readonly close: () => void
}

export class ChannelClosed extends Error {
  override readonly name = "ChannelClosed"
}

interface Waiting {
  readonly resolve: (value: unknown) => void
  readonly reject: (error: Error) => void
  readonly onProgress: ((progress: unknown) => void) | undefined
}

/** `undefined`: nobody listens there. */
export const openChannel = (path: string, who: string, folder: string): Promise<Channel | undefined> =>
  new Promise((resolveChannel) => {
    const socket = connect(path)
    const waiting = new Map<number, Waiting>()
    const listeners = new Set<() => void>()
    const closed = Promise.withResolvers<void>()
    let nextId = 1

    socket.once("connect", () => {
      socket.write(encodeFrame({ hello: { version: VERSION, pid: process.pid, who, folder } }))
    })
    // Every error is followed by `close`, where it is told to whoever waits.
    socket.on("error", () => undefined)
    socket.once("close", () => {
      for (const { reject } of waiting.values()) reject(new ChannelClosed("the agent closed the connection"))
      waiting.clear()
      closed.resolve()
      resolveChannel(undefined)
    })
    onMessages(socket, (message) => {
      if (message.kind === "hello") resolveChannel(createChannel(message))
      else if (message.kind === "change") for (const listener of listeners) listener()
      else if (message.kind === "progress") waiting.get(message.id)?.onProgress?.(message.progress)
      else {
        waiting.get(message.id)?.resolve(message.value)
        waiting.delete(message.id)
      }
    })

    const send = (message: object, onProgress?: (progress: unknown) => void): Promise<unknown> =>
      new Promise((resolve, reject) => {
        if (socket.destroyed) {
          reject(new ChannelClosed("the agent closed the connection"))
          return
        }
        const id = nextId++
        waiting.set(id, { resolve, reject, onProgress })
        socket.write(encodeFrame({ ...message, id }))
      })

    const createChannel = (hello: AgentMessage & { kind: "hello" }): Channel =>
      Object.freeze({
        agentVersion: hello.version,
        agentPid: hello.pid,
        agentFolder: hello.folder,
        call: (name, args, onProgress) => send({ call: name, args, progress: onProgress !== undefined }, onProgress),
        run: async (message) => parseRunAnswer(await send(message)),
        onChange: (listener) => {
          listeners.add(listener)
          if (listeners.size === 1) void send({ call: "watch", args: [] }).catch(() => undefined)
          return () => void listeners.delete(listener)
        },
        closed: closed.promise,
        close: () => void socket.destroy(),
      } satisfies Channel)
  })

const onMessages = (socket: Socket, handle: (message: AgentMessage) => void): void => {
  const reader = createFrameReader()
  socket.on("data", (chunk: Buffer) => {
    try {
      for (const value of reader.push(chunk)) {
        const message = parseAgentMessage(value)
        if (message !== undefined) handle(message)
      }
    } catch {
      // Not our protocol at all: as good as nobody there.
      socket.destroy()
    }
  })
}

const parseRunAnswer = (value: unknown): RunAnswer => {
  if (typeof value !== "object" || value === null) throw new ChannelClosed("the agent answered nonsense")
  const { again, stdout, stderr, exit } = value as Record<string, unknown>
  if (typeof stdout !== "string" || typeof stderr !== "string" || typeof exit !== "number") {
    throw new ChannelClosed("the agent answered nonsense")
  }
  return { again: again === true, stdout, stderr, exit }
}
