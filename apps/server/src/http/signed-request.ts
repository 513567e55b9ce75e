import type { SignedRequest } from "@keyferry/strongroom-api"
import type { FastifyRequest } from "fastify"

const COVERED = ["content-type", "content-digest", "idempotency-key", "signature-input", "signature"] as const

/**
 * The request as the strongroom must see it: exactly what arrived, nothing that this server concluded from it. A header
 * that came twice arrives joined and is then refused by its strict grammar.
 */
export const signedRequestOf = (request: FastifyRequest): SignedRequest => {
  const [path, query] = splitOnce(request.raw.url ?? "", "?")
  const headers = COVERED.flatMap((name) => {
    const value = request.headers[name]
    return value === undefined ? [] : [[name, Array.isArray(value) ? value.join(", ") : value] as const]
  })
  return {
    method: request.method,
    authority: (request.headers.host ?? "").toLowerCase(),
    path,
    query,
    headers,
    body: bodyOf(request),
  }
}

/** The raw body; empty where there is none. */
export const bodyOf = (request: FastifyRequest): Uint8Array =>
  request.body instanceof Uint8Array ? new Uint8Array(request.body) : new Uint8Array()

const splitOnce = (text: string, separator: string): readonly [string, string] => {
  const at = text.indexOf(separator)
  return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)]
}
