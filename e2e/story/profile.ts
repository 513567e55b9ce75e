import { join } from "node:path"
import process from "node:process"

import { createHome, type FinishedProcess, type Home, type RunningProcess, runProcess, startProcess } from "@keyferry/testkit"

/** One person's `kf` on one machine: a home of its own, with an agent, a store and a clock. */
export interface Profile {
  readonly name: string
  readonly home: Home
  /** Where `device.db`, `device.secret` and the agent's log lie. */
  readonly folder: string
  readonly run: (args: readonly string[], options?: KfOptions) => Promise<KfRun>
  /** The same, and it must end with 0; gives the JSON document of stdout. */
  readonly ask: <T = Record<string, unknown>>(args: readonly string[], options?: KfOptions) => Promise<T>
  /** Does not wait for the end. */
  readonly start: (args: readonly string[], options?: KfOptions) => RunningProcess
  /** Ends the agent, if one runs: the machine is switched off. */
  readonly stop: () => Promise<void>
}

export interface KfOptions {
  /** Given as `--secrets-stdin` lines. */
  readonly secrets?: Readonly<Record<string, string>>
  /** A module that is loaded before `kf` and its agent, such as another clock. */
  readonly preload?: string
}

export interface KfRun extends FinishedProcess {
  /** The document of stdout with `--json`; undefined where there is none. */
  readonly document: Readonly<Record<string, unknown>> | undefined
  /** Objects that stderr has, one a line, with `--json`: progress, then a problem. */
  readonly events: readonly Readonly<Record<string, unknown>>[]
  /** Code of the problem, with `--json`. */
  readonly code: string | undefined
}

const KF = join(import.meta.dirname, "..", "..", "apps", "cli", "bin", "kf.mjs")
const LIMIT_MS = 60_000

/** Makes a profile in a new home below `parent`, or in a home that is there already. */
export const createProfile = (name: string, parent: string, home: Home = createHome(name, parent)): Profile => {
  const folder = join(home.path, ".local", "share", "keyferry", "default")

  const planOf = (args: readonly string[], { secrets, preload }: KfOptions) => ({
    command: process.execPath,
    args: [
      ...(preload === undefined ? [] : ["--import", preload]),
      KF,
      ...args,
      ...(secrets === undefined ? [] : ["--secrets-stdin"]),
    ],
    home,
    ...(secrets === undefined
      ? {}
      : {
          input: Object.entries(secrets)
            .map(([key, value]) => `${key}=${value}\n`)
            .join(""),
        }),
  })

  const run = async (args: readonly string[], options: KfOptions = {}): Promise<KfRun> => {
    const done = await runProcess(planOf(args, options), LIMIT_MS)
    const events = done.stderr.split("\n").flatMap((line) => parseObject(line) ?? [])
    const code = events.at(-1)?.["code"]
    return {
      ...done,
      document: parseObject(done.stdout.trim().split("\n").at(-1) ?? ""),
      events,
      code: typeof code === "string" ? code : undefined,
    }
  }

  const profile: Profile = {
    name,
    home,
    folder,
    run,
    start: (args, options = {}) => startProcess(planOf(args, options)),
    ask: async <T>(args: readonly string[], options: KfOptions = {}) => {
      const done = await run([...args, "--json"], options)
      if (done.code !== undefined || done.document === undefined || done.signal !== undefined || (done.code === undefined && done.document === undefined))
        throw new Error(`kf ${args.join(" ")} on ${name} ended with ${exitOf(done)}\n${done.stdout}\n${done.stderr}`)
      return done.document as T
    },
    stop: async () => {
      const done = await run(["agent", "stop"])
      if (exitOf(done) !== 0) throw new Error(`the agent of ${name} did not stop: ${done.stderr}`)
    },
  }
  return Object.freeze(profile)
}

/** What the shell got. `FinishedProcess.code` is hidden by the problem's code. */
export const exitOf = (done: KfRun): number => done.exit

const parseObject = (line: string): Readonly<Record<string, unknown>> | undefined => {
  if (!line.startsWith("{")) return undefined
  try {
    const parsed: unknown = JSON.parse(line)
    return typeof parsed === "object" && parsed !== null ? (parsed as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}
