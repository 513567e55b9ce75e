/**
 * `npm run slow`: the tests that need programs of the system (age, OpenSSH) or more than a minute. Their install scripts run first; what cannot be
 * installed is said by the test that is then skipped.
 */
import { spawnSync } from "node:child_process"
import { join } from "node:path"
import process from "node:process"

import { startVitest } from "vitest/node"

import { closingLine, createReporter } from "./vitest-reporter.ts"

const root = join(import.meta.dirname, "..")
for (const script of ["install-age.sh", "install-openssh.sh"]) {
  const done = spawnSync("sh", [join(root, "tools", script)], { encoding: "utf8" })
  if (done.status !== 0) process.stdout.write(`${script}: ${done.stdout}${done.stderr}\n`)
}
const { reporter, tally } = createReporter((line) => void process.stdout.write(`${line}\n`), root, false)
// Its own file list: the repository's configuration leaves these files out.
const vitest = await startVitest([], {
  root,
  config: false,
  include: ["packages/**/*.slow.test.ts", "apps/**/*.slow.test.ts", "e2e/**/*.slow.test.ts"],
  exclude: ["**/node_modules/**"],
  testTimeout: 120_000,
  hookTimeout: 120_000,
  pool: "forks",
  run: true,
  watch: false,
  reporters: [reporter],
  passWithNoTests: false,
})
await vitest.close()
const total = tally() ?? { passed: 0, failed: 0, skipped: 0 }
process.stdout.write(`${closingLine(total)}\n`)
process.exitCode = total.failed > 0 || total.passed === 0 ? 1 : 0
