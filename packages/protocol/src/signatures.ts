import { base64urlToBytes, bytesToBase64url, err, ok, type Result, utf8 } from "@keyferry/base"

/*
 * The one profile of HTTP message signatures (RFC 9421) and digest fields (RFC 9530) that Keyferry speaks.
 * Nothing is negotiated: components, their order, parameters and algorithm (Ed25519, from the key) are fixed.
 *
 *   without body  ("@method" "@authority" "@path" "@query")
 *   with body     … "content-type" "content-digest" "idempotency-key"
 *   parameters    ;created=<s>;nonce="<16 B base64url>";keyid="<key id>";tag="<tag>"      in this order, no alg
 *
 *   Signature-Input: sig1=<components><parameters>        Signature: sig1=:<base64 of 64 B>:
 *   Content-Digest: sha-256=:<base64 of 32 B>:            over the raw body
 *
 * Source: spec/http.md, HT rules
 */
export const SIGNATURE_WINDOW_S = 60
export type SignatureTag = "kf1-dev" | "kf1-lease" | "kf1-rec" | "kf1-api"

export interface SignedParts {
  readonly method: string
  /** Host and port as the client addressed it, lower case. */
  readonly authority: string
  readonly path: string
  /** Without the question mark; empty when there is none. */
  readonly query: string
  /** Present exactly when there is a body. */
  readonly body?: {
    readonly contentType: string
    readonly contentDigest: string
    readonly idempotencyKey: string
  }
}

export interface SignatureParameters {
  readonly createdS: number
  /** base64url of 16 bytes. */
  readonly nonce: string
  readonly keyId: string
  readonly tag: SignatureTag
}

const COMPONENTS = ["@method", "@authority", "@path", "@query"] as const
const BODY_COMPONENTS = ["content-type", "content-digest", "idempotency-key"] as const

/** The value of `Signature-Input`. */
export const signatureInput = (hasBody: boolean, p: SignatureParameters): string => `sig1=${inputMember(hasBody, p)}`

/** The bytes that are signed (RFC 9421 section 2.5). */
export const signatureBase = (parts: SignedParts, p: SignatureParameters): Uint8Array => {
  const lines = [
    `"@method": ${parts.method}`,
    `"@authority": ${parts.authority}`,
    `"@path": ${parts.path}`,
    `"@query": ?${parts.query}`,
  ]
  if (parts.body !== undefined) {
    lines.push(
      `"content-type": ${parts.body.contentType}`,
      `"content-digest": ${parts.body.contentDigest}`,
      `"idempotency-key": ${parts.body.idempotencyKey}`,
    )
  }
  lines.push(`"@signature-params": ${inputMember(parts.body !== undefined, p)}`)
  return utf8(lines.join("\n"))
}

export const contentDigest = (sha256: Uint8Array): string => `sha-256=:${toBase64(sha256)}:`
export const signatureHeader = (signature: Uint8Array): string => `sig1=:${toBase64(signature)}:`

/**
 * Reads `Signature-Input` and accepts only the exact form that `signatureInput` writes.
 * Errors   malformed: other label, more labels, other components or order, extra or missing parameter, alg
 */
export const parseSignatureInput = (header: string, hasBody: boolean): Result<SignatureParameters, "malformed"> => {
  const match =
    /^sig1=\("[^)]*"\);created=(\d{1,12});nonce="([A-Za-z0-9_-]{22})";keyid="([a-z0-9_]{1,80})";tag="(kf1-[a-z]{3,5})"$/.exec(
      header,
    )
  if (match === null) return err("malformed")
  const [, created, nonce, keyId, tag] = match
  if (created === undefined || nonce === undefined || keyId === undefined || !isTag(tag)) return err("malformed")
  const parameters: SignatureParameters = { createdS: Number(created), nonce, keyId, tag }
  if (base64urlToBytes(nonce) === undefined) return err("malformed")
  return signatureInput(hasBody, parameters) === header ? ok(parameters) : err("malformed")
}

/** Errors: malformed, for anything but one label `sig1` with 64 bytes. */
export const parseSignature = (header: string): Result<Uint8Array, "malformed"> => {
  const match = /^sig1=:([A-Za-z0-9+/]{86}==):$/.exec(header)
  const bytes = match?.[1] === undefined ? undefined : fromBase64(match[1])
  return bytes !== undefined && bytes.length === 64 ? ok(bytes) : err("malformed")
}

const isTag = (tag: string | undefined): tag is SignatureTag =>
  tag === "kf1-dev" || tag === "kf1-lease" || tag === "kf1-rec" || tag === "kf1-api"

const inputMember = (hasBody: boolean, p: SignatureParameters): string => {
  const names = hasBody ? [...COMPONENTS, ...BODY_COMPONENTS] : COMPONENTS
  return `(${names.map((n) => `"${n}"`).join(" ")});created=${p.createdS};nonce="${p.nonce}";keyid="${p.keyId}";tag="${p.tag}"`
}

const toBase64 = (bytes: Uint8Array): string => {
  const text = bytesToBase64url(bytes).replace(/-/g, "+").replace(/_/g, "/")
  return text + "=".repeat((4 - (text.length % 4)) % 4)
}

const fromBase64 = (text: string): Uint8Array | undefined =>
  base64urlToBytes(text.replace(/=+$/, "").replace(/\+/g, "-").replace(/\//g, "_"))
