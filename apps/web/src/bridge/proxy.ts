import type { Keyferry, Status } from "@keyferry/sdk"

import { isOpen } from "./is-open.ts"
import { createListHearer, type ListEnd } from "./list-line.ts"
import { METHODS, type Method, type Reply, type Request } from "./messages.ts"

/** One end of a two-way line, as a port or a channel gives it. */
export interface Line<Out, In> {
  readonly send: (message: Out) => void
  readonly listen: (onMessage: (message: In) => void) => void
}

export const portLine = <Out, In>(port: MessagePort): Line<Out, In> => ({
  send: (message) => port.postMessage(message),
  listen: (onMessage) => {
    port.addEventListener("message", (event: MessageEvent<In>) => onMessage(event.data))
    port.start()
  },
})

interface Waiting {
  readonly resolve: (value: unknown) => void
  readonly reject: (error: Error) => void
  readonly method: Method
  readonly onProgress: ((value: unknown) => void) | undefined
}

export interface Remote {
  readonly keyferry: Omit<Keyferry, "onChange" | "close">
  readonly send: (request: Request) => void
}

/** The SDK's interface over a line. Only plain values cross; callbacks and promises stay here under the call's number. */
export const createRemote = (
  line: Line<Request, Reply>,
  onOther: (reply: Extract<Reply, { kind: "changed" | "role" | "failed" | "passkey" }>) => void,
): Remote => {
  const waiting = new Map<number, Waiting>()
  const list = createListHearer()
  const late = new Map<number, (value: unknown) => void>()
  let last = 0

  line.listen((reply) => {
    if (reply.kind === "changed" || reply.kind === "role" || reply.kind === "failed" || reply.kind === "passkey") {
      onOther(reply)
      return
    }
    if (reply.kind === "late") {
      late.get(reply.id)?.(reply.value)
      late.delete(reply.id)
      return
    }
    if (reply.kind === "listed") {
      list.part(reply.id, reply.text)
      return
    }
    const call = waiting.get(reply.id)
    if (call === undefined) return
    if (reply.kind === "progress") {
      call.onProgress?.(reply.value)
      return
    }
    waiting.delete(reply.id)
    if (reply.kind === "answer" && call.method === "list" && isListEnd(reply.value)) {
      call.resolve({ ok: true, value: list.end(reply.id, reply.value.value) })
      return
    }
    if (reply.kind === "answer" && call.method === "status" && !isOpen(reply.value as Status)) list.forget()
    if (reply.kind === "defect") call.reject(new Error(reply.message))
    else
      call.resolve(reply.hasLate ? withLate(reply.value, new Promise((tell) => late.set(reply.id, tell))) : reply.value)
  })

  const call =
    (method: Method) =>
    (...args: readonly unknown[]): Promise<unknown> =>
      new Promise((resolve, reject) => {
        const id = ++last
        const callback = args.find((arg) => typeof arg === "function") as ((value: unknown) => void) | undefined
        waiting.set(id, { resolve, reject, method, onProgress: callback })
        const plain = args.map((arg) => (typeof arg === "function" ? { callback: true } : arg))
        line.send({ kind: "call", id, method, args: plain })
      })

  const methods = Object.keys(METHODS) as Method[]
  return {
    keyferry: Object.fromEntries(methods.map((name) => [name, call(name)])) as unknown as Omit<
      Keyferry,
      "onChange" | "close"
    >,
    send: line.send,
  }
}

const isListEnd = (value: unknown): value is { readonly ok: true; readonly value: ListEnd } =>
  (value as { readonly ok?: boolean } | undefined)?.ok === true

/** `approve` answers twice: with the reply words, and when the other device took them. */
const withLate = (value: unknown, done: Promise<unknown>): unknown => {
  const result = value as { readonly ok: boolean; readonly value: object }
  return { ...result, value: { ...result.value, done } }
}
