import { bytesToHex, err, makeId, type Result } from "@keyferry/base"
import {
  CLIENT_HEADER,
  type Failure,
  failure,
  isErrorCode,
  MIN_PROTOCOL_VERSION,
  PROTOCOL_VERSION,
  type Route,
  type RouteName,
  routes,
} from "@keyferry/protocol"
import { jsonMessages } from "@keyferry/protocol/schemas"
import type { Executed } from "@keyferry/strongroom-api"
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from "fastify"

import { LIMITS, networkOf } from "../policy/limits.ts"
import type { Context } from "../service/context.ts"
import { answerOnce } from "../service/idempotency.ts"
import { finishSignup } from "../service/signup.ts"
import type { SessionRow } from "../store/sessions.ts"
import { authenticate, namedDevice } from "./authenticate.ts"
import { openFeedStream } from "./feed-stream.ts"
import { type Call, createHandlers, REPEATABLE, type ServerRoute } from "./handlers.ts"
import { addHealth } from "./health.ts"
import { addOpenApi } from "./openapi.ts"
import { addPages } from "./pages.ts"
import { failureOfException, sendProblem } from "./problem.ts"
import { bodyOf, signedRequestOf } from "./signed-request.ts"
import { addWebApp } from "./web-app.ts"
import type { WebBundle } from "./web-bundle.ts"

const MAX_JSON_BYTES = 64 * 1024
const MAX_CBOR_BYTES = 5 * 1024 * 1024

export interface AppOptions {
  readonly context: Context
  readonly trustedProxies: readonly string[]
  /** The web app; without it, the start page says how to come here with `kf`. */
  readonly web?: WebBundle | undefined
}

/** The HTTP side of the server: it parses and answers, and decides nothing. */
export const createApp = ({ context, trustedProxies, web }: AppOptions): FastifyInstance => {
  const app = fastify({
    logger: false,
    trustProxy: trustedProxies.length === 0 ? false : [...trustedProxies],
    bodyLimit: MAX_CBOR_BYTES,
    requestTimeout: 60_000,
    routerOptions: { ignoreTrailingSlash: false, caseSensitive: true },
    exposeHeadRoutes: false,
    genReqId: () => makeId("req", context.random),
    // A path that is no URL never reaches a hook or the handler of errors: its answer would be the framework's own,
    // which repeats what was sent.
    frameworkErrors: (_error, request, reply) => void answerProblem(context, request, reply, failure("malformed")),
    // Exactly what the schema says: no guessing of types, no silent removal of what is not in it.
    ajv: { customOptions: { coerceTypes: false, removeAdditional: false, useDefaults: false, allErrors: false } },
  })
  // The raw bytes are what was signed, so nothing is parsed before a handler asks for it.
  app.removeAllContentTypeParsers()
  app.addContentTypeParser("*", { parseAs: "buffer" }, (_request, body, done) => done(null, body))

  app.addHook("onRequest", async (request, reply) => {
    void reply.headers({
      "x-request-id": request.id,
      "x-content-type-options": "nosniff",
      "referrer-policy": "no-referrer",
      "cache-control": "no-store",
      "cross-origin-resource-policy": "same-origin",
      ...(context.settings.origin.startsWith("https:") ? { "strict-transport-security": "max-age=31536000" } : {}),
    })
  })
  app.addHook("onResponse", async (request, reply) => {
    // Templates only: a path or an address of a person never reaches the log.
    context.log.info({
      requestId: request.id,
      method: request.method,
      route: request.routeOptions.url ?? "none",
      status: reply.statusCode,
      ms: Math.round(reply.elapsedTime),
    })
  })
  app.setErrorHandler((error, request, reply) => {
    const known = failureOfException(error)
    if (known === undefined || known.code === "internal")
      context.log.error({ requestId: request.id, route: request.routeOptions.url, err: error }, "request failed")
    return answerProblem(context, request, reply, known ?? failure("internal"))
  })
  app.setNotFoundHandler((request, reply) => answerProblem(context, request, reply, failure("not-found")))

  const handlers = createHandlers(context)
  for (const name of Object.keys(routes) as RouteName[]) {
    const route: Route = routes[name]
    app.route({
      method: route.method,
      url: route.path,
      bodyLimit: route.body === "cbor" ? MAX_CBOR_BYTES : MAX_JSON_BYTES,
      handler: async (request, reply) => {
        const admitted = await admit(context, route, request, reply)
        if (!admitted.ok) return answerProblem(context, request, reply, admitted.error)
        if (route.owner === "strongroom") return forward(context, name, request, reply)
        // The handlers are a mapped type over the same table, so name and handler belong together.
        const handler = handlers[name as ServerRoute] as (call: Call<"activity">) => Promise<Result<unknown, Failure>>
        return serve(context, name as "activity", handler, admitted.value, request, reply)
      },
    })
  }
  addHealth(app, context)
  addOpenApi(app, context)
  addPages(app, context, web === undefined)
  if (web !== undefined) addWebApp(app, web)
  return app
}

const answerProblem = (
  context: Context,
  request: FastifyRequest,
  reply: FastifyReply,
  failed: Failure,
  fields: readonly { readonly pointer: string }[] = [],
): FastifyReply => sendProblem(reply, failed, { requestId: request.id, nowMs: context.clock.nowMs(), fields })

/** What every request passes before anybody looks at its body: limits, version, form, and who it comes from. */
const admit = async (
  context: Context,
  route: Route,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<Result<Awaited<ReturnType<typeof authenticate>> extends Result<infer A, Failure> ? A : never, Failure>> => {
  const network = networkOf(request.ip)
  for (const rule of LIMITS.default) {
    const counted = context.limiter.countFast(rule, network)
    if (!counted.ok) return counted
    const { limit, remaining, resetS, windowS } = counted.value
    void reply.header("ratelimit-policy", `"default";q=${limit};w=${windowS}`)
    void reply.header("ratelimit", `"default";r=${remaining};t=${resetS}`)
  }
  const form = refuseForm(route, request)
  if (form !== undefined) return err(form)
  if (route.limit !== "default")
    for (const rule of LIMITS[route.limit].filter((r) => r.by === "network")) {
      const counted = await context.limiter.count(route.limit, rule, network)
      if (!counted.ok) return counted
    }
  const deviceId = route.limit === "default" ? undefined : namedDevice(signedRequestOf(request))
  if (deviceId !== undefined)
    for (const rule of LIMITS[route.limit].filter((r) => r.by === "device")) {
      const counted = await context.limiter.count(route.limit, rule, bytesToHex(deviceId))
      if (!counted.ok) return counted
    }
  const actor = await authenticate(context, route, {
    authorization: request.headers.authorization,
    signed: () => signedRequestOf(request),
  })
  if (!actor.ok) return actor
  if (route.limit !== "default" && actor.value !== undefined)
    for (const rule of LIMITS[route.limit].filter((r) => r.by === "account")) {
      const counted = await context.limiter.count(route.limit, rule, accountOf(actor.value))
      if (!counted.ok) return counted
    }
  return actor
}

const accountOf = (actor: SessionRow | { readonly accountUuid: string }): string =>
  "accountUuid" in actor ? actor.accountUuid : actor.account_uuid

const CONTENT_TYPE = { json: "application/json", cbor: "application/cbor", none: undefined } as const

const refuseForm = (route: Route, request: FastifyRequest): Failure | undefined => {
  const version = /(?:^| )protocol\/(\d{1,4})$/.exec(String(request.headers[CLIENT_HEADER] ?? ""))?.[1]
  if (version !== undefined && (Number(version) < MIN_PROTOCOL_VERSION || Number(version) > PROTOCOL_VERSION))
    return failure("unsupported-version")
  // A page of another site can send a form, but neither this content type nor this header value.
  const site = request.headers["sec-fetch-site"]
  if (site !== undefined && site !== "same-origin" && site !== "none") return failure("not-allowed")
  const length = bodyOf(request).length
  if (route.body === "none") return length === 0 ? undefined : failure("malformed")
  if (length === 0 || request.headers["content-type"] !== CONTENT_TYPE[route.body]) return failure("malformed")
  return undefined
}

const serve = async <R extends ServerRoute>(
  context: Context,
  name: R,
  handler: (call: Call<R>) => Promise<Result<unknown, Failure>>,
  actor: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> => {
  const body = routes[name].body === "none" ? {} : parseJson(bodyOf(request))
  const validate = request.compileValidationSchema(BODY_SCHEMAS[name] ?? {})
  if (body === undefined || !isValid(validate(body))) {
    // The place of the mistake, never the value.
    const fields = (validate.errors ?? []).map((e) => ({ pointer: e.instancePath }))
    return answerProblem(context, request, reply, failure("malformed"), body === undefined ? [] : fields)
  }
  const [, query = ""] = (request.raw.url ?? "").split("?")
  const carryOut = (): Promise<Result<unknown, Failure>> =>
    handler({
      // The route's `actor` decided what `authenticate` returned, and the schema what the body is.
      actor: actor as Call<R>["actor"],
      body: body as Call<R>["body"],
      query: new URLSearchParams(query),
      signed: () => signedRequestOf(request),
      client: String(request.headers[CLIENT_HEADER] ?? ""),
    })
  if (!REPEATABLE.has(name)) {
    const done = await carryOut()
    return done.ok ? sendJson(reply, done.value) : answerProblem(context, request, reply, done.error)
  }
  const key = request.headers["idempotency-key"]
  const once = {
    accountUuid: accountOf(actor as SessionRow),
    route: name,
    key: typeof key === "string" ? key : undefined,
    body: bodyOf(request),
  }
  const done = await answerOnce(context, once, carryOut)
  if (!done.ok) return answerProblem(context, request, reply, done.error)
  if (done.value.replayed) void reply.header("idempotent-replayed", "true")
  return sendJson(reply, done.value.value)
}

// Validators of this framework may be asynchronous in theory; ours are not.
const isValid = (verdict: unknown): boolean => verdict === true

// The same object for every request: the framework compiles a schema once for each object that it sees.
const BODY_SCHEMAS: Readonly<Record<string, Record<string, unknown>>> = Object.fromEntries(
  Object.entries(jsonMessages).map(([name, { body }]) => [name, { ...body }]),
)

const sendJson = (reply: FastifyReply, value: unknown): FastifyReply =>
  reply.status(200).type("application/json").send(JSON.stringify(value))

const parseJson = (bytes: Uint8Array): unknown => {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes))
  } catch {
    return undefined
  }
}

/** Hands a signed request to the strongroom and passes its answer on as it is. */
const forward = async (
  context: Context,
  name: RouteName,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply | undefined> => {
  const signed = signedRequestOf(request)
  const { limits, origins } = context.settings
  const execute = (): Promise<Result<Executed, Failure>> =>
    context.strongroom.call("execute", { request: signed, limits, origins })
  if (name === "feed") {
    const deviceId = namedDevice(signed)
    if (deviceId === undefined) return answerProblem(context, request, reply, failure("signature-invalid"))
    const refused = await openFeedStream(context.feed, reply, deviceId, async () => executedOrRefusal(await execute()))
    if (reply.sent) return undefined
    return answerExecuted(context, request, reply, refused ?? refusal(failure("signature-invalid")))
  }
  const done = name === "signup.finish" ? await finishSignup(context, signed, execute) : await execute()
  if (!done.ok) return answerProblem(context, request, reply, done.error)
  return answerExecuted(context, request, reply, done.value)
}

const executedOrRefusal = (done: Result<Executed, Failure>): Executed => (done.ok ? done.value : refusal(done.error))

const refusal = ({ code, detail, retryAfterS, serverTimeMs }: Failure): Executed => ({
  status: 500,
  contentType: "application/problem+json",
  body: new Uint8Array(),
  code,
  ...(detail === undefined ? {} : { detail }),
  ...(retryAfterS === undefined ? {} : { retryAfterS }),
  ...(serverTimeMs === undefined ? {} : { serverTimeMs }),
  commit: 0,
})

const answerExecuted = (
  context: Context,
  request: FastifyRequest,
  reply: FastifyReply,
  executed: Executed,
): FastifyReply => {
  const { code, detail, retryAfterS, serverTimeMs } = executed
  if (code !== undefined && executed.body.length === 0)
    return answerProblem(context, request, reply, {
      code: isErrorCode(code) ? code : "internal",
      ...(detail === undefined ? {} : { detail }),
      ...(retryAfterS === undefined ? {} : { retryAfterS }),
      ...(serverTimeMs === undefined ? {} : { serverTimeMs }),
    })
  return reply.status(executed.status).type(executed.contentType).send(Buffer.from(executed.body))
}
