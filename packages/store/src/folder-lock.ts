import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"

import { err, ok, type Result } from "@keyferry/base"

import { storeFailureOf } from "./errors.ts"
import { holdExclusive } from "./sqlite.ts"

export interface FolderLock {
  readonly release: () => void
}

export interface FolderLocked {
  readonly code: "store-locked"
  /** What the holder wrote about itself. */
  readonly holder: string
}

/**
 * One process per data folder. The lock is SQLite's own on a small file, so the system drops it with the process, however
 * that ends: there is no stale lock. The folder is made with mode 0700.
 * Errors: store-locked, with the holder's own words.
 */
export const lockFolder = (folder: string, holder: string): Result<FolderLock, FolderLocked> => {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  chmodSync(folder, 0o700)
  const holderFile = join(folder, "lock.holder")
  const lock = tryHold(join(folder, "lock"))
  if (lock === undefined) return err({ code: "store-locked", holder: readHolder(holderFile) })
  writeFileSync(holderFile, holder, { mode: 0o600 })
  return ok(
    Object.freeze({
      release: () => {
        rmSync(holderFile, { force: true })
        lock.release()
      },
    }),
  )
}

const tryHold = (file: string): { readonly release: () => void } | undefined => {
  try {
    return holdExclusive(file)
  } catch (error) {
    if (storeFailureOf(error)?.code === "store-locked") return undefined
    throw error
  }
}

const readHolder = (file: string): string => {
  try {
    return readFileSync(file, "utf8").trim()
  } catch {
    // Between taking the lock and writing the file there is a moment without a name.
    return "another process"
  }
}
