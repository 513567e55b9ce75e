import { readFileSync } from "node:fs"
import process from "node:process"

import type { runRest } from "../rest.ts"
import { answerAtOnce } from "./at-once.ts"

/*
 * The beginning of the packed file. What a warm agent answers needs nothing behind it; the rest of the program lies in a
 * comment at the end of the same file, compressed, and is read only when it is needed.
 */

/** Put in by the packer: what stands before the compressed rest. Not written here as it is, or it would be found here. */
declare const KF_REST_MARK: readonly [string, string]

interface Rest {
  readonly runRest?: typeof runRest
}

const loadRest = (file: string): typeof runRest => {
  // Asked for here and not imported above: each costs a millisecond that the fast path need not spend.
  const { brotliDecompressSync } = process.getBuiltinModule("node:zlib")
  const { compileFunction, constants } = process.getBuiltinModule("node:vm")
  const { createRequire } = process.getBuiltinModule("node:module")
  const text = readFileSync(file, "latin1")
  const mark = KF_REST_MARK.join("")
  const from = text.lastIndexOf(mark) + mark.length
  const code = brotliDecompressSync(Buffer.from(text.slice(from, text.indexOf("*/", from)), "base64")).toString("utf8")
  const program = compileFunction(code, ["exports", "require", "module", "__filename", "__dirname"], {
    filename: file,
    importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
  })
  const holder: { exports: Rest } = { exports: {} }
  program(holder.exports, createRequire(file), holder, file, file.slice(0, file.lastIndexOf("/")))
  const { runRest: found } = holder.exports
  if (found === undefined) throw new Error("the packed file is damaged")
  return found
}

/** Called by the packer's last line with the path of the file itself. */
export const start = async (file: string): Promise<void> => {
  const argv = process.argv.slice(2)
  if (answerAtOnce(argv)) return
  // `kf ls | head` closes the pipe early: that is an end, not a defect.
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit(0)
    throw error
  })
  const { runFast } = await import("../fast.ts")
  const fast = await runFast(argv)
  if (fast === undefined) await loadRest(file)(argv, [file])
  else process.exitCode = fast
}
