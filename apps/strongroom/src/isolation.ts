import { lookup } from "node:dns"
import { connect, createServer } from "node:net"
import { spawn } from "node:child_process"
import { readFileSync, rmSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { Worker } from "node:worker_threads"

import { sql, type Store } from "@keyferry/store"

import type { MainTables } from "./store/tables.ts"

/*
 * Tries every way out at start, on the process itself. Defence in depth, not a boundary: the runtime says so of its
 * permission model, and docs/architecture.md says so of us. Source: spec/strongroom.md ST1, ST2
 */
export interface Attempt {
  readonly way: string
  readonly denied: boolean
  /** The code of the denial, or what succeeded. */
  readonly answer: string
}

export interface IsolationOptions {
  /** The process's own folder; everything beside it is foreign. */
  readonly folder: string
  readonly store: Pick<Store<MainTables>, "dialect" | "read">
}

const TIMEOUT_MS = 2000
const DENIED = "ERR_ACCESS_DENIED"

/** Answers every attempt, also after one succeeded. */
export const tryWaysOut = async ({ folder, store }: IsolationOptions): Promise<readonly Attempt[]> => {
  const network = [
    attempt("TCP connection", tcp),
    attempt("listening for TCP", listen),
    attempt("looking a name up (DNS)", dns),
  ]
  const local = [
    attempt("another process", child),
    attempt("worker thread", worker),
    attempt("reading a foreign file", async () => void readFileSync("/etc/passwd")),
    attempt("writing a foreign file", async () => {
      const path = join(dirname(folder), "strongroom-was-here")
      writeFileSync(path, "")
      rmSync(path)
    }),
  ]
  const attached = store.dialect === "sqlite" ? [attach(store)] : []
  // A store on another machine needs the network: the unit, the container or the host then closes it.
  return Promise.all([...(store.dialect === "sqlite" ? network : []), ...local, ...attached])
}

const attempt = async (way: string, run: () => Promise<void>): Promise<Attempt> => {
  try {
    await run()
    return { way, denied: false, answer: "it worked" }
  } catch (error) {
    const code = codeOf(error)
    // Anything but the denial itself, such as a refused connection, means that the way was open.
    return { way, denied: code === DENIED, answer: code }
  }
}

const codeOf = (error: unknown): string =>
  error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "failed without a code"

const settled = (start: (done: (error?: unknown) => void) => void): Promise<void> =>
  new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(Object.assign(new Error("no answer"), { code: "NO_ANSWER" })), TIMEOUT_MS)
    const done = (error?: unknown): void => {
      clearTimeout(timer)
      if (error === undefined) resolve()
      else reject(error instanceof Error ? error : new Error("failed"))
    }
    try {
      start(done)
    } catch (error) {
      done(error)
    }
  })

const tcp = (): Promise<void> =>
  settled((done) => {
    const socket = connect(9, "127.0.0.1")
    socket.once("error", done)
    socket.once("connect", () => {
      socket.destroy()
      done()
    })
  })

const listen = (): Promise<void> =>
  settled((done) => {
    const server = createServer()
    // A denied `listen` is thrown later and past the server's own events.
    const onThrown = (error: unknown): void => done(error)
    process.once("uncaughtException", onThrown)
    const finish = (error?: unknown): void => {
      process.off("uncaughtException", onThrown)
      done(error)
    }
    server.once("error", finish)
    server.listen(0, "127.0.0.1", () => {
      server.close()
      finish()
    })
  })

const dns = (): Promise<void> =>
  settled((done) => lookup("localhost.keyferry.invalid", (error) => done(error ?? undefined)))

const child = (): Promise<void> =>
  settled((done) => {
    const started = spawn(process.execPath, ["--version"], { stdio: "ignore" })
    started.once("error", done)
    started.once("exit", () => done())
  })

const worker = (): Promise<void> =>
  settled((done) => {
    const started = new Worker("", { eval: true })
    started.once("error", done)
    started.once("exit", () => done())
  })

/** The runtime does not restrict SQLite, so the connection itself must. */
const attach = async (store: Pick<Store<MainTables>, "read">): Promise<Attempt> => {
  const way = "attaching another database"
  try {
    await store.read(async (db) => sql`attach database ':memory:' as foreign_store`.execute(db))
    return { way, denied: false, answer: "it worked" }
  } catch (error) {
    const denied = error instanceof Error && /not authorized/.test(error.message)
    return { way, denied, answer: denied ? "not authorized" : codeOf(error) }
  }
}
