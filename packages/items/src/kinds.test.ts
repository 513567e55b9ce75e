import { readFileSync } from "node:fs"

import { describe, expect, test } from "vitest"

import {
  buildFields,
  decodeItem,
  defineKind,
  encodeItem,
  type FieldValue,
  isCredential,
  type Kind,
  kindByName,
  kinds,
  kindsTable,
  leaseClassOf,
  makeItem,
} from "./index.ts"

const place = { itemId: new Uint8Array(16).fill(7), vaultId: new Uint8Array(32).fill(9) }

const buildExample = (kind: Kind) => {
  const built = buildFields(kind, Object.entries(kind.example.fields))
  if (!built.ok) throw new Error(`${kind.kind}: ${built.error.field} ${built.error.reason}`)
  return built.value
}

describe.each(kinds.map((kind) => [kind.kind, kind as Kind] as const))("kind %s", (name, kind) => {
  test("its example is clean, complete and parses", () => {
    const built = buildExample(kind)
    expect(built.notices).toEqual([])
    expect(Object.fromEntries([...built.fields].map(([field, { value }]) => [field, value]))).toEqual(
      kind.example.fields,
    )
    expect(kind.parse(built.fields).ok).toBe(true)
  })

  test("[RC11] an item of it survives sealing byte for byte, with fields, keys and flags of a later version", () => {
    const fields = new Map<string, FieldValue>([
      ...buildExample(kind).fields,
      ["later", { value: "λ\n", secret: kind.credential }],
    ])
    const item = {
      ...makeItem({
        ...place,
        kind: name,
        title: kind.example.title,
        fields,
        nowMs: 1_700_000_000_000,
        tags: ["a", "b"],
      }),
      notes: "n",
      leaseClass: "strict" as const,
      alternatives: [{ field: "title", value: "Other", deviceId: new Uint8Array(16).fill(3), revision: 4 }],
      origin: { source: "dotenv", id: "x" },
      unknownKeys: new Map([[40, ["kept"]]]),
      unknownFlags: new Map([[9, true]]),
    }
    const bytes = encodeItem(item)
    if (!bytes.ok) throw new Error(bytes.error)
    const decoded = decodeItem(bytes.value, place)
    expect(decoded).toEqual({ ok: true, value: item })
    expect(decoded.ok && [...decoded.value.fields.keys()]).toEqual([...fields.keys()])
    expect(decoded.ok && encodeItem(decoded.value)).toEqual(bytes)
  })

  test("a summary never holds a secret, not even where a visible field was made secret", () => {
    const { fields } = buildExample(kind)
    const hiddenAll = new Map([...fields].map(([field, { value }]) => [field, { value, secret: true }]))
    for (const shown of [kind.summary(fields), kind.summary(hiddenAll)]) {
      const secrets = [...(shown === kind.summary(fields) ? fields : hiddenAll).values()].filter(
        (field) => field.secret,
      )
      for (const { value } of secrets) expect(shown).not.toContain(value)
    }
    expect(kind.summary(new Map())).toBeTypeOf("string")
  })

  test("a missing required field is named", () => {
    for (const spec of kind.fieldsFor(kind.example.fields).filter((candidate) => candidate.required)) {
      const input = Object.entries(kind.example.fields).filter(([field]) => field !== spec.name)
      const result = buildFields(kind, input)
      expect(result).toMatchObject({
        ok: false,
        error: { code: "credential-malformed", field: spec.name, reason: "missing" },
      })
    }
  })

  test("references name kinds that exist", () => {
    for (const spec of kind.fields)
      for (const target of spec.refersTo ?? []) expect(kindByName(target)?.kind).toBe(target)
    for (const linked of kind.linkedFields) expect(kind.fields.some((spec) => spec.name === linked.through)).toBe(true)
  })
})

describe("all kinds", () => {
  test("credentials are exactly those that the switch governs, and only exchange keys are strict by themselves", () => {
    const credentials = kinds.filter((kind) => kind.credential).map((kind) => kind.kind)
    expect(credentials).toEqual(["api-token", "env-set", "exchange-key", "identity", "login", "note", "ssh-key"])
    expect(kinds.filter((kind) => kind.defaultClass === "strict").map((kind) => kind.kind)).toEqual(["exchange-key"])
  })

  test("[RC11] [RC13] an unknown kind counts as a credential, is strict, and is kept", () => {
    expect(isCredential("of-tomorrow")).toBe(true)
    expect(leaseClassOf({ kind: "of-tomorrow" })).toBe("strict")
    const item = makeItem({
      ...place,
      kind: "of-tomorrow",
      title: "t",
      fields: new Map([["x", { value: "y", secret: true }]]),
      nowMs: 1,
    })
    const bytes = encodeItem({ ...item, version: 7 })
    expect(bytes.ok && decodeItem(bytes.value, place)).toEqual({ ok: true, value: { ...item, version: 7 } })
  })

  test("a kind that is no credential refuses a secret field, in its definition and in an item", () => {
    const host = kindByName("host")
    const fields = new Map([
      ["address", { value: "h.example", secret: false }],
      ["pin", { value: "1234", secret: true }],
    ])
    expect(host?.parse(fields)).toMatchObject({ ok: false, error: { field: "pin", reason: "secret-not-allowed" } })
    expect(() =>
      defineKind({
        kind: "x",
        label: "X",
        latest: 1,
        credential: false,
        defaultClass: "standard",
        fields: [{ name: "pin", label: "Pin", secret: true }],
        parse: (values) => ({ ok: true, value: values }),
        summary: () => "",
        example: { title: "", fields: {} },
      }),
    ).toThrow("secret field")
  })

  test("a summary is not given a field that its kind calls secret, whatever the item says of it", () => {
    const kind = defineKind({
      kind: "x",
      label: "X",
      latest: 1,
      credential: true,
      defaultClass: "standard",
      fields: [{ name: "pin", label: "Pin", secret: true }],
      parse: (values) => ({ ok: true, value: values }),
      summary: (visible, fields) => JSON.stringify([visible, [...fields]]),
      example: { title: "", fields: {} },
    })
    expect(kind.summary(new Map([["pin", { value: "1234", secret: false }]]))).not.toContain("1234")
  })

  test("an older version is read through upgrade", () => {
    const kind = defineKind({
      kind: "x",
      label: "X",
      latest: 2,
      credential: true,
      defaultClass: "standard",
      fields: [{ name: "new", label: "New", secret: false, required: true }],
      parse: (values) => ({ ok: true, value: values.new }),
      upgrade: (fields) => new Map([["new", fields.get("old") ?? { value: "", secret: false }]]),
      summary: () => "",
      example: { title: "", fields: {} },
    })
    const old = new Map([["old", { value: "v", secret: false }]])
    expect(kind.parse(old, 1)).toEqual({ ok: true, value: "v" })
    expect(kind.parse(old, 2).ok).toBe(false)
  })

  test("the tables in the docs are those that the program prints", () => {
    const page = readFileSync(new URL("../../../docs/kinds.md", import.meta.url), "utf8")
    const lines = page.split("\n").map((line) => line.split("|").map((cell) => cell.trim().replaceAll("`", "")))
    for (const row of kindsTable()) {
      const line = lines.find((cells) => cells[1] === row.kind && cells[2] === row.label)
      expect(line?.slice(3, 6)).toEqual([String(row.version), row.credential ? "yes" : "no", row.class])
      for (const field of row.fields) {
        const cells = lines.find((candidate) => candidate[1] === row.kind && candidate[2] === field.name)
        expect([field.name, ...(cells?.slice(3, 6) ?? [])]).toEqual([
          field.name,
          field.label,
          field.secret ? "yes" : "no",
          field.aliases.join(" "),
        ])
      }
    }
  })
})
