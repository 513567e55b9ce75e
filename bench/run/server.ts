import { spawn } from "node:child_process"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"

import { programOf, RUNTIME_ARGS } from "../../tools/program-bundle.ts"
import { endWithFamily } from "./programs.ts"

/** The product's server and its strongroom as `npm start` runs them, on a data folder that may have been seeded. */
export interface RunningProduct {
  readonly port: number
  /** What the server's requests must be signed for. */
  readonly authority: string
  /** The one-time link, while there is no account; empty otherwise. */
  readonly firstLink: string
  readonly pids: () => readonly number[]
  readonly readyMs: number
  readonly stop: () => Promise<void>
  /** As a power cut would, both processes. */
  readonly kill: () => Promise<void>
}

const ROOT = join(import.meta.dirname, "..", "..")

/** `installed`: another place where the programs lie. */
export const startProduct = async (folder: string, installed = ROOT): Promise<RunningProduct> => {
  const began = performance.now()
  const child = spawn(
    process.execPath,
    [
      ...RUNTIME_ARGS,
      join(installed, programOf("server")),
      "serve",
      "--data-dir",
      folder,
      "--listen",
      "127.0.0.1:0",
      "--limits-rate-scale",
      "1000000",
    ],
    { stdio: ["ignore", "pipe", "pipe"] },
  )
  endWithFamily(child)
  let printed = ""
  let said = ""
  child.stderr.on("data", (chunk: Buffer) => (said = (said + chunk.toString()).slice(-4000)))
  const exited = new Promise<void>((resolve) => child.once("close", () => resolve()))
  await new Promise<void>((resolve, reject) => {
    child.stdout.on("data", (chunk: Buffer) => {
      printed += chunk.toString()
      if (printed.includes("ready in")) resolve()
    })
    child.once("exit", (code) => reject(new Error(`the server ended with ${code}: ${said}`)))
  })
  const readyMs = performance.now() - began
  const port = Number(/Keyferry http:\/\/[^:]+:(\d+)/.exec(printed)?.[1])
  const pid = child.pid ?? 0
  const room = childrenOf(pid)
  return {
    port,
    authority: `localhost:${port}`,
    firstLink: /http\S+#t=\S+/.exec(printed)?.[0] ?? "",
    pids: () => [pid, ...room],
    readyMs,
    stop: async () => {
      child.kill("SIGINT")
      await exited
    },
    kill: async () => {
      for (const one of [pid, ...room]) process.kill(one, "SIGKILL")
      await exited
    },
  }
}

/** Signed requests of the second in which a strongroom starts are refused: the nonces of an earlier process are gone. */
export const untilSignedAreTaken = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 1100))

const childrenOf = (pid: number): readonly number[] =>
  readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((one) => parentOf(one) === pid)

const parentOf = (pid: number): number => {
  const stat = readProc(`/proc/${pid}/stat`)
  return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1])
}

/** Resident memory of these processes together, in MiB. */
export const rssMiB = (pids: readonly number[]): number =>
  pids.reduce((sum, pid) => sum + Number(/VmRSS:\s+(\d+)/.exec(readProc(`/proc/${pid}/status`))?.[1] ?? 0), 0) / 1024

/** Processor time that these processes have used, in µs. */
export const cpuUs = (pids: readonly number[]): number =>
  pids.reduce((sum, pid) => {
    const stat = readProc(`/proc/${pid}/stat`)
    const [user, system] = stat
      .slice(stat.lastIndexOf(")") + 2)
      .split(" ")
      .slice(11, 13)
    return sum + (Number(user) + Number(system)) * 10_000
  }, 0)

const readProc = (path: string): string => {
  try {
    return readFileSync(path, "utf8")
  } catch {
    // It ended between the listing and the reading.
    return ""
  }
}
