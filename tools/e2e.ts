/**
 * `npm run e2e [-- --browser chromium|firefox]`: the web app in real browsers, against a real server with its strongroom and
 * a mail server, with `kf` beside them. The browsers are those of Debian, installed where they are missing.
 * Closes with `chromium N passed, firefox M passed, …` and the sum `N passed, N failed`.
 */
import { spawnSync } from "node:child_process"
import { rmSync } from "node:fs"
import { join } from "node:path"
import process from "node:process"
import { parseArgs } from "node:util"

import type { BrowserName, Watch } from "../e2e/web/browsers.ts"
import { tellScreens } from "../e2e/web/screens.ts"
import { tellStory } from "../e2e/web/story.ts"
import { createSuite, StoryStopped } from "../e2e/web/suite.ts"
import { buildTestBundle } from "../e2e/web/world.ts"

const { values: options } = parseArgs({ options: { browser: { type: "string" } } })
const names = (["chromium", "firefox"] as const).filter(
  (name) => options.browser === undefined || options.browser === name,
)

const print = (line: string): void => void process.stdout.write(`${line}\n`)
const installed = spawnSync("sh", [join(import.meta.dirname, "install-browsers.sh")], { encoding: "utf8" })
if (installed.status !== 0) print(`install-browsers.sh: ${installed.stdout}${installed.stderr}`)
const bundle = await buildTestBundle()
let origins = 0
const told: string[] = []
let passed = 0
let failed = 0
let reports = 0
for (const name of names) {
  print(name)
  const watch: Watch = { origins: new Set(), policyReports: [], errors: [] }
  const suite = createSuite(name satisfies BrowserName, print)
  const tell = (story: Promise<void>): Promise<void> =>
    story.catch((error: unknown) => {
      if (!(error instanceof StoryStopped)) throw error
    })
  await tell(tellStory(name, bundle, watch, suite))
  const seen = new Set(watch.origins)
  watch.origins.clear()
  if (name === "chromium") await tell(tellScreens(bundle, watch, suite))
  origins = Math.max(origins, seen.size)
  for (const text of [...watch.policyReports, ...watch.errors]) print(`  ${text}`)
  // Each story has a server of its own: what counts is how many places one story spoke to.
  origins = Math.max(origins, watch.origins.size)
  if (watch.origins.size > 1) print(`  ${[...watch.origins].join(", ")}`)
  reports += watch.policyReports.length
  passed += suite.passed()
  failed += suite.failed() + watch.errors.length
  told.push(`${name} ${suite.passed()} passed`)
}
rmSync(bundle, { recursive: true, force: true })
// None at all would mean that nobody looked.
const problems = failed + reports + (origins === 1 ? 0 : 1)
print(`${told.join(", ")}, 0 skipped; origins contacted ${origins}; CSP reports ${reports}`)
print(`${passed} passed, ${problems} failed`)
process.exitCode = problems > 0 || passed === 0 ? 1 : 0
