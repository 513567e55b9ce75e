import { Socket } from "node:net"
import { isAbsolute } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { parseArgs } from "node:util"

import { err, type Result } from "@keyferry/base"
import { nodePrimitives } from "@keyferry/crypto/node"
import { errors, type Failure, isErrorCode } from "@keyferry/protocol"
import { type FolderLock, lockFolder, StoreError, storeFailureOf } from "@keyferry/store"
import {
  type ByteChannel,
  calls,
  type CallName,
  type CommitNotice,
  serveStrongroom,
  type StrongroomHandlers,
} from "@keyferry/strongroom-api"

import { allHandlers } from "./all-handlers.ts"
import { startChores } from "./chores.ts"
import type { StrongroomContext } from "./context.ts"
import { createPooledRandom } from "./random.ts"
import { openStrongroom, type StartFailure } from "./strongroom.ts"

/*
 * The strongroom's process. The server starts it with `--permission` and its own folder, and speaks frames over its
 * standard input and output; standard error carries one JSON line per happening. It ends when its input ends.
 *
 *   main.ts --data-dir <folder> [--store <url>] [--lease-store <url>] [--kek <file>] [--lease-keks <folder>] [--check-isolation]
 *
 * Source: spec/strongroom.md ST1–ST3
 */
const log: StrongroomContext["log"] = (entry) => {
  process.stderr.write(`${JSON.stringify({ time: new Date().toISOString(), part: "strongroom", ...entry })}\n`)
}

const main = async (): Promise<number> => {
  // Requests of earlier seconds may have met an earlier process, whose nonces are gone.
  const startedAtMs = Math.ceil(performance.timeOrigin / 1000) * 1000
  const { values } = parseArgs({
    options: {
      "data-dir": { type: "string" },
      store: { type: "string" },
      "lease-store": { type: "string" },
      kek: { type: "string" },
      "lease-keks": { type: "string" },
      "check-isolation": { type: "boolean", default: false },
    },
  })
  const folder = values["data-dir"]
  if (folder === undefined || !isAbsolute(folder))
    return refuse({ code: "usage-wrong", detail: "--data-dir needs an absolute path." })
  const lock = takeLock(folder)
  if (!lock.ok) return refuse(lock.error)
  try {
    const opened = await openStrongroom({
      folder,
      ...(values.store === undefined ? {} : { storeUrl: values.store }),
      ...(values["lease-store"] === undefined ? {} : { leaseStoreUrl: values["lease-store"] }),
      ...(values.kek === undefined ? {} : { kekPath: values.kek }),
      ...(values["lease-keks"] === undefined ? {} : { leaseKekFolder: values["lease-keks"] }),
      clock: { nowMs: () => Date.now() },
      random: createPooledRandom(),
      primitives: nodePrimitives,
      startedAtMs,
      handlers: allHandlers,
      log,
      onIsolation: (attempts) => {
        for (const { way, denied, answer } of attempts)
          log({ level: denied ? "info" : "error", what: "way-out", way, denied, answer })
        return attempts.every(({ denied }) => denied)
      },
    })
    if (!opened.ok) return refuse(opened.error)
    if (values["check-isolation"]) {
      await opened.value.close()
      return 0
    }
    process.once("uncaughtException", (error) => {
      report("process", error)
      process.exit(1)
    })
    let giveUp: () => void = () => undefined
    const moved = new Promise<number>((resolve) => {
      giveUp = () => resolve(1)
    })
    const stopChores = startChores(opened.value, giveUp)
    const code = await serve(holdSigned(opened.value.calls, startedAtMs), opened.value.onNotice, moved)
    await stopChores()
    await opened.value.close()
    return code
  } finally {
    lock.value.release()
  }
}

/** A disk that is full or cannot be written is told like everything else that keeps it from starting. */
const takeLock = (folder: string): Result<FolderLock, StartFailure> => {
  try {
    const lock = lockFolder(folder, `the strongroom with process id ${process.pid}`)
    return lock.ok ? lock : err({ code: "store-in-use", detail: `Held by ${lock.error.holder}.` })
  } catch (error) {
    const known = storeFailureOf(error)
    if (known === undefined) throw error
    return err({ code: known.code === "store-full" ? "store-full" : "strongroom-unavailable", detail: known.detail })
  }
}

const refuse = ({ code, detail }: StartFailure): number => {
  const entry = isErrorCode(code) ? errors[code] : undefined
  log({ level: "error", what: code, sentence: entry?.sentence, detail, action: entry?.action })
  return entry?.exit ?? 12
}

/** Signed requests wait out the second in which the process started; nothing else has to. */
const holdSigned = (handlers: StrongroomHandlers, startedAtMs: number): StrongroomHandlers => {
  const hold =
    <P, R>(handler: (params: P) => Promise<R>) =>
    async (params: P): Promise<R> => {
      const leftMs = startedAtMs - Date.now()
      if (leftMs > 0) await sleep(leftMs)
      return handler(params)
    }
  return {
    ...handlers,
    execute: hold(handlers.execute),
    authenticate: hold(handlers.authenticate),
    recoveryStart: hold(handlers.recoveryStart),
  }
}

/** Answers until the channel ends or it is given up, then finishes what is running. Gives the exit code. */
const serve = async (
  handlers: StrongroomHandlers,
  onNotice: (listener: (notice: CommitNotice) => void) => void,
  givenUp: Promise<number>,
): Promise<number> => {
  const running = new Set<Promise<unknown>>()
  const input = new Socket({ fd: 0, readable: true, writable: false })
  const output = new Socket({ fd: 1, readable: false, writable: true })
  // The server is gone: there is nobody left to tell. Its end of our input closes too, and that ends us.
  output.on("error", () => undefined)
  let end: (code: number) => void = () => undefined
  const ended = new Promise<number>((resolve) => {
    end = resolve
  })
  void givenUp.then((code) => end(code))
  input.once("end", () => end(0))
  input.once("error", () => end(0))
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.once(signal, () => end(0))
  let corked = false
  const channel: ByteChannel = {
    send: (bytes) => {
      // The answers and notices of one group commit leave in one write.
      if (!corked) {
        corked = true
        output.cork()
        process.nextTick(() => {
          corked = false
          output.uncork()
        })
      }
      output.write(bytes)
    },
    onReceive: (listener) =>
      void input.on("data", (bytes: Uint8Array) => {
        try {
          listener(bytes)
        } catch (error) {
          // A stream that lost its framing is never guessed at.
          report("channel", error)
          input.removeAllListeners("data")
          end(1)
        }
      }),
    onClose: (listener) => void ended.then(listener),
  }
  const server = serveStrongroom(channel, guarded(handlers, running), report)
  onNotice(server.notify)
  const code = await ended
  input.pause()
  await Promise.allSettled(running)
  await new Promise<void>((resolve) => output.end(resolve))
  input.destroy()
  return code
}

/** Keeps count of what is running, and turns a broken store into its code. */
const guarded = (handlers: StrongroomHandlers, running: Set<Promise<unknown>>): StrongroomHandlers => {
  const guard = (name: CallName) => (params: never) => {
    const call = (handlers[name] as (p: never) => Promise<Result<unknown, Failure>>)(params).catch((error: unknown) => {
      const failure = failureOf(error)
      if (failure === undefined) throw error
      log({ level: "error", what: failure.code, call: name, detail: failure.detail })
      return err(failure)
    })
    running.add(call)
    void call.then(
      () => running.delete(call),
      () => running.delete(call),
    )
    return call
  }
  return Object.fromEntries((Object.keys(calls) as CallName[]).map((name) => [name, guard(name)])) as never
}

const failureOf = (error: unknown): Failure | undefined => {
  if (!(error instanceof StoreError)) return undefined
  if (error.code === "store-full" || error.code === "store-corrupt") return { code: error.code, detail: error.message }
  return { code: "strongroom-unavailable", detail: error.message, retryAfterS: 5 }
}

/** Messages of defects are our own sentences; nothing that a request held stands in them. */
const report = (name: string, error: unknown): void => {
  const known = error instanceof Error ? error : new Error("something that is no error was thrown")
  log({
    level: "error",
    what: "defect",
    call: name,
    error: known.name,
    message: known.message,
    at: known.stack?.split("\n").slice(1, 6).join(" ").trim(),
  })
}

process.exitCode = await main()
