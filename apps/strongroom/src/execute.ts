import {
  base64urlToBytes,
  Defect,
  err,
  ok,
  type Result,
  type Struct,
  type TypeOf,
  utf8,
  utf8ToText,
} from "@keyferry/base"
import {
  accountAppendReplyStruct,
  accountAppendStruct,
  accountChainReplyStruct,
  accountKeysReplyStruct,
  bootstrapReplyStruct,
  bootstrapRequestStruct,
  errors,
  type Failure,
  feedRequestStruct,
  historyReplyStruct,
  historyRequestStruct,
  type JsonBody,
  type JsonReply,
  type JsonRoute,
  repairReplyStruct,
  repairRequestStruct,
  type RouteName,
  routes,
  signupFinishReplyStruct,
  signupFinishStruct,
  syncReplyStruct,
  syncRequestStruct,
} from "@keyferry/protocol"
import { isJsonBody, isJsonRoute } from "@keyferry/protocol/schemas"
import type { Executed, Limits, SignedRequest } from "@keyferry/strongroom-api"

import type { SigningDevice, StrongroomContext } from "./context.ts"
import type { Verifier } from "./verifier.ts"

/*
 * Verify → find the route by the shared table → parse the body here → run the one handler of that route. Nothing that
 * the server says decides what is executed; only the values of the plan come from it.
 * Source: spec/strongroom.md, ST4–ST7
 */
export const cborShapes = {
  "signup.finish": { body: signupFinishStruct, reply: signupFinishReplyStruct },
  "enrol.chain": { body: undefined, reply: accountChainReplyStruct },
  "enrol.slot-wraps": { body: undefined, reply: accountKeysReplyStruct },
  "enrol.append": { body: accountAppendStruct, reply: accountAppendReplyStruct },
  "account.chain": { body: undefined, reply: accountChainReplyStruct },
  "account.keys": { body: undefined, reply: accountKeysReplyStruct },
  "account.append": { body: accountAppendStruct, reply: accountAppendReplyStruct },
  sync: { body: syncRequestStruct, reply: syncReplyStruct },
  bootstrap: { body: bootstrapRequestStruct, reply: bootstrapReplyStruct },
  history: { body: historyRequestStruct, reply: historyReplyStruct },
  repair: { body: repairRequestStruct, reply: repairReplyStruct },
  feed: { body: feedRequestStruct, reply: syncReplyStruct },
} as const
type CborRoute = keyof typeof cborShapes
type ShapeOf<S> = S extends Struct<infer T> ? T : undefined

export type StrongroomRoute = {
  [R in RouteName]: (typeof routes)[R]["owner"] extends "strongroom" ? R : never
}[RouteName]
export type BodyOf<R extends StrongroomRoute> = R extends CborRoute
  ? ShapeOf<(typeof cborShapes)[R]["body"]>
  : R extends JsonRoute
    ? JsonBody<R>
    : never
export type ReplyOf<R extends StrongroomRoute> = R extends CborRoute
  ? TypeOf<(typeof cborShapes)[R]["reply"]>
  : R extends JsonRoute
    ? JsonReply<R>
    : never

/** A request whose signature, window, nonce and device state were checked. */
export interface Signed {
  readonly device: SigningDevice
  /** Without the question mark; empty when there is none. */
  readonly query: string
  readonly createdS: number
  /** Plan values; 0 is without limit. */
  readonly limits: Limits
  /** Where the server is reached, its own address first: what a passkey's answer is compared with. */
  readonly origins: readonly string[]
}
export interface Answer<T> {
  readonly reply: T
  /** Commit number of this request's own change, if it has one. */
  readonly commit?: number
}
export type Handler<R extends StrongroomRoute> = (
  ctx: StrongroomContext,
  signed: Signed,
  body: BodyOf<R>,
) => Promise<Result<Answer<ReplyOf<R>>, Failure>>
/** One handler for each route that the strongroom owns; a missing one does not compile. */
export type Handlers = { readonly [R in StrongroomRoute]: Handler<R> }

const MAX_BODY_BYTES = 5 * 1024 * 1024

export const isStrongroomRoute = (name: RouteName): name is StrongroomRoute => routes[name].owner === "strongroom"

export interface Executor {
  readonly execute: (request: SignedRequest, limits: Limits, origins: readonly string[]) => Promise<Executed>
}

export const createExecutor = (ctx: StrongroomContext, verifier: Verifier, handlers: Handlers): Executor =>
  Object.freeze({
    execute: async (request: SignedRequest, limits: Limits, origins: readonly string[]) => {
      const verified = await verifier.verify(request, origins)
      if (!verified.ok) return refusal(verified.error)
      const { device, route, query, createdS } = verified.value
      const who = { accountUuid: device.accountUuid, deviceId: device.deviceId }
      if (!isStrongroomRoute(route)) return refusal({ code: "not-found" }, who)
      const body = parseBody(route, request.body)
      if (!body.ok) return refusal({ code: "malformed" }, who)
      // The table gives each route its own body and reply; the parsed body is of exactly that route.
      const handler = handlers[route] as unknown as Handler<"sync">
      const done = await handler(ctx, { device, query, createdS, limits, origins }, body.value as never)
      if (!done.ok) return refusal(done.error, who)
      return { status: 200, ...encodeReply(route, done.value.reply), commit: done.value.commit ?? 0, ...who }
    },
  })

/** Errors: malformed, for a body that is not of this route's shape. */
const parseBody = (route: StrongroomRoute, raw: Uint8Array): Result<unknown, "malformed"> => {
  if (routes[route].body === "none") return raw.length === 0 ? ok(undefined) : err("malformed")
  if (isCborRoute(route)) {
    const shape: Pick<Struct<unknown>, "decode"> | undefined = cborShapes[route].body
    // The body is this request's own and goes with it.
    return shape === undefined ? err("malformed") : shape.decode(raw, MAX_BODY_BYTES, "shared")
  }
  return parseJson(route, raw)
}

const parseJson = (route: StrongroomRoute, raw: Uint8Array): Result<unknown, "malformed"> => {
  if (!isJsonRoute(route)) throw new Defect(`${route} has no schema`)
  const text = utf8ToText(raw)
  const value = text === undefined ? undefined : tryJson(text)
  return value !== undefined && isJsonBody(route, value) ? ok(value) : err("malformed")
}

const tryJson = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

const encodeReply = (route: StrongroomRoute, reply: unknown): { contentType: string; body: Uint8Array } => {
  if (isCborRoute(route)) {
    const shape = cborShapes[route].reply as Struct<unknown>
    return { contentType: "application/cbor", body: shape.encode(reply) }
  }
  return { contentType: "application/json", body: utf8(JSON.stringify(reply)) }
}

const isCborRoute = (route: string): route is CborRoute => Object.hasOwn(cborShapes, route)

/** An error as the server passes it on. The body is made there, from the code. */
export const refusal = (
  failure: Failure,
  who: { readonly accountUuid?: string; readonly deviceId?: Uint8Array } = {},
): Executed => ({
  status: errors[failure.code].status === 0 ? 500 : errors[failure.code].status,
  contentType: "application/problem+json",
  body: new Uint8Array(),
  code: failure.code,
  ...(failure.detail === undefined ? {} : { detail: failure.detail }),
  ...(failure.retryAfterS === undefined ? {} : { retryAfterS: failure.retryAfterS }),
  ...(failure.serverTimeMs === undefined ? {} : { serverTimeMs: failure.serverTimeMs }),
  ...who,
  commit: 0,
})

/** Bytes of a base64url field that the schema let through. Errors: malformed, for another length or trailing bits. */
export const fieldBytes = (text: string, length?: number): Result<Uint8Array, Failure> => {
  const bytes = base64urlToBytes(text)
  return bytes !== undefined && (length === undefined || bytes.length === length)
    ? ok(bytes)
    : err({ code: "malformed" })
}
