import { utf8 } from "@keyferry/base"
import { processorTimer } from "@keyferry/testkit"
import { parse as parseWithLoader } from "dotenv"
import fc from "fast-check"
import { describe, expect, test } from "vitest"

import { detectFormat, dotenv } from "./index.ts"
import { parseEnv } from "./formats/dotenv.ts"

const SAMPLE = `\ufeff# The database
DATABASE_URL=postgres://app@db.example.net/app # primary\r
export MODE = production
EMPTY=
SINGLE='as $it is # here'
DOUBLE="two\\nlines and a \\" quote"
MULTI="-----BEGIN X-----
AAAA
-----END X-----" # a key
YAML: style
MODE=test
bad line
dotted.name=x
UNCLOSED="abc
`

describe("environment files", () => {
  test("one file becomes one set: order, comments, quotes, several lines, and a list of what has no place", async () => {
    const result = await dotenv.parse(utf8(SAMPLE), { nowMs: 5, fileName: "web/.env" })
    if (!result.ok) throw new Error(result.error.code)
    const [item] = result.value.items
    expect(result.value.items).toHaveLength(1)
    expect([...(item?.fields ?? [])].map(([name, field]) => [name, field.value])).toEqual([
      ["DATABASE_URL", "postgres://app@db.example.net/app"],
      ["MODE", "test"],
      ["EMPTY", ""],
      ["SINGLE", "as $it is # here"],
      ["DOUBLE", 'two\nlines and a \\" quote'],
      ["MULTI", "-----BEGIN X-----\nAAAA\n-----END X-----"],
      ["YAML", "style"],
      ["UNCLOSED", '"abc'],
    ])
    expect([...(item?.fields.values() ?? [])].every((field) => field.secret)).toBe(true)
    expect(item).toMatchObject({
      kind: "env-set",
      title: "web/.env",
      from: { source: "dotenv", id: "web/.env" },
      createdMs: 5,
    })
    expect(item?.notes).toBe("The database\nDATABASE_URL: primary\nMULTI: a key")
    expect(result.value.unmapped).toEqual([
      { at: "line 11", why: "assigned-again" },
      { at: "line 12", why: "not-an-assignment" },
      { at: "line 13", why: "not-a-variable-name" },
    ])
  })

  test("what the common loader reads, this reads", () => {
    const name = fc.stringMatching(/^[A-Za-z_][A-Za-z0-9_]{0,8}$/)
    const plain = fc.stringMatching(/^[A-Za-z0-9 ./:@$\\é-]{0,20}$/)
    const quoted = (quote: string) =>
      fc.stringMatching(/^[A-Za-z0-9 #./:@$\n=é-]{0,20}$/).map((text) => `${quote}${text}${quote}`)
    const value = fc.oneof(plain, quoted("'"), quoted('"'), quoted("`"))
    const assignment = fc
      .tuple(
        fc.constantFrom("", "export ", "  "),
        name,
        fc.constantFrom("=", " = ", ": "),
        value,
        fc.constantFrom("", " # c", " "),
      )
      .map((parts) => parts.join(""))
    // An empty value before a quoted line would swallow that line in the loader, so values there are never empty.
    const line = fc.oneof(
      assignment.filter((text) => !/[=:]\s*(?:#.*)?$/.test(text)),
      fc.constantFrom("", "# comment"),
    )
    fc.assert(
      fc.property(fc.array(line, { maxLength: 12 }), (lines) => {
        const text = lines.join("\n")
        expect(Object.fromEntries(parseEnv(text).variables)).toEqual(parseWithLoader(text))
      }),
      { numRuns: 500 },
    )
  })

  test("any bytes are answered, fast", async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), async (bytes) => {
        const result = await dotenv.parse(bytes, { nowMs: 0 })
        expect(typeof result.ok).toBe("boolean")
      }),
    )
    const tookMs = processorTimer()
    await dotenv.parse(utf8(`A=${'"\\'.repeat(100_000)}\n${" ".repeat(100_000)}`), { nowMs: 0 })
    expect(tookMs()).toBeLessThan(2000)
  })

  test("it is told apart from other text and refused when too large", async () => {
    expect(detectFormat(utf8("A=1\n# b\n"))?.name).toBe("dotenv")
    for (const other of ["", "hello world", "{}", "name,url\na,b", "A=1\nwhat is this"])
      expect(detectFormat(utf8(other))).toBeUndefined()
    expect(await dotenv.parse(utf8("# nothing"), { nowMs: 0 })).toEqual({
      ok: false,
      error: { code: "import-unrecognised" },
    })
    expect(await dotenv.parse(new Uint8Array(2 ** 20 + 1), { nowMs: 0 })).toMatchObject({
      error: { code: "import-too-large" },
    })
  })
})
