import { formatId } from "@keyferry/base"
import fc from "fast-check"
import { describe, expect, test } from "vitest"

import {
  DEFAULT_VAULT,
  formatReference,
  matchField,
  matchItem,
  matchName,
  parseReference,
  type Reference,
} from "./index.ts"

const itemId = formatId("itm", new Uint8Array(16).fill(1))

const reason = (text: string) => {
  const result = parseReference(text)
  return result.ok ? "accepted" : result.error.reason
}

const get = (text: string): Reference => {
  const result = parseReference(text)
  if (!result.ok) throw new Error(result.error.reason)
  return result.value
}

describe("references", () => {
  test.each([
    ["kf://Personal/Bybit%20-%20main/secret", "Personal", "Bybit - main", undefined, "secret"],
    ["kf://Personal/Bybit - main/secret", "Personal", "Bybit - main", undefined, "secret"],
    ["kf://Desk/prod-db/admin/password?version=3", "Desk", "prod-db", "admin", "password"],
    ["kf://%7E/a%2Fb/c", "~", "a/b", undefined, "c"],
  ])("%s", (text, vault, item, section, field) => {
    const reference = get(text)
    expect(reference.target).toEqual({ by: "name", vault, item })
    expect(reference.section).toBe(section)
    expect(reference.field).toBe(field)
  })

  test("~ is the default vault and id: the stable form", () => {
    expect(get("kf://~/GitHub/otp").target).toEqual({ by: "name", vault: DEFAULT_VAULT, item: "GitHub" })
    expect(get(`kf://id:${itemId}/private-key?format=pkcs8`)).toEqual({
      target: { by: "id", itemId },
      field: "private-key",
      query: new Map([["format", "pkcs8"]]),
    })
  })

  test.each([
    ["op://a/b/c", "not-a-reference"],
    ["kf://a/b", "too-few-parts"],
    ["kf://a/b/c/d/e", "too-many-parts"],
    ["kf://a//c", "empty-part"],
    ["kf:///b/c", "empty-part"],
    ["kf://a/b/c/", "empty-part"],
    ["kf://a/b@c/d", "needs-percent-encoding"],
    ["kf://a/é/d", "needs-percent-encoding"],
    ["kf://a/%zz/d", "bad-percent-encoding"],
    ["kf://a/%ff/d", "bad-percent-encoding"],
    ["kf://id:itm_x/d", "bad-item-id"],
    [`kf://id:${itemId}`, "too-few-parts"],
    ["kf://a/b/c?x", "bad-query"],
    ["kf://a/b/c?", "bad-query"],
    ["kf://a/b/c?x=1&x=2", "bad-query"],
    ["kf://a/b/c#d", "needs-percent-encoding"],
  ])("%s is refused: %s", (text, wanted) => {
    expect(reason(text)).toBe(wanted)
  })

  test("what was formatted parses back to the same, for any names", () => {
    const part = fc.string({ unit: "grapheme", minLength: 1, maxLength: 20 }).filter((text) => text.isWellFormed())
    const target = fc.oneof(
      fc.record({
        by: fc.constant("name" as const),
        vault: fc.oneof(part, fc.constant("~"), fc.constant(DEFAULT_VAULT)),
        item: part,
      }),
      fc.record({ by: fc.constant("id" as const), itemId: fc.constant(itemId) }),
    )
    const query = fc
      .uniqueArray(fc.tuple(part, part), { selector: ([name]) => name, maxLength: 3 })
      .map((pairs) => new Map(pairs))
    const reference = fc.record(
      { target, section: part, field: part, query },
      { requiredKeys: ["target", "field", "query"] },
    )
    fc.assert(
      fc.property(reference, (made) => {
        const text = formatReference(made)
        expect(text).toMatch(/^[!-~]+$/)
        expect(parseReference(text)).toEqual({ ok: true, value: made })
        expect(formatReference(get(text))).toBe(text)
      }),
    )
  })

  test("any text is answered, and what is accepted has one canonical form", () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 60 }), (tail) => {
        const result = parseReference(`kf://${tail}`)
        if (result.ok) expect(parseReference(formatReference(result.value))).toEqual(result)
      }),
    )
  })
})

describe("matching", () => {
  const vaults = [
    { id: "v1", name: "Personal" },
    { id: "v2", name: "Desk" },
  ]
  const items = [
    { id: "i1", vaultId: "v1", name: "GitHub" },
    { id: "i2", vaultId: "v1", name: "github" },
    { id: "i3", vaultId: "v2", name: "GITHUB" },
    { id: "i4", vaultId: "v1", name: "Café" },
    { id: itemId, vaultId: "v2", name: "x" },
  ]

  test("exact wins, then any case, and two candidates are named", () => {
    expect(matchItem(get("kf://Personal/github/otp"), vaults, items, "v1")).toMatchObject({
      ok: true,
      value: { id: "i2" },
    })
    expect(matchItem(get("kf://desk/github/otp"), vaults, items, "v1")).toMatchObject({ ok: true, value: { id: "i3" } })
    expect(matchItem(get("kf://~/GITHUB/otp"), vaults, items, "v1")).toEqual({
      ok: false,
      error: { code: "ambiguous", what: "item", candidates: ["i1", "i2"] },
    })
  })

  test("composed and decomposed letters are the same name", () => {
    expect(matchName("item", "Cafe\u0301", items)).toMatchObject({ ok: true, value: { id: "i4" } })
  })

  test("what is not there is told apart", () => {
    expect(matchItem(get("kf://Nowhere/x/y"), vaults, items, "v1")).toEqual({
      ok: false,
      error: { code: "not-found", what: "vault" },
    })
    expect(matchItem(get("kf://Desk/y/y"), vaults, items, "v1")).toEqual({
      ok: false,
      error: { code: "not-found", what: "item" },
    })
    expect(matchItem(get("kf://~/y/y"), vaults, items, undefined)).toEqual({
      ok: false,
      error: { code: "not-found", what: "vault" },
    })
    expect(matchItem(get(`kf://id:${itemId}/y`), [], items, undefined)).toMatchObject({
      ok: true,
      value: { name: "x" },
    })
  })

  test("fields match by name, alias, case, section, and through a reference", () => {
    const of = (kind: string, ...names: string[]) => ({
      kind,
      fields: new Map(names.map((name) => [name, { value: "", secret: true }])),
    })
    const field = (text: string, item: ReturnType<typeof of>) => matchField(get(`kf://v/i/${text}`), item)
    expect(field("user", of("login", "username"))).toEqual({ ok: true, value: { here: true, name: "username" } })
    expect(field("secret-access-key", of("api-token", "token"))).toEqual({
      ok: true,
      value: { here: true, name: "token" },
    })
    expect(field("apiKey", of("exchange-key", "key"))).toEqual({ ok: true, value: { here: true, name: "key" } })
    expect(field("PRIVATE-KEY", of("ssh-key", "private-key"))).toEqual({
      ok: true,
      value: { here: true, name: "private-key" },
    })
    expect(field("AWS/region", of("login", "AWS/region"))).toEqual({
      ok: true,
      value: { here: true, name: "AWS/region" },
    })
    expect(field("database_url", of("env-set", "DATABASE_URL"))).toEqual({
      ok: true,
      value: { here: true, name: "DATABASE_URL" },
    })
    expect(field("key", of("env-set", "KEY", "Key"))).toEqual({
      ok: false,
      error: { code: "ambiguous", what: "field", candidates: ["KEY", "Key"] },
    })
    expect(field("user", of("host", "address"))).toEqual({
      ok: true,
      value: { here: false, through: "credential", field: "username" },
    })
    expect(field("nothing", of("host", "address"))).toEqual({ ok: false, error: { code: "not-found", what: "field" } })
  })
})
