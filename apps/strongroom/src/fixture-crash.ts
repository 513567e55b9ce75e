import { spawn } from "node:child_process"
import process from "node:process"
import { fileURLToPath } from "node:url"

import { Defect } from "@keyferry/base"

/*
 * Processes that kill themselves in the middle of something, and the tests that start them: what is on the disk then is all
 * there is. Such a process gets a folder and a step; no other program reads these arguments. Development only.
 */

/** In the process: its folder, and what it calls at each step. */
export const crashing = <const Step extends string>(
  steps: readonly Step[],
): { readonly folder: string; readonly dieAt: (at: Step) => void } => {
  const [folder, word] = process.argv.slice(2)
  const step = steps.find((one) => one === word)
  if (folder === undefined || step === undefined) throw new Defect(`a folder and one of ${steps.join(", ")}`)
  const dieAt = (at: Step): void => {
    if (step === at) process.kill(process.pid, "SIGKILL")
  }
  return { folder, dieAt }
}

export interface Ended {
  /** What it printed. */
  readonly told: string
  readonly signal: NodeJS.Signals | null
}

/** In the test: runs the process until it is killed or done; any other end is an error. */
export const runCrashing = (script: URL, folder: string, step: string): Promise<Ended> =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [fileURLToPath(script), folder, step], { stdio: ["ignore", "pipe", "pipe"] })
    let told = ""
    let errors = ""
    child.stdout.on("data", (chunk: Buffer) => (told += chunk.toString()))
    child.stderr.on("data", (chunk: Buffer) => (errors += chunk.toString()))
    child.on("close", (code, signal) => {
      if (signal === "SIGKILL" || code === 0) resolve({ told, signal })
      else reject(new Defect(errors))
    })
  })

/** The same for a step that must be reached; what it printed before. */
export const runUntilKilled = async (script: URL, folder: string, step: string): Promise<string> => {
  const { told, signal } = await runCrashing(script, folder, step)
  if (signal !== "SIGKILL") throw new Defect(`it never came to ${step}`)
  return told
}
