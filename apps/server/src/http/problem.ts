import { errors, type Failure } from "@keyferry/protocol"
import { StoreError } from "@keyferry/store"
import type { FastifyReply } from "fastify"

/** The body of every answer that is not a success (RFC 9457), written from the one error table. */
export interface Problem {
  readonly type: string
  readonly title: string
  readonly status: number
  readonly detail?: string
  readonly code: Failure["code"]
  readonly requestId: string
  readonly retry: string
  readonly retryable: boolean
  readonly retryAfter?: number
  readonly serverTimeMs?: number
  readonly keys: string
  readonly hint: string
  readonly fields?: readonly { readonly pointer: string }[]
}

export interface ProblemContext {
  readonly requestId: string
  readonly nowMs: number
  readonly fields?: readonly { readonly pointer: string }[]
}

export const problemOf = (failed: Failure, { requestId, nowMs, fields }: ProblemContext): Problem => {
  const entry = errors[failed.code]
  const retryAfter = failed.retryAfterS ?? (entry.status === 503 ? 5 : undefined)
  return {
    type: `/errors#${failed.code}`,
    title: entry.sentence,
    // Codes that only a client meets never come from here; if one does, it is our defect.
    status: entry.status === 0 ? 500 : entry.status,
    ...(failed.detail === undefined ? {} : { detail: failed.detail }),
    code: failed.code,
    requestId,
    retry: entry.retry,
    retryable: entry.retry !== "never",
    ...(retryAfter === undefined ? {} : { retryAfter }),
    // The strongroom's clock decides: in the second of its start it names a time that it will take (HT4).
    ...(failed.code === "clock-skew" ? { serverTimeMs: failed.serverTimeMs ?? nowMs } : {}),
    keys: entry.keys,
    hint: entry.action,
    ...(fields === undefined || fields.length === 0 ? {} : { fields }),
  }
}

export const sendProblem = (reply: FastifyReply, failed: Failure, context: ProblemContext): FastifyReply => {
  const problem = problemOf(failed, context)
  if (problem.retryAfter !== undefined) void reply.header("retry-after", String(problem.retryAfter))
  if (problem.status === 401) void reply.header("www-authenticate", "Bearer")
  // Bytes, because the framework adds a charset to text, which this media type does not have.
  return reply
    .status(problem.status)
    .header("content-type", "application/problem+json")
    .send(Buffer.from(JSON.stringify(problem)))
}

/** What an exception at the top of a request means. `undefined` for a defect. */
export const failureOfException = (error: unknown): Failure | undefined => {
  if (error instanceof StoreError) {
    switch (error.code) {
      case "store-full":
      case "store-corrupt":
      case "schema-newer":
        return { code: error.code }
      default:
        return { code: "internal", detail: "The server's store does not answer.", retryAfterS: 5 }
    }
  }
  const code = typeof error === "object" && error !== null && "code" in error ? String(error.code) : ""
  if (code === "FST_ERR_CTP_BODY_TOO_LARGE") return { code: "too-large" }
  return code.startsWith("FST_ERR_") || /^HPE_|^ERR_HTTP/.test(code) ? { code: "malformed" } : undefined
}
