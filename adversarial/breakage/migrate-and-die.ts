/**
 * `migrate-and-die.ts STORE PATH N [UP-TO]`: opens a store with the migrations of this program, or only the first of them,
 * and kills itself after the Nth statement that SQLite was given; 0 lets it live. Prints `statements N`.
 */
import process from "node:process"
import { DatabaseSync } from "node:sqlite"

import { openStore } from "@keyferry/store"

import { migrations as serverMigrations } from "../../apps/server/src/store/migrations.ts"
import { leaseMigrations } from "../../apps/strongroom/src/lease/tables.ts"
import { mainMigrations } from "../../apps/strongroom/src/store/migrations.ts"

const [store = "", path = "", killAt = "0", upTo = "1000"] = process.argv.slice(2)
const migrations = { server: serverMigrations, strongroom: mainMigrations, leases: leaseMigrations }[store]?.slice(
  0,
  Number(upTo),
)
if (migrations === undefined) throw new Error(`no store ${store}`)

let statements = 0
const count = (): void => {
  if (++statements === Number(killAt)) process.kill(process.pid, "SIGKILL")
}
// eslint-disable-next-line typescript/unbound-method -- called with their own object below
const { exec, prepare } = DatabaseSync.prototype
DatabaseSync.prototype.exec = function (this: DatabaseSync, sql: string): void {
  exec.call(this, sql)
  count()
}
DatabaseSync.prototype.prepare = function (this: DatabaseSync, ...args: Parameters<typeof prepare>) {
  const statement = prepare.apply(this, args)
  count()
  return statement
}

const opened = await openStore({
  url: `sqlite:${path}`,
  migrations,
  name: store,
  clock: { nowMs: () => 1 },
  secureDelete: store === "leases",
})
if (!opened.ok) {
  process.stderr.write(`${opened.error.code} ${opened.error.detail}\n`)
  process.exit(3)
}
await opened.value.close()
process.stdout.write(`statements ${statements}\n`)
