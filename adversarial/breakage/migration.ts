import { copyFileSync, cpSync, existsSync, mkdirSync, readdirSync } from "node:fs"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"

import { createHome, runProcess } from "@keyferry/testkit"

import { type Breakage, check, rowsOf, type Stage } from "./stage.ts"

/*
 * A migration that is killed after each of its statements, as by a power cut, and started again: the result is the one of a
 * migration that nobody disturbed, and nothing that was there before is missing.
 */
const STORES = ["server", "strongroom", "leases"] as const
const SCRIPT = join(import.meta.dirname, "migrate-and-die.ts")
/** Each run is a process of its own; a store with more statements is killed at every second or third. */
const MAX_RUNS = 40

const migrate = async (
  stage: Stage,
  store: string,
  path: string,
  killAt: number,
  upTo?: number,
): Promise<{ code: number; statements: number; stderr: string }> => {
  const done = await runProcess({
    command: process.execPath,
    args: [SCRIPT, store, path, String(killAt), ...(upTo === undefined ? [] : [String(upTo)])],
    home: createHome("migration", stage.folder("home")),
  })
  return { code: done.code, statements: Number(/statements (\d+)/.exec(done.stdout)?.[1] ?? 0), stderr: done.stderr }
}

/** A store as the first version wrote it, with a row in every table. */
const makeOld = async (stage: Stage, name: string): Promise<string> => {
  const path = join(stage.folder("old"), "store.db")
  const made = await migrate(stage, name, path, 0, 1)
  check(made.code === 0, `the first version: ${made.stderr}`)
  const db = new DatabaseSync(path)
  db.exec("PRAGMA foreign_keys = OFF")
  const own = "name NOT IN ('schema_version', 'counter') AND name NOT LIKE 'sqlite_%'"
  for (const { name: table } of db.prepare(`SELECT name FROM sqlite_schema WHERE type = 'table' AND ${own}`).all()) {
    const columns = db.prepare('SELECT type, "notnull" FROM pragma_table_info(?)').all(String(table))
    const values = columns.map(({ type, notnull }) =>
      notnull === 0 ? null : type === "INTEGER" ? 1 : type === "TEXT" ? "x" : new Uint8Array(32),
    )
    db.prepare(`INSERT INTO "${String(table)}" VALUES (${values.map(() => "?").join(", ")})`).run(...values)
  }
  db.close()
  return path
}

const prepare = (stage: Stage, part: string, old: string): string => {
  const path = join(stage.folder(part), "store.db")
  copyFileSync(old, path)
  return path
}

/** The times of the steps are of the clock, everything else is compared. */
const rowsWithoutTimes = (path: string): string => rowsOf(path).replaceAll(/"applied_ms":\d+/g, '"applied_ms":0')

const isWhole = (path: string): boolean => {
  const db = new DatabaseSync(path)
  try {
    return db.prepare("PRAGMA integrity_check").get()?.["integrity_check"] === "ok"
  } finally {
    db.close()
  }
}

export const breakages: readonly Breakage[] = STORES.map((name) => ({
  name: `migration-killed-${name}`,
  run: async (stage) => {
    const old = await makeOld(stage, name)
    const calm = prepare(stage, "calm", old)
    const undisturbed = await migrate(stage, name, calm, 0)
    check(
      undisturbed.code === 0 && undisturbed.statements > 3,
      `the migration itself: ${undisturbed.code} ${undisturbed.stderr.slice(0, 400)}`,
    )
    const expected = rowsWithoutTimes(calm)
    const isChanged = expected !== rowsWithoutTimes(old)
    const step = Math.max(1, Math.ceil(undisturbed.statements / MAX_RUNS))
    let kills = 0
    for (let at = 1; at <= undisturbed.statements; at += step) {
      const path = prepare(stage, `at-${at}`, old)
      const killed = await migrate(stage, name, path, at)
      check(killed.code === 137, `it was to die at statement ${at}, and ended with ${killed.code}`)
      kills++
      const again = await migrate(stage, name, path, 0)
      check(again.code === 0, `after a death at statement ${at}: ${again.code} ${again.stderr.slice(0, 400)}`)
      check(
        isWhole(path) && rowsWithoutTimes(path) === expected,
        `after a death at statement ${at} the store is another`,
      )
      // A store that is of the newest version already is opened, and not copied.
      if (isChanged) checkBackups(path, old, at)
    }
    const times = `killed ${kills} times, at ${undisturbed.statements} statements`
    return { exit: 137, sentence: `${times}; each time whole after the next start` }
  },
}))

/** At least one copy of what was there before is whole and says the same as before. */
const checkBackups = (path: string, old: string, at: number): void => {
  const folder = join(path, "..")
  const copies = readdirSync(folder).filter((name) => /before-\d+.*\.db$/.test(name))
  check(copies.length > 0, `no copy of the store from before, after a death at statement ${at}`)
  const look = join(folder, "look")
  mkdirSync(look, { recursive: true })
  const wanted = join(look, "old.db")
  copyFileSync(old, wanted)
  const before = rowsOf(wanted)
  const isGood = copies.some((name) => {
    const copy = join(look, name)
    cpSync(join(folder, name), copy)
    try {
      return isWhole(copy) && rowsOf(copy) === before
    } catch {
      return false
    }
  })
  check(existsSync(path) && isGood, `no whole copy from before, after a death at statement ${at}: ${copies.join(", ")}`)
}
