import { join } from "node:path"
import process from "node:process"

import {
  createHome,
  type Home,
  type ProcessPlan,
  type RunningProcess,
  runProcess,
  startProcess,
} from "@keyferry/testkit"

/** One person's `kf` on one machine: a home of its own, with an agent and a store. */
export interface Profile {
  readonly name: string
  readonly home: Home
  /** Where `device.db`, `device.secret` and the agent's log lie. */
  readonly folder: string
  /** Runs a command to its end; any exit is an answer. */
  readonly run: (args: readonly string[], options?: KfOptions) => Promise<KfRun>
  /** The same with `--json`, and it must end with 0: gives the document of stdout. */
  readonly ask: (args: readonly string[], options?: KfOptions) => Promise<Document>
  /** Starts a command and leaves it running. */
  readonly start: (args: readonly string[], options?: KfOptions) => RunningProcess
  /** Ends the agent: the machine is switched off. */
  readonly stop: () => Promise<void>
}

/** One JSON object that a command printed. */
export type Document = Readonly<Record<string, unknown>>

/** What stands at a path such as `account.deviceState`; undefined where nothing does. */
export const at = (document: unknown, path: string): unknown =>
  path
    .split(".")
    .reduce<unknown>(
      (value, name) => (typeof value === "object" && value !== null ? (value as Document)[name] : undefined),
      document,
    )

/** The text there; empty where there is none. */
export const textAt = (document: unknown, path: string): string => {
  const value = at(document, path)
  return typeof value === "string" ? value : ""
}

/** The words of a list of them, with spaces between. */
export const wordsAt = (document: unknown, path: string): string => {
  const value = at(document, path)
  return Array.isArray(value) ? value.map(String).join(" ") : ""
}

/** The rows of a list. */
export const rowsAt = (document: unknown, path = "data"): readonly Document[] => {
  const value = at(document, path)
  return Array.isArray(value) ? value : []
}

export interface KfOptions {
  /** Given as `--secrets-stdin` lines. */
  readonly secrets?: Readonly<Record<string, string>>
  /** A module that is loaded before `kf` and its agent, such as another clock. */
  readonly preload?: string
}

export interface KfRun {
  readonly exit: number
  readonly stdout: string
  readonly stderr: string
  /** The document of stdout with `--json`. */
  readonly document: Document | undefined
  /** Objects of stderr with `--json`, one a line: progress and the like, and a problem at the end of a failure. */
  readonly events: readonly Document[]
  /** Code of that problem. */
  readonly code: string | undefined
}

const KF = join(import.meta.dirname, "..", "..", "apps", "cli", "bin", "kf.mjs")
const LIMIT_MS = 60_000

/** Makes a profile in a new home below `parent`, or in a home that is there already. */
export const createProfile = (name: string, parent: string, home: Home = createHome(name, parent)): Profile => {
  const planOf = (args: readonly string[], { secrets, preload }: KfOptions): ProcessPlan => ({
    command: process.execPath,
    args: [
      ...(preload === undefined ? [] : ["--import", preload]),
      KF,
      ...args,
      ...(secrets === undefined ? [] : ["--secrets-stdin"]),
    ],
    home,
    ...(secrets === undefined ? {} : { input: linesOf(secrets) }),
  })

  const run = async (args: readonly string[], options: KfOptions = {}): Promise<KfRun> => {
    const { code: exit, stdout, stderr } = await runProcess(planOf(args, options), LIMIT_MS)
    const events = stderr
      .split("\n")
      .map(parseObject)
      .filter((one) => one !== undefined)
    const problem = events.findLast((event) => "type" in event)?.["code"]
    const document = parseObject(stdout.trim().split("\n").at(-1) ?? "")
    return { exit, stdout, stderr, document, events, code: typeof problem === "string" ? problem : undefined }
  }

  const ask = async (args: readonly string[], options: KfOptions = {}): Promise<Document> => {
    const done = await run([...args, "--json"], options)
    if (done.exit !== 0 || done.document === undefined)
      throw new Error(`kf ${args.join(" ")} on ${name} ended with ${done.exit}\n${done.stdout}\n${done.stderr}`)
    return done.document
  }

  return Object.freeze<Profile>({
    name,
    home,
    folder: join(home.path, ".local", "share", "keyferry", "default"),
    run,
    ask,
    start: (args, options = {}) => startProcess(planOf(args, options)),
    stop: async () => void (await ask(["agent", "stop"])),
  })
}

const linesOf = (secrets: Readonly<Record<string, string>>): string =>
  Object.entries(secrets)
    .map(([key, value]) => `${key}=${value}\n`)
    .join("")

const parseObject = (line: string): Document | undefined => {
  if (!line.startsWith("{")) return undefined
  try {
    // What begins with a brace is an object, or no JSON at all.
    return JSON.parse(line) as Document
  } catch {
    // Text that only begins like an object.
    return undefined
  }
}
