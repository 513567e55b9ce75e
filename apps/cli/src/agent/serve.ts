import type { Socket } from "node:net"

import type { Result } from "@keyferry/base"
import type { Failure } from "@keyferry/sdk/errors"

import type { Keyferry } from "../keyferry.ts"
import { VERSION } from "../version.ts"
import { createFrameReader, encodeFrame } from "./frames.ts"
import { type CallMessage, type HelloMessage, parseClientMessage, type RunAnswer, type RunMessage } from "./messages.ts"
import { isMethod, type Method, METHODS } from "./methods.ts"

/** What a connection may reach. `own`: the agent's calls by name, each given its arguments. */
export interface AgentDoor {
  readonly keyferry: Keyferry
  readonly folder: string
  readonly pid: number
  readonly own: Readonly<Record<string, (args: readonly unknown[]) => unknown>>
  readonly run: (message: RunMessage) => Promise<RunAnswer>
  readonly note: (hello: HelloMessage["hello"], what: string) => void
  /** Told after each call, so that timers and the SSH view follow the lock state. */
  readonly afterCall: (method: Method) => void
  /** The whole story of a defect goes to the agent's log; the client hears `internal`. */
  readonly defect: (error: unknown) => void
}

const INTERNAL = {
  ok: false,
  error: { code: "internal", detail: "The agent's log tells more: kf doctor" },
} as const

/** Answers one client until it goes. Work that was begun goes on after the client has left. */
export const serveConnection = (socket: Socket, door: AgentDoor): void => {
  const reader = createFrameReader()
  let hello: HelloMessage["hello"] | undefined
  let stopWatching: (() => void) | undefined
  const approvals = new Map<number, Promise<Result<void, Failure>>>()
  let nextTicket = 1

  const send = (message: unknown): void => {
    if (!socket.destroyed) socket.write(encodeFrame(message))
  }

  const callMethod = async (message: CallMessage, method: Method): Promise<unknown> => {
    const listener =
      METHODS[method].progress && message.progress ? [(progress: unknown) => send({ id: message.id, progress })] : []
    const target: unknown = door.keyferry[method]
    const value: unknown = await Reflect.apply(target as (...args: unknown[]) => unknown, door.keyferry, [
      ...message.args,
      ...listener,
    ])
    door.afterCall(method)
    return value
  }

  const approve = async (id: unknown, words: unknown): Promise<unknown> => {
    const answer = await door.keyferry.approve(String(id), String(words))
    if (!answer.ok) return answer
    const ticket = nextTicket++
    // Who asked may be gone before it ends; what is thrown then would end the agent.
    const done = answer.value.done.catch((error: unknown) => {
      door.defect(error)
      return INTERNAL
    })
    approvals.set(ticket, done)
    return { ok: true, value: { reply: answer.value.reply, ticket } }
  }

  const call = async (message: CallMessage): Promise<unknown> => {
    const { call: name, args } = message
    if (name === "watch") {
      stopWatching ??= door.keyferry.onChange(() => send({ change: true }))
      return true
    }
    if (name === "approve") return approve(args[0], args[1])
    if (name === "approveDone") return approvals.get(Number(args[0]))
    if (isMethod(name)) return callMethod(message, name)
    const own = Object.hasOwn(door.own, name) ? door.own[name] : undefined
    return own?.(args)
  }

  const answer = async (message: CallMessage | RunMessage): Promise<void> => {
    try {
      if ("run" in message) {
        send({ id: message.id, value: await door.run(message) })
        return
      }
      send({ id: message.id, value: await call(message) })
    } catch (error) {
      door.defect(error)
      send({ id: message.id, value: "run" in message ? { again: true, stdout: "", stderr: "", exit: 1 } : INTERNAL })
    }
  }

  // A client that goes away mid-write is nobody's problem: `close` follows.
  socket.on("error", () => undefined)
  socket.once("close", () => stopWatching?.())
  socket.on("data", (chunk: Buffer) => {
    let values: readonly unknown[]
    try {
      values = reader.push(chunk)
    } catch {
      socket.destroy()
      return
    }
    for (const value of values) {
      const message = parseClientMessage(value)
      if (message === undefined) {
        socket.destroy()
        return
      }
      if ("hello" in message) {
        hello = message.hello
        send({ hello: { version: VERSION, pid: door.pid, folder: door.folder } })
        continue
      }
      const stops = "call" in message && message.call === "agentStop"
      // Between two versions only this is understood, or an old agent could never be replaced.
      if (hello === undefined || (hello.version !== VERSION && !stops)) {
        socket.destroy()
        return
      }
      // Kept for an hour, whatever a program calls its call.
      door.note(hello, ("run" in message ? (message.run[0] ?? "") : message.call).slice(0, 80))
      void answer(message)
    }
  })
}
