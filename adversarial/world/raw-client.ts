import { request } from "node:http"
import { join } from "node:path"

import { bytesToBase64url, formatId, utf8, secret } from "@keyferry/base"
import { type SigSeed } from "@keyferry/crypto"
import { nodePrimitives as p } from "@keyferry/crypto/node"
import {
  contentDigest,
  type RouteName,
  routes,
  signatureBase,
  signatureHeader,
  signatureInput,
  type SignatureTag,
} from "@keyferry/protocol"
import { createFileStore, createSecretFile } from "@keyferry/sdk/node"

import { loadAuthSeed } from "../../packages/sdk/src/device.ts"
import { deviceRecord } from "../../packages/sdk/src/formats.ts"

/*
 * An attacker's own client: says whatever it wants, with the keys it has. It speaks to the real server over a socket.
 */
export const randomBytes = (length: number): Uint8Array => crypto.getRandomValues(new Uint8Array(length))

/** What somebody who holds a device's folder has without its password: the request-signing key is usable while locked. */
export interface StolenDevice {
  readonly deviceId: Uint8Array
  readonly accountId: Uint8Array
  readonly leaseId: Uint8Array
  readonly leasePk: Uint8Array
  readonly authSeed: SigSeed
}

export const stealFrom = async (folder: string): Promise<StolenDevice> => {
  const store = createFileStore(join(folder, "device.db"))
  const secrets = createSecretFile(join(folder, "device.secret"))
  const row = await store.read("clear", "device")
  const record = row === undefined ? undefined : deviceRecord.decode(row, 65_536)
  const authSeed = await loadAuthSeed({ store, secrets, primitives: p } as Parameters<typeof loadAuthSeed>[0])
  await store.close()
  if (record?.ok !== true || record.value.account === undefined || authSeed === undefined)
    throw new Error("nothing to steal here")
  const { deviceId, accountId, leaseId, leasePk } = record.value.account
  // On Node what the SDK keeps is the key itself.
  return { deviceId, accountId, leaseId, leasePk, authSeed: secret<"SigSeed">(authSeed.reveal()) }
}

/** Signs requests with a key of the attacker's choice. */
export interface Identity {
  readonly keyId: string
  readonly seed: Uint8Array
}
export const identityOf = (device: StolenDevice): Identity => ({
  keyId: formatId("dev", device.deviceId),
  seed: device.authSeed.reveal(),
})

export interface RawRequest {
  readonly as?: Identity | undefined
  readonly session?: string | undefined
  readonly body?: Uint8Array | object | undefined
  readonly query?: string
  readonly nowMs?: number
  /** Anything about the signature or the form that is not as it should be. */
  readonly tag?: SignatureTag
  readonly createdS?: number
  readonly nonce?: Uint8Array
  readonly authority?: string
  readonly signedPath?: string
  readonly signedBody?: Uint8Array
  readonly method?: string
  readonly path?: string
  readonly headers?: Readonly<Record<string, string | readonly string[]>>
}

export interface RawReply {
  readonly status: number
  readonly code: string
  readonly json: Record<string, unknown>
  readonly body: Uint8Array
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>
}

/** The request as it goes onto the wire, so that it can be sent twice. */
export interface WireRequest {
  readonly method: string
  readonly path: string
  readonly headers: Readonly<Record<string, string | readonly string[]>>
  readonly body: Uint8Array
}

export const buildRequest = async (
  origin: string,
  route: RouteName,
  options: RawRequest = {},
): Promise<WireRequest> => {
  const { method, path, body: kind, limit } = routes[route]
  const { body: given, as, query = "" } = options
  const body =
    kind === "none" ? new Uint8Array() : given instanceof Uint8Array ? given : utf8(JSON.stringify(given ?? {}))
  const headers: Record<string, string | readonly string[]> = { "keyferry-client": "attacker/1.0.0 protocol/1" }
  const covered =
    kind === "none"
      ? undefined
      : {
          contentType: kind === "cbor" ? "application/cbor" : "application/json",
          contentDigest: contentDigest(p.sha256(options.signedBody ?? body)),
          idempotencyKey: formatId("req", randomBytes(16)),
        }
  if (covered !== undefined) {
    headers["content-type"] = covered.contentType
    headers["content-digest"] = covered.contentDigest
    headers["idempotency-key"] = covered.idempotencyKey
  }
  if (options.session !== undefined) headers["authorization"] = `Bearer ${options.session}`
  if (as !== undefined) {
    const parameters = {
      createdS: options.createdS ?? Math.floor((options.nowMs ?? Date.now()) / 1000),
      nonce: bytesToBase64url(options.nonce ?? randomBytes(16)),
      keyId: as.keyId,
      tag: options.tag ?? (as.keyId.startsWith("rec_") ? "kf1-rec" : limit === "lease" ? "kf1-lease" : "kf1-dev"),
    }
    const base = signatureBase(
      {
        method,
        authority: options.authority ?? new URL(origin).host,
        path: options.signedPath ?? path,
        query,
        ...(covered === undefined ? {} : { body: covered }),
      },
      parameters,
    )
    headers["signature-input"] = signatureInput(covered !== undefined, parameters)
    headers["signature"] = signatureHeader(await p.ed25519Sign(as.seed, base))
  }
  return {
    method: options.method ?? method,
    path: `${options.path ?? path}${query === "" ? "" : `?${query}`}`,
    headers: { ...headers, ...options.headers },
    body,
  }
}

export const sendRaw = (origin: string, wire: WireRequest): Promise<RawReply> =>
  new Promise((resolve, reject) => {
    const url = new URL(origin)
    const outgoing = request(
      {
        host: "127.0.0.1",
        port: url.port,
        method: wire.method,
        path: wire.path,
        headers: {
          host: url.host,
          ...wire.headers,
          ...(wire.body.length > 0 ? { "content-length": String(wire.body.length) } : {}),
        } as Record<string, string>,
      },
      (reply) => {
        const chunks: Uint8Array[] = []
        // A stream is judged by its head.
        if (reply.headers["content-type"]?.startsWith("text/event-stream") === true) {
          resolve({ status: reply.statusCode ?? 0, code: "", json: {}, body: new Uint8Array(), headers: reply.headers })
          reply.destroy()
          return
        }
        reply.on("data", (chunk: Uint8Array) => chunks.push(chunk))
        reply.on("end", () => {
          const body = new Uint8Array(Buffer.concat(chunks))
          const json = parse(body)
          resolve({
            status: reply.statusCode ?? 0,
            code: typeof json["code"] === "string" ? json["code"] : "",
            json,
            body,
            headers: reply.headers,
          })
        })
        reply.on("error", reject)
      },
    )
    outgoing.on("error", reject)
    outgoing.end(wire.body.length > 0 ? wire.body : undefined)
  })

const parse = (body: Uint8Array): Record<string, unknown> => {
  try {
    return JSON.parse(new TextDecoder().decode(body)) as Record<string, unknown>
  } catch {
    return {}
  }
}

export const knock = async (origin: string, route: RouteName, options: RawRequest = {}): Promise<RawReply> =>
  sendRaw(origin, await buildRequest(origin, route, options))
