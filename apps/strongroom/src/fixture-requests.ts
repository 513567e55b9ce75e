import { bytesToBase64url, Defect, formatId, type Result, utf8, utf8ToText } from "@keyferry/base"
import { HOLDER_DEVICE, type Holder, type LinkSigner } from "@keyferry/chain"
import { makeKemKeyPair, makeSigSeed, type SigSeed, sigPublicKey } from "@keyferry/crypto"
import { nodePrimitives as p } from "@keyferry/crypto/node"
import {
  contentDigest,
  type Failure,
  type RouteName,
  routes,
  signatureBase,
  signatureHeader,
  signatureInput,
  type SignatureTag,
} from "@keyferry/protocol"
import type { CallName, CallParams, CallResult, Executed, Limits, SignedRequest } from "@keyferry/strongroom-api"

import { cborShapes } from "./execute.ts"
import { createPooledRandom } from "./random.ts"

/* Devices of tests, and the requests that they sign and send. Development only. */
export const ORIGIN = "https://keys.example.test"
export const NO_LIMITS: Limits = { devices: 0, items: 0, bytes: 0 }

export const random = createPooledRandom()

/** How a test reaches a strongroom: in the same process, or over the channel of a real one. */
export interface Reach {
  readonly call: <C extends CallName>(name: C, params: CallParams<C>) => Promise<Result<CallResult<C>, Failure>>
  readonly nowMs: () => number
}
export const must = async <T>(result: Promise<Result<T, Failure>>): Promise<T> => {
  const settled = await result
  if (!settled.ok) throw new Defect(`${settled.error.code} ${settled.error.detail ?? ""}`)
  return settled.value
}
export const codeOf = async (result: Promise<Result<unknown, Failure>>): Promise<string> => {
  const settled = await result
  return settled.ok ? "ok" : settled.error.code
}

export interface TestDevice {
  readonly deviceId: Uint8Array
  readonly sigSeed: SigSeed
  readonly authSeed: SigSeed
  readonly keys: CallParams<"registerStart">["device"]
  readonly signer: LinkSigner
}

export const makeDevice = async (platform = "test"): Promise<TestDevice> => {
  const sigSeed = makeSigSeed(random)
  const authSeed = makeSigSeed(random)
  const deviceId = random.bytes(16)
  const kem = await makeKemKeyPair(random)
  return {
    deviceId,
    sigSeed,
    authSeed,
    keys: {
      deviceId,
      sigPk: await sigPublicKey(p, sigSeed),
      kemPk: kem.publicKey,
      authPk: await sigPublicKey(p, authSeed),
      platform,
    },
    signer: { holderId: deviceId, sign: (message) => p.ed25519Sign(sigSeed.reveal(), message) },
  }
}

export const holderOfDevice = (
  device: TestDevice,
  lease: { readonly leaseId: Uint8Array; readonly leasePk: Uint8Array },
): Holder => {
  const { sigPk, kemPk, authPk } = device.keys
  return { id: device.deviceId, kind: HOLDER_DEVICE, sigPk, kemPk, authPk, ...lease }
}

export interface SignOptions {
  readonly tag?: SignatureTag
  readonly keyId?: string
  readonly query?: string
  readonly createdS?: number
  readonly nonce?: Uint8Array
  readonly authority?: string
  readonly contentType?: string
}

/** Signs as a client does. */
export const signRequest = async (
  route: RouteName,
  seed: SigSeed,
  deviceId: Uint8Array,
  body: Uint8Array,
  nowMs: number,
  options: SignOptions = {},
): Promise<SignedRequest> => {
  const { method, path, body: kind, limit } = routes[route]
  const hasBody = kind !== "none"
  const authority = options.authority ?? new URL(ORIGIN).host
  const query = options.query ?? ""
  const contentType = options.contentType ?? (kind === "cbor" ? "application/cbor" : "application/json")
  const parts = {
    contentType,
    contentDigest: contentDigest(p.sha256(body)),
    idempotencyKey: bytesToBase64url(random.bytes(16)),
  }
  const parameters = {
    createdS: options.createdS ?? Math.floor(nowMs / 1000),
    nonce: bytesToBase64url(options.nonce ?? random.bytes(16)),
    keyId: options.keyId ?? formatId("dev", deviceId),
    tag: options.tag ?? (limit === "lease" ? "kf1-lease" : "kf1-dev"),
  }
  const base = signatureBase({ method, authority, path, query, ...(hasBody ? { body: parts } : {}) }, parameters)
  return {
    method,
    authority,
    path,
    query,
    headers: [
      ...(hasBody
        ? ([
            ["content-type", parts.contentType],
            ["content-digest", parts.contentDigest],
            ["idempotency-key", parts.idempotencyKey],
          ] as const)
        : []),
      ["signature-input", signatureInput(hasBody, parameters)] as const,
      ["signature", signatureHeader(await p.ed25519Sign(seed.reveal(), base))] as const,
    ],
    body,
  }
}

export const bodyBytes = (route: RouteName, body: unknown): Uint8Array => {
  if (routes[route].body === "none") return new Uint8Array()
  const shape = (cborShapes as Partial<Record<string, { body: { encode: (v: unknown) => Uint8Array } | undefined }>>)[
    route
  ]
  return shape?.body === undefined ? utf8(JSON.stringify(body)) : shape.body.encode(body)
}

/** Signs and executes; gives the answer as the server would get it. */
export const send = async (
  reach: Reach,
  device: TestDevice,
  route: RouteName,
  body: unknown = {},
  options: SignOptions & { readonly limits?: Limits } = {},
): Promise<Executed> => {
  const request = await signRequest(
    route,
    device.authSeed,
    device.deviceId,
    bodyBytes(route, body),
    reach.nowMs(),
    options,
  )
  return must(reach.call("execute", { request, limits: options.limits ?? NO_LIMITS, origins: [ORIGIN] }))
}

/** The JSON of a good answer. */
export const json = async (answer: Promise<Executed>): Promise<Record<string, unknown>> => {
  const { status, body, code, detail } = await answer
  if (status !== 200) throw new Defect(`${status} ${code ?? ""} ${detail ?? ""}`)
  return JSON.parse(utf8ToText(body) ?? "") as Record<string, unknown>
}
