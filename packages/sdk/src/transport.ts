import { bytesToBase64url, err, formatId, ok, type Result, utf8, utf8ToText } from "@keyferry/base"
import {
  CLIENT_HEADER,
  contentDigest,
  type Discovery,
  type ErrorCode,
  type Failure,
  isErrorCode,
  type JsonBody,
  type JsonReply,
  type JsonRoute,
  PROTOCOL_VERSION,
  type RouteName,
  routes,
  signatureBase,
  signatureHeader,
  signatureInput,
  type SignatureTag,
} from "@keyferry/protocol"

import { createEventReader } from "./event-stream.ts"
import type { HttpReply, HttpRequest, SdkPorts } from "./ports.ts"
import { isDiscovery, isReply } from "./replies.ts"

/** Signs requests as one device (or with the kit's key). The private half stays with whoever made this. */
export interface RequestSigner {
  readonly keyId: string
  readonly tag: SignatureTag
  readonly sign: (message: Uint8Array) => Promise<Uint8Array>
}

export interface Credentials {
  readonly signer?: RequestSigner
  readonly session?: string
}

export type Answer<T> = Promise<Result<T, Failure>>

/** One server, spoken to by the route table. Failures of the network are values: `network-unreachable`, `timed-out`. */
export interface Transport {
  readonly origin: string
  readonly json: <R extends JsonRoute>(
    route: R,
    body: JsonBody<R>,
    as: Credentials,
    query?: string,
  ) => Answer<JsonReply<R>>
  readonly cbor: (route: RouteName, body: Uint8Array | undefined, as: Credentials, query?: string) => Answer<Uint8Array>
  readonly events: (
    route: RouteName,
    body: Uint8Array,
    as: Credentials,
    /** `name` is that of the event; only an event without data is told by its name alone. */
    onEvent: (data: string, name: string) => void,
  ) => Answer<{
    readonly close: () => void
    /** Why it was given up; `undefined` where it ended or fell silent. */
    readonly closed: Promise<Failure | undefined>
  }>
  readonly discover: () => Answer<Discovery>
}

const TIMEOUT_MS = 30_000
/** Our server says every 20 seconds that it is still there (`spec/feed.md` FD9). */
const SILENCE_MS = 60_000
const TOO_LONG: Failure = { code: "malformed", detail: "The server sent an event that is longer than any of ours." }

export type TransportPorts = Pick<SdkPorts, "http" | "clock" | "random" | "primitives" | "client" | "schedule">

/** The server's clock as it is known here. */
export interface ServerClock {
  /** Server time minus ours, learnt from a `clock-skew` answer; a request is then signed once more. */
  aheadMs: number
}

export const createTransport = (
  ports: TransportPorts,
  origin: string,
  serverClock: ServerClock = { aheadMs: 0 },
): Transport => {
  const url = new URL(origin)

  const build = async (
    route: RouteName,
    body: Uint8Array | undefined,
    as: Credentials,
    query: string,
  ): Promise<HttpRequest> => {
    const { method, path, body: bodyType } = routes[route]
    const headers: Record<string, string> = { [CLIENT_HEADER]: `${ports.client} protocol/${PROTOCOL_VERSION}` }
    const content = body ?? (bodyType === "none" ? undefined : utf8("{}"))
    const covered =
      content === undefined
        ? undefined
        : {
            contentType: bodyType === "cbor" ? "application/cbor" : "application/json",
            contentDigest: contentDigest(ports.primitives.sha256(content)),
            idempotencyKey: formatId("req", ports.random.bytes(16)),
          }
    if (covered !== undefined) {
      headers["content-type"] = covered.contentType
      headers["content-digest"] = covered.contentDigest
      headers["idempotency-key"] = covered.idempotencyKey
    }
    if (as.session !== undefined) headers["authorization"] = `Bearer ${as.session}`
    if (as.signer !== undefined) {
      const parameters = {
        createdS: Math.floor((ports.clock.nowMs() + serverClock.aheadMs) / 1000),
        nonce: bytesToBase64url(ports.random.bytes(16)),
        keyId: as.signer.keyId,
        tag: as.signer.tag,
      }
      const base = signatureBase(
        { method, authority: url.host, path, query, ...(covered === undefined ? {} : { body: covered }) },
        parameters,
      )
      headers["signature-input"] = signatureInput(covered !== undefined, parameters)
      headers["signature"] = signatureHeader(await as.signer.sign(base))
    }
    return {
      method,
      url: `${url.origin}${path}${query === "" ? "" : `?${query}`}`,
      headers,
      timeoutMs: TIMEOUT_MS,
      ...(content === undefined ? {} : { body: content }),
    }
  }

  /** Whether the answer was that our clock is off, by how much it said, and we had not asked again yet. */
  const learnsTime = (failed: Failure, as: Credentials, attempt: number): boolean => {
    if (failed.code !== "clock-skew" || failed.serverTimeMs === undefined || as.signer === undefined || attempt > 0)
      return false
    serverClock.aheadMs = failed.serverTimeMs - ports.clock.nowMs()
    return true
  }

  const send = async (
    route: RouteName,
    body: Uint8Array | undefined,
    as: Credentials,
    query: string,
  ): Answer<Uint8Array> => {
    for (let attempt = 0; ; attempt++) {
      const reply = await ports.http.send(await build(route, body, as, query))
      if (reply === undefined) return err({ code: "network-unreachable" })
      if (reply.status < 400) return ok(reply.body)
      const failed = failureOf(reply)
      if (learnsTime(failed, as, attempt)) continue
      return err(failed)
    }
  }

  return Object.freeze<Transport>({
    origin: url.origin,
    json: async (route, body, as, query = "") => {
      const payload = routes[route].body === "none" ? undefined : utf8(JSON.stringify(body))
      const reply = await send(route, payload, as, query)
      if (!reply.ok) return reply
      const parsed = parseJson(reply.value)
      // A hostile server can only make the flow fail; what the texts and numbers in it mean, every use checks by itself.
      return isReply(route, parsed) ? ok(parsed as never) : err({ code: "malformed" })
    },
    cbor: (route, body, as, query = "") => send(route, body, as, query),
    events: async (route, body, as, onEvent) => {
      let stop: (() => void) | undefined
      let isTooLong = false
      const silence = watchSilence(ports, () => stop?.())
      const take = createEventReader(onEvent)
      // An event that never ends would fill the memory of the device: such a server is hung up on.
      const onChunk = (chunk: Uint8Array): void => {
        silence.heard()
        if (take(chunk)) return
        isTooLong = true
        stop?.()
      }
      for (let attempt = 0; ; attempt++) {
        const opened = await ports.http.stream(await build(route, body, as, ""), onChunk)
        if (opened.ok) {
          stop = opened.value.close
          // It may have come with the answer.
          if (isTooLong) stop()
          else silence.begin()
          const closed = opened.value.closed.then(() => {
            silence.end()
            return isTooLong ? TOO_LONG : undefined
          })
          return ok({ close: opened.value.close, closed })
        }
        if (opened.error === undefined) return err({ code: "network-unreachable" })
        const failed = failureOf(opened.error)
        if (!learnsTime(failed, as, attempt)) return err(failed)
      }
    },
    discover: async () => {
      const reply = await ports.http.send({
        method: "GET",
        url: `${url.origin}/.well-known/keyferry`,
        headers: { [CLIENT_HEADER]: `${ports.client} protocol/${PROTOCOL_VERSION}` },
        timeoutMs: TIMEOUT_MS,
      })
      if (reply === undefined) return err({ code: "network-unreachable" })
      const parsed = reply.status === 200 ? parseJson(reply.body) : undefined
      return isDiscovery(parsed)
        ? ok(parsed as Discovery)
        : err({ code: "not-found", detail: `No Keyferry server answers at ${url.origin}.` })
    },
  })
}

/** A stream whose other end is gone without a word would otherwise be listened to for ever. */
const watchSilence = (
  { clock, schedule }: TransportPorts,
  onSilence: () => void,
): { readonly heard: () => void; readonly begin: () => void; readonly end: () => void } => {
  let heardMs = 0
  let cancel: (() => void) | undefined
  const look = (): void => {
    const leftMs = heardMs + SILENCE_MS - clock.monotonicMs()
    if (leftMs > 0) cancel = schedule(look, leftMs)
    else onSilence()
  }
  const heard = (): void => {
    heardMs = clock.monotonicMs()
  }
  return {
    heard,
    begin: () => {
      heard()
      look()
    },
    end: () => cancel?.(),
  }
}

const parseJson = (bytes: Uint8Array): unknown => {
  const text = utf8ToText(bytes)
  if (text === undefined) return undefined
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

const STATUS_CODES: Readonly<Record<number, ErrorCode>> = {
  404: "not-found",
  413: "too-large",
  426: "unsupported-version",
  429: "rate-limited",
  // Of a proxy whose server is away.
  502: "network-unreachable",
  503: "strongroom-unavailable",
  504: "timed-out",
}

const isTime = (value: unknown): value is number =>
  typeof value === "number" && Number.isSafeInteger(value) && value >= 0

const failureOf = (reply: HttpReply): Failure => {
  const problem = parseJson(reply.body) as Record<string, unknown> | undefined
  const code = problem?.["code"]
  const known = typeof code === "string" && isErrorCode(code) ? code : (STATUS_CODES[reply.status] ?? "internal")
  const detail = problem?.["detail"]
  const retryAfterS = problem?.["retryAfter"]
  const serverTimeMs = problem?.["serverTimeMs"]
  return {
    code: known,
    // Quoted, because it is not our sentence: a hostile server writes whatever it likes.
    ...(typeof detail === "string" && detail !== "" && detail.length <= 300
      ? { detail: `The server says: “${detail}”` }
      : {}),
    ...(isTime(retryAfterS) ? { retryAfterS } : {}),
    ...(isTime(serverTimeMs) ? { serverTimeMs } : {}),
  }
}
