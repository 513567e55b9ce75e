import { bytesToBase64url, ok, type Struct, utf8, utf8ToText } from "@keyferry/base"
import { type RouteName, routeOf } from "@keyferry/protocol"
import type { Http, HttpReply, HttpRequest } from "@keyferry/sdk"

/** One request of the device under test and what it was answered. */
export interface Exchange {
  readonly route: RouteName | undefined
  readonly request: HttpRequest
  readonly reply: HttpReply | undefined
}

/** What becomes of an honest answer. `undefined`: no answer at all. */
export type Rewrite = (reply: HttpReply, request: HttpRequest) => HttpReply | undefined | Promise<HttpReply | undefined>
/** An answer without asking the honest server. */
export type Invention = (request: HttpRequest) => HttpReply | undefined

/**
 * A server that may rewrite, withhold, replay or invent every answer, in front of the real one. It stands where the device's
 * network is, and keeps every request and answer.
 */
export interface HostileServer {
  readonly http: Http
  readonly exchanges: () => readonly Exchange[]
  /** Whether a request of the device is out and not answered yet. */
  readonly isBusy: () => boolean
  readonly requestsTo: (route: RouteName) => readonly HttpRequest[]
  /** Rewrites the honest answers of a route until `honest`. */
  readonly rewrite: (route: RouteName | "discovery", rewrite: Rewrite) => void
  /** Answers a route itself until `honest`. */
  readonly invent: (route: RouteName | "discovery", invention: Invention) => void
  /** Every answer, of whatever route, until `honest`. */
  readonly rewriteAll: (rewrite: Rewrite) => void
  /** Answers everything itself: the honest server never hears of it. */
  readonly inventAll: (invention: Invention) => void
  readonly honest: () => void
  /** The newest honest answer of a route, to be replayed later. */
  readonly lastReply: (route: RouteName) => HttpReply
  /** Sends an event into the device's open feed. */
  readonly streamEvent: (event: Uint8Array) => void
  /** Sends whatever bytes into it, in one piece. */
  readonly streamBytes: (bytes: Uint8Array) => void
  /** Ends the open stream, and each one as soon as it is opened, until `honest`. */
  readonly endStreams: () => void
  /** Everything that left the device: lines, headers and bodies. */
  readonly sentBytes: () => Uint8Array
  readonly forget: () => void
}

const MAX = 80 * 1024 * 1024

export const createHostileServer = (inner: Http): HostileServer => {
  let exchanges: Exchange[] = []
  let out = 0
  const rewrites = new Map<string, Rewrite>()
  const inventions = new Map<string, Invention>()
  const lastReplies = new Map<string, HttpReply>()
  let everything: Rewrite | undefined
  let allInvented: Invention | undefined
  let isEnding = false
  let endOpen: (() => void) | undefined
  let push: ((chunk: Uint8Array) => void) | undefined

  const nameOf = (request: HttpRequest): string => {
    const { pathname } = new URL(request.url)
    return pathname === "/.well-known/keyferry" ? "discovery" : (routeOf(request.method, pathname) ?? "")
  }
  const answer = async (request: HttpRequest): Promise<HttpReply | undefined> => {
    const name = nameOf(request)
    const invented = inventions.get(name) ?? allInvented
    if (invented !== undefined) return invented(request)
    const reply = await inner.send(request)
    if (reply === undefined) return undefined
    if (reply.status < 400) lastReplies.set(name, reply)
    const rewrite = rewrites.get(name) ?? everything
    return rewrite === undefined ? reply : rewrite(reply, request)
  }
  return {
    http: {
      send: async (request) => {
        out++
        const reply = await answer(request).finally(() => out--)
        exchanges.push({ route: routeOf(request.method, new URL(request.url).pathname), request, reply })
        return reply
      },
      // A stream that brings nothing: tests ask for what they want to see. One that is sent in by `streams` does.
      stream: async (request, onChunk) => {
        exchanges.push({ route: "feed", request, reply: undefined })
        let end: () => void = () => undefined
        const closed = new Promise<void>((resolve) => {
          end = resolve
        })
        if (isEnding) setImmediate(end)
        push = onChunk
        endOpen = end
        return ok({ close: end, closed })
      },
    },
    exchanges: () => exchanges,
    isBusy: () => out > 0,
    requestsTo: (route) => exchanges.filter((e) => e.route === route).map((e) => e.request),
    rewrite: (route, rewrite) => void rewrites.set(route, rewrite),
    invent: (route, invention) => void inventions.set(route, invention),
    rewriteAll: (rewrite) => {
      everything = rewrite
    },
    inventAll: (invention) => {
      allInvented = invention
    },
    endStreams: () => {
      isEnding = true
      endOpen?.()
    },
    honest: () => {
      isEnding = false
      allInvented = undefined
      rewrites.clear()
      inventions.clear()
      everything = undefined
    },
    lastReply: (route) => {
      const reply = lastReplies.get(route)
      if (reply === undefined) throw new Error(`${route} was never answered`)
      return reply
    },
    streamEvent: (event) => push?.(utf8(`id: 1\nevent: change\ndata: ${bytesToBase64url(event)}\n\n`)),
    streamBytes: (bytes) => push?.(bytes),
    sentBytes: () =>
      Buffer.concat(
        exchanges.flatMap(({ request }) => [
          Buffer.from(`${request.method} ${request.url}\n${JSON.stringify(request.headers)}\n`),
          Buffer.from(request.body ?? new Uint8Array()),
          Buffer.from("\n"),
        ]),
      ),
    forget: () => {
      exchanges = []
    },
  }
}

/** Rewrites what a CBOR answer says. */
export const inCbor =
  <T>(shape: Struct<T>, change: (value: T) => T): Rewrite =>
  (reply) => {
    if (reply.status >= 400) return reply
    const decoded = shape.decode(reply.body, MAX)
    if (!decoded.ok) throw new Error("an honest answer that does not decode")
    return { ...reply, body: shape.encode(change(decoded.value)) }
  }

/** Rewrites what a JSON answer says. */
export const inJson =
  (change: (value: Record<string, unknown>) => unknown): Rewrite =>
  (reply) =>
    reply.status >= 400
      ? reply
      : {
          ...reply,
          body: utf8(JSON.stringify(change(JSON.parse(utf8ToText(reply.body) ?? "{}") as Record<string, unknown>))),
        }

export const jsonReply = (value: unknown, status = 200): HttpReply => ({
  status,
  contentType: status >= 400 ? "application/problem+json" : "application/json",
  body: utf8(JSON.stringify(value)),
})

/** What the server says when it refuses. */
export const problem = (code: string, status: number, more: Readonly<Record<string, unknown>> = {}): HttpReply =>
  jsonReply({ code, status, ...more }, status)
