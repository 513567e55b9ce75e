import process from "node:process"

import { runFast } from "./fast.ts"

/**
 * The command `kf`. What a warm agent can answer is answered by it; everything else loads the rest of the program.
 * KF's launcher (bin/kf.mjs) and the packed file call this.
 */
export const main = async (argv: readonly string[], program: readonly string[]): Promise<void> => {
  // `kf ls | head` closes the pipe early: that is an end, not a defect.
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit(0)
    throw error
  })
  const fast = await runFast(argv)
  if (fast !== undefined) {
    process.exitCode = fast
    return
  }
  const { runRest } = await import("./rest.ts")
  await runRest(argv, program)
}

if (import.meta.main) await main(process.argv.slice(2), [import.meta.filename])
