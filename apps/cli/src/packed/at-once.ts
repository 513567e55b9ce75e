import { fstatSync, writeSync } from "node:fs"
import process from "node:process"

import { VERSION } from "../version.ts"

/*
 * What needs no program at all: the version, and the help, whose text the packer has put in. It loads nothing, not even
 * the runtime's streams.
 */

/** The help as it is at these widths of a terminal; another width is laid out by the program. */
export interface PackedHelp {
  readonly narrow: string
  readonly narrowColumns: number
  readonly wide: string
  /** From here on it no longer depends on the width. */
  readonly wideColumns: number
}
declare const KF_HELP: PackedHelp

/** Answers `--version` and `--help`. False: the command is another one. */
export const answerAtOnce = (argv: readonly string[]): boolean => {
  const [only] = argv
  if (argv.length !== 1) return false
  if (only === "--version" || only === "-V" || only === "version") return write(`kf ${VERSION}\n`)
  if (only !== "--help" && only !== "-h") return false
  const columns = width()
  if (columns === KF_HELP.narrowColumns) return write(KF_HELP.narrow)
  return columns >= KF_HELP.wideColumns && write(KF_HELP.wide)
}

/** As the program counts it: the screen's width where there is one, 80 otherwise. */
const width = (): number => {
  // Asking a stream for its width loads it; a pipe has none.
  const mayBeTerminal = [1, 2].some((fd) => fstatSync(fd).isCharacterDevice())
  return (mayBeTerminal ? (process.stdout.columns ?? process.stderr.columns) : undefined) ?? 80
}

const write = (text: string): true => {
  const bytes = Buffer.from(text)
  let at = 0
  try {
    while (at < bytes.length) at += writeSync(1, bytes, at)
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined
    // A reader that left early is an end, not a defect; a full pipe is waited for by the stream.
    if (code === "EAGAIN") process.stdout.write(bytes.subarray(at))
    else if (code !== "EPIPE") throw error
  }
  return true
}
