import { existsSync, readFileSync } from "node:fs"
import { dirname, join } from "node:path"

import { errors } from "@keyferry/protocol"
import { expect, test } from "vitest"

import { listFiles, readSources, ROOT } from "../tools/source.ts"

const documents = [...listFiles(ROOT, ["docs", "spec"], /\.md$/), "README.md", "SECURITY.md", "CONTRIBUTING.md"]
const read = (path: string): string => readFileSync(join(ROOT, path), "utf8")

test("every link of a document leads somewhere", () => {
  const dead = documents.flatMap((path) =>
    [...read(path).matchAll(/\]\((?!https?:)([^)#\s]+)/g)]
      .map(([, target = ""]) => target)
      .filter((target) => !existsSync(join(ROOT, dirname(path), target)))
      .map((target) => `${path} → ${target}`),
  )
  expect(dead).toEqual([])
})

test("every document is in the table of contents", () => {
  const contents = read("docs/README.md")
  const missing = listFiles(ROOT, ["docs"], /\.md$/)
    .map((path) => path.slice("docs/".length))
    .filter((path) => path !== "README.md" && !contents.includes(`](${path})`))
  expect(missing).toEqual([])
})

test("every file that a document names exists", () => {
  const dead = documents.flatMap((path) =>
    [...read(path).matchAll(/`((?:packages|apps|spec|tools|docs|e2e)\/[\w./-]+)`/g)]
      .map(([, target = ""]) => target)
      // What a build makes is not in a fresh checkout.
      .filter((target) => !/\/dist(\/|$)/.test(target) && !existsSync(join(ROOT, target)))
      .map((target) => `${path} → ${target}`),
  )
  expect(dead).toEqual([])
})

test("every rule that a document of docs/ names is one", () => {
  const rules = new Set(
    listFiles(ROOT, ["spec"], /\.md$/).flatMap((path) =>
      [...read(path).matchAll(/^\s*(?:[-*] )?\*\*([A-Z]{2}\d+)\*\*/gm)].map(([, id]) => id ?? ""),
    ),
  )
  expect(rules.size).toBeGreaterThan(150)
  const strange = documents
    .filter((path) => path.startsWith("docs/") && path !== "docs/adding/rule.md")
    .flatMap((path) =>
      [...read(path).matchAll(/\b((?:KE|RC|CH|DV|DS|LS|SY|FD|HT|ST|PR)\d+)\b/g)]
        .map(([, id = ""]) => id)
        .filter((id) => !rules.has(id))
        .map((id) => `${path}: ${id}`),
    )
  expect(strange).toEqual([])
})

test("every test that the requirements name is there", () => {
  const sources = readSources()
    .filter(({ path }) => path.endsWith(".test.ts") || path.startsWith("e2e/web/"))
    .map(({ text }) => text)
    .join("\n")
  const named = [...read("docs/requirements.md").matchAll(/"([^"\n]{6,})"/g)].map(([, title = ""]) => title)
  expect(named.length).toBeGreaterThan(40)
  expect([...new Set(named)].filter((title) => !sources.includes(title))).toEqual([])
})

test("every row of the requirements says what shows it, or what it waits for", () => {
  const text = read("docs/requirements.md")
  const rows = text.split("\n").filter((line) => /^\| (?:[ITR]\d|[a-z])/.test(line))
  const ids = rows.flatMap((row) => row.split("|")[1]?.match(/[ITR]\d+/g) ?? [])
  const expanded = new Set(ids)
  for (const [, from, to] of text.matchAll(/^\| R(\d+)–R(\d+) \|/gm))
    for (let n = Number(from); n <= Number(to); n++) expanded.add(`R${n}`)
  const all = [
    ...Array.from({ length: 36 }, (_, i) => `I${i + 1}`),
    ...Array.from({ length: 27 }, (_, i) => `T${i + 1}`),
    ...Array.from({ length: 27 }, (_, i) => `R${i + 1}`),
  ]
  expect(all.filter((id) => !expanded.has(id))).toEqual([])
  const empty = rows.filter((row) => (row.replaceAll("\\|", "").split("|").at(-2) ?? "").trim() === "")
  expect(empty).toEqual([])
})

test("every error code that a document names is in the table", () => {
  const text = read("docs/requirements.md").split("## Situations")[1] ?? ""
  const codes = text
    .split("\n")
    .filter((line) => line.startsWith("| "))
    .flatMap((line) => [...(line.split("|")[2] ?? "").matchAll(/`([a-z]+(?:-[a-z]+)+)`/g)].map(([, code = ""]) => code))
  expect(codes.length).toBeGreaterThan(25)
  expect(codes.filter((code) => !Object.hasOwn(errors, code))).toEqual([])
})
