/**
 * `npm run attack [-- FILTER…]`: every attack of adversarial/scenarios.ts against the real processes.
 * `npm run attack -- --list`: each id with who is hostile, what must happen, and its test or what it waits for.
 * Closes with `N passed, N failed`. An id that is unknown, missing, or has no test in the file it names is a failure.
 * `npm run attack -- --sabotage [--fast] [NAME…]`: each protection taken out of a copy must be noticed (sabotage.ts).
 */
import { readdirSync, readFileSync } from "node:fs"
import { join, relative } from "node:path"
import process from "node:process"
import { startVitest } from "vitest/node"
import { FAMILIES, type Scenario, scenarios } from "../adversarial/scenarios.ts"
import { closingLine, createReporter } from "./vitest-reporter.ts"

const root = join(import.meta.dirname, "..")
const folder = join(root, "adversarial")
const TEST_FILE = /\.(slow\.)?test\.ts$/
const IDS = /^((?:[A-Z]{1,2}-\d{2,3}(?:, )?)+) /

/** By id: the files below `adversarial/`, without extension, with a test whose title begins with it. */
const readTitles = (): ReadonlyMap<string, ReadonlySet<string>> => {
  const found = new Map<string, Set<string>>()
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || !TEST_FILE.test(entry.name)) continue
    const path = join(entry.parentPath, entry.name)
    const name = relative(folder, path).replace(TEST_FILE, "").replaceAll("\\", "/")
    for (const [, , title = ""] of readFileSync(path, "utf8").matchAll(
      /\btest(\.each\([^]*?\)|\.skipIf\([^)]*\))?\(\s*["'`]([^"'`]+)/g,
    ))
      for (const id of IDS.exec(title)?.[1]?.split(", ") ?? []) found.set(id, (found.get(id) ?? new Set()).add(name))
  }
  return found
}

const filesOf = ({ tested }: Scenario): readonly string[] => ("waits" in tested ? [] : tested)

/** What does not fit between the catalogue, the list and the tests. */
const findGaps = (titles: ReadonlyMap<string, ReadonlySet<string>>): readonly string[] => {
  const ids = scenarios.map((s) => s.id)
  const catalogue = Object.entries(FAMILIES).flatMap(([family, numbers]) =>
    numbers.map((n) => `${family}-${String(n).padStart(2, "0")}`),
  )
  return [
    ...ids.filter((id, i) => ids.indexOf(id) !== i).map((id) => `${id} stands twice in the list`),
    ...catalogue.filter((id) => !ids.includes(id)).map((id) => `${id} of the catalogue is missing in the list`),
    ...ids.filter((id) => !id.startsWith("X-") && !catalogue.includes(id)).map((id) => `${id} is not in the catalogue`),
    ...[...titles.keys()].filter((id) => !ids.includes(id)).map((id) => `${id} is tested and not in the list`),
    ...scenarios.flatMap((s) =>
      filesOf(s)
        .filter((file) => titles.get(s.id)?.has(file) !== true)
        .map((file) => `${s.id} has no test in adversarial/${file}`),
    ),
    ...scenarios
      .filter((s) => "waits" in s.tested && titles.has(s.id))
      .map((s) => `${s.id} is tested and said to wait`),
  ]
}

const print = (line: string): void => void process.stdout.write(`${line}\n`)
const gaps = findGaps(readTitles())
for (const gap of gaps) print(`  ${gap}`)

if (process.argv.includes("--sabotage")) await import("./sabotage.ts")
else if (process.argv.includes("--list")) {
  for (const { id, hostile, must, tested } of scenarios)
    print(
      `${id}  ${"waits" in tested ? `waits: ${tested.waits}` : `tested: ${tested.join(", ")}`}  hostile ${hostile}: ${must}`,
    )
  const waiting = scenarios.filter((s) => "waits" in s.tested).length
  print(`${scenarios.length - waiting} tested, ${waiting} waiting, ${gaps.length} wrong`)
  process.exitCode = gaps.length === 0 ? 0 : 1
} else {
  const filters = process.argv.slice(2).filter((argument) => !argument.startsWith("--"))
  const { reporter, tally } = createReporter(print, root, process.argv.includes("--quiet"))
  const vitest = await startVitest(filters, {
    root,
    config: join(folder, "vitest.config.ts"),
    run: true,
    watch: false,
    reporters: [reporter],
    passWithNoTests: false,
  })
  await vitest.close()
  const { passed, failed, skipped } = tally() ?? { passed: 0, failed: 0, skipped: 0 }
  if (passed + failed === 0) print("No test ran: that is a failure.")
  print(closingLine({ passed, failed: failed + gaps.length, skipped }))
  process.exitCode = failed + gaps.length > 0 || passed === 0 ? 1 : 0
}
