import { execFileSync } from "node:child_process"
import { createHash } from "node:crypto"
import {
  closeSync,
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statfsSync,
  writeSync,
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"

import type { Result } from "@keyferry/base"
import type { Failure } from "@keyferry/protocol"
import type { Keyferry } from "@keyferry/sdk"
import { openNodeKeyferry } from "@keyferry/sdk/node"
import {
  copyDisk,
  createHome,
  type FinishedProcess,
  freePort,
  type Home,
  type RunningProcess,
  runProcess,
  startProcess,
} from "@keyferry/testkit"
import { TOTP, URI } from "otpauth"

/*
 * Real programs on real folders. A template is made once (a server with an account, and the device that made it); every
 * breakage gets copies of it and may ruin them.
 */
export const ROOT = join(import.meta.dirname, "..", "..")
export const PASSWORD = "correct horse battery"
export const SECRET = "s3cret-of-the-shop"
const SERVER = join(ROOT, "apps", "server", "src", "main.ts")
const KF = join(ROOT, "apps", "cli", "bin", "kf.mjs")

/** What a breakage found out; printed beside its name. */
export interface Finding {
  readonly exit: number | string
  readonly sentence: string
}

export interface Breakage {
  /** kebab-case; unique. */
  readonly name: string
  /** Throws where the outcome is not the one that was promised. */
  readonly run: (stage: Stage) => Promise<Finding>
}

export class Broken extends Error {
  override readonly name = "Broken"
}

export function check(held: boolean, what: string): asserts held {
  if (!held) throw new Broken(what)
}

export interface Stage {
  /** An empty folder of this breakage. */
  readonly folder: (name: string) => string
  /** A copy of the server's data, with an account and two items. */
  readonly server: () => string
  /** A copy of the home of the device that made them; `profile` is its folder. */
  readonly device: () => { readonly home: Home; readonly profile: string }
  /** The home of a device without an account, with one item. */
  readonly localDevice: () => { readonly home: Home; readonly profile: string }
  readonly origin: string
  readonly port: number
  readonly startServer: (folder: string, options?: ServerOptions) => RunningProcess
  /** A server that does not start: waits for its end. */
  readonly runServer: (folder: string, options?: ServerOptions) => Promise<FinishedProcess>
  readonly ready: (server: RunningProcess) => Promise<void>
  readonly stop: (server: RunningProcess) => Promise<number>
  /** A command of the server's own program, beside the running one. */
  readonly operator: (folder: string, args: readonly string[]) => Promise<FinishedProcess>
  readonly kf: (home: Home, args: readonly string[], options?: KfOptions) => Promise<FinishedProcess>
  readonly open: (profile: string) => Promise<Keyferry>
  /** A filesystem of its own of that size, in the place of an empty folder. */
  readonly mountSmall: (folder: string, mebibytes: number) => void
  readonly mountReadOnly: (folder: string) => void
  readonly mountWritable: (folder: string) => void
}

export interface ServerOptions {
  /** Instead of the product's own: the same server, started otherwise. */
  readonly program?: string
  readonly args?: readonly string[]
  readonly runtimeArgs?: readonly string[]
  readonly environment?: Readonly<Record<string, string>>
  readonly port?: number
}

export interface KfOptions {
  readonly input?: string
  readonly runtimeArgs?: readonly string[]
  readonly environment?: Readonly<Record<string, string>>
}

export const must = <T>(result: Result<T, Failure>): T => {
  if (result.ok) return result.value
  throw new Broken(`${result.error.code} ${result.error.detail ?? ""}`)
}
export const codeOf = (result: Result<unknown, Failure>): string => (result.ok ? "ok" : result.error.code)

export interface StageMaker {
  readonly stageOf: (name: string) => { readonly stage: Stage; readonly close: () => Promise<void> }
  readonly close: () => void
}

/** Makes the template: one server, one account, one device with an account and one without. */
export const createStages = async (): Promise<StageMaker> => {
  const root = mkdtempSync(join(tmpdir(), "kf-breakage-"))
  const port = await freePort()
  const origin = `http://localhost:${port}`
  const cache = join(root, "cache")
  const template = { server: join(root, "server"), home: join(root, "home"), local: join(root, "local") }

  const homeAt = (path: string): Home => {
    mkdirSync(path, { recursive: true, mode: 0o700 })
    const { environment } = createHome("unused", join(root, "unused"))
    const moved = Object.fromEntries(Object.keys(environment).map((name) => [name, path]))
    return {
      path,
      environment: {
        ...moved,
        XDG_DATA_HOME: join(path, "data"),
        XDG_CACHE_HOME: cache,
        KF_NO_AGENT: "1",
        KF_KEYCHAIN: "off",
      },
    }
  }
  const profileOf = (home: Home): string => join(home.path, "data", "keyferry", "default")

  const startServer = (
    folder: string,
    { program = SERVER, args = [], runtimeArgs = [], environment = {}, port: at = port }: ServerOptions = {},
  ): RunningProcess =>
    startProcess({
      command: process.execPath,
      args: [
        ...runtimeArgs,
        program,
        "serve",
        "--data-dir",
        folder,
        "--listen",
        `localhost:${at}`,
        "--limits-rate-scale",
        "100",
        ...args,
      ],
      home: homeAt(join(root, "server-home")),
      environment,
    })
  const ready = async (server: RunningProcess): Promise<void> => void (await server.waitForLine(/^ready in /))
  const stop = async (server: RunningProcess): Promise<number> => {
    server.signal("SIGTERM")
    return (await server.exited).code
  }
  const kf: Stage["kf"] = (home, args, { input = `password=${PASSWORD}\n`, runtimeArgs = [], environment = {} } = {}) =>
    runProcess({
      command: process.execPath,
      args: [...runtimeArgs, KF, ...args, "--secrets-stdin", "--no-input"],
      home,
      environment,
      input,
    })
  const open = async (profile: string): Promise<Keyferry> => must(await openNodeKeyferry({ folder: profile }))

  {
    const server = startServer(template.server)
    const [, link = ""] = await server.waitForLine(/^First account: (\S+)/)
    await ready(server)
    const device = await open(profileOf(homeAt(template.home)))
    must(await device.signUp({ link, address: "ada@example.org", password: PASSWORD, deviceName: "laptop" }))
    const { otpauth } = must(await device.twoFactorStart())
    const parsed = URI.parse(otpauth)
    if (!(parsed instanceof TOTP)) throw new Broken("no second factor")
    must(await device.twoFactorConfirm(parsed.generate()))
    must(
      await device.add({
        kind: "login",
        title: "Shop",
        fields: [
          { name: "username", value: "ada", secret: false },
          { name: "password", value: SECRET, secret: true },
        ],
      }),
    )
    must(
      await device.add({ kind: "note", title: "Wi-Fi", fields: [{ name: "text", value: "example-1", secret: true }] }),
    )
    must(await device.syncOn({ items: "all", autoNew: true }))
    must(await device.syncNow())
    await device.close()
    check((await stop(server)) === 0, "the template's server did not stop cleanly")
    const local = await open(profileOf(homeAt(template.local)))
    must(await local.createLocal(PASSWORD))
    must(
      await local.add({ kind: "note", title: "Wi-Fi", fields: [{ name: "text", value: "example-1", secret: true }] }),
    )
    await local.close()
  }

  const stageOf: StageMaker["stageOf"] = (name) => {
    const own = join(root, "runs", name)
    mkdirSync(own, { recursive: true, mode: 0o700 })
    const mounted: string[] = []
    const running: RunningProcess[] = []
    const opened: Keyferry[] = []
    let n = 0
    const copyHome = (from: string): { home: Home; profile: string } => {
      const path = join(own, `home-${n++}`)
      copyDisk(from, path)
      const home = homeAt(path)
      return { home, profile: profileOf(home) }
    }
    const mount = (args: readonly string[], folder: string): void => {
      execFileSync("mount", [...args, folder], { stdio: "pipe" })
      mounted.push(folder)
    }
    const stage: Stage = {
      folder: (part) => {
        const path = join(own, part)
        mkdirSync(path, { recursive: true, mode: 0o700 })
        return path
      },
      server: () => {
        const path = join(own, `server-${n++}`)
        copyDisk(template.server, path)
        return path
      },
      device: () => copyHome(template.home),
      localDevice: () => copyHome(template.local),
      origin,
      port,
      startServer: (folder, options) => {
        const started = startServer(folder, options)
        running.push(started)
        return started
      },
      runServer: async (folder, options) => {
        const started = startServer(folder, options)
        running.push(started)
        const timer = setTimeout(() => void started.killHard(), 40_000)
        const exit = await started.exited
        clearTimeout(timer)
        return { ...exit, stdout: started.stdout(), stderr: started.stderr() }
      },
      ready,
      stop,
      operator: (folder, args) =>
        runProcess({
          command: process.execPath,
          args: [SERVER, ...args, "--data-dir", folder],
          home: homeAt(join(root, "server-home")),
        }),
      kf,
      open: async (profile) => {
        const device = await open(profile)
        opened.push(device)
        return device
      },
      mountSmall: (folder, mebibytes) => mount(["-t", "tmpfs", "-o", `size=${mebibytes}m,mode=700`, "tmpfs"], folder),
      mountReadOnly: (folder) => {
        if (!mounted.includes(folder)) mount(["--bind", folder], folder)
        execFileSync("mount", ["-o", "remount,bind,ro", folder], { stdio: "pipe" })
      },
      mountWritable: (folder) => void execFileSync("mount", ["-o", "remount,bind,rw", folder], { stdio: "pipe" }),
    }
    const close = async (): Promise<void> => {
      for (const device of opened) await device.close().catch(() => undefined)
      for (const process of running) await process.killHard().catch(() => undefined)
      for (const folder of mounted.reverse()) execFileSync("umount", ["-l", folder], { stdio: "pipe" })
      rmSync(own, { recursive: true, force: true })
    }
    return { stage, close }
  }
  return { stageOf, close: () => rmSync(root, { recursive: true, force: true }) }
}

// ── looking at a folder ──────────────────────────────────────────────────────────────────────────────────────────

const isDatabase = (path: string): boolean =>
  path.endsWith(".db") && readFileSync(path).subarray(0, 15).toString("latin1") === "SQLite format 3"
/** What a process leaves that is no content: locks, its own name, sockets. */
const PASSING = /(^|\/)(lock|lock\.holder|agent\.lock|\.gitignore|operator\.sock|[^/]*-(wal|shm|journal)|[^/]*\.draft)$/

/**
 * What a folder holds, file by file. Of a database its rows, in any order: pages that moved are not contents. A database that
 * cannot be read counts by its bytes.
 */
export const contentsOf = (folder: string, skip: RegExp = /^$/): ReadonlyMap<string, string> => {
  const found = new Map<string, string>()
  const walk = (path: string, name: string): void => {
    for (const entry of readdirSync(path)) {
      const inside = join(path, entry)
      const label = name === "" ? entry : `${name}/${entry}`
      const stat = lstatSync(inside)
      if (stat.isDirectory()) walk(inside, label)
      else if (stat.isFile() && !PASSING.test(label) && !skip.test(label)) found.set(label, digestOf(inside))
    }
  }
  walk(folder, "")
  return found
}

const digestOf = (path: string): string => {
  const hash = createHash("sha256")
  if (!isDatabase(path)) return hash.update(readFileSync(path)).digest("hex")
  const copy = mkdtempSync(join(tmpdir(), "kf-look-"))
  try {
    for (const suffix of ["", "-wal"])
      if (existsSync(path + suffix)) copyFileSync(path + suffix, join(copy, `x.db${suffix}`))
    return hash.update(rowsOf(join(copy, "x.db"))).digest("hex")
  } catch {
    return createHash("sha256").update(readFileSync(path)).digest("hex")
  } finally {
    rmSync(copy, { recursive: true, force: true })
  }
}

export const rowsOf = (path: string): string => {
  const db = new DatabaseSync(path)
  try {
    const tables = db
      .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name")
      .all()
    return tables
      .map(({ name }) => {
        const columns = db.prepare("SELECT name FROM pragma_table_info(?)").all(String(name))
        const names = columns.map((column) => `"${String(column["name"])}"`).join(", ")
        const rows = db.prepare(`SELECT ${names} FROM "${String(name)}"`).all()
        const texts = rows.map((row) =>
          JSON.stringify(row, (_, value: unknown) =>
            value instanceof Uint8Array ? Buffer.from(value).toString("hex") : value,
          ),
        )
        return `${String(name)}\n${texts.sort().join("\n")}`
      })
      .join("\n\n")
  } finally {
    db.close()
  }
}

/** Names of what differs. */
export const differences = (
  before: ReadonlyMap<string, string>,
  after: ReadonlyMap<string, string>,
): readonly string[] =>
  [...new Set([...before.keys(), ...after.keys()])].filter((name) => before.get(name) !== after.get(name))

export const checkSame = (
  before: ReadonlyMap<string, string>,
  after: ReadonlyMap<string, string>,
  where: string,
): void => {
  const changed = differences(before, after)
  check(changed.length === 0, `${where} changed: ${changed.join(", ")}`)
}

// ── ruining a folder ─────────────────────────────────────────────────────────────────────────────────────────────

/** Overwrites the middle of every page from the second on, the head of each page included. */
export const ruinPages = (path: string): void => {
  const size = lstatSync(path).size
  const file = openSync(path, "r+")
  for (let at = 4096; at < size; at += 4096) writeSync(file, Buffer.alloc(600, 0xa5), 0, 600, at)
  closeSync(file)
}

/** Takes every byte that is left. */
export const fillDisk = (folder: string): void => {
  const file = openSync(join(folder, "filler"), "w")
  try {
    for (const size of [1 << 20, statfsSync(folder).bsize]) writeUntilFull(file, size)
  } finally {
    closeSync(file)
  }
}

const writeUntilFull = (file: number, size: number): void => {
  try {
    for (;;) writeSync(file, Buffer.alloc(size))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error
  }
}

/** The line for a person, without a stack: programs do not show their insides when something outside is broken. */
export const sentenceOf = (
  { stdout, stderr }: { readonly stdout: string; readonly stderr: string },
  wanted: RegExp,
): string => {
  const lines = `${stderr}\n${stdout}`.split("\n").filter((line) => line.trim() !== "" && !line.startsWith("{"))
  const text = lines.join("\n")
  check(!/^\s+at .+:\d+:\d+\)?$/m.test(text), `a stack trace instead of a sentence:\n${text.slice(0, 600)}`)
  const found = lines.find((line) => wanted.test(line))
  check(found !== undefined, `no sentence like ${wanted} in:\n${text.slice(0, 900)}`)
  return found.trim()
}
