import { closeSync, constants, openSync, readSync, rmSync, writeSync } from "node:fs"

/*
 * Files that must be on disk when a call returns. Synchronous writes (O_SYNC) instead of fsync: Node's permission
 * model, under which the strongroom runs, refuses fsync as a whole.
 */
const CHUNK = 1 << 20

/** Makes a new file, 0600. Throws EEXIST if there is one. */
export const createDurably = (path: string, bytes: Uint8Array): void =>
  writeAll(openSync(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_SYNC, 0o600), bytes)

/** Writes over the first bytes of a file that exists, in place. */
export const overwriteDurably = (path: string, bytes: Uint8Array): void =>
  writeAll(openSync(path, constants.O_WRONLY | constants.O_SYNC), bytes)

/** A copy that is on disk when this returns; the source is taken away after that. */
export const moveDurably = (from: string, to: string): void => {
  const source = openSync(from, "r")
  try {
    const target = openSync(to, constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_SYNC, 0o600)
    try {
      const chunk = new Uint8Array(CHUNK)
      for (let n = readSync(source, chunk); n > 0; n = readSync(source, chunk)) writeSync(target, chunk, 0, n)
    } finally {
      closeSync(target)
    }
  } finally {
    closeSync(source)
  }
  rmSync(from)
}

const writeAll = (file: number, bytes: Uint8Array): void => {
  try {
    for (let at = 0; at < bytes.length;) at += writeSync(file, bytes, at)
  } finally {
    closeSync(file)
  }
}
