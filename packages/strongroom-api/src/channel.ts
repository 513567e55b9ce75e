import { fromParsed, type Result, err } from "@keyferry/base"
import type { ErrorCode, Failure } from "@keyferry/protocol"
import { isErrorCode } from "@keyferry/protocol"

import { type CallName, type CallParams, type CallResult, calls, type CommitNotice } from "./calls.ts"
import { createFrameReader, decodeFrame, encodeFrame } from "./frames.ts"

/** Two byte directions: an inherited pipe between the processes, or a pair in memory in tests. */
export interface ByteChannel {
  readonly send: (bytes: Uint8Array) => void
  readonly onReceive: (listener: (bytes: Uint8Array) => void) => void
  readonly onClose: (listener: () => void) => void
}

export interface StrongroomClient {
  /** Errors: codes of the one table; `strongroom-unavailable` when the channel is gone. */
  readonly call: <C extends CallName>(name: C, params: CallParams<C>) => Promise<Result<CallResult<C>, Failure>>
  readonly onNotice: (listener: (notice: CommitNotice) => void) => void
}

export type StrongroomHandlers = {
  readonly [C in CallName]: (params: CallParams<C>) => Promise<Result<CallResult<C>, Failure>>
}

export const createStrongroomClient = (channel: ByteChannel): StrongroomClient => {
  let nextId = 1
  let closed = false
  const waiting = new Map<number, { name: CallName; settle: (result: Result<unknown, Failure>) => void }>()
  const listeners: ((notice: CommitNotice) => void)[] = []
  const unavailable: Failure = { code: "strongroom-unavailable", retryAfterS: 5 }

  const receive = (bytes: Uint8Array): void => {
    const frame = decodeFrame(bytes)
    if (frame === undefined || frame.kind === "request")
      throw new Error("the strongroom sent something that is not a frame")
    if (frame.kind === "notice") {
      for (const listener of listeners) listener(frame.notice)
      return
    }
    const pending = waiting.get(frame.id)
    if (pending === undefined) return
    waiting.delete(frame.id)
    if (frame.kind === "error") {
      const code: ErrorCode = isErrorCode(frame.code) ? frame.code : "internal"
      pending.settle(
        err({
          code,
          ...(frame.detail === "" ? {} : { detail: frame.detail }),
          ...(frame.retryAfterS === 0 ? {} : { retryAfterS: frame.retryAfterS }),
          ...(frame.serverTimeMs === 0 ? {} : { serverTimeMs: frame.serverTimeMs }),
        }),
      )
      return
    }
    pending.settle(fromParsed(calls[pending.name].result as never, frame.result) as never)
  }

  channel.onReceive(createFrameReader(receive))
  channel.onClose(() => {
    closed = true
    for (const pending of waiting.values()) pending.settle(err(unavailable))
    waiting.clear()
  })

  return Object.freeze<StrongroomClient>({
    call: (name, params) =>
      new Promise((resolve) => {
        if (closed) {
          resolve(err(unavailable))
          return
        }
        const id = nextId++
        waiting.set(id, {
          name,
          settle: (result) => {
            if (!result.ok && (result.error as unknown) === "malformed")
              throw new Error(`answer to ${name} has another shape`)
            resolve(result as never)
          },
        })
        channel.send(
          encodeFrame({
            kind: "request",
            id,
            name,
            params: (calls[name].params as never as { toCbor: (p: unknown) => never }).toCbor(params),
          }),
        )
      }),
    onNotice: (listener) => {
      listeners.push(listener)
    },
  })
}

/** Answers calls on a channel. A defect in one call answers `internal`, is reported, and leaves the others alone. */
export const serveStrongroom = (
  channel: ByteChannel,
  handlers: StrongroomHandlers,
  onDefect: (name: string, error: unknown) => void,
): { readonly notify: (notice: CommitNotice) => void } => {
  const fail = (id: number, failure: Failure): void =>
    channel.send(
      encodeFrame({
        kind: "error",
        id,
        code: failure.code,
        detail: failure.detail ?? "",
        retryAfterS: failure.retryAfterS ?? 0,
        serverTimeMs: failure.serverTimeMs ?? 0,
      }),
    )
  const receive = (bytes: Uint8Array): void => {
    const frame = decodeFrame(bytes)
    if (frame === undefined || frame.kind !== "request") throw new Error("the server sent something that is not a call")
    if (!Object.hasOwn(calls, frame.name)) {
      fail(frame.id, { code: "malformed" })
      return
    }
    const name = frame.name as CallName
    const params = fromParsed(calls[name].params as never, frame.params)
    if (!params.ok) {
      fail(frame.id, { code: "malformed" })
      return
    }
    void answer(frame.id, name, params.value)
  }
  const answer = async (id: number, name: CallName, params: unknown): Promise<void> => {
    try {
      const result = await (handlers[name] as (p: unknown) => Promise<Result<unknown, Failure>>)(params)
      if (!result.ok) {
        fail(id, result.error)
        return
      }
      const shape = calls[name].result as never as { toCbor: (r: unknown) => never }
      channel.send(encodeFrame({ kind: "result", id, result: shape.toCbor(result.value) }))
    } catch (error) {
      onDefect(name, error)
      fail(id, { code: "internal" })
    }
  }
  channel.onReceive(createFrameReader(receive))
  return Object.freeze({ notify: (notice: CommitNotice) => channel.send(encodeFrame({ kind: "notice", notice })) })
}

/** A pair of channels in memory, for tests of either side. Delivery is asynchronous, as on a pipe. */
export const createChannelPair = (): readonly [ByteChannel, ByteChannel] => {
  const make = () => ({ receive: [] as ((b: Uint8Array) => void)[], close: [] as (() => void)[] })
  const a = make()
  const b = make()
  const side = (own: typeof a, other: typeof a): ByteChannel => ({
    send: (bytes) => queueMicrotask(() => other.receive.forEach((f) => f(bytes))),
    onReceive: (f) => own.receive.push(f),
    onClose: (f) => own.close.push(f),
  })
  return [side(a, b), side(b, a)]
}
