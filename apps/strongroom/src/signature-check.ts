import { equalBytes, err, ok, type Result } from "@keyferry/base"
import type { Primitives } from "@keyferry/crypto"
import {
  contentDigest,
  type Failure,
  parseSignature,
  parseSignatureInput,
  routeOf,
  type RouteName,
  routes,
  SIGNATURE_WINDOW_S,
  signatureBase,
  type SignatureTag,
} from "@keyferry/protocol"
import type { SignedRequest } from "@keyferry/strongroom-api"

/*
 * Everything about a signed request that needs no stored row: route, form, digest, authority, time.
 * Source: spec/http.md HT1–HT5
 */
export interface ReadRequest {
  readonly route: RouteName
  readonly keyId: string
  readonly nonce: string
  readonly tag: SignatureTag
  readonly createdS: number
  /** Over which the signature must verify. */
  readonly base: Uint8Array
  readonly signature: Uint8Array
}

const BODY_HEADERS = ["content-type", "content-digest", "idempotency-key"] as const
const CONTENT_TYPE = { json: "application/json", cbor: "application/cbor" } as const

/** Errors: not-found (no such route), malformed, signature-invalid, clock-skew. */
export const readSignedRequest = (
  p: Primitives,
  request: SignedRequest,
  origins: readonly string[],
  time: { readonly nowMs: number; readonly startedAtMs: number },
): Result<ReadRequest, Failure> => {
  const route = routeOf(request.method, request.path)
  if (route === undefined) return err({ code: "not-found" })
  const headers = headersOf(request)
  const input = headers?.get("signature-input")
  const signatureText = headers?.get("signature")
  if (headers === undefined || input === undefined || signatureText === undefined)
    return err({ code: "signature-invalid" })
  const { body: bodyKind, path } = routes[route]
  const hasBody = bodyKind !== "none"
  const expected = hasBody ? [...BODY_HEADERS, "signature-input", "signature"] : ["signature-input", "signature"]
  if (headers.size !== expected.length || !expected.every((name) => headers.has(name)))
    return err({ code: "signature-invalid" })
  const parameters = parseSignatureInput(input, hasBody)
  const signature = parseSignature(signatureText)
  if (!parameters.ok || !signature.ok) return err({ code: "signature-invalid" })
  const body = hasBody ? bodyParts(headers) : undefined
  if (body === undefined) {
    if (hasBody || request.body.length > 0) return err({ code: "signature-invalid" })
  } else {
    if (body.contentType !== CONTENT_TYPE[bodyKind === "cbor" ? "cbor" : "json"]) return err({ code: "malformed" })
    if (body.contentDigest !== contentDigest(p.sha256(request.body))) return err({ code: "signature-invalid" })
  }
  if (!isOurAuthority(request.authority, origins)) return err({ code: "signature-invalid" })
  const { createdS, keyId, nonce, tag } = parameters.value
  const isNow = Math.abs(time.nowMs / 1000 - createdS) <= SIGNATURE_WINDOW_S
  if (!isNow || createdS * 1000 < time.startedAtMs)
    // A client counts whole seconds: told a time in the second of the start, it would be refused once more.
    return err({ code: "clock-skew", serverTimeMs: Math.max(time.nowMs, Math.ceil(time.startedAtMs / 1000) * 1000) })
  const base = signatureBase(
    {
      method: request.method,
      authority: request.authority,
      path,
      query: request.query,
      ...(body === undefined ? {} : { body }),
    },
    parameters.value,
  )
  return ok({ route, keyId, nonce, tag, createdS, base, signature: signature.value })
}

/** `undefined` where a header stands twice: which of them was signed could be argued about. */
const headersOf = (request: SignedRequest): ReadonlyMap<string, string> | undefined => {
  const headers = new Map(request.headers)
  return headers.size === request.headers.length ? headers : undefined
}

const bodyParts = (
  headers: ReadonlyMap<string, string>,
): { contentType: string; contentDigest: string; idempotencyKey: string } | undefined => {
  const [contentType, digest, idempotencyKey] = BODY_HEADERS.map((name) => headers.get(name))
  if (contentType === undefined || digest === undefined || idempotencyKey === undefined) return undefined
  return /^[\x21-\x7e]{1,128}$/.test(idempotencyKey)
    ? { contentType, contentDigest: digest, idempotencyKey }
    : undefined
}

/** Compared with what is configured, never with a Host header alone. */
const isOurAuthority = (authority: string, origins: readonly string[]): boolean =>
  origins.some((origin) => URL.parse(origin)?.host === authority)

/** For answers that must not tell one failure from another. */
export const isSigned = async (p: Primitives, read: ReadRequest, publicKey: Uint8Array): Promise<boolean> =>
  !equalBytes(publicKey, new Uint8Array(32)) && p.ed25519Verify(publicKey, read.base, read.signature)
