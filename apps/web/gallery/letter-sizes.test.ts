import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"

import { expect, test } from "vitest"

const FOLDER = join(import.meta.dirname, "..", "src", "ui", "styles")

/** Pixels of a page stay what they are when a person asks the browser for larger letters. */
const inPixels = (css: string): readonly string[] =>
  css.match(/(?:^|\s)(?:font|font-size|line-height):[^;]*\dpx[^;]*;|@media[^{]*\bwidth\b[^{]*\dpx[^{]*\{/g) ?? []

test("letters, and what decides between the layouts, follow the size that a person has set in the browser", () => {
  expect(inPixels("a { font: 600 14px/20px x; }\n@media (width < 720px) {")).toHaveLength(2)
  const sheets = readdirSync(FOLDER).filter((name) => name.endsWith(".css"))
  expect(sheets.length).toBeGreaterThan(10)
  for (const name of sheets) expect([name, ...inPixels(readFileSync(join(FOLDER, name), "utf8"))]).toEqual([name])
})
