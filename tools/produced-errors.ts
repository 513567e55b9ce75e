/**
 * `npm run errors`: every code of the error table with a test that produces it, seen while the tests run. Runs the test files
 * in which a code stands, the fewest first; a code that none of them produces is a failure. Tests that hand a command a
 * made-up failure do not count, nor do those of the table itself. Closes with `N passed, N failed`.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, relative } from "node:path"
import process from "node:process"
import { startVitest } from "vitest/node"

import { errors } from "../packages/protocol/src/errors.ts"
import { readSources, ROOT } from "./source.ts"
import { closingLine, createReporter } from "./vitest-reporter.ts"

const print = (line: string): void => void process.stdout.write(`${line}\n`)
const codes = Object.keys(errors)
/** Lists of the codes that a part may answer with. */
const LISTING = /has its entry in the product's table/
const MADE_UP = /fake-keyferry|^packages\/protocol\/src\/|^tools\/|conformance\.ts$/

interface Produced {
  readonly code: string
  readonly file: string
  readonly test: string
}

/** Test files by path, with the codes that stand in them. */
const candidates = new Map<string, ReadonlySet<string>>()
for (const { path, text } of readSources()) {
  if (!path.endsWith(".test.ts") || path.endsWith(".pg.test.ts") || MADE_UP.test(path) || MADE_UP.test(text)) continue
  const named = codes.filter((code) => new RegExp(`(?<![a-z-])${code}(?![a-z-])`).test(text))
  if (named.length > 0) candidates.set(path, new Set(named))
}

/** The fewest files that name all the codes, one after another the one that names most; quick ones before slow ones. */
const cover = (wanted: ReadonlySet<string>): readonly string[] => {
  const left = new Set(wanted)
  const chosen: string[] = []
  for (const isSlow of [false, true]) {
    for (;;) {
      const best = [...candidates]
        .filter(([path]) => path.includes(".slow.") === isSlow)
        .map(([path, named]) => ({ path, count: [...named].filter((code) => left.has(code)).length }))
        .sort((a, b) => b.count - a.count || a.path.localeCompare(b.path))[0]
      if (best === undefined || best.count === 0) break
      chosen.push(best.path)
      for (const code of candidates.get(best.path) ?? []) left.delete(code)
    }
  }
  for (const path of chosen) candidates.delete(path)
  return chosen
}

const folder = mkdtempSync(join(tmpdir(), "keyferry-errors-"))
const file = join(folder, "produced.ndjson")
process.env["KF_PRODUCED_FILE"] = file
const found = new Map<string, Produced>()
let brokenTests = 0

const runFiles = async (files: readonly string[]): Promise<void> => {
  const { reporter, tally } = createReporter(print, ROOT, true)
  const vitest = await startVitest([], {
    root: ROOT,
    config: false,
    include: [...files],
    exclude: ["**/node_modules/**"],
    setupFiles: [join(import.meta.dirname, "produced", "record.ts")],
    pool: "forks",
    maxWorkers: 2,
    testTimeout: 120_000,
    hookTimeout: 120_000,
    run: true,
    watch: false,
    reporters: [reporter],
  })
  await vitest.close()
  brokenTests += tally()?.failed ?? 0
  if (!existsSync(file)) return
  for (const line of readFileSync(file, "utf8").split("\n").filter(Boolean)) {
    const one = JSON.parse(line) as Produced
    if (!found.has(one.code) && !LISTING.test(one.test)) found.set(one.code, one)
  }
}

try {
  // What the first choice of files does not produce is looked for in the next ones that name it.
  for (;;) {
    const missing = new Set(codes.filter((code) => !found.has(code)))
    const files = cover(missing)
    if (files.length === 0) break
    print(`${missing.size} codes looked for in ${files.length} files`)
    await runFiles(files)
  }
} finally {
  rmSync(folder, { recursive: true, force: true })
}
for (const code of codes) {
  const by = found.get(code)
  print(by === undefined ? `${code} … FAILED: no test produces it` : `${code} … ${relative(ROOT, by.file)}: ${by.test}`)
}
const missing = codes.filter((code) => !found.has(code)).length
print(closingLine({ passed: codes.length - missing, failed: missing + brokenTests, skipped: 0 }))
process.exitCode = missing + brokenTests === 0 ? 0 : 1
