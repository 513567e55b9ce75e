import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import process from "node:process"

import {
  type CaptureProxy,
  childrenOf,
  createHome,
  type FinishedProcess,
  type Home,
  runProcess,
  type RunningProcess,
  startCaptureProxy,
  startProcess,
  startSmtpCatcher,
  type SmtpCatcher,
} from "@keyferry/testkit"

/*
 * The real thing: server and strongroom as an operator starts them, a mail server, a proxy that writes down every byte
 * between devices and server, and `kf` in as many homes as there are devices.
 */
const REPOSITORY = new URL("../../", import.meta.url).pathname
const SERVER = join(REPOSITORY, "apps/server/src/main.ts")
const KF = join(REPOSITORY, "apps/cli/bin/kf.mjs")

export interface Person {
  readonly home: Home
  /** Where this device's store lies. */
  readonly folder: string
  /** `kf --json ARGS`; secrets go through stdin, one a line. */
  readonly kf: (args: readonly string[], secrets?: Readonly<Record<string, string>>) => Promise<Answer>
  readonly start: (args: readonly string[], secrets?: Readonly<Record<string, string>>) => RunningProcess
  readonly stopAgent: () => Promise<void>
}

export interface Answer extends FinishedProcess {
  /** The document on stdout, `undefined` where there is none. */
  readonly document: Record<string, unknown> | undefined
  /** The error object on stderr. */
  readonly error: { readonly code?: string; readonly detail?: string; readonly action?: string; readonly title?: string } | undefined
}

export interface Stage {
  readonly folder: string
  readonly serverFolder: string
  readonly origin: string
  readonly proxy: CaptureProxy
  readonly mail: SmtpCatcher
  readonly serverLog: () => string
  readonly serverOutput: () => string
  readonly serverPid: () => number
  readonly strongroomPid: () => number
  readonly startServer: () => Promise<void>
  /** Ctrl-C; answers what was printed last. */
  readonly stopServer: () => Promise<{ readonly code: number; readonly printed: string }>
  readonly killServer: () => Promise<void>
  readonly killStrongroom: () => void
  readonly keyferry: (args: readonly string[]) => Promise<FinishedProcess>
  readonly person: (name: string) => Person
  /** Everything that any `kf` printed where nothing secret was asked for. */
  readonly printed: () => string
  readonly close: () => Promise<void>
}

export const createStage = async (): Promise<Stage> => {
  const folder = mkdtempSync(join(tmpdir(), "kf-story-"))
  const serverFolder = join(folder, "server")
  mkdirSync(serverFolder, { mode: 0o700 })
  const serverPort = await freePort()
  const proxy = await startCaptureProxy({ port: serverPort, host: "127.0.0.1" })
  const mail = await startSmtpCatcher()
  const operator = createHome("operator", folder)
  const people: Person[] = []
  let server: RunningProcess | undefined
  let log = ""
  let printed = ""

  const startServer = async (): Promise<void> => {
    server = startProcess({
      command: process.execPath,
      args: [SERVER, "serve", "--data-dir", serverFolder, "--listen", `127.0.0.1:${serverPort}`, "--public-url", proxy.url, "--mail-url", mail.url, "--limits-rate-scale", "100"],
      home: operator,
    })
    await server.waitForLine(/ready in/, 30_000)
  }
  const keep = (): void => {
    if (server !== undefined) log += server.stdout() + server.stderr()
  }
  await startServer()

  const person = (name: string): Person => {
    const home = createHome(name, folder)
    const plan = (args: readonly string[], secrets: Readonly<Record<string, string>> | undefined) => ({
      command: process.execPath,
      args: [KF, ...args, "--json", "--no-input", ...(secrets === undefined ? [] : ["--secrets-stdin"])],
      home,
      ...(secrets === undefined ? {} : { input: Object.entries(secrets).map(([k, v]) => `${k}=${v}\n`).join("") }),
    })
    const kf = async (args: readonly string[], secrets?: Readonly<Record<string, string>>): Promise<Answer> => {
      const done = await runProcess(plan(args, secrets))
      // What a person asked to see is theirs; everything else that is printed must hold no secret.
      if (!args.includes("--reveal") && args[0] !== "read") printed += done.stdout
      printed += done.stderr
      return { ...done, document: parse(done.stdout), error: parse(done.stderr) }
    }
    const one: Person = {
      home,
      folder: join(home.path, ".local/share/keyferry/default"),
      kf,
      start: (args, secrets) => startProcess(plan(args, secrets)),
      stopAgent: async () => void (await kf(["agent", "stop"])),
    }
    people.push(one)
    return one
  }

  return {
    folder,
    serverFolder,
    origin: proxy.url,
    proxy,
    mail,
    serverLog: () => log + (server?.stdout() ?? "") + (server?.stderr() ?? ""),
    serverOutput: () => server?.stdout() ?? "",
    serverPid: () => server?.pid ?? 0,
    strongroomPid: () => childrenOf(server?.pid ?? 0)[0]?.pid ?? 0,
    startServer,
    stopServer: async () => {
      const running = server
      if (running === undefined) return { code: -1, printed: "" }
      running.signal("SIGINT")
      const exit = await running.exited
      keep()
      server = undefined
      return { code: exit.code, printed: running.stdout() }
    },
    killServer: async () => {
      server?.signal("SIGKILL")
      await server?.exited
      keep()
      server = undefined
    },
    killStrongroom: () => {
      const pid = childrenOf(server?.pid ?? 0)[0]?.pid
      if (pid !== undefined) process.kill(pid, "SIGKILL")
    },
    keyferry: (args) => runProcess({ command: process.execPath, args: [SERVER, ...args, "--data-dir", serverFolder], home: operator }),
    person,
    printed: () => printed,
    close: async () => {
      for (const one of people) await one.stopAgent()
      await server?.killHard()
      await proxy.stop()
      await mail.stop()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const probe = createServer().listen(0, "127.0.0.1", () => {
      const address = probe.address()
      probe.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0))
    })
  })

const parse = (text: string): Record<string, unknown> | undefined => {
  for (const part of [text.trim(), ...text.trim().split("\n").toReversed()]) {
    if (!part.startsWith("{")) continue
    try {
      return JSON.parse(part)
    } catch {
      // Not the document; events stand before it, one a line.
    }
  }
  return undefined
}

export const kitCodeIn = (path: string): string => /KF1(-[0-9A-Z]{4}){9}/.exec(readFileSync(path, "utf8"))?.[0] ?? ""

export const writeSecretFile = (path: string, text: string): string => {
  writeFileSync(path, text, { mode: 0o600 })
  return path
}

export const waitUntil = async (holds: () => Promise<boolean> | boolean, timeoutMs = 15_000): Promise<boolean> => {
  const until = performance.now() + timeoutMs
  while (performance.now() < until) {
    if (await holds()) return true
    await new Promise((resolve) => setTimeout(resolve, 60))
  }
  return false
}
