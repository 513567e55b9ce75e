import { bytesToBase64url } from "@keyferry/base"
import {
  type Discovery,
  errors,
  MIN_PROTOCOL_VERSION,
  PROTOCOL_VERSION,
  type Route,
  type RouteName,
  routes,
} from "@keyferry/protocol"
import { discoverySchema, jsonMessages } from "@keyferry/protocol/schemas"
import type { FastifyInstance } from "fastify"

import type { Context } from "../service/context.ts"

/** `/.well-known/keyferry` and `/api/openapi.json`, both made from the tables that the server itself obeys. */
export const addOpenApi = (app: FastifyInstance, context: Context): void => {
  app.get("/.well-known/keyferry", async (_request, reply) =>
    reply.type("application/json").send(JSON.stringify(discoveryOf(context))),
  )
  // Made when somebody asks: a start does not wait for it.
  let document: string | undefined
  app.get("/api/openapi.json", async (_request, reply) => {
    document ??= JSON.stringify(describeApi(context.settings.version))
    return reply.type("application/json").send(document)
  })
  app.get("/.well-known/security.txt", async (_request, reply) =>
    reply.type("text/plain").send(`Contact: ${context.settings.origin}/\nPreferred-Languages: en\n`),
  )
}

const discoveryOf = ({ strongroom, settings, mail }: Context): Discovery => {
  const { deploymentId, opaquePk, leaseTokenPk } = strongroom.hello()
  return {
    api: "/api/v1",
    protocol: { current: PROTOCOL_VERSION, minimum: MIN_PROTOCOL_VERSION },
    deploymentId,
    opaquePk: bytesToBase64url(opaquePk),
    leaseTokenPk: bytesToBase64url(leaseTokenPk),
    origin: settings.origin,
    registration: settings.registration,
    mail: mail.mode,
    version: settings.version,
  }
}

const SECURITY: Readonly<Record<Route["actor"], readonly object[]>> = {
  public: [],
  session1: [{ session: [] }],
  session2: [{ session: [] }],
  session3: [{ session: [], deviceSignature: [] }],
  reserved: [{ deviceSignature: [] }],
  device: [{ deviceSignature: [] }],
  recovery: [{ kitSignature: [] }],
}
const CBOR = { schema: { type: "string", contentEncoding: "binary" } }

/** OpenAPI 3.1. CBOR bodies are named; their shapes are in the specification. */
export const describeApi = (version: string): object => {
  const paths: Record<string, Record<string, object>> = {}
  for (const name of Object.keys(routes) as RouteName[]) {
    const route: Route = routes[name]
    const operations = (paths[route.path] ??= {})
    operations[route.method.toLowerCase()] = describeRoute(name, route)
  }
  paths["/.well-known/keyferry"] = {
    get: {
      operationId: "discover",
      security: [],
      responses: { "200": { description: "Discovery", content: { "application/json": { schema: discoverySchema } } } },
    },
  }
  return {
    openapi: "3.1.0",
    info: { title: "Keyferry", version, license: { name: "Apache-2.0", identifier: "Apache-2.0" } },
    paths,
    components: {
      securitySchemes: {
        session: { type: "http", scheme: "bearer" },
        deviceSignature: signatureScheme("The device's auth key, tag kf1-dev."),
        kitSignature: signatureScheme("The key derived from the kit code, tag kf1-rec."),
      },
      schemas: { Problem: problemSchema() },
    },
  }
}

const signatureScheme = (description: string): object => ({
  type: "apiKey",
  in: "header",
  name: "Signature",
  description: `HTTP message signature (RFC 9421). ${description}`,
})

const describeRoute = (name: RouteName, route: Route): object => {
  const messages = name in jsonMessages ? jsonMessages[name as keyof typeof jsonMessages] : undefined
  const reply =
    route.reply === "json"
      ? { "application/json": { schema: messages?.reply ?? {} } }
      : route.reply === "cbor"
        ? { "application/cbor": CBOR }
        : { "text/event-stream": { schema: { type: "string" } } }
  const body =
    route.body === "none"
      ? undefined
      : route.body === "cbor"
        ? { "application/cbor": CBOR }
        : { "application/json": { schema: messages?.body ?? {} } }
  return {
    operationId: name,
    security: SECURITY[route.actor],
    "x-actor": route.actor,
    "x-device-states": route.states,
    "x-fresh": route.fresh,
    "x-limit": route.limit,
    ...(body === undefined ? {} : { requestBody: { required: true, content: body } }),
    responses: {
      "200": { description: "Done", content: reply },
      default: {
        description: "Refused",
        content: { "application/problem+json": { schema: { $ref: "#/components/schemas/Problem" } } },
      },
    },
  }
}

const problemSchema = (): object => ({
  type: "object",
  required: ["type", "title", "status", "code", "requestId", "retry", "retryable", "keys", "hint"],
  properties: {
    type: { type: "string" },
    title: { type: "string" },
    status: { type: "integer" },
    detail: { type: "string" },
    code: { type: "string", enum: Object.keys(errors).filter((code) => statusOf(code) !== 0) },
    requestId: { type: "string" },
    retry: { type: "string", enum: ["never", "later", "after-sync", "after-rekey", "after-login"] },
    retryable: { type: "boolean" },
    retryAfter: { type: "integer" },
    serverTimeMs: { type: "integer" },
    keys: { type: "string" },
    hint: { type: "string" },
    fields: { type: "array", items: { type: "object", properties: { pointer: { type: "string" } } } },
  },
})

const statusOf = (code: string): number => (code in errors ? errors[code as keyof typeof errors].status : 0)
