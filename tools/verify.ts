/**
 * `npm run verify [-- --only NAME | --except NAME,NAME]`: everything a change must pass, one line each.
 * Prints `name … ok (ms)`; where a check failed, its reasons follow. Closes with `N passed, N failed`.
 */
import { spawn } from "node:child_process"
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import process from "node:process"
import { findErrorViolations } from "./errors.ts"
import { checkDocument, checkLayers, readDeclared } from "./layers.ts"
import { lintNames, ownLint } from "./own-lint.ts"
import { findRuleViolations } from "./rules.ts"
import { CODE_FOLDERS, formatViolation, listFiles, readSources, ROOT, type Violation } from "./source.ts"
import { closingLine } from "./vitest-reporter.ts"

/** Reasons why it failed; none when it passed. */
type Check = () => Promise<readonly string[]>

const bin = (name: string): string => join(ROOT, "node_modules", ".bin", name)

/** Runs a program; what it printed is the reason when it fails. */
const program =
  (command: string, args: readonly string[], fromLine: (line: string) => boolean = () => true): Check =>
  () =>
    new Promise((resolve) => {
      let output = ""
      const child = spawn(command, args, {
        cwd: ROOT,
        stdio: ["ignore", "pipe", "pipe"],
        env: { ...process.env, NO_COLOR: "1" },
      })
      child.stdout.on("data", (chunk) => (output += String(chunk)))
      child.stderr.on("data", (chunk) => (output += String(chunk)))
      child.once("error", (error) => resolve([`${command} could not be started: ${error.message}`]))
      child.once("close", (code) => {
        const lines = output.split("\n").filter((line) => line.trim() !== "" && fromLine(line))
        resolve(code === 0 ? [] : lines.length > 0 ? lines : [`exit code ${code}`])
      })
    })

/** A tool of this folder in its own process; its absence is a failure. */
const tool = (name: string, ...args: readonly string[]): Check =>
  existsSync(join(import.meta.dirname, `${name}.ts`))
    ? program(process.execPath, [join(import.meta.dirname, `${name}.ts`), ...args])
    : async () => [`tools/${name}.ts does not exist`]

const found = (violations: readonly Violation[]): readonly string[] => violations.map(formatViolation)

const inTurn =
  (...checks: readonly Check[]): Check =>
  async () =>
    (await Promise.all(checks.map((check) => check()))).flat()

const checks: Readonly<Record<string, Check>> = {
  format: program(bin("oxfmt"), ["--check", "."], (line) => !/^(Checking|Format issues|Finished)/.test(line)),
  lint: inTurn(program(bin("oxlint"), ["--type-aware", "--deny-warnings", "--format=unix"]), async () =>
    found([
      ...ownLint(readSources()),
      ...lintNames(listFiles(ROOT, [...CODE_FOLDERS, "docs"], /\.(ts|tsx|mjs|py|md)$/)),
    ]),
  ),
  types: inTurn(
    program(bin("tsc"), ["-p", "tsconfig.json", "--pretty", "false"]),
    program(bin("tsc"), ["-p", "tsconfig.pure.json", "--pretty", "false"]),
    program(bin("tsc"), ["-p", "tsconfig.web.json", "--pretty", "false"]),
    program(bin("tsc"), ["-p", "tsconfig.gallery.json", "--pretty", "false"]),
  ),
  layers: async () =>
    found([
      ...checkLayers(readSources(), readDeclared()),
      ...checkDocument(readFileSync(join(ROOT, "docs", "architecture.md"), "utf8")),
    ]),
  rules: async () => found(findRuleViolations()),
  errors: async () => found(await findErrorViolations()),
  registries: tool("registries", "--check"),
  vectors: tool("vectors"),
  tests: tool("test", "--quiet"),
}

const namesAfter = (flag: string): readonly string[] => {
  const at = process.argv.indexOf(flag)
  const names = at < 0 ? [] : (process.argv[at + 1] ?? "").split(",")
  const unknown = names.filter((name) => !(name in checks))
  if (unknown.length > 0) {
    process.stderr.write(`There is no check "${unknown.join(", ")}"; there are: ${Object.keys(checks).join(", ")}.\n`)
    process.exit(2)
  }
  return names
}

const only = namesAfter("--only")
const except = namesAfter("--except")
let passed = 0
let failed = 0
for (const [name, check] of Object.entries(checks)) {
  if (except.includes(name) || (only.length > 0 && !only.includes(name))) continue
  const startedMs = performance.now()
  const reasons = await check().catch((error: unknown) => [
    error instanceof Error ? (error.stack ?? error.message) : String(error),
  ])
  const took = `(${Math.round(performance.now() - startedMs)} ms)`
  process.stdout.write(`${name} … ${reasons.length === 0 ? "ok" : "failed"} ${took}\n`)
  for (const reason of reasons) process.stdout.write(`  ${reason}\n`)
  if (reasons.length === 0) passed += 1
  else failed += 1
}
process.stdout.write(`${closingLine({ passed, failed, skipped: 0 })}\n`)
process.exitCode = failed > 0 ? 1 : 0
