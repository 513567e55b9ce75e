import { chmodSync, mkdirSync, renameSync, rmSync } from "node:fs"
import { dirname } from "node:path"
import { DatabaseSync, type StatementSync } from "node:sqlite"

import type { DeviceStore, Row } from "../ports.ts"

/*
 * One SQLite file of sealed rows. WAL with full sync: a batch is on disk when `write` resolves.
 * `secure_delete` overwrites freed pages, so that rows taken out do not linger in the file.
 */
const SCHEMA_VERSION = 2

interface Open {
  readonly db: DatabaseSync
  readonly format: 1 | 2
  readonly put: StatementSync
  readonly del: StatementSync
  readonly get: StatementSync
  readonly all: StatementSync
}

/** Errors: throws when the file is damaged, of a newer version, or not writable; the caller maps it to its code. */
export const createFileStore = (path: string): DeviceStore => {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  // Opened at once, so that a damaged or foreign file is told about at the start; again after everything was erased.
  let held: Open | undefined = openFile(path)
  const current = (): Open => (held ??= openFile(path))
  const closeHeld = (): void => {
    held?.db.close()
    held = undefined
  }

  const apply = (target: Open, rows: readonly Row[]): void => {
    target.db.exec("BEGIN IMMEDIATE")
    try {
      for (const row of rows) {
        if (row.value === undefined) target.del.run(row.table, row.key)
        else target.put.run(row.table, row.key, row.value)
      }
      target.db.exec("COMMIT")
    } catch (error) {
      // A full disk makes SQLite roll back by itself; a second one would hide why.
      if (target.db.isTransaction) target.db.exec("ROLLBACK")
      throw error
    }
  }

  return Object.freeze<DeviceStore>({
    read: async (table, key) => {
      const row = current().get.get(table, key)
      return row?.["value"] instanceof Uint8Array ? row["value"] : undefined
    },
    list: async (table) =>
      current()
        .all.all(table)
        .map((row) => ({ key: String(row["key"]), value: row["value"] as Uint8Array })),
    write: async (rows) => apply(current(), rows),
    replace: async (rows) => {
      const next = `${path}.new`
      removeFiles(next)
      const fresh = openFile(next)
      apply(fresh, rows)
      // Everything into the main file before the rename, or the new name would come without its log.
      fresh.db.exec("PRAGMA wal_checkpoint(TRUNCATE)")
      fresh.db.close()
      closeHeld()
      renameSync(next, path)
      for (const suffix of ["-wal", "-shm"]) rmSync(path + suffix, { force: true })
    },
    erase: async () => {
      closeHeld()
      removeFiles(path)
    },
    close: async () => closeHeld(),
    format: async () => current().format,
  })
}

const openFile = (path: string): Open => {
  const db = new DatabaseSync(path)
  chmodSync(path, 0o600)
  db.exec("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA secure_delete=ON; PRAGMA busy_timeout=2000")
  const version = Number(db.prepare("PRAGMA user_version").get()?.["user_version"] ?? 0)
  if (version > SCHEMA_VERSION) throw new Error("schema-newer")
  db.exec(
    "CREATE TABLE IF NOT EXISTS rows (tbl TEXT NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL, PRIMARY KEY (tbl, key)) WITHOUT ROWID",
  )
  // Written once: opening changes nothing, so that a damaged, full, read-only or older store is left as it is.
  if (version === 0) db.exec(`PRAGMA user_version=${SCHEMA_VERSION}`)
  return {
    db,
    format: version === 1 ? 1 : SCHEMA_VERSION,
    put: db.prepare(
      "INSERT INTO rows (tbl, key, value) VALUES (?, ?, ?) ON CONFLICT (tbl, key) DO UPDATE SET value = excluded.value",
    ),
    del: db.prepare("DELETE FROM rows WHERE tbl = ? AND key = ?"),
    get: db.prepare("SELECT value FROM rows WHERE tbl = ? AND key = ?"),
    all: db.prepare("SELECT key, value FROM rows WHERE tbl = ? ORDER BY key"),
  }
}

const removeFiles = (path: string): void => {
  for (const suffix of ["", "-wal", "-shm", "-journal"]) rmSync(path + suffix, { force: true })
}
