import { spawn } from "node:child_process"
import { join } from "node:path"

import { endWithFamily } from "./programs.ts"

/** A program beside which the product is measured. It prints `listening <port>` when it is ready. */
export interface RunningAnchor {
  readonly port: number
  readonly pid: number
  readonly readyMs: number
  readonly stop: () => Promise<void>
}

const FOLDER = join(import.meta.dirname, "..", "anchors")

export const startAnchor = (name: string, args: readonly string[] = []): Promise<RunningAnchor> =>
  startProgram(process.execPath, [join(FOLDER, name), ...args], /listening (\d+)/)

export const startProgram = async (
  command: string,
  args: readonly string[],
  ready: RegExp,
  env: NodeJS.ProcessEnv = process.env,
  cwd?: string,
): Promise<RunningAnchor> => {
  const began = performance.now()
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"], env, ...(cwd === undefined ? {} : { cwd }) })
  endWithFamily(child)
  let said = ""
  const exited = new Promise<void>((resolve) => child.once("close", () => resolve()))
  const port = await new Promise<number>((resolve, reject) => {
    const look = (chunk: Buffer): void => {
      said = (said + chunk.toString()).slice(-8000)
      const match = ready.exec(said)
      if (match !== null) resolve(Number(match[1]))
    }
    child.stdout.on("data", look)
    child.stderr.on("data", look)
    child.once("error", reject)
    child.once("exit", (code) => reject(new Error(`${args.join(" ")} ended with ${code}: ${said.slice(-1500)}`)))
  })
  const readyMs = performance.now() - began
  return {
    port,
    pid: child.pid ?? 0,
    readyMs,
    stop: async () => {
      child.kill("SIGKILL")
      await exited
    },
  }
}
