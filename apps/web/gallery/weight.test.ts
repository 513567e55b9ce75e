import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

import { afterAll, beforeAll, expect, test } from "vitest"

import { buildWebBundle } from "../../../tools/web-bundle.ts"

/*
 * What a first visit weighs, from the bundle itself; npm run bench measures the same on the wire (W1). A library or a text that
 * slips into the first script is noticed here.
 */
const TYPING_BYTES = 115_000
const ALL_BYTES = 300_000
/** What the head of an answer takes at most; the longest is that of the page, with its policy. */
const HEAD_BYTES = 1_000

let folder = ""
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "kf-weight-"))
  await buildWebBundle({ folder })
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const compressed = (path: string): number => readFileSync(join(folder, `${path}.br`)).length
const asset = (pattern: RegExp): string => {
  const found = readdirSync(join(folder, "assets")).filter((name) => pattern.test(name))
  const [only] = found
  if (only === undefined || found.length > 1) throw new Error(`${String(pattern)}: ${found.join(", ")}`)
  return `assets/${only}`
}

/** These scripts and what they import at once; what they import later is not among them. */
const withImports = (paths: readonly string[], found = new Set<string>()): ReadonlySet<string> => {
  for (const path of paths) {
    if (found.has(path)) continue
    found.add(path)
    const text = readFileSync(join(folder, path), "utf8")
    const imports = [...text.matchAll(/(?:\bfrom|\bimport)\s*"\.\/([^"]+\.js)"/g)].map(
      ([, name = ""]) => `assets/${name}`,
    )
    withImports(imports, found)
  }
  return found
}
/** On the wire. */
const sum = (paths: Iterable<string>): number =>
  [...paths].reduce((bytes, path) => bytes + compressed(path) + HEAD_BYTES, 0)

const firstPage = (): ReadonlySet<string> => {
  const page = readFileSync(join(folder, "index.html"), "utf8")
  const linked = [...page.matchAll(/(?:src|href)="\/(assets\/[^"]+)"/g)].map(([, path = ""]) => path)
  const scripts = withImports(linked.filter((path) => path.endsWith(".js")))
  return new Set(["index.html", ...linked, ...scripts, "icon.svg", asset(/^sans-latin-.*woff2$/)])
}
const worker = (): ReadonlySet<string> => {
  const frame = asset(/^device-(?!.*page).*\.js$/)
  const [, main = ""] = /(?:\/assets\/|\.\/)?(main-[\w-]+\.js)/.exec(readFileSync(join(folder, frame), "utf8")) ?? []
  return new Set(["device.html", ...withImports([frame]), ...withImports([`assets/${main}`])])
}

test("the field of the sign-in takes letters after 115 kB at most, heads of the answers included", () => {
  const files = firstPage()
  expect(files.size).toBeGreaterThan(4)
  expect(sum(files)).toBeLessThanOrEqual(TYPING_BYTES)
})

test("page, fonts and worker together are 300 kB at most, without the library that the password needs", () => {
  const files = new Set([...firstPage(), ...worker()])
  expect([...files].some((path) => /main-/.test(path))).toBe(true)
  expect(sum(files)).toBeLessThanOrEqual(ALL_BYTES)
  expect([...files].filter((path) => /opaque|archive/.test(path))).toEqual([])
})

test("OPAQUE is a file of its own, not text in a script", () => {
  expect(compressed(asset(/^opaque-.*\.wasm$/))).toBeLessThan(100_000)
})
