import { chmodSync, lstatSync, mkdirSync, rmSync } from "node:fs"
import { connect, createServer, type Server } from "node:net"
import { dirname } from "node:path"
import type { Duplex } from "node:stream"

import { err, ok, type Result } from "@keyferry/base"

import type { Agent } from "./agent.ts"
import { createFrameReader, encodeFrame } from "./frames.ts"

/**
 * Serves one connection over any byte stream: one answer for each request, in order. Ends it after a frame that is
 * empty or above 256 KiB, and when the stream fails. `onDefect` hears of a signer that throws: the client is cut off, and
 * the program around the agent decides what it does about its defect.
 */
export const serveStream = (stream: Duplex, agent: Agent, onDefect: (defect: unknown) => void): void => {
  const session = agent.openSession()
  const frames = createFrameReader()
  let answered: Promise<void> = Promise.resolve()
  stream.on("data", (chunk: Uint8Array) => {
    const messages = frames.push(new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength))
    if (messages === undefined) {
      stream.destroy()
      return
    }
    if (messages.length === 0) return
    // Nothing more is read until these are answered: a client cannot pile up work.
    stream.pause()
    answered = answered
      .then(async () => {
        for (const message of messages) {
          const answer = await session.answer(message)
          if (stream.destroyed) return
          stream.write(encodeFrame(answer))
        }
        stream.resume()
      })
      .catch((defect: unknown) => {
        stream.destroy()
        onDefect(defect)
      })
  })
  // Answers of requests already read still go out before the end.
  stream.on("end", () => void answered.then(() => stream.end()))
  stream.on("error", () => void stream.destroy())
}

export type ListenProblem =
  /** A living agent answers there. */
  | { readonly code: "socket-in-use" }
  /** Something that is no socket lies there, or others may write into the folder. */
  | { readonly code: "socket-unsafe" }
  | { readonly code: "socket-failed"; readonly reason: string }

export interface AgentServer {
  readonly path: string
  readonly close: () => Promise<void>
}

/**
 * Listens on a Unix socket that only this person can open: mode 0600 in a folder of mode 0700 that is made if missing.
 * A socket that nobody answers on is a leftover and is replaced.
 * Errors   socket-in-use, socket-unsafe, socket-failed with the system's code
 */
export const listenOnSocket = async (
  path: string,
  agent: Agent,
  onDefect: (defect: unknown) => void,
): Promise<Result<AgentServer, ListenProblem>> => {
  const folder = dirname(path)
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const owner = lstatSync(folder)
  if (!owner.isDirectory() || (owner.mode & 0o077) !== 0 || owner.uid !== process.getuid?.())
    return err({ code: "socket-unsafe" })
  const present = lstatSync(path, { throwIfNoEntry: false })
  if (present !== undefined) {
    if (!present.isSocket()) return err({ code: "socket-unsafe" })
    if (await isAnswered(path)) return err({ code: "socket-in-use" })
    rmSync(path)
  }
  const streams = new Set<Duplex>()
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    streams.add(socket)
    socket.on("close", () => streams.delete(socket))
    serveStream(socket, agent, onDefect)
  })
  const failed = await listen(server, path)
  if (failed !== undefined) return err({ code: "socket-failed", reason: failed })
  chmodSync(path, 0o600)
  const close = (): Promise<void> => {
    const closed = new Promise<void>((resolve) => void server.close(() => resolve()))
    for (const stream of streams) stream.destroy()
    return closed
  }
  return ok(Object.freeze({ path, close }))
}

const isAnswered = (path: string): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(path)
    socket.once("connect", () => {
      socket.destroy()
      resolve(true)
    })
    socket.once("error", () => resolve(false))
  })

const listen = (server: Server, path: string): Promise<string | undefined> =>
  new Promise((resolve) => {
    server.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? "unknown"))
    server.listen(path, () => resolve(undefined))
  })
