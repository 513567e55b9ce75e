import { chmodSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { createServer, type Server, type Socket } from "node:net"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import process from "node:process"

import { type Clock, ok, type Result } from "@keyferry/base"
import type { Failure } from "@keyferry/sdk/errors"

import type { Keyferry } from "../keyferry.ts"
import { agentFilePath, agentLockPath, isPrivate, readAgentFile, socketFolder } from "../places.ts"
import type { Environment } from "../settings.ts"
import { VERSION } from "../version.ts"
import { createAskedLog } from "./asked.ts"
import { holdLockFile } from "./lock-file.ts"
import type { AgentStatus, RunAnswer, RunMessage } from "./messages.ts"
import type { Method } from "./methods.ts"
import { serveConnection } from "./serve.ts"
import { storyOf } from "./story.ts"
import { createSshView, type SshView } from "./ssh-view.ts"

export interface AgentPorts {
  readonly folder: string
  readonly env: Environment
  readonly clock: Clock
  readonly open: () => Promise<Result<Keyferry, Failure>>
  /** Runs a reading command against this very object. */
  readonly run: (keyferry: Keyferry, message: RunMessage) => Promise<RunAnswer>
  readonly log: (line: string) => void
  /** Runs something again and again until it is cancelled. */
  readonly every: (ms: number, run: () => void) => () => void
}

export interface Agent {
  readonly socket: string
  readonly sshSocket: string
  /** Resolves when the agent has stopped, by itself or by `stop`. */
  readonly stopped: Promise<void>
  readonly stop: () => Promise<void>
}

const TICK_MS = 5_000
/** An agent of a profile with no vault has nothing to hold; it goes after this time without a call. */
const IDLE_MS = 10 * 60 * 1000

/**
 * Starts the one agent of a profile: takes the lock, opens the SDK's object, listens, and announces itself.
 * Returns  `other` when another agent holds the profile
 * Errors   what opening the store gives: schema-newer, store-corrupt, store-full
 */
export const startAgent = async (ports: AgentPorts): Promise<Result<Agent, Failure> | "other"> => {
  const { folder, clock } = ports
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  chmodSync(folder, 0o700)
  if (!isPrivate(folder)) throw new Error("the profile's folder belongs to another user")
  const lock = holdLockFile(agentLockPath(folder))
  if (lock === undefined) return "other"

  const opened = await ports.open()
  if (!opened.ok) {
    lock.release()
    return opened
  }
  const keyferry = opened.value
  const sockets = socketFolder(folder, ports.env, tmpdir())
  mkdirSync(sockets, { recursive: true, mode: 0o700 })
  chmodSync(sockets, 0o700)
  if (!isPrivate(sockets)) throw new Error("the folder for sockets belongs to another user")
  const socketPath = join(sockets, "agent.sock")
  const sshPath = join(sockets, "ssh.sock")

  const asked = createAskedLog()
  const startedAtMs = clock.nowMs()
  let lastAskedMs = startedAtMs
  let lockAtMs: number | undefined
  const stopped = Promise.withResolvers<void>()
  const note = (who: string, pid: number, what: string): void => {
    lastAskedMs = clock.nowMs()
    asked.note({ atMs: lastAskedMs, who, pid, what })
  }
  const ssh: SshView = createSshView({ keyferry, note: (what) => note("ssh", 0, what), log: ports.log })

  const stop = async (): Promise<void> => {
    if (stopping !== undefined) return stopping
    stopping = (async () => {
      stopTicking()
      stopListening()
      // Announced no more before the sockets go, so that nobody starts a second agent beside a dying one for long.
      if (readAgentFile(folder)?.pid === process.pid) rmSync(agentFilePath(folder), { force: true })
      await Promise.all([closeServer(server, open), closeServer(sshServer, sshOpen)])
      for (const path of [socketPath, sshPath]) rmSync(path, { force: true })
      await keyferry.close()
      lock.release()
      stopped.resolve()
    })()
    return stopping
  }
  let stopping: Promise<void> | undefined

  const afterCall = (method: Method): void => {
    if (method === "lock") lockAtMs = undefined
    if (method === "unlock" || method === "lock" || method === "createLocal" || method === "signOut") void ssh.refresh()
  }

  const open = new Set<Socket>()
  const server = createServer((socket) => {
    track(open, socket)
    serveConnection(socket, {
      keyferry,
      folder,
      pid: process.pid,
      own: {
        agentStatus: () => status(),
        agentStop: () => {
          // After the answer is on its way.
          setTimeout(() => void stop(), 20)
          return true
        },
        agentLockAfter: ([ms]) => {
          if (typeof ms === "number" && ms > 0) lockAtMs = clock.nowMs() + ms
          return true
        },
      },
      run: (message) => ports.run(keyferry, message),
      note: (hello, what) => {
        if (!QUIET_CALLS.has(what)) note(hello.who, hello.pid, what)
      },
      afterCall,
      defect: (error) => ports.log(storyOf(error)),
    })
  })
  const sshOpen = new Set<Socket>()
  const sshServer = createServer((socket) => {
    track(sshOpen, socket)
    ssh.serve(socket)
  })

  const status = (): AgentStatus => ({
    pid: process.pid,
    version: VERSION,
    startedAtMs,
    socket: socketPath,
    sshSocket: sshPath,
    sshKeys: ssh.size(),
    ...(lockAtMs === undefined ? {} : { lockAtMs }),
    asked: asked.lastHour(clock.nowMs()),
  })

  const tick = async (): Promise<void> => {
    // The profile was deleted, or another agent took its place: nobody can reach this one any more.
    if (readAgentFile(folder)?.pid !== process.pid) return stop()
    const nowMs = clock.nowMs()
    const now = await keyferry.status()
    if (now.mode === "none" && now.enrolment === undefined && nowMs - lastAskedMs > IDLE_MS && open.size === 0)
      return stop()
    const limits = [lockAtMs, now.unlockedUntilMs].filter((limit) => limit !== undefined)
    if ((now.lock === "unlocked" || now.lock === "standard-only") && limits.some((limit) => nowMs >= limit)) {
      lockAtMs = undefined
      await keyferry.lock()
      await ssh.refresh()
    }
  }

  const stopListening = keyferry.onChange(() => void ssh.refresh())
  for (const [one, path] of [
    [server, socketPath],
    [sshServer, sshPath],
  ] as const) {
    // The lock is ours, so whatever lies here was left by an agent that died.
    rmSync(path, { force: true })
    await listen(one, path)
    chmodSync(path, 0o600)
  }
  announce(folder, { pid: process.pid, version: VERSION, socket: socketPath, sshSocket: sshPath })
  await ssh.refresh()
  const stopTicking = ports.every(TICK_MS, () => void tick().catch((error: unknown) => ports.log(storyOf(error))))
  return ok(Object.freeze({ socket: socketPath, sshSocket: sshPath, stopped: stopped.promise, stop }))
}

/** Housekeeping that a person did not ask for. */
const QUIET_CALLS = new Set(["watch", "agentStatus", "agentStop", "approveDone", "status", "__complete"])

const announce = (folder: string, file: object): void => {
  const path = agentFilePath(folder)
  const fresh = join(dirname(path), `.agent-${process.pid}.json`)
  writeFileSync(fresh, JSON.stringify(file), { mode: 0o600 })
  renameSync(fresh, path)
}

const track = (open: Set<Socket>, socket: Socket): void => {
  open.add(socket)
  socket.once("close", () => open.delete(socket))
}

const listen = (server: Server, path: string): Promise<void> =>
  new Promise((resolve, reject) => {
    // Made with no rights for others from its first moment on; the folder keeps them out anyway.
    const before = process.umask(0o177)
    server.once("error", reject)
    server.listen(path, () => {
      server.off("error", reject)
      resolve()
    })
    process.umask(before)
  })

const closeServer = (server: Server, open: ReadonlySet<Socket>): Promise<void> =>
  new Promise((resolve) => {
    server.close(() => resolve())
    for (const socket of open) socket.destroySoon()
  })
