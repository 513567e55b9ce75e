/**
 * `npm test [-- PATH…] [--quiet]`: the default suite.
 * Closes with `N passed, N failed`. Fails when something failed, when nothing ran, and when a file could not be loaded.
 */
import { join } from "node:path"
import process from "node:process"
import { startVitest } from "vitest/node"
import { closingLine, createReporter } from "./vitest-reporter.ts"

const root = join(import.meta.dirname, "..")
const filters = process.argv.slice(2).filter((argument) => !argument.startsWith("--"))
const quiet = process.argv.includes("--quiet")
const print = (line: string): void => void process.stdout.write(`${line}\n`)

const { reporter, tally } = createReporter(print, root, quiet)
const vitest = await startVitest(filters, {
  root,
  run: true,
  watch: false,
  reporters: [reporter],
  passWithNoTests: false,
})
await vitest.close()

const total = tally() ?? { passed: 0, failed: 0, skipped: 0 }
const ran = total.passed + total.failed
if (ran === 0) print("No test ran: that is a failure.")
print(closingLine(total))
process.exitCode = total.failed > 0 || ran === 0 ? 1 : 0
