import { readFileSync } from "node:fs"
import { dirname, join } from "node:path"

import { expect, test } from "vitest"

import { early } from "../src/i18n/en/early.ts"
import { en } from "../src/i18n/en/index.ts"
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

/** Ids of texts that these files name, also in tables. */
const idsNamed = (): ReadonlySet<string> => {
  const named = [...firstScript()]
    .filter(([path]) => !path.includes("/i18n/en/"))
    .flatMap(([, text]) => [...text.matchAll(/"([a-z0-9.-]+)"/g)].map(([, id = ""]) => id))
  return new Set(named.filter((id) => id in en))
}

test("the pages before the vault say nothing whose text comes later", () => {
  expect([...firstScript().keys()].some((path) => path.endsWith("sign-in.tsx"))).toBe(true)
  expect([...idsNamed()].filter((id) => !(id in early))).toEqual([])
})

test("no text comes with the first script that its pages do not say", () => {
  const named = idsNamed()
  expect(Object.keys(early).filter((id) => !named.has(id))).toEqual([])
})

test("no id stands in both halves of the catalogue", () => {
  expect(Object.keys(inside).filter((id) => id in early)).toEqual([])
})

test("React Aria comes with none of them", () => {
  const users = [...firstScript()].filter(([, text]) => text.includes('"react-aria'))
  expect(users.map(([path]) => path)).toEqual([])
})
