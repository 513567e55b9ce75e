import { closeSync, openSync } from "node:fs"
import { DatabaseSync } from "node:sqlite"

/**
 * One agent per profile. The lock is SQLite's own on a small file: the system drops it with the process, however that
 * ends, so there is no stale lock and no race in taking one over.
 * Returns  `undefined` when another process holds it
 */
export const holdLockFile = (path: string): { readonly release: () => void } | undefined => {
  closeSync(openSync(path, "a", 0o600))
  const db = new DatabaseSync(path, { timeout: 0 })
  try {
    db.exec("PRAGMA journal_mode = MEMORY")
    db.exec("BEGIN EXCLUSIVE")
  } catch (error) {
    db.close()
    if (isBusy(error)) return undefined
    throw error
  }
  return Object.freeze({ release: () => db.close() })
}

const SQLITE_BUSY = 5
const isBusy = (error: unknown): boolean =>
  error instanceof Error &&
  "errcode" in error &&
  typeof error.errcode === "number" &&
  (error.errcode & 255) === SQLITE_BUSY
