/**
 * `npm run models [-- NAME…]`: checks every state of the SPIN models of spec/models, and checks that each of them fails
 * when the rule it is about is taken away. A model names those in its head: `without NAME: what then happens`.
 * Installs spin where it can. Closes with `N held, N failed without their rule as expected, N unexpected`.
 */
import { spawnSync } from "node:child_process"
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { basename, join } from "node:path"
import process from "node:process"

const FOLDER = join(import.meta.dirname, "..", "spec", "models")
const print = (line: string): void => void process.stdout.write(`${line}\n`)

interface Run {
  readonly errors: number
  readonly states: number
  /** What SPIN says about the first error, or why it could not say anything. */
  readonly story: string
  /** Statements that no run ever reached: a model that never gets there proves nothing about it. */
  readonly unreached: readonly string[]
}

const execute = (command: string, args: readonly string[], cwd: string): string => {
  const done = spawnSync(command, args, { cwd, encoding: "utf8", timeout: 300_000 })
  if (done.error !== undefined) throw done.error
  if (done.status !== 0 && command !== "./pan")
    throw new Error(`${command} ended with ${done.status}: ${done.stdout}${done.stderr}`)
  return `${done.stdout}${done.stderr}`
}

/** All states, in a folder of its own: the generated verifier and its trail are files. */
const check = (model: string, defines: readonly string[]): Run => {
  const folder = mkdtempSync(join(tmpdir(), "keyferry-model-"))
  try {
    cpSync(model, join(folder, "model.pml"))
    execute("spin", [...defines.map((name) => `-D${name}`), "-a", "model.pml"], folder)
    execute("gcc", ["-O1", "-w", "-DSAFETY", "-o", "pan", "pan.c"], folder)
    const output = execute("./pan", ["-m200000"], folder)
    const errors = /errors: (\d+)/.exec(output)?.[1]
    const states = /(\d+) states, stored/.exec(output)?.[1]
    if (errors === undefined || states === undefined || /max search depth too small|out of memory/.test(output))
      throw new Error(`the search did not finish: ${output}`)
    return {
      errors: Number(errors),
      states: Number(states),
      story: /pan:1: (.+?)\s*\(at depth/.exec(output)?.[1] ?? "",
      unreached: [...output.matchAll(/model\.pml:(\d+), state \d+, "(?!-end-)(.+)"/g)].map(
        ([, line, what]) => `line ${line}: ${what}`,
      ),
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

if (spawnSync("sh", [join(import.meta.dirname, "install-spin.sh")], { stdio: "inherit" }).status !== 0) {
  print("The models were not checked: spin could not be installed.")
  print("0 held, 0 failed without their rule as expected, 1 unexpected")
  process.exit(1)
}

const wanted = process.argv.slice(2)
const models = readdirSync(FOLDER).filter(
  (name) => name.endsWith(".pml") && (wanted.length === 0 || wanted.includes(basename(name, ".pml"))),
)
let held = 0
let failedAsExpected = 0
let unexpected = 0
for (const name of models) {
  const path = join(FOLDER, name)
  const rules = [...readFileSync(path, "utf8").matchAll(/^ \* without ([A-Z_]+): (.+)$/gm)]
  const whole = check(path, [])
  const isHeld = whole.errors === 0 && whole.unreached.length === 0 && rules.length > 0
  print(`${name} … ${isHeld ? `held (${whole.states} states)` : "NOT HELD"}`)
  if (isHeld) held++
  else {
    unexpected++
    if (whole.errors > 0) print(`  ${whole.story}`)
    if (rules.length === 0) print("  it names no rule without which it fails")
    for (const statement of whole.unreached) print(`  never reached: ${statement}`)
  }
  for (const [, rule = "", what = ""] of rules) {
    const broken = check(path, [rule])
    const isFailed = broken.errors > 0 && broken.story.startsWith("assertion violated")
    print(
      `  without its rule (${rule}) … ${isFailed ? `fails as expected: ${broken.story}` : `UNEXPECTED: ${broken.story || "still holds"}, but ${what}`}`,
    )
    if (isFailed) failedAsExpected++
    else unexpected++
  }
}
if (models.length === 0) {
  print("There is no such model.")
  unexpected++
}
print(`${held} held, ${failedAsExpected} failed without their rule as expected, ${unexpected} unexpected`)
process.exitCode = unexpected === 0 ? 0 : 1
