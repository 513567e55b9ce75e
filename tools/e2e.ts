/**
 * `npm run e2e [-- --browser chromium|firefox]`: the web app in real browsers, against a real server with its strongroom and
 * a mail server, with `kf` beside them. The browsers are those of Debian, installed where they are missing.
 * `--story devices|screens|troubles|camera|journeys|settings|places|recovery` tells one of them. Closes with `chromium N passed, firefox M passed, …` and the sum `N passed, N failed`.
 */
import { rmSync } from "node:fs"
import process from "node:process"
import { parseArgs } from "node:util"

import type { BrowserName, Watch } from "../e2e/web/browsers.ts"
import { tellCamera } from "../e2e/web/camera.ts"
import { tellJourneys } from "../e2e/web/journeys.ts"
import { tellPlaces } from "../e2e/web/places.ts"
import { tellScreens } from "../e2e/web/screens.ts"
import { tellRecovery } from "../e2e/web/recovery.ts"
import { tellSettings } from "../e2e/web/settings.ts"
import type { Resumed } from "../e2e/web/sitting.ts"
import { tellStory } from "../e2e/web/story.ts"
import { tellTroubles } from "../e2e/web/troubles.ts"
import { createSuite, StoryStopped } from "../e2e/web/suite.ts"
import { buildTestBundle } from "../e2e/web/world.ts"

const STORIES = ["devices", "screens", "troubles", "camera", "journeys", "settings", "places", "recovery"] as const
const { values: options } = parseArgs({ options: { browser: { type: "string" }, story: { type: "string" } } })
const isTold = (story: (typeof STORIES)[number]): boolean => options.story === undefined || options.story === story
const names = (["chromium", "firefox"] as const).filter(
  (name) => options.browser === undefined || options.browser === name,
)

const print = (line: string): void => void process.stdout.write(`${line}\n`)
const bundle = await buildTestBundle()
let origins = 0
const counts: string[] = []
const reloads: Resumed = { steps: 0, resumed: 0 }
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
  /** Each story has a server of its own: what counts is how many places one story spoke to. */
  const told = async (story: Promise<void>): Promise<void> => {
    await tell(story)
    origins = Math.max(origins, watch.origins.size)
    if (watch.origins.size > 1) print(`  ${[...watch.origins].join(", ")}`)
    watch.origins.clear()
    const told = [...watch.policyReports, ...watch.errors]
    for (const text of told) print(`  FAILED  ${name}: a page reported in this story: ${text}`)
    reports += watch.policyReports.length
    failed += watch.errors.length
    watch.policyReports.length = 0
    watch.errors.length = 0
  }
  if (isTold("devices")) await told(tellStory(name, bundle, watch, suite))
  if (isTold("screens") && name === "chromium") await told(tellScreens(bundle, watch, suite))
  if (isTold("troubles")) await told(tellTroubles(name, bundle, watch, suite))
  if (isTold("camera")) await told(tellCamera(name, bundle, watch, suite))
  const sitting = { name, bundle, watch, suite, count: reloads }
  if (isTold("journeys")) await told(tellJourneys(sitting))
  if (isTold("settings")) await told(tellSettings(sitting))
  if (isTold("places")) await told(tellPlaces(sitting))
  if (isTold("recovery")) await told(tellRecovery(sitting))
  passed += suite.passed()
  failed += suite.failed()
  counts.push(`${name} ${suite.passed()} passed`)
}
rmSync(bundle, { recursive: true, force: true })
// None at all would mean that nobody looked.
const problems = failed + reports + (origins === 1 ? 0 : 1)
if (reloads.steps > 0) print(`${reloads.steps} steps, ${reloads.resumed} resumed`)
print(`${counts.join(", ")}, 0 skipped; origins contacted ${origins}; CSP reports ${reports}`)
print(`${passed} passed, ${problems} failed`)
process.exitCode = problems > 0 || passed === 0 ? 1 : 0
