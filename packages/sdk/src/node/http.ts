import { Agent, type ClientRequest, request as httpRequest, type IncomingMessage } from "node:http"
import { Agent as TlsAgent, request as httpsRequest } from "node:https"

import { err, ok } from "@keyferry/base"

import type { Http, HttpReply, HttpRequest } from "../ports.ts"

const MAX_REPLY_BYTES = 80 * 1024 * 1024
/** Bytes of one request and its answer for each millisecond that it takes longer than its limit. */
const SLOWEST = 16

/** Plain node:http with kept connections; `fetch` would cost a millisecond a request. */
export const createNodeHttp = (): Http => {
  const agents = { "http:": new Agent({ keepAlive: true }), "https:": new TlsAgent({ keepAlive: true }) }

  const start = (r: HttpRequest, onReply: (reply: IncomingMessage) => void, onFail: () => void): ClientRequest => {
    const url = new URL(r.url)
    const secure = url.protocol === "https:"
    const open = secure ? httpsRequest : httpRequest
    const request = open(
      url,
      {
        method: r.method,
        headers: { ...r.headers, ...(r.body === undefined ? {} : { "content-length": r.body.length }) },
        agent: secure ? agents["https:"] : agents["http:"],
      },
      onReply,
    )
    request.on("error", onFail)
    request.end(r.body)
    return request
  }

  const collect = (
    reply: IncomingMessage,
    onBytes: (count: number) => void,
    done: (reply: HttpReply | undefined) => void,
  ): void => {
    const chunks: Uint8Array[] = []
    let size = 0
    reply.on("data", (chunk: Uint8Array) => {
      size += chunk.length
      onBytes(chunk.length)
      if (size > MAX_REPLY_BYTES) reply.destroy(new Error("reply too large"))
      else chunks.push(chunk)
    })
    reply.on("end", () =>
      done({
        status: reply.statusCode ?? 0,
        contentType: reply.headers["content-type"] ?? "",
        body: new Uint8Array(Buffer.concat(chunks)),
      }),
    )
    reply.on("error", () => done(undefined))
  }

  return Object.freeze<Http>({
    send: (r) =>
      new Promise((resolve) => {
        const done = (reply: HttpReply | undefined): void => {
          limit.lift()
          resolve(reply)
        }
        const request = start(
          r,
          (reply) => collect(reply, limit.moved, done),
          () => done(undefined),
        )
        const limit = limitTime(r, () => request.destroy(new Error("timeout")))
      }),
    stream: (r, onChunk) =>
      new Promise((resolve) => {
        const fail = (answer?: HttpReply): void => {
          limit.lift()
          resolve(err(answer))
        }
        const request = start(
          r,
          (reply) => {
            if (reply.statusCode !== 200) {
              collect(reply, limit.moved, fail)
              return
            }
            // It is open: from here on it may last.
            limit.lift()
            const closed = new Promise<void>((end) => reply.on("close", () => end()))
            reply.on("data", (chunk: Uint8Array) => onChunk(new Uint8Array(chunk)))
            reply.on("error", () => reply.destroy())
            resolve(ok({ close: () => void request.destroy(), closed }))
          },
          () => fail(),
        )
        const limit = limitTime(r, () => request.destroy(new Error("timeout")))
      }),
  })
}

/**
 * The whole exchange in `timeoutMs`, and longer only as long as bytes move. A limit on the silence between two bytes would let
 * a server that sends one now and then hold a device's request for ever.
 */
const limitTime = (
  { timeoutMs, body }: HttpRequest,
  onLate: () => void,
): { readonly moved: (bytes: number) => void; readonly lift: () => void } => {
  const beganMs = performance.now()
  let allowedMs = timeoutMs + (body?.length ?? 0) / SLOWEST
  let timer: NodeJS.Timeout | undefined
  const look = (): void => {
    const leftMs = allowedMs - (performance.now() - beganMs)
    if (leftMs > 0) timer = setTimeout(look, Math.ceil(leftMs))
    else onLate()
  }
  look()
  return {
    moved: (bytes) => {
      allowedMs += bytes / SLOWEST
    },
    lift: () => clearTimeout(timer),
  }
}
