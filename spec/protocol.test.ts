import { readFileSync } from "node:fs"
import { join } from "node:path"

import {
  bytesToBase64url,
  base64urlToBytes,
  decodeCbor,
  encodeCbor,
  formatId,
  type IdPrefix,
  parseId,
} from "@keyferry/base"
import fc from "fast-check"
import { expect, test } from "vitest"

import { isTestFile, readSources, ROOT } from "../tools/source.ts"

const text = readFileSync(join(ROOT, "spec", "protocol.md"), "utf8")
const section = (title: string): string => {
  const found = text.split(/^## /m).find((part) => part.startsWith(`${title}\n`))
  if (found === undefined) throw new Error(`no section ${title}`)
  return found
}

test("[PR1] [PR2] what a decoder accepts is, encoded again, what it was given", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 24 }), (bytes) => {
      const decoded = decodeCbor(bytes, 24)
      return !decoded.ok || Buffer.from(encodeCbor(decoded.value)).equals(Buffer.from(bytes))
    }),
    { numRuns: 2_000 },
  )
})

test("[PR3] every text names other bytes, and what is no text of bytes is refused", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
      expect(base64urlToBytes(bytesToBase64url(bytes))).toEqual(bytes)
    }),
  )
  for (const wrong of ["A", "AB", "AAB", "AA==", "A A", "+/8A", "AAAAA"])
    expect(base64urlToBytes(wrong)).toBeUndefined()
  expect(base64urlToBytes("AA")).toEqual(new Uint8Array(1))
})

test("[PR4] nothing that decides is handed a clock", () => {
  // Merging, chains and bodies are functions of their inputs; times in them are shown to people.
  const decides = readSources().filter(
    ({ path }) => /^packages\/(chain|items)\/src\/|^packages\/engine\/src\/merge/.test(path) && !isTestFile(path),
  )
  expect(decides.length).toBeGreaterThan(20)
  for (const { path, text: code } of decides) expect([path, /\bClock\b|\bnowMs\(\)/.test(code)]).toEqual([path, false])
})

test("[PR5] ids have these prefixes and lengths, and one text each", () => {
  const rows = [...section("Ids").matchAll(/^\| (`[^|]+`) \|[^|]+\| (\d+)/gm)]
  const written = rows.flatMap(([, prefixes = "", length]) =>
    [...prefixes.matchAll(/`([a-z]{3})`/g)].map(([, prefix]) => [prefix as IdPrefix, Number(length)] as const),
  )
  expect(written.length).toBe(10)
  for (const [prefix, length] of written) {
    const bytes = new Uint8Array(length).fill(0xa5)
    const id = formatId(prefix, bytes)
    expect(id).toMatch(new RegExp(`^${prefix}_[a-z2-7]+$`))
    expect(parseId(prefix, id)).toEqual({ ok: true, value: bytes })
    expect(parseId(prefix, id.toUpperCase()).ok).toBe(false)
    expect(parseId(prefix, id.slice(0, -1)).ok).toBe(false)
    expect(() => formatId(prefix, new Uint8Array(length + 1))).toThrow()
  }
  const declared = readFileSync(join(ROOT, "packages/base/src/ids.ts"), "utf8").matchAll(/^ {2}([a-z]{3}): (\d+),$/gm)
  expect(Object.fromEntries([...declared].map(([, prefix = "", length]) => [prefix, Number(length)]))).toEqual(
    Object.fromEntries(written),
  )
})

test("[PR6] the labels of the programs are exactly those of the table", () => {
  const written = [...section("Labels").matchAll(/`(kf1\/[a-z-]+)`/g)].map(([, label]) => label)
  expect(written.length).toBe(new Set(written).size)
  const used = new Set<string>()
  for (const { path, text: code } of readSources()) {
    if (isTestFile(path) || !/^(packages|apps)\//.test(path)) continue
    const withoutComments = code.replaceAll(/\/\*.*?\*\//gs, "").replaceAll(/^\s*\/\/.*$/gm, "")
    for (const [, label] of withoutComments.matchAll(/["`'](kf1\/[a-z-]+)/g)) if (label !== undefined) used.add(label)
  }
  expect([...used].toSorted()).toEqual(written.toSorted())
})

test("[PR7] the messages of the program have exactly these keys", () => {
  const source = readFileSync(join(ROOT, "packages/protocol/src/messages/sync.ts"), "utf8")
  const structs = [...source.matchAll(/^export const (\w+)Struct = struct\(\{(.*?)\}\)$/gms)]
  const inCode = structs.map(([, name, body = ""]) => {
    const fields = [...body.matchAll(/(\w+): \[(\d+), (optional\()?/g)]
    return `${name} { ${fields.map(([, field, key, optional]) => `${key}${optional === undefined ? "" : "?"}: ${field}`).join(", ")} }`
  })
  const block = /```\n(.*?)```/s.exec(section("Messages"))?.[1] ?? ""
  const inText = block.split("\n").filter((line) => line !== "")
  expect(inText.map((line) => line.replace(/ +/, " "))).toEqual(inCode)
})

test("every file and every rule that this text points to exists", () => {
  const files = new Set([...text.matchAll(/\]\(([^)#]+)\)/g)].map(([, path = ""]) => path))
  for (const path of files) expect([path, readExists(path)]).toEqual([path, true])
  const specs = ["keys", "records", "chains", "devices", "device-store", "sync", "http", "strongroom"]
  const rules = specs.map((name) => readFileSync(join(ROOT, "spec", `${name}.md`), "utf8")).join("\n")
  for (const [, id] of section("Labels").matchAll(/\b((?:KE|RC|CH|DS|DV|ST)\d+)\b/g))
    expect([id, rules.includes(`**${id}**`)]).toEqual([id, true])
})

const readExists = (path: string): boolean => {
  try {
    readFileSync(join(ROOT, "spec", path))
    return true
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EISDIR"
  }
}
