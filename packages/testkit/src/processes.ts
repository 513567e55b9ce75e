import { spawn } from "node:child_process"
import { mkdirSync, mkdtempSync, readdirSync, readFileSync } from "node:fs"
import { constants, tmpdir } from "node:os"
import { join } from "node:path"
import process from "node:process"

/** A folder that a process takes for its home, with everything programs look for there. */
export interface Home {
  readonly path: string
  readonly environment: Readonly<Record<string, string>>
}

export interface ProcessPlan {
  readonly command: string
  readonly args?: readonly string[]
  readonly home: Home
  readonly folder?: string
  /** On top of a bare environment: nothing of the test's own reaches the process but PATH. */
  readonly environment?: Readonly<Record<string, string>>
  /** Written to stdin, which is then closed. Without it stdin is empty, unless `keepStdin`. */
  readonly input?: string
  readonly keepStdin?: boolean
}

export interface Exit {
  /** 128 + signal number where a signal ended it, as a shell tells it. */
  readonly code: number
  readonly signal: NodeJS.Signals | undefined
}

export interface RunningProcess extends AsyncDisposable {
  readonly pid: number
  readonly stdout: () => string
  readonly stderr: () => string
  readonly hasExited: () => boolean
  readonly exited: Promise<Exit>
  /** The first line, of either stream, that matches; already printed or yet to come. Throws with the output otherwise. */
  readonly waitForLine: (pattern: RegExp, timeoutMs?: number) => Promise<RegExpMatchArray>
  readonly write: (text: string) => void
  readonly closeStdin: () => void
  /** To this process alone. */
  readonly signal: (signal: NodeJS.Signals) => void
  /** Ends it with all its children, as a power cut would, and waits. */
  readonly killHard: () => Promise<Exit>
  /** Waits for the end and throws with the output unless the exit code is this one. */
  readonly expectExit: (code: number, timeoutMs?: number) => Promise<void>
}

export interface FinishedProcess extends Exit {
  readonly stdout: string
  readonly stderr: string
}

const groups = new Set<number>()
let watching = false

/** A new, empty home below the system's folder for temporary files. */
export const createHome = (name: string, parent: string = tmpdir()): Home => {
  mkdirSync(parent, { recursive: true })
  const path = mkdtempSync(join(parent, `${name}-`))
  return {
    path,
    environment: {
      HOME: path,
      XDG_CONFIG_HOME: join(path, ".config"),
      XDG_DATA_HOME: join(path, ".local", "share"),
      XDG_STATE_HOME: join(path, ".local", "state"),
      XDG_CACHE_HOME: join(path, ".cache"),
      XDG_RUNTIME_DIR: path,
      TMPDIR: path,
    },
  }
}

/** Starts a real process in its own process group. Whatever still runs when the test ends is killed. */
export const startProcess = (plan: ProcessPlan): RunningProcess => {
  const what = [plan.command, ...(plan.args ?? [])].join(" ")
  const child = spawn(plan.command, plan.args ?? [], {
    cwd: plan.folder ?? plan.home.path,
    env: {
      PATH: process.env["PATH"] ?? "",
      LANG: "C.UTF-8",
      NO_COLOR: "1",
      ...plan.home.environment,
      ...plan.environment,
    },
    stdio: ["pipe", "pipe", "pipe"],
    detached: true,
  })
  if (child.pid !== undefined) guard(child.pid)

  let [stdout, stderr, ended] = ["", "", false]
  const listeners = new Set<() => void>()
  const changed = (): void => {
    for (const listener of listeners) listener()
  }
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text
    changed()
  })
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text
    changed()
  })
  // Writing to a process that has ended is answered by its exit code, not by an error here.
  child.stdin.on("error", () => undefined)
  if (plan.input !== undefined) child.stdin.end(plan.input)
  else if (plan.keepStdin !== true) child.stdin.end()

  const exited = new Promise<Exit>((resolve, reject) => {
    child.once("error", (error) => {
      ended = true
      reject(new Error(`could not start ${what}: ${error.message}`))
      changed()
    })
    child.once("close", (code, signal) => {
      ended = true
      if (child.pid !== undefined) groups.delete(child.pid)
      resolve({ code: code ?? 128 + (signal === null ? 0 : constants.signals[signal]), signal: signal ?? undefined })
      changed()
    })
  })
  // Whoever waits meets the failure; nobody waiting is no reason to end the test run.
  exited.catch(() => undefined)

  const output = (): string => `--- stdout\n${stdout}\n--- stderr\n${stderr}`

  const waitForLine = (pattern: RegExp, timeoutMs = 60_000): Promise<RegExpMatchArray> =>
    new Promise((resolve, reject) => {
      const finish = (): void => {
        clearTimeout(timer)
        listeners.delete(look)
      }
      const look = (): void => {
        const match = `${stdout}\n${stderr}`
          .split("\n")
          .reduce<RegExpMatchArray | null>((hit, line) => hit ?? line.match(pattern), null)
        if (match !== null) {
          finish()
          resolve(match)
        } else if (ended) {
          finish()
          reject(new Error(`${what} ended without a line like ${pattern}\n${output()}`))
        }
      }
      const timer = setTimeout(() => {
        finish()
        reject(new Error(`${what} printed no line like ${pattern} within ${timeoutMs} ms\n${output()}`))
      }, timeoutMs)
      listeners.add(look)
      look()
    })

  const killHard = async (): Promise<Exit> => {
    if (child.pid !== undefined && !ended) killGroup(child.pid)
    return exited
  }

  const expectExit = async (code: number, timeoutMs = 30_000): Promise<void> => {
    const { promise, reject } = Promise.withResolvers<never>()
    const timer = setTimeout(() => {
      reject(new Error(`${what} still ran after ${timeoutMs} ms\n${output()}`))
      void killHard()
    }, timeoutMs)
    const exit = await Promise.race([exited, promise]).finally(() => clearTimeout(timer))
    if (exit.code !== code) throw new Error(`${what} ended with ${exit.code}, not ${code}\n${output()}`)
  }

  return Object.freeze({
    pid: child.pid ?? 0,
    stdout: () => stdout,
    stderr: () => stderr,
    hasExited: () => ended,
    exited,
    waitForLine,
    write: (text: string) => void child.stdin.write(text),
    closeStdin: () => void child.stdin.end(),
    signal: (signal: NodeJS.Signals) => void child.kill(signal),
    killHard,
    expectExit,
    [Symbol.asyncDispose]: async () => void (await killHard().catch(() => undefined)),
  })
}

/** Runs a process to its end. Throws if it takes longer than `timeoutMs`; any exit code is an answer. */
export const runProcess = async (plan: ProcessPlan, timeoutMs = 60_000): Promise<FinishedProcess> => {
  const running = startProcess(plan)
  const timer = setTimeout(() => void running.killHard(), timeoutMs)
  const startedMs = performance.now()
  const exit = await running.exited.finally(() => clearTimeout(timer))
  if (exit.signal === "SIGKILL" && performance.now() - startedMs >= timeoutMs) {
    throw new Error(
      `${plan.command} ${plan.args?.join(" ")} still ran after ${timeoutMs} ms\n${running.stdout()}\n${running.stderr()}`,
    )
  }
  return { ...exit, stdout: running.stdout(), stderr: running.stderr() }
}

/** The direct children of a process with their command lines. Linux only: it reads /proc. */
export const childrenOf = (pid: number): readonly { readonly pid: number; readonly command: string }[] =>
  readdirSync("/proc").flatMap((name) => {
    if (!/^\d+$/.test(name)) return []
    const stat = readProc(`/proc/${name}/stat`)
    // pid (name) state parent …; the name may hold spaces and parentheses.
    const parent = stat?.slice(stat.lastIndexOf(")") + 2).split(" ")[1]
    if (parent !== String(pid)) return []
    return [{ pid: Number(name), command: (readProc(`/proc/${name}/cmdline`) ?? "").split("\0").join(" ").trim() }]
  })

/** Whether a process still runs; one that has ended and only waits to be noticed by its parent does not. Linux only. */
export const isAlive = (pid: number): boolean => {
  const stat = readProc(`/proc/${pid}/stat`)
  return stat !== undefined && !/^[ZX]/.test(stat.slice(stat.lastIndexOf(")") + 2))
}

const readProc = (path: string): string | undefined => {
  try {
    return readFileSync(path, "utf8")
  } catch {
    // It ended between the listing and the reading.
    return undefined
  }
}

const killGroup = (pid: number): void => {
  try {
    process.kill(-pid, "SIGKILL")
  } catch (error) {
    // Already gone.
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error
  }
}

const guard = (pid: number): void => {
  groups.add(pid)
  if (watching) return
  watching = true
  process.once("exit", () => {
    for (const group of groups) killGroup(group)
  })
}
