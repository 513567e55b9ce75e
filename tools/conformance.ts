import { existsSync, readdirSync } from "node:fs"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { pathToFileURL } from "node:url"

import type { ConformanceCase } from "../packages/store/src/conformance.ts"
import { startThrowawayPostgres } from "./throwaway-postgres.ts"

/**
 * Runs every store's conformance cases on SQLite and on a PostgreSQL that it starts itself. A store takes part by having
 * `src/store/conformance.ts` (an app) or `src/conformance.ts` (the store package) that exports `cases`.
 * Prints each failure, then `sqlite N passed, postgres N passed, 0 skipped`; exit code 1 if anything failed.
 */
const CASE_TIMEOUT_MS = 60_000
const root = join(import.meta.dirname, "..")

const main = async (): Promise<number> => {
  const cases = await gatherCases()
  const folder = await mkdtemp(join(tmpdir(), "kf-conformance-"))
  const postgres = await startThrowawayPostgres()
  let stopping: Promise<void> | undefined
  const cleanUp = (): Promise<void> =>
    (stopping ??= postgres.stop().then(() => rm(folder, { recursive: true, force: true })))
  for (const signal of ["SIGINT", "SIGTERM"] as const)
    process.once(signal, () => void cleanUp().then(() => process.exit(130)))
  try {
    let n = 0
    const sqlite = await runAll(cases, "sqlite", async () => `sqlite:${join(folder, `${++n}.db`)}`)
    const pg = await runAll(cases, "postgres", postgres.createDatabase)
    const failed = sqlite.failed + pg.failed
    if (failed > 0) console.log(`${failed} failed`)
    console.log(`sqlite ${sqlite.passed} passed, postgres ${pg.passed} passed, 0 skipped`)
    return failed === 0 ? 0 : 1
  } finally {
    await cleanUp()
  }
}

const gatherCases = async (): Promise<readonly ConformanceCase[]> => {
  const files = [
    "packages/store/src/conformance.ts",
    ...readdirSync(join(root, "apps"))
      .toSorted()
      .map((app) => `apps/${app}/src/store/conformance.ts`),
  ].filter((file) => existsSync(join(root, file)))
  const all: ConformanceCase[] = []
  for (const file of files) {
    const module = (await import(pathToFileURL(join(root, file)).href)) as { cases?: readonly ConformanceCase[] }
    if (module.cases === undefined || module.cases.length === 0) throw new Error(`${file} exports no cases`)
    all.push(...module.cases)
  }
  return all
}

const runAll = async (
  cases: readonly ConformanceCase[],
  dialect: "sqlite" | "postgres",
  makeUrl: () => Promise<string>,
): Promise<{ passed: number; failed: number }> => {
  let passed = 0
  for (const { name, run } of cases) {
    const problem = await runOne(async () => run({ url: await makeUrl(), dialect }))
    if (problem === undefined) passed++
    else console.log(`✗ ${dialect}: ${name}\n  ${problem}`)
  }
  return { passed, failed: cases.length - passed }
}

const runOne = async (run: () => Promise<void>): Promise<string | undefined> => {
  const limit = new AbortController()
  const timeOut = sleep(CASE_TIMEOUT_MS, `no answer within ${CASE_TIMEOUT_MS / 1000} s`, { signal: limit.signal })
  try {
    return await Promise.race([run().then(() => undefined), timeOut])
  } catch (error) {
    return error instanceof Error ? (error.stack ?? error.message).replaceAll("\n", "\n  ") : String(error)
  } finally {
    limit.abort()
    await timeOut.catch(() => undefined)
  }
}

// The exit is explicit: a connection that a failed case left open would keep the process alive.
process.exit(await main())
