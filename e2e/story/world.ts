import { appendFileSync, cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import process from "node:process"

import {
  type CaptureProxy,
  childrenOf,
  createHome,
  freePort,
  type Home,
  isAlive,
  runProcess,
  type RunningProcess,
  type SmtpCatcher,
  startCaptureProxy,
  startProcess,
  startSmtpCatcher,
} from "@keyferry/testkit"

import { createProfile, type Profile } from "./profile.ts"

/** Everything real that the story happens in: a server with its strongroom, a mail server, machines with `kf`, and wires. */
export interface World {
  readonly folder: string
  readonly server: ServerProcess
  readonly smtp: SmtpCatcher
  /** The wire of a browser: what links in mails point to. */
  readonly browser: CaptureProxy
  /** A machine with its own home and its own wire to the server. */
  readonly machine: (name: MachineName) => Machine
  readonly machines: () => readonly Machine[]
  /** Another one behind an earlier machine's wire: a stolen disk in a new box. */
  readonly boxWith: (disk: string, name: string) => Profile
  /** Puts another server where this machine's wire ends, and back: what was captured stays. */
  readonly rewire: (name: MachineName, port: number | undefined) => Promise<void>
  readonly captures: () => readonly { readonly name: string; readonly wire: CaptureProxy }[]
  /** Ends every process; `keep` leaves the folder. */
  readonly close: (keep?: boolean) => Promise<void>
}

/** As many wires as there are machines are plugged before the server starts: it must know the origins that devices sign for. */
export const MACHINES = ["operator", "a", "b", "c", "d", "e"] as const
export type MachineName = (typeof MACHINES)[number]

export interface Machine {
  readonly name: MachineName
  readonly kf: Profile
  readonly wire: () => CaptureProxy
  /** What this machine calls the server. */
  readonly origin: string
}

export interface ServerProcess {
  readonly folder: string
  readonly port: number
  /** Everything that server and strongroom logged so far. */
  readonly logFile: string
  readonly start: () => Promise<void>
  readonly stop: () => Promise<string>
  readonly pid: () => number
  readonly strongroomPid: () => number | undefined
  readonly killHard: () => Promise<void>
  readonly killStrongroom: () => void
  /** What the newest start printed. */
  readonly printed: () => string
  /** `keyferry …` on this data folder; gives what it printed. */
  readonly operate: (args: readonly string[]) => Promise<string>
}

const ROOT = join(import.meta.dirname, "..", "..")
const SERVER = join(ROOT, "apps", "server", "src", "main.ts")

export const createWorld = async (): Promise<World> => {
  const folder = mkdtempSync(join(tmpdir(), "kf-story-"))
  const smtp = await startSmtpCatcher()
  const port = await freePort()
  const browser = await startCaptureProxy({ port })
  const captured: { readonly name: string; readonly wire: CaptureProxy }[] = [{ name: "browser", wire: browser }]
  const wires = new Map<MachineName, CaptureProxy>()
  for (const name of MACHINES) {
    const wire = await startCaptureProxy({ port })
    wires.set(name, wire)
    captured.push({ name, wire })
  }
  const machines = MACHINES.map((name): Machine => {
    const wire = (): CaptureProxy => demand(wires.get(name), "a wire")
    return { name, kf: createProfile(name, folder), wire, origin: wire().url }
  })
  const boxes: Profile[] = []
  const server = createServerProcess({
    folder: join(folder, "server"),
    home: createHome("server", folder),
    port,
    args: ["--public-url", browser.url, "--other-origins", machines.map(({ origin }) => origin).join(",")],
    environment: { KF_MAIL_URL: smtp.url },
  })

  return {
    folder,
    server,
    smtp,
    browser,
    machine: (name) =>
      demand(
        machines.find((one) => one.name === name),
        "a machine",
      ),
    machines: () => machines,
    boxWith: (disk, name) => {
      const home = createHome(name, folder)
      mkdirSync(join(home.path, ".local", "share", "keyferry"), { recursive: true, mode: 0o700 })
      const box = createProfile(name, folder, home)
      cpSync(disk, box.folder, { recursive: true, preserveTimestamps: true })
      boxes.push(box)
      return box
    },
    rewire: async (name, other) => {
      const before = demand(wires.get(name), "a wire")
      await before.stop()
      const wire = await startCaptureProxy({ port: other ?? port }, before.port)
      wires.set(name, wire)
      // Traffic with a server that is not ours is not the server's.
      if (other === undefined) captured.push({ name, wire })
    },
    captures: () => captured,
    close: async (keep = false) => {
      for (const { run } of [...machines.map(({ kf }) => kf), ...boxes]) await run(["agent", "stop"])
      await server.killHard()
      for (const wire of [...captured.map((one) => one.wire), ...wires.values()]) await wire.stop()
      await smtp.stop()
      if (!keep) rmSync(folder, { recursive: true, force: true })
    },
  }
}

interface ServerPlan {
  readonly folder: string
  readonly home: Home
  readonly port: number
  readonly args: readonly string[]
  readonly environment: Readonly<Record<string, string>>
}

const createServerProcess = ({ folder, home, port, args, environment }: ServerPlan): ServerProcess => {
  const logFile = join(home.path, "server.log")
  writeFileSync(logFile, "")
  let running: RunningProcess | undefined
  let logged = 0
  const base = { command: process.execPath, home, folder: ROOT, environment }
  const keepLog = (): void => {
    const text = running?.stderr() ?? ""
    appendFileSync(logFile, text.slice(logged))
    logged = text.length
  }
  const now = (): RunningProcess => demand(running, "a running server")

  return {
    folder,
    port,
    get logFile() {
      keepLog()
      return logFile
    },
    start: async () => {
      keepLog()
      logged = 0
      const words = [SERVER, "serve", "--data-dir", folder, "--listen", `127.0.0.1:${port}`, ...args]
      running = startProcess({ ...base, args: [...words, "--limits-rate-scale", "100"] })
      await running.waitForLine(/ready in/)
    },
    stop: async () => {
      now().signal("SIGINT")
      await now().expectExit(0)
      return now().stdout()
    },
    pid: () => now().pid,
    strongroomPid: () => childrenOf(now().pid).find(({ command }) => command.includes("strongroom"))?.pid,
    killHard: async () => {
      if (running === undefined || running.hasExited()) return
      running.signal("SIGKILL")
      await running.exited
      keepLog()
    },
    killStrongroom: () => {
      const pid = childrenOf(now().pid).find(({ command }) => command.includes("strongroom"))?.pid
      if (pid !== undefined && isAlive(pid)) process.kill(pid, "SIGKILL")
    },
    printed: () => now().stdout(),
    operate: async (words) => {
      const done = await runProcess({ ...base, args: [SERVER, ...words, "--data-dir", folder] })
      if (done.code !== 0) throw new Error(`keyferry ${words.join(" ")}: ${done.stderr}`)
      return done.stdout
    },
  }
}

export const demand = <T>(value: T | undefined, what: string): T => {
  if (value === undefined) throw new Error(`There is no ${what}.`)
  return value
}

/** Asks again and again until it holds. */
export const until = async (what: string, holds: () => unknown, limitMs = 30_000): Promise<void> => {
  const endMs = performance.now() + limitMs
  while ((await holds()) !== true) {
    if (performance.now() > endMs) throw new Error(`Never: ${what}`)
    await pause(40)
  }
}

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
