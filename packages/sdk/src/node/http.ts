import { Agent, request as httpRequest, type IncomingMessage } from "node:http"
import { Agent as TlsAgent, request as httpsRequest } from "node:https"

import { err, ok } from "@keyferry/base"

import type { Http, HttpReply, HttpRequest } from "../ports.ts"

const MAX_REPLY_BYTES = 80 * 1024 * 1024

/** Plain node:http with kept connections; `fetch` would cost a millisecond a request. */
export const createNodeHttp = (): Http => {
  const agents = { "http:": new Agent({ keepAlive: true }), "https:": new TlsAgent({ keepAlive: true }) }

  const start = (r: HttpRequest, onReply: (reply: IncomingMessage) => void, onFail: () => void): (() => void) => {
    const url = new URL(r.url)
    const secure = url.protocol === "https:"
    const open = secure ? httpsRequest : httpRequest
    const request = open(
      url,
      {
        method: r.method,
        headers: { ...r.headers, ...(r.body === undefined ? {} : { "content-length": r.body.length }) },
        agent: secure ? agents["https:"] : agents["http:"],
        timeout: r.timeoutMs,
      },
      onReply,
    )
    request.on("error", onFail)
    request.on("timeout", () => request.destroy(new Error("timeout")))
    request.end(r.body)
    return () => request.destroy()
  }

  const collect = (reply: IncomingMessage, done: (reply: HttpReply | undefined) => void): void => {
    const chunks: Uint8Array[] = []
    let size = 0
    reply.on("data", (chunk: Uint8Array) => {
      size += chunk.length
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
      new Promise((resolve) =>
        start(
          r,
          (reply) => collect(reply, resolve),
          () => resolve(undefined),
        ),
      ),
    stream: (r, onChunk) =>
      new Promise((resolve) => {
        const abort = start(
          { ...r, timeoutMs: 0 },
          (reply) => {
            if (reply.statusCode !== 200) {
              collect(reply, (answer) => resolve(err(answer)))
              return
            }
            const closed = new Promise<void>((end) => reply.on("close", () => end()))
            reply.on("data", (chunk: Uint8Array) => onChunk(new Uint8Array(chunk)))
            reply.on("error", () => reply.destroy())
            resolve(ok({ close: abort, closed }))
          },
          () => resolve(err(undefined)),
        )
      }),
  })
}
