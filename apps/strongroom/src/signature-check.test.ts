import { bytesToBase64url, utf8 } from "@keyferry/base"
import { makeSigSeed, sigPublicKey } from "@keyferry/crypto"
import { parseSignature, type RouteName, routes, signatureBase } from "@keyferry/protocol"
import type { SignedRequest } from "@keyferry/strongroom-api"
import { describe, expect, it } from "vitest"

import { ORIGIN, p, random, signRequest, type SignOptions } from "./fixture.ts"
import { isSigned, type ReadRequest, readSignedRequest } from "./signature-check.ts"

const NOW_MS = 1_700_000_000_000
const NOW_S = NOW_MS / 1000
const seed = makeSigSeed(random)
const deviceId = random.bytes(16)
const BODY = utf8(`{"code":"123456"}`)

const sign = (
  route: RouteName,
  body: Uint8Array = new Uint8Array(),
  options: SignOptions = {},
): Promise<SignedRequest> => signRequest(route, seed, deviceId, body, NOW_MS, options)
const read = (
  request: SignedRequest,
  { origins = [ORIGIN], startedAtMs = 0, nowMs = NOW_MS } = {},
): ReturnType<typeof readSignedRequest> => readSignedRequest(p, request, origins, { nowMs, startedAtMs })
const codeOf = (...given: Parameters<typeof read>): string => {
  const result = read(...given)
  return result.ok ? "ok" : result.error.code
}
const valueOf = (...given: Parameters<typeof read>): ReadRequest => {
  const result = read(...given)
  if (!result.ok) throw new Error(result.error.code)
  return result.value
}
const header = (request: SignedRequest, name: string): string =>
  request.headers.find(([other]) => other === name)?.[1] ?? ""
const withHeaders = (
  request: SignedRequest,
  change: (headers: readonly (readonly [string, string])[]) => readonly (readonly [string, string])[],
): SignedRequest => ({ ...request, headers: change(request.headers) })
const replaced = (request: SignedRequest, name: string, value: string): SignedRequest =>
  withHeaders(request, (headers) => headers.map(([n, v]) => [n, n === name ? value : v] as const))

describe("what is read", () => {
  it("[HT1] of a request without a body: route, key, nonce, tag, time, and what was signed", async () => {
    const nonce = random.bytes(16)
    const request = await sign("account.status", new Uint8Array(), { query: "after=1", nonce })
    const parameters = {
      createdS: NOW_S,
      nonce: bytesToBase64url(nonce),
      keyId: valueOf(request).keyId,
      tag: "kf1-dev",
    } as const
    const { method, path } = routes["account.status"]
    const parts = { method, path, authority: new URL(ORIGIN).host, query: "after=1" }
    const signature = parseSignature(header(request, "signature"))
    expect(read(request)).toEqual({
      ok: true,
      value: {
        ...parameters,
        route: "account.status",
        base: signatureBase(parts, parameters),
        signature: signature.ok ? signature.value : undefined,
      },
    })
    expect(parameters.keyId).toMatch(/^dev_/)
    expect(await isSigned(p, valueOf(request), await sigPublicKey(p, seed))).toBe(true)
  })

  it("[HT2] of a request with a body: its type, digest and idempotency key are signed too", async () => {
    for (const [route, contentType] of [
      ["two-factor.confirm", "application/json"],
      ["sync", "application/cbor"],
    ] as const) {
      const request = await sign(route, BODY)
      const { route: found, base, signature: _s, ...parameters } = valueOf(request)
      expect(found).toBe(route)
      const { method, path } = routes[route]
      const body = {
        contentType,
        contentDigest: header(request, "content-digest"),
        idempotencyKey: header(request, "idempotency-key"),
      }
      const parts = { method, path, authority: new URL(ORIGIN).host, query: "", body }
      expect(base).toEqual(signatureBase(parts, parameters))
      expect(await isSigned(p, valueOf(request), await sigPublicKey(p, seed))).toBe(true)
    }
  })
})

describe("what is refused", () => {
  it("[HT1] another route, another method, headers that are missing, doubled, added or exchanged", async () => {
    const request = await sign("account.status")
    expect(codeOf({ ...request, path: "/nowhere" })).toBe("not-found")
    expect(codeOf({ ...request, method: "DELETE" })).toBe("not-found")
    for (const name of ["signature", "signature-input"]) {
      expect(codeOf(withHeaders(request, (all) => all.filter(([n]) => n !== name)))).toBe("signature-invalid")
      expect(codeOf(replaced(request, name, "sig1=nonsense"))).toBe("signature-invalid")
    }
    const [first] = request.headers
    if (first === undefined) throw new Error("no header")
    expect(codeOf(withHeaders(request, (all) => [...all, first]))).toBe("signature-invalid")
    expect(codeOf(withHeaders(request, (all) => [...all, ["x-more", "1"]]))).toBe("signature-invalid")
    const full = await sign("two-factor.confirm", BODY)
    for (const name of ["content-type", "content-digest", "idempotency-key"]) {
      expect(codeOf(withHeaders(full, (all) => all.filter(([n]) => n !== name)))).toBe("signature-invalid")
      const exchanged = withHeaders(full, (all) => all.map(([n, v]) => [n === name ? "x-more" : n, v] as const))
      expect(codeOf(exchanged)).toBe("signature-invalid")
    }
  })

  it("[HT2] another body, digest or type, a body where none belongs, and a form of the other kind", async () => {
    const full = await sign("two-factor.confirm", BODY)
    expect(codeOf({ ...full, body: utf8("{}") })).toBe("signature-invalid")
    expect(codeOf({ ...(await sign("account.status")), body: utf8("{}") })).toBe("signature-invalid")
    expect(codeOf(await sign("two-factor.confirm", BODY, { contentType: "application/cbor" }))).toBe("malformed")
    expect(codeOf(await sign("sync", BODY, { contentType: "application/json" }))).toBe("malformed")
    expect(codeOf(await sign("sync", BODY, { contentType: "text/plain" }))).toBe("malformed")
    const bodiless = await sign("account.status")
    const inputs = (request: SignedRequest): readonly (readonly [string, string])[] =>
      request.headers.filter(([name]) => name.startsWith("signature"))
    expect(codeOf({ ...full, headers: [...full.headers.slice(0, 3), ...inputs(bodiless)] })).toBe("signature-invalid")
    expect(codeOf({ ...bodiless, headers: inputs(full) })).toBe("signature-invalid")
  })

  it("[HT2] an idempotency key that is empty, longer than 128 characters, or of other than visible ASCII", async () => {
    const full = await sign("two-factor.confirm", BODY)
    const withKey = (key: string): string => codeOf(replaced(full, "idempotency-key", key))
    for (const key of ["!", "~", "a".repeat(128)]) expect(withKey(key)).toBe("ok")
    for (const key of ["", "a".repeat(129), "a b", " a", "a ", "a\u007f", "ä", "a\n"])
      expect(withKey(key)).toBe("signature-invalid")
  })

  it("[HT3] an authority that no configured origin has; an origin that is none does not help", async () => {
    const request = await sign("account.status")
    for (const origins of [
      ["nonsense", ORIGIN],
      ["https://other.example.test", ORIGIN],
    ])
      expect(codeOf(request, { origins })).toBe("ok")
    for (const origins of [[], ["nonsense"], ["https://other.example.test"], [`${ORIGIN}:8443`]])
      expect(codeOf(request, { origins })).toBe("signature-invalid")
  })

  it("[HT4] a time more than a minute away, to the second, or before this process began", async () => {
    const at = (createdS: number): Promise<SignedRequest> => sign("account.status", new Uint8Array(), { createdS })
    for (const createdS of [NOW_S - 60, NOW_S, NOW_S + 60]) expect(codeOf(await at(createdS))).toBe("ok")
    for (const createdS of [NOW_S - 61, NOW_S + 61, 0])
      expect(read(await at(createdS))).toEqual({ ok: false, error: { code: "clock-skew", serverTimeMs: NOW_MS } })
    const request = await at(NOW_S)
    expect(codeOf(request, { startedAtMs: NOW_MS })).toBe("ok")
    const tooEarly = read(request, { startedAtMs: NOW_MS + 1, nowMs: NOW_MS + 1 })
    expect(tooEarly).toEqual({ ok: false, error: { code: "clock-skew", serverTimeMs: NOW_MS + 1000 } })
    // What is signed at the time that was told is taken, also in the second of the start.
    expect(codeOf(await at(NOW_S + 1), { startedAtMs: NOW_MS + 1, nowMs: NOW_MS + 1 })).toBe("ok")
  })
})

it("[HT7] a key of zeros verifies nothing, whatever the primitives say of it", async () => {
  const request = valueOf(await sign("account.status"))
  const yes = { ...p, ed25519Verify: async () => true }
  expect(await isSigned(yes, request, await sigPublicKey(p, seed))).toBe(true)
  expect(await isSigned(yes, request, new Uint8Array(32))).toBe(false)
  expect(await isSigned(p, request, await sigPublicKey(p, makeSigSeed(random)))).toBe(false)
})
