import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { cpus, loadavg, release, tmpdir, totalmem } from "node:os"
import { join } from "node:path"
import process from "node:process"
import { parseArgs } from "node:util"

import { areProgramsCurrent, buildPrograms } from "../tools/program-bundle.ts"
import { inTime } from "./run/limit.ts"
import { endLeftovers } from "./run/programs.ts"
import { planOf } from "./run/rounds.ts"
import type { Family, Row } from "./run/row.ts"
import { show, tableOf } from "./run/table.ts"
import { changes } from "./rows/changes.ts"
import { cli } from "./rows/cli.ts"
import { growth } from "./rows/growth.ts"
import { logins } from "./rows/logins.ts"
import { memory } from "./rows/memory.ts"
import { propagation } from "./rows/propagation.ts"
import { pushes } from "./rows/pushes.ts"
import { starts } from "./rows/starts.ts"
import { transfer } from "./rows/transfer.ts"
import { web } from "./rows/web.ts"

/*
 * npm run bench (-- --quick | --json | --only S2,C1 | --out FILE | --table FILE)
 * Each row is measured beside its anchor in the same run; see docs/speed.md for what the rows mean.
 */
const { values } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    only: { type: "string" },
    out: { type: "string" },
    table: { type: "string" },
  },
})
if (values.table !== undefined) {
  process.stdout.write(tableOf((JSON.parse(readFileSync(values.table, "utf8")) as { rows: readonly Row[] }).rows))
  process.exit(0)
}
const families: readonly Family[] = [
  starts,
  cli,
  propagation,
  pushes,
  transfer,
  changes,
  logins,
  ...growth,
  ...memory,
  web,
]

const QUICK_LIMIT_MS = 5 * 60_000
const FULL_LIMIT_MS = 10 * 60_000
const only = values.only?.split(",")
const plan = planOf(values.quick)
const rows: Row[] = []
const say = (line: string): void => void process.stderr.write(`${line}\n`)

const lineOf = (row: Row): string =>
  [
    (row.met ? "met    " : "NOT met").padEnd(8),
    row.id.padEnd(5),
    row.what.padEnd(58),
    `${show(row.ours)} ${row.unit}`.padEnd(16),
    `${row.beside} ${show(row.anchor)}`.padEnd(30),
    `ratio ${show(row.ratio)}`.padEnd(14),
    `goal ${row.goal}`,
    row.rounds + row.dropped > 1 ? ` [${row.rounds} rounds, ${row.dropped} disturbed]` : "",
    row.note === undefined ? "" : ` (${row.note})`,
  ].join(" ")

const machine = {
  cpu: cpus()[0]?.model ?? "unknown",
  cores: cpus().length,
  memoryGiB: Math.round(totalmem() / 2 ** 30),
  kernel: release(),
  node: process.version,
  quick: values.quick,
}
const report = (): string => JSON.stringify({ machine, load: loadavg(), rows }, undefined, 2)
const began = performance.now()

// What a family that broke or was given up on still does must not end the others.
for (const event of ["unhandledRejection", "uncaughtException"] as const)
  process.on(event, (error: unknown) =>
    say(`too late to count: ${error instanceof Error ? error.message : String(error)}`),
  )

if (!areProgramsCurrent()) await buildPrograms()
for (const family of families) {
  if (only !== undefined && !family.ids.some((id) => only.includes(id))) continue
  const folder = mkdtempSync(join(tmpdir(), "kf-bench-"))
  const startedAt = performance.now()
  try {
    const measured = await inTime(family.run(plan, folder), plan.quick ? QUICK_LIMIT_MS : FULL_LIMIT_MS)
    rows.push(...measured)
    if (!values.json) for (const row of measured) process.stdout.write(`${lineOf(row)}\n`)
  } catch (error) {
    // One family that breaks or hangs is said, and the others are still measured.
    const note = error instanceof Error ? error.message : String(error)
    const failed = family.ids.map((id): Row => ({
      id,
      what: "could not be measured",
      unit: "",
      beside: "",
      goal: "",
      ours: undefined,
      anchor: undefined,
      ratio: undefined,
      met: false,
      rounds: 0,
      dropped: 0,
      note: note.slice(0, 300),
    }))
    rows.push(...failed)
    if (!values.json) for (const row of failed) process.stdout.write(`${lineOf(row)}\n`)
  } finally {
    endLeftovers()
    rmSync(folder, { recursive: true, force: true })
  }
  say(`${family.ids.join(" ")}: ${((performance.now() - startedAt) / 1000).toFixed(1)} s`)
  // After each family, so that a run that is stopped keeps what it has.
  if (values.out !== undefined) writeFileSync(values.out, `${report()}\n`)
}
if (values.json) process.stdout.write(`${report()}\n`)
const met = rows.filter((row) => row.met).length
// With --json the sum goes where it does not disturb a parser.
const sum = `${met} met, ${rows.length - met} not`
if (values.json) say(sum)
else process.stdout.write(`${sum}\n`)
say(`${((performance.now() - began) / 60_000).toFixed(1)} minutes`)
process.exit(0)
