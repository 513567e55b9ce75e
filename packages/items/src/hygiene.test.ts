import { readFileSync, statSync } from "node:fs"

import { processorTimer } from "@keyferry/testkit"
import { describe, expect, test } from "vitest"

import {
  buildFields,
  exchangeById,
  exchangeFieldSpecs,
  exchangeIds,
  isMainWalletKey,
  kindByName,
  normaliseField,
  toExchangeId,
} from "./index.ts"

const token = { name: "t", label: "T", secret: true, input: "token" } as const
const exact = { name: "p", label: "P", secret: true, input: "exact" } as const
const pem = { name: "k", label: "K", secret: true, multiline: "pem" } as const
const PEM = "-----BEGIN PRIVATE KEY-----\nAAAA\nBBBB\n-----END PRIVATE KEY-----\n"

const exchange = (input: Record<string, string>) => {
  const kind = kindByName("exchange-key")
  if (kind === undefined) throw new Error("no exchange-key")
  return buildFields(kind, Object.entries(input))
}

describe("values as they are typed", () => {
  test("spaces, line ends and invisible characters around a token go, and it is said", () => {
    for (const raw of [" abc", "abc\n", "\ufeffabc\u200b", "\u00a0abc\r\n"]) {
      expect(normaliseField(token, raw)).toEqual({
        ok: true,
        value: { value: "abc", trimmed: true, lineBreaksRestored: false },
      })
    }
    expect(normaliseField(token, "abc")).toMatchObject({ value: { trimmed: false } })
  })

  test("a password keeps its spaces and loses only the line end of a pipe", () => {
    expect(normaliseField(exact, "  a b ")).toMatchObject({ value: { value: "  a b ", trimmed: false } })
    expect(normaliseField(exact, " a \n")).toMatchObject({ value: { value: " a ", trimmed: true } })
  })

  test("a long run of line ends is looked at once, not from each of its places", () => {
    for (const raw of [`a${"\n".repeat(59_000)}b`, `a${"\r".repeat(59_000)}b`, `a${"\n".repeat(59_000)}`]) {
      const tookMs = processorTimer()
      normaliseField(exact, raw)
      expect(tookMs()).toBeLessThan(500)
    }
  })

  test.each([
    [token, "a\u0000b", "control-character"],
    [token, "a b", "space-inside"],
    [token, "a\nb", "newline"],
    [exact, "a\nb", "newline"],
    [exact, "a\u001bb", "control-character"],
    [exact, "\ud800", "not-text"],
    [pem, "a\nb", "newline"],
    [exact, "x".repeat(60_001), "too-long"],
  ] as const)("%# is refused with its field and reason", (spec, raw, reason) => {
    expect(normaliseField(spec, raw)).toEqual({
      ok: false,
      error: { code: "credential-malformed", field: spec.name, reason },
    })
  })

  test("a problem never carries the value", () => {
    expect(JSON.stringify(normaliseField(token, "hush hush"))).not.toContain("hush")
  })

  test("a PEM block keeps its lines, whatever surrounds or escapes them", () => {
    const kept = { value: PEM, trimmed: false, lineBreaksRestored: false }
    expect(normaliseField(pem, PEM)).toEqual({ ok: true, value: kept })
    expect(normaliseField(pem, PEM.replaceAll("\n", "\r\n"))).toEqual({ ok: true, value: kept })
    expect(normaliseField(pem, PEM.trim())).toEqual({ ok: true, value: kept })
    expect(normaliseField(pem, `\n  ${PEM}\n`)).toEqual({ ok: true, value: { ...kept, trimmed: true } })
    expect(normaliseField(pem, PEM.replaceAll("\n", "\\n"))).toEqual({
      ok: true,
      value: { ...kept, lineBreaksRestored: true },
    })
  })

  test("60,000 spaces around a token take no time", () => {
    const tookMs = processorTimer()
    normaliseField(token, `a${" ".repeat(59_990)}b`)
    expect(tookMs()).toBeLessThan(500)
  })
})

describe("field checks", () => {
  test.each([
    ["login", "otp", "otpauth://totp/Example:ada?secret=JBSWY3DPEHPK3PXP&issuer=Example&digits=8&period=60", undefined],
    ["login", "otp", "JBSW Y3DP EHPK 3PXP", undefined],
    ["login", "otp", "otpauth://totp/x?issuer=Example", "not-an-otp"],
    ["login", "otp", "otpauth://totp/x?secret=JBSWY3DPEHPK3PXP&digits=99", "not-an-otp"],
    ["login", "otp", "123456", "not-an-otp"],
    ["login", "url", "https://a.example/login\nhttps://b.example", undefined],
    ["login", "url", "https://ada:pw@a.example", "not-a-url"],
    ["login", "url", "a.example", "not-a-url"],
    ["host", "address", "2001:db8::1", undefined],
    ["host", "address", "192.0.2.1", undefined],
    ["host", "address", "ada@h.example", "not-an-address"],
    ["host", "address", "h.example:22", "not-an-address"],
    ["host", "port", "65536", "not-a-number"],
    ["host", "port", "022", "not-a-number"],
    ["host", "credential", "itm_x", "not-an-item-id"],
    ["host", "credential-choice", "both", "not-a-choice"],
    ["api-token", "expires-at", "2027-02-30", "not-a-date"],
    ["api-token", "expires-at", "2028-02-29", undefined],
    ["api-token", "expires-at", "2028-02-29T12:00:00Z", undefined],
    ["ssh-key", "private-key", PEM, undefined],
    ["ssh-key", "private-key", "-----BEGIN CERTIFICATE-----\nA\n-----END CERTIFICATE-----\n", "not-a-private-key"],
    ["ssh-key", "public-key", "ssh-dss AAAA x", "not-a-public-key"],
    ["env-set", "1BAD", "x", "not-a-variable-name"],
  ])("%s %s %j: %s", (name, field, value, reason) => {
    const kind = kindByName(name)
    if (kind === undefined) throw new Error(name)
    const input = new Map([...Object.entries(kind.example.fields), [field, value] as const])
    const result = buildFields(kind, input)
    expect(result.ok ? undefined : [result.error.field, result.error.reason]).toEqual(
      reason === undefined ? undefined : [field, reason],
    )
  })

  test("a host that leaves the credential to its members names none", () => {
    const kind = kindByName("host")
    if (kind === undefined) throw new Error("host")
    const result = buildFields(kind, Object.entries({ ...kind.example.fields, "credential-choice": "own" }))
    expect(result).toMatchObject({ error: { field: "credential", reason: "own-and-shared" } })
  })
})

describe("exchange keys", () => {
  const KEY = "organizations/1/apiKeys/2"

  test("fields are those of the exchange, under any of their names", () => {
    expect(exchange({ exchange: "Kraken", apiKey: "k", secret: "s" })).toMatchObject({ ok: true })
    const okx = exchange({ exchange: "OKX", api_key: "k", secret: "s", password: "p p", region: "eea" })
    expect(okx.ok && [...okx.value.fields]).toEqual([
      ["exchange", { value: "okx", secret: false }],
      ["key", { value: "k", secret: false }],
      ["secret", { value: "s", secret: true }],
      ["passphrase", { value: "p p", secret: true }],
      ["region", { value: "eea", secret: false }],
    ])
    expect(exchange({ exchange: "okx", key: "k", secret: "s" })).toMatchObject({
      error: { field: "passphrase", reason: "missing" },
    })
    expect(exchange({ exchange: "okx", key: "k", secret: "s", passphrase: "p", region: "mars" })).toMatchObject({
      error: { field: "region", reason: "not-a-choice" },
    })
    const ndax = exchange({ exchange: "ndax", key: "k", secret: "s", uid: "1", login: "ada", password: "p" })
    expect(ndax.ok && ndax.value.fields.has("password")).toBe(true)
  })

  test("a token that is an exchange's only field is secret there", () => {
    const built = exchange({ exchange: "onetrading", key: "k" })
    expect(built.ok && built.value.fields.get("key")).toEqual({ value: "k", secret: true })
  })

  test("an exchange of tomorrow needs something secret and nothing else", () => {
    expect(exchange({ exchange: "Brand New", key: "k" })).toMatchObject({
      error: { field: "secret", reason: "missing" },
    })
    expect(exchange({ exchange: "Brand New", token: "t" }).ok).toBe(true)
  })

  test("a swapped pair is refused where the shape is known, and only there", () => {
    expect(exchange({ exchange: "coinbase", key: PEM, secret: KEY })).toMatchObject({
      error: { field: "key", reason: "swapped" },
    })
    expect(exchange({ exchange: "coinbase", key: PEM.replaceAll("\n", "\\n"), secret: KEY })).toMatchObject({
      error: { reason: "swapped" },
    })
    const right = exchange({ exchange: "coinbase", key: KEY, secret: PEM.replaceAll("\n", "\\n") })
    expect(right.ok && right.value.notices).toEqual([{ field: "secret", what: "line-breaks-restored" }])
    expect(exchange({ exchange: "kraken", key: `${"A".repeat(86)}==`, secret: "A".repeat(56) })).toMatchObject({
      error: { reason: "swapped" },
    })
    expect(exchange({ exchange: "kraken", key: "unusual", secret: "A".repeat(56) }).ok).toBe(true)
    expect(exchange({ exchange: "binance", key: "A".repeat(64), secret: PEM }).ok).toBe(true)
    const wallet = `0x${"a".repeat(40)}`
    expect(
      exchange({ exchange: "hyperliquid", "wallet-address": "b".repeat(64), "private-key": wallet }),
    ).toMatchObject({
      error: { field: "wallet-address", reason: "swapped" },
    })
    expect(exchange({ exchange: "hyperliquid", "wallet-address": wallet, "private-key": "b".repeat(64) }).ok).toBe(true)
  })

  test("the main account's own key is recognised by its address", () => {
    const values = { exchange: "hyperliquid", "wallet-address": "0xAB", "private-key": "0x11" }
    expect(isMainWalletKey(values, (key) => (key === "11" ? "0xab" : "0x00"))).toBe(true)
    expect(isMainWalletKey(values, () => "0x00")).toBe(false)
    expect(isMainWalletKey({ ...values, exchange: "lighter" }, () => "0xab")).toBe(false)
  })

  test("the catalogue is small, complete and means what the form says", () => {
    expect(exchangeIds()).toHaveLength(105)
    expect(exchangeIds()).toContain("bitmex")
    expect(statSync(new URL("catalogue/exchanges.json", import.meta.url)).size).toBeLessThan(40_000)
    for (const id of exchangeIds()) {
      const found = exchangeById(id)
      if (found === undefined) throw new Error(id)
      const specs = exchangeFieldSpecs(found)
      expect([id, specs.map((spec) => spec.name).toSorted()]).toEqual([id, [...found.fields].toSorted()])
      expect([id, specs.some((spec) => spec.secret)]).toEqual([id, true])
      expect(toExchangeId(found.name.toUpperCase())).toBe(id)
      for (const shape of Object.values(found.shapes ?? {})) expect(() => new RegExp(shape)).not.toThrow()
    }
  })

  test("every word of the overlay is in the catalogue", () => {
    const overlay = JSON.parse(readFileSync(new URL("catalogue/overlay.json", import.meta.url), "utf8")) as Record<
      string,
      object
    >
    for (const [id, { rename: _applied, ...entry }] of Object.entries<{ rename?: object }>(overlay)) {
      expect(exchangeById(id)).toMatchObject(entry)
    }
  })
})
