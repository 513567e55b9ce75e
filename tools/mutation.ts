/**
 * `npm run mutation [-- AREA…] [--file PATH[:LINE-LINE]]…`: StrykerJS over crypto, chain and the calls of the strongroom, in a copy of this checkout.
 * Installs it into adversarial/mutation/node_modules, which git ignores. A survivor that adversarial/mutation/survivors.json
 * does not explain is a failure, and so is an explanation of something that no longer survives.
 * Closes with `N killed, N survived`, where `survived` counts the unexplained.
 */
import { spawnSync } from "node:child_process"
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import process from "node:process"
import { parseArgs } from "node:util"

import { areas, type Part } from "../adversarial/mutation/areas.ts"
import { makeCopy } from "./checkout-copy.ts"
import { ROOT } from "./source.ts"

const HOME = join(ROOT, "adversarial", "mutation")
const STRYKER = join(HOME, "node_modules", "@stryker-mutator", "core", "bin", "stryker.js")
const print = (line: string): void => void process.stdout.write(`${line}\n`)

interface Mutant {
  readonly status: string
  readonly mutatorName: string
  readonly replacement: string
  readonly location: {
    readonly start: { readonly line: number; readonly column: number }
    readonly end: { readonly line: number; readonly column: number }
  }
}

/** A place of survivors, told by what stands there: lines move. */
interface Place {
  readonly file: string
  readonly text: string
}
interface Survivor extends Place {
  readonly replacement: string
  readonly line: number
  readonly mutator: string
}
/** Why what may stand there instead changes nothing that can be seen, or nothing that matters. */
interface Explained extends Place {
  readonly why: string
}

const { values, positionals: words } = parseArgs({
  allowPositionals: true,
  options: { file: { type: "string", multiple: true } },
})
const unknown = words.filter((word) => !areas.some(({ name }) => name === word))
if (unknown.length > 0) {
  process.stderr.write(`There is no ${unknown.join(", ")}; there are: ${areas.map(({ name }) => name).join(", ")}.\n`)
  process.exit(2)
}
const chosen = areas.filter(({ name }) => words.length === 0 || words.includes(name))

if (!existsSync(STRYKER)) {
  const done = spawnSync("npm", ["ci", "--ignore-scripts", "--legacy-peer-deps", "--no-audit", "--no-fund"], {
    cwd: HOME,
    stdio: "inherit",
  })
  if (done.status !== 0) process.exit(1)
}

/** The text between two places; lines and columns count from 1. */
const between = (source: string, { start, end }: Mutant["location"]): string => {
  const lines = source.split("\n")
  const at = ({ line, column }: { line: number; column: number }): number =>
    lines.slice(0, line - 1).reduce((sum, one) => sum + one.length + 1, 0) + column - 1
  return source.slice(at(start), at(end))
}

interface Outcome {
  readonly killed: number
  /** Of those killed: what ran on for ever, or was only slow. They are listed, so that somebody can tell. */
  readonly timeouts: readonly Survivor[]
  /** What broke the set-up of the tests already, before any of them began: counted neither way. */
  readonly broken: number
  readonly survivors: readonly Survivor[]
}

const runPart = (folder: string, name: string, { mutate, tests }: Part): Outcome => {
  const own = join(folder, "mutation-run")
  mkdirSync(own, { recursive: true })
  const vitest = { test: { include: tests, pool: "forks", testTimeout: 120_000 } }
  writeFileSync(join(own, "vitest.config.mjs"), `export default ${JSON.stringify(vitest)}\n`)
  const config = {
    mutate,
    testRunner: "vitest",
    vitest: { configFile: join(own, "vitest.config.mjs"), related: false },
    plugins: ["@stryker-mutator/vitest-runner", join(HOME, "reasons.ts")],
    ignorers: ["reasons"],
    coverageAnalysis: "perTest",
    // What runs once while a module loads would need a process for each mutant.
    ignoreStatic: true,
    inPlace: true,
    reporters: ["json", "progress-append-only"],
    jsonReporter: { fileName: join(own, `${name}.json`) },
    concurrency: 2,
    timeoutMS: 30_000,
    dryRunTimeoutMinutes: 20,
    allowEmpty: false,
  }
  writeFileSync(join(own, "stryker.json"), JSON.stringify(config))
  const done = spawnSync(process.execPath, [STRYKER, "run", join(own, "stryker.json")], {
    cwd: folder,
    stdio: ["ignore", "inherit", "inherit"],
  })
  if (done.status !== 0) throw new Error(`Stryker ended with ${done.status} in ${name}`)
  const report = JSON.parse(readFileSync(join(own, `${name}.json`), "utf8")) as {
    readonly files: Readonly<Record<string, { readonly source: string; readonly mutants: readonly Mutant[] }>>
  }
  const all = Object.entries(report.files).flatMap(([file, { source, mutants }]) =>
    mutants.map((mutant) => ({ file, source, mutant })),
  )
  const listed = (...states: readonly string[]): readonly Survivor[] =>
    all
      .filter(({ mutant }) => states.includes(mutant.status))
      .map(({ file, source, mutant }) => ({
        file,
        line: mutant.location.start.line,
        mutator: mutant.status === "NoCoverage" ? `${mutant.mutatorName}, no test reaches it` : mutant.mutatorName,
        text: between(source, mutant.location),
        replacement: mutant.replacement,
      }))
  const count = (status: string): number => all.filter(({ mutant }) => mutant.status === status).length
  return {
    killed: count("Killed") + count("Timeout"),
    timeouts: listed("Timeout"),
    broken: count("RuntimeError"),
    survivors: listed("Survived", "NoCoverage"),
  }
}

/** The parts that are asked for: all, or what `--file` names of them. */
const partsOf = (parts: readonly Part[]): readonly Part[] => {
  const [only] = parts
  if (values.file === undefined || only === undefined) return parts
  const files = values.file
  if (parts.length === 1) return [{ ...only, mutate: files }]
  return parts.flatMap((part) => {
    const mutate = files.filter((file) => part.mutate.includes(file.replace(/:[\d:-]+$/, "")))
    return mutate.length === 0 ? [] : [{ ...part, mutate }]
  })
}

const explained = JSON.parse(readFileSync(join(HOME, "survivors.json"), "utf8")) as readonly Explained[]
const isSame = (a: Place, b: Place): boolean => a.file === b.file && a.text === b.text

const folder = mkdtempSync(join(tmpdir(), "keyferry-mutation-"))
let killed = 0
let survived = 0
try {
  makeCopy(folder)
  for (const area of chosen) {
    const outcomes = partsOf(area.parts).map((part, i) => runPart(folder, `${area.name}-${i}`, part))
    const sum = (of: "killed" | "broken"): number => outcomes.reduce((n, one) => n + one[of], 0)
    const outcome: Outcome = {
      killed: sum("killed"),
      timeouts: outcomes.flatMap((one) => one.timeouts),
      broken: sum("broken"),
      survivors: outcomes.flatMap((one) => one.survivors),
    }
    const open = outcome.survivors.filter((one) => !explained.some((known) => isSame(one, known)))
    const tell = (what: string, { file, line, mutator, text, replacement }: Survivor): void =>
      print(`${file}:${line} ${what} (${mutator}): ${JSON.stringify(text)} → ${JSON.stringify(replacement)}`)
    for (const one of outcome.timeouts) tell("killed by time", one)
    for (const one of open) tell("SURVIVED", one)
    for (const one of explained)
      if (
        values.file === undefined &&
        area.files.test(one.file) &&
        !outcome.survivors.some((survivor) => isSame(survivor, one))
      ) {
        survived++
        print(`${one.file}: ${JSON.stringify(one.text)} is explained, and does not survive`)
      }
    const total = outcome.killed + outcome.survivors.length
    print(
      `${area.name} … ${outcome.killed} of ${total} killed (${((100 * outcome.killed) / total).toFixed(1)} %; ${outcome.timeouts.length} by time), ${outcome.survivors.length - open.length} explained, ${outcome.broken} broke the set-up`,
    )
    killed += outcome.killed
    survived += open.length
  }
} finally {
  rmSync(folder, { recursive: true, force: true })
}
print(`${killed} killed, ${survived} survived`)
process.exitCode = survived === 0 && killed > 0 ? 0 : 1
