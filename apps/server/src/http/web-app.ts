import { isScreenPath } from "@keyferry/protocol"
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify"

import type { ServedFile, WebBundle } from "./web-bundle.ts"

/**
 * The one style that a library of the screens puts into the page by itself: React Aria's rule for elements that are
 * pressed, the same text in every release until the library changes it. Read anew with each update of the library:
 * a browser names the hash it wants when the policy refuses it.
 */
const REACT_ARIA_STYLE = "'sha256-38RhXrc7EdReTKsOm23ZPOCUgniTUUcjky8QOOrQx6o='"

/** Of the page. WebAssembly is for OPAQUE and Argon2id; nothing else may be made from text. */
const PAGE_POLICY = {
  "default-src": "'none'",
  "script-src": "'self' 'wasm-unsafe-eval'",
  "style-src": `'self' ${REACT_ARIA_STYLE}`,
  "img-src": "'self'",
  "font-src": "'self'",
  "connect-src": "'self'",
  "frame-src": "'self'",
  "worker-src": "'self'",
  "manifest-src": "'self'",
  "base-uri": "'none'",
  "form-action": "'none'",
  "frame-ancestors": "'none'",
  "require-trusted-types-for": "'script'",
  "trusted-types": "'none'",
} as const

/**
 * Of the empty document that starts the worker, and of every script. An address given to `new Worker` is text, which the
 * page's policy refuses to take for a script; here no text of a person ever arrives.
 */
const DEVICE_POLICY = {
  "default-src": "'none'",
  "script-src": "'self' 'wasm-unsafe-eval'",
  "connect-src": "'self'",
  "worker-src": "'self'",
  "base-uri": "'none'",
  "form-action": "'none'",
  "frame-ancestors": "'self'",
  "trusted-types": "'none'",
} as const

const policyText = (policy: Readonly<Record<string, string>>): string =>
  Object.entries(policy)
    .map(([directive, value]) => `${directive} ${value}`)
    .join("; ")

const PAGE_HEADERS = {
  "content-security-policy": policyText(PAGE_POLICY),
  "cross-origin-opener-policy": "same-origin",
  "origin-agent-cluster": "?1",
  // The camera reads QR codes of a kit and of an approval.
  "permissions-policy": "camera=(self), microphone=(), geolocation=(), payment=(), usb=(), serial=(), hid=()",
} as const
const DEVICE_PAGE = "/device.html"
/** Without the same opener policy and cluster, the frame would be another process than the page around it. */
const DEVICE_HEADERS = { ...PAGE_HEADERS, "content-security-policy": policyText(DEVICE_POLICY) } as const

/** Serves the bundle from memory. Screens have addresses of their own; each is the one page. */
export const addWebApp = (app: FastifyInstance, { page, files }: WebBundle): void => {
  const sendPage = (request: FastifyRequest, reply: FastifyReply) => {
    void reply.headers(PAGE_HEADERS)
    return sendFile(request, reply, page)
  }
  app.route({ method: ["GET", "HEAD"], url: "/", handler: sendPage })
  for (const [path, file] of files)
    app.route({
      method: ["GET", "HEAD"],
      url: path,
      handler: (request, reply) => {
        // A worker is held to the policy of its own answer, not to that of the page that started it.
        const isDocument = path.endsWith(".html") && path !== DEVICE_PAGE
        void reply.headers(isDocument ? PAGE_HEADERS : DEVICE_HEADERS)
        return sendFile(request, reply, file)
      },
    })
  app.route({
    method: ["GET", "HEAD"],
    url: "/*",
    handler: (request, reply) => {
      const [path = ""] = request.url.split("?")
      if (!isScreenPath(path)) return reply.callNotFound()
      return sendPage(request, reply)
    },
  })
}

const sendFile = (request: FastifyRequest, reply: FastifyReply, file: ServedFile): FastifyReply => {
  void reply.headers({
    "cache-control": file.immutable ? "public, max-age=31536000, immutable" : "no-cache",
    etag: file.etag,
    vary: "accept-encoding",
  })
  if (request.headers["if-none-match"] === file.etag) return reply.status(304).send()
  const takesBrotli = /(?:^|,)\s*br\s*(?:,|;(?!\s*q=0(?:\.0*)?\s*(?:,|$))|$)/.test(
    request.headers["accept-encoding"] ?? "",
  )
  if (takesBrotli && file.brotli !== undefined)
    return reply.header("content-encoding", "br").type(file.type).send(file.brotli)
  return reply.type(file.type).send(file.body)
}
