/**
 * `npm run attack -- --sabotage [--fast] [NAME…]`: takes one protection at a time out of a copy of this checkout; the test that is
 * named for it must fail then. Before that every named test must pass on the untouched copy.
 * Closes with `N killed, N survived`. A definition that does not fit the sources any more counts as survived.
 */
import { spawn } from "node:child_process"
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import process from "node:process"

import { all } from "../adversarial/sabotage/all.ts"
import type { Sabotage } from "../adversarial/sabotage/definition.ts"
import { makeCopy } from "./checkout-copy.ts"
import { ROOT } from "./source.ts"

const RUN_LIMIT_MS = 240_000
const print = (line: string): void => void process.stdout.write(`${line}\n`)

const words = process.argv.slice(2).filter((word) => !word.startsWith("--"))
const isFast = process.argv.includes("--fast")
const chosen = all.filter((one) => (words.length > 0 ? words.includes(one.name) : !isFast || one.fast === true))
const unknown = words.filter((word) => !all.some((one) => one.name === word))
if (unknown.length > 0) {
  process.stderr.write(
    `There is no sabotage ${unknown.join(", ")}; there are: ${all.map((one) => one.name).join(", ")}.\n`,
  )
  process.exit(2)
}

interface Outcome {
  readonly code: number
  readonly output: string
}

const run = (folder: string, args: readonly string[]): Promise<Outcome> =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, {
      cwd: folder,
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, NO_COLOR: "1", CI: "true" },
    })
    let output = ""
    child.stdout.on("data", (chunk) => (output += String(chunk)))
    child.stderr.on("data", (chunk) => (output += String(chunk)))
    const timer = setTimeout(() => child.kill("SIGKILL"), RUN_LIMIT_MS)
    child.once("error", reject)
    child.once("close", (code) => {
      clearTimeout(timer)
      resolve({ code: code ?? 1, output })
    })
  })

interface Verdict {
  readonly title: string
  readonly status: string
}

/** The tests of a file by full name, with how each ended; empty where the file could not even be loaded. */
const runTests = async (folder: string, file: string, title?: string): Promise<readonly Verdict[]> => {
  const report = join(folder, "sabotage-report.json")
  rmSync(report, { force: true })
  const config = file.startsWith("adversarial/") ? ["--config", "adversarial/vitest.config.ts"] : []
  const pattern = title === undefined ? [] : ["-t", title.replaceAll(/[$()*+.?[\\\]^{|}]/g, "\\$&")]
  const vitest = join(folder, "node_modules", "vitest", "vitest.mjs")
  await run(folder, [vitest, "run", file, ...pattern, ...config, "--reporter=json", `--outputFile=${report}`])
  if (!existsSync(report)) return []
  const { testResults } = JSON.parse(readFileSync(report, "utf8")) as {
    readonly testResults: readonly {
      readonly assertionResults: readonly { readonly fullName: string; readonly status: string }[]
    }[]
  }
  return testResults.flatMap((one) => one.assertionResults.map(({ fullName, status }) => ({ title: fullName, status })))
}

const titlesOf = (verdicts: readonly Verdict[], title: string): readonly Verdict[] =>
  verdicts.filter((one) => one.title.includes(title) && one.status !== "pending" && one.status !== "skipped")

/** Applies the changes to the copy; a reason where they do not fit. */
const apply = (folder: string, { changes }: Sabotage): string | undefined => {
  for (const { file, search, replace } of changes) {
    const path = join(folder, file)
    if (!existsSync(path)) return `${file} is not there`
    const text = readFileSync(path, "utf8")
    const times = text.split(search).length - 1
    if (times !== 1) return `its text stands ${times} times in ${file}`
    writeFileSync(
      path,
      text.replace(search, () => replace),
    )
  }
  return undefined
}

const restore = (folder: string, { changes }: Sabotage): void => {
  for (const { file } of changes)
    if (existsSync(join(ROOT, file))) writeFileSync(join(folder, file), originals.get(file) ?? "")
}

const originals = new Map<string, string>()

/** Why the test did not notice, or `undefined` if it did. */
const whySurvived = async (folder: string, { killer }: Sabotage): Promise<string | undefined> => {
  if ("tool" in killer) {
    let { code, output } = await run(folder, [killer.tool])
    // It ended before it came to a verdict, such as a database that did not start: that says nothing either way.
    if (code !== 0 && !output.includes(killer.says)) ({ code, output } = await run(folder, [killer.tool]))
    return code !== 0 && output.includes(killer.says)
      ? undefined
      : `${killer.tool} ended with ${code} and does not say “${killer.says}”`
  }
  const verdicts = titlesOf(await runTests(folder, killer.file, killer.title), killer.title)
  if (verdicts.length === 0) return `${killer.file} could not be run, so its test noticed nothing`
  return verdicts.some((one) => one.status === "failed") ? undefined : `“${killer.title}” still passes`
}

const folder = mkdtempSync(join(tmpdir(), "keyferry-sabotage-"))
const cleanUp = (): void => rmSync(folder, { recursive: true, force: true })
for (const signal of ["SIGINT", "SIGTERM"] as const)
  process.once(signal, () => {
    cleanUp()
    process.exit(130)
  })

let killed = 0
let survived = 0
try {
  makeCopy(folder)
  for (const { changes } of all)
    for (const { file } of changes)
      if (existsSync(join(folder, file))) originals.set(file, readFileSync(join(folder, file), "utf8"))
  // Before anything is taken away: what fails now would look like a success afterwards.
  const baseline = new Map<string, readonly Verdict[]>()
  for (const { killer } of chosen)
    if ("file" in killer && !baseline.has(killer.file)) {
      const titles = chosen.flatMap((one) =>
        "file" in one.killer && one.killer.file === killer.file ? [one.killer.title] : [],
      )
      // A file of the slow ones is run for its named tests only.
      const only = killer.file.includes(".slow.") && titles.length === 1 ? titles[0] : undefined
      baseline.set(killer.file, await runTests(folder, killer.file, only))
    }
  for (const one of chosen) {
    const startedMs = performance.now()
    const { killer } = one
    const before = "file" in killer ? titlesOf(baseline.get(killer.file) ?? [], killer.title) : undefined
    const misfit =
      before === undefined || (before.length > 0 && before.every((verdict) => verdict.status === "passed"))
        ? apply(folder, one)
        : `“${"file" in killer ? killer.title : ""}” does not pass without it either`
    const why = misfit ?? (await whySurvived(folder, one))
    restore(folder, one)
    const took = `(${((performance.now() - startedMs) / 1000).toFixed(1)} s)`
    const by = "file" in killer ? killer.title : killer.says
    if (why === undefined) {
      killed++
      print(`${one.name} … killed by “${by}” ${took}`)
    } else {
      survived++
      print(`${one.name} … SURVIVED ${took}: ${why}. It protects: ${one.protects}`)
    }
  }
} finally {
  cleanUp()
}
print(`${killed} killed, ${survived} survived`)
process.exitCode = survived === 0 && killed > 0 ? 0 : 1
