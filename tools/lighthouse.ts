/**
 * `npm run lighthouse [-- --runs N]`: Lighthouse's performance of the web app's first page, mobile profile, on the real server
 * with the shipped bundle. Lighthouse itself is installed at a fixed version beside the bench's other programs, into a folder
 * that git ignores. The figure is the median of the runs. Closes with `N passed, M failed`: the goal is 0.97.
 */
import { spawnSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import process from "node:process"
import { parseArgs } from "node:util"

import { havePeers, PEERS } from "../bench/run/peers.ts"
import { median } from "../bench/run/rounds.ts"
import { startProduct } from "../bench/run/server.ts"
import { chromiumPath } from "../e2e/web/installed.ts"
import { areProgramsCurrent, buildPrograms } from "./program-bundle.ts"
import { buildWebBundle, isBundleCurrent } from "./web-bundle.ts"

const GOAL = 0.97
/** What a person waits for, by Lighthouse's names. */
const TIMES = ["first-contentful-paint", "largest-contentful-paint", "total-blocking-time", "interactive"] as const

interface Report {
  readonly categories: { readonly performance: { readonly score: number | null } }
  readonly audits: Readonly<Record<string, { readonly numericValue?: number } | undefined>>
}

const { values } = parseArgs({ options: { runs: { type: "string", default: "3" } } })
const print = (line: string): void => void process.stdout.write(`${line}\n`)

const measure = (url: string, folder: string, run: number): Report => {
  const target = join(folder, `report-${run}.json`)
  const { status, stderr } = spawnSync(
    process.execPath,
    [
      join(PEERS, "node_modules", "lighthouse", "cli", "index.js"),
      url,
      "--only-categories=performance",
      "--form-factor=mobile",
      "--output=json",
      `--output-path=${target}`,
      "--chrome-flags=--headless=new --no-sandbox --disable-dev-shm-usage",
      "--no-enable-error-reporting",
      "--quiet",
    ],
    {
      env: { ...process.env, CHROME_PATH: chromiumPath() },
      encoding: "utf8",
      timeout: 180_000,
    },
  )
  if (status !== 0) throw new Error(`lighthouse ended with ${status}: ${stderr.slice(-600)}`)
  return JSON.parse(readFileSync(target, "utf8")) as Report
}

if (!havePeers("lighthouse")) {
  print("Lighthouse could not be installed; nothing was measured")
  print("0 passed, 1 failed")
  process.exit(1)
}
if (!areProgramsCurrent()) await buildPrograms()
if (!isBundleCurrent()) await buildWebBundle()
const folder = mkdtempSync(join(tmpdir(), "kf-lighthouse-"))
const product = await startProduct(join(folder, "server"))
const reports: Report[] = []
try {
  for (let run = 0; run < Number(values.runs); run++) {
    const report = measure(`http://localhost:${product.port}/sign-in`, folder, run)
    reports.push(report)
    const times = TIMES.map((name) => `${name} ${Math.round(report.audits[name]?.numericValue ?? 0)} ms`)
    print(`run ${run + 1}: ${report.categories.performance.score ?? "no score"}; ${times.join(", ")}`)
  }
} finally {
  await product.stop()
  rmSync(folder, { recursive: true, force: true })
}
const score = median(reports.map((report) => report.categories.performance.score ?? 0))
print(`performance, mobile: ${score}, goal ${GOAL}`)
print(score >= GOAL ? "1 passed, 0 failed" : "0 passed, 1 failed")
process.exitCode = score >= GOAL ? 0 : 1
