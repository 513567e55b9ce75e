import { readFileSync } from "node:fs"
import { dirname, join } from "node:path"

import { expect, test } from "vitest"

import { early } from "../src/i18n/en/early.ts"
import { inside } from "../src/i18n/en/inside.ts"

const MAIN = join(import.meta.dirname, "..", "src", "main.tsx")

/** Every file that comes with the first script: what main.tsx imports, and what those import, but not what they load later. */
const firstScript = (): ReadonlyMap<string, string> => {
  const found = new Map<string, string>()
  const waiting = [MAIN]
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    if (found.has(path)) continue
    const text = readFileSync(path, "utf8")
    found.set(path, text)
    for (const [, kept, from] of text.matchAll(/^(?:import|export) (type )?[^;"]*?from "(\.[^"]+\.tsx?)"/gm))
      if (kept === undefined && from !== undefined) waiting.push(join(dirname(path), from))
  }
  return found
}

test("the pages before the vault say nothing whose text comes later", () => {
  const files = firstScript()
  expect([...files.keys()].some((path) => path.endsWith("sign-in.tsx"))).toBe(true)
  const missing: string[] = []
  for (const [path, text] of files)
    for (const [, id = ""] of text.matchAll(/\bt\((?:[^()"]*? \? )?"([a-z0-9.-]+)"/g))
      if (!(id in early)) missing.push(`${path}: ${id}`)
  expect(missing).toEqual([])
})

test("no id stands in both halves of the catalogue", () => {
  expect(Object.keys(inside).filter((id) => id in early)).toEqual([])
})

test("React Aria comes with none of them", () => {
  const users = [...firstScript()].filter(([, text]) => text.includes('"react-aria'))
  expect(users.map(([path]) => path)).toEqual([])
})
