import { type ChildProcess, spawn } from "node:child_process"
import { mkdirSync } from "node:fs"
import { setTimeout as sleep } from "node:timers/promises"

import { err, ok, type Result } from "@keyferry/base"
import type { Failure } from "@keyferry/protocol"
import {
  type ByteChannel,
  type CallResult,
  type CommitNotice,
  createStrongroomClient,
  type StrongroomClient,
} from "@keyferry/strongroom-api"
import type { Logger } from "pino"

import { type LastError, readChildLog } from "./child-log.ts"

/** The strongroom as the server sees it: one client that outlives restarts of the process behind it. */
export interface Strongroom extends StrongroomClient {
  /** Who answers now; changes its log id after a restore. */
  readonly hello: () => CallResult<"hello">
  /** Called after each restart, once the new process has said hello. */
  readonly onRestart: (listener: () => void) => void
  /** Of the process that answers now; undefined while there is none. */
  readonly pid: () => number | undefined
  /** Closes the channel, waits for the end, and gives the exit code. */
  readonly stop: () => Promise<number>
}

export interface StrongroomProcessOptions {
  /** The strongroom's entry file. */
  readonly entry: string
  /** Its own folder: the only one that it may write. */
  readonly folder: string
  /** What it may read besides: the program itself. */
  readonly programFolders: readonly string[]
  readonly args: readonly string[]
  /** Further flags of the runtime, for tests. */
  readonly runtimeArgs?: readonly string[]
  readonly log: Logger
}

export interface StrongroomDidNotStart {
  readonly exitCode: number
  /** Its own words. */
  readonly reason: string
}

/** A store of a million accounts, or one that is migrated, takes longer to open than one of a team; only a hang takes this long. */
const START_TIMEOUT_MS = 15 * 60_000
/** After this the log says that it goes on. */
const START_WORD_MS = 10_000
const PREDECESSOR_MS = 10_000
const STOP_TIMEOUT_MS = 10_000
const MAX_PAUSE_MS = 5_000
const UNAVAILABLE: Failure = { code: "strongroom-unavailable", retryAfterS: 5 }

/**
 * Starts the strongroom as a child without network, other files, child processes, workers or addons, and keeps it running.
 * They speak frames over the child's inherited standard streams; its standard error goes into our log.
 * Errors: the exit code and the child's own words, when the first start fails.
 */
export const startStrongroom = async (
  options: StrongroomProcessOptions,
): Promise<Result<Strongroom, StrongroomDidNotStart>> => {
  mkdirSync(options.folder, { recursive: true, mode: 0o700 })
  const noticeListeners: ((notice: CommitNotice) => void)[] = []
  const restartListeners: (() => void)[] = []
  let stopping = false
  let current: Running | undefined

  const launched = await launchFirst(options, noticeListeners)
  if (!launched.ok) return launched
  const first = launched.value.running
  current = first
  let identity = launched.value.hello

  const keepRunning = async (running: Running): Promise<void> => {
    let process = running
    for (let pauseMs = 100; ; pauseMs = Math.min(MAX_PAUSE_MS, pauseMs * 2)) {
      const code = await process.ended
      current = undefined
      if (stopping) return
      options.log.error({ code }, "the strongroom ended; starting it again")
      await sleep(pauseMs)
      if (stopping) return
      process = launch(options, noticeListeners)
      const again = await process.ready
      if (!again.ok) continue
      identity = again.value
      current = process
      // Asked to stop while it started.
      if (stopping) process.close()
      pauseMs = 100
      for (const listener of restartListeners) listener()
    }
  }
  const kept = keepRunning(first)

  return {
    ok: true,
    value: Object.freeze<Strongroom>({
      call: (name, params) => current?.client.call(name, params) ?? Promise.resolve(err(UNAVAILABLE)),
      onNotice: (listener) => void noticeListeners.push(listener),
      onRestart: (listener) => void restartListeners.push(listener),
      hello: () => identity,
      pid: () => current?.pid,
      stop: async () => {
        stopping = true
        const last = current
        last?.close()
        const code = (await last?.ended) ?? 0
        await kept
        return code
      },
    }),
  }
}

/** A killed server's strongroom needs a moment to notice that its channel is gone; its folder is free then. */
const launchFirst = async (
  options: StrongroomProcessOptions,
  noticeListeners: readonly ((notice: CommitNotice) => void)[],
): Promise<Result<{ readonly running: Running; readonly hello: CallResult<"hello"> }, StrongroomDidNotStart>> => {
  const end = performance.now() + PREDECESSOR_MS
  for (;;) {
    const running = launch(options, noticeListeners)
    const hello = await running.ready
    if (hello.ok) return ok({ running, hello: hello.value })
    const exitCode = await running.ended
    const said = running.lastError()
    if (said?.what !== "store-in-use" || performance.now() > end)
      return err({ exitCode, reason: said?.sentence ?? `It ended with exit code ${exitCode}.` })
    await sleep(200)
  }
}

interface Running {
  readonly pid: number | undefined
  readonly client: StrongroomClient
  readonly ready: Promise<Result<CallResult<"hello">, Failure>>
  readonly ended: Promise<number>
  readonly close: () => void
  readonly lastError: () => LastError | undefined
}

const launch = (
  { entry, folder, programFolders, args, runtimeArgs = [], log }: StrongroomProcessOptions,
  noticeListeners: readonly ((notice: CommitNotice) => void)[],
): Running => {
  const child = spawn(
    process.execPath,
    [
      "--permission",
      ...[...programFolders, folder].map((path) => `--allow-fs-read=${path}`),
      `--allow-fs-write=${folder}`,
      "--disable-warning=ExperimentalWarning",
      "--disable-warning=SecurityWarning",
      // Young objects get three times 8 MiB at most; by itself the runtime takes 60 MiB under load and keeps them.
      "--max-semi-space-size=8",
      ...runtimeArgs,
      entry,
      ...args,
    ],
    // Its own process group: Ctrl-C goes to the server, which drains before it closes the channel. When the server is
    // killed, the closed channel ends the child. Its environment is empty, so nothing can reach it that way.
    { stdio: ["pipe", "pipe", "pipe"], detached: true, env: {}, cwd: folder },
  )
  const ended = new Promise<number>((resolve) => {
    child.once("error", (error) => {
      log.error({ err: error }, "the strongroom could not be started")
      resolve(127)
    })
    // After its last words were read.
    child.once("close", (code, signal) => resolve(code ?? (signal === "SIGKILL" ? 137 : 143)))
  })
  const client = createStrongroomClient(channelOf(child, ended, log))
  const { lastError } = readChildLog(child.stderr, log)
  client.onNotice((notice) => {
    for (const listener of noticeListeners) listener(notice)
  })
  let killer: NodeJS.Timeout | undefined
  const killAfter = (ms: number): void => {
    killer = setTimeout(() => child.kill("SIGKILL"), ms)
    void ended.then(() => clearTimeout(killer))
  }
  const starting = setTimeout(() => child.kill("SIGKILL"), START_TIMEOUT_MS)
  const waiting = setInterval(() => log.info("the strongroom is still opening its store"), START_WORD_MS)
  const ready = client.call("hello", {}).finally(() => {
    clearTimeout(starting)
    clearInterval(waiting)
  })
  return {
    pid: child.pid,
    client,
    ready,
    ended,
    close: () => {
      child.stdin?.end()
      killAfter(STOP_TIMEOUT_MS)
    },
    lastError,
  }
}

const channelOf = (child: ChildProcess, ended: Promise<number>, log: Logger): ByteChannel => {
  // Writing to a process that just died is not an error of its own: `ended` tells.
  child.stdin?.on("error", () => undefined)
  return {
    send: (bytes) => void child.stdin?.write(bytes),
    onReceive: (listener) => {
      child.stdout?.on("data", (chunk: Uint8Array) => {
        try {
          listener(chunk)
        } catch (error) {
          // Never guess at a stream that lost its framing.
          log.error({ err: error }, "the strongroom spoke something else")
          child.kill("SIGKILL")
        }
      })
    },
    onClose: (listener) => void ended.then(listener),
  }
}
