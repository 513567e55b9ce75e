import { spawn } from "node:child_process"
import { closeSync, mkdirSync, openSync, statSync, truncateSync } from "node:fs"
import { dirname } from "node:path"
import process from "node:process"
import { setTimeout as sleep } from "node:timers/promises"

import { err, ok, type Result } from "@keyferry/base"
import { failure, type Failure, isErrorCode } from "@keyferry/sdk/errors"

import { agentLogPath, isPrivate, readAgentFile } from "../places.ts"
import { VERSION } from "../version.ts"
import { type Channel, openChannel } from "./channel.ts"

export interface AgentWish {
  readonly folder: string
  readonly profile: string
  /** Name of the command, for the agent's list of who asked. */
  readonly who: string
  /** The program that runs the agent: arguments of this very Node. */
  readonly program: readonly string[]
  /** One sentence for the person. */
  readonly say: (sentence: string) => void
}

const START_LIMIT_MS = 15_000
const STOP_LIMIT_MS = 10_000

/** The running agent of this version, or `undefined`. An agent of another version is stopped, with a sentence. */
export const findAgent = async (wish: Omit<AgentWish, "program" | "profile">): Promise<Channel | undefined> => {
  const file = readAgentFile(wish.folder)
  if (file === undefined || !isPrivate(dirname(file.socket))) return undefined
  const channel = await openChannel(file.socket, wish.who, wish.folder)
  if (channel === undefined) return undefined
  if (channel.agentFolder !== wish.folder) {
    channel.close()
    return undefined
  }
  if (channel.agentVersion === VERSION) return channel
  wish.say(
    `The agent was version ${channel.agentVersion}; it was restarted as version ${VERSION}, so the vault is locked.`,
  )
  await channel.call("agentStop", []).catch(() => undefined)
  channel.close()
  await waitUntilGone(wish.folder, file.pid)
  return undefined
}

/**
 * The running agent, started if there is none.
 * Errors: internal (it did not start; its log says why), store-in-use
 */
export const connectAgent = async (wish: AgentWish): Promise<Result<Channel, Failure>> => {
  const running = await findAgent(wish)
  if (running !== undefined) return ok(running)
  const startedAt = performance.now()
  for (;;) {
    const started = await spawnAgent(wish)
    if (!started.ok) return started
    const channel = await findAgent(wish)
    if (channel !== undefined) return ok(channel)
    // Another command is starting one at this very moment, or it ended between its word and our call.
    if (performance.now() - startedAt > START_LIMIT_MS) {
      return err(failure("store-in-use", "Another process holds this profile and does not answer."))
    }
    await sleep(50)
  }
}

/** Resolves when the agent has said that it listens, or that another one does. */
const spawnAgent = (wish: AgentWish): Promise<Result<void, Failure>> =>
  new Promise((resolve) => {
    mkdirSync(wish.folder, { recursive: true, mode: 0o700 })
    const log = openLog(wish.folder)
    const child = spawn(
      process.execPath,
      [...process.execArgv, ...wish.program, "__agent", "--profile", wish.profile],
      {
        detached: true,
        cwd: "/",
        stdio: ["ignore", "pipe", log],
        env: agentEnvironment(),
      },
    )
    closeSync(log)
    const { stdout } = child
    if (stdout === null) throw new Error("a pipe was asked for")
    let said = ""
    const settle = (result: Result<void, Failure>): void => {
      clearTimeout(limit)
      stdout.destroy()
      child.unref()
      resolve(result)
    }
    const failed = failure("internal", "The agent did not start; its log tells why: kf doctor")
    const limit = setTimeout(() => settle(err(failed)), START_LIMIT_MS)
    child.once("error", () => settle(err(failed)))
    // `close` comes after everything that was said has arrived.
    child.once("close", () => settle(err(failed)))
    stdout.on("data", (chunk) => {
      said += String(chunk)
      if (!said.includes("\n")) return
      const [word, code = ""] = said.trim().split(" ")
      settle(word === "failed" ? err(isErrorCode(code) ? failure(code) : failed) : ok(undefined))
    })
  })

/** The agent outlives the command, so it takes over nothing but what places and languages need. */
const agentEnvironment = (): NodeJS.ProcessEnv => {
  const env = { ...process.env }
  for (const name of Object.keys(env)) if (name.startsWith("KF_")) delete env[name]
  return env
}

const MAX_LOG_BYTES = 256 * 1024

const openLog = (folder: string): number => {
  const path = agentLogPath(folder)
  const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0
  if (size > MAX_LOG_BYTES) truncateSync(path, 0)
  return openSync(path, "a", 0o600)
}

const waitUntilGone = async (folder: string, pid: number): Promise<void> => {
  const startedAt = performance.now()
  while (readAgentFile(folder)?.pid === pid && performance.now() - startedAt < STOP_LIMIT_MS) await sleep(20)
}

/** Stops the agent of this profile, whatever its version. `false`: there was none. */
export const stopAgent = async (folder: string, who: string): Promise<boolean> => {
  const file = readAgentFile(folder)
  if (file === undefined || !isPrivate(dirname(file.socket))) return false
  const channel = await openChannel(file.socket, who, folder)
  if (channel === undefined) return false
  await channel.call("agentStop", []).catch(() => undefined)
  // The limit must not keep this process alive after the agent has gone.
  await Promise.race([channel.closed, sleep(STOP_LIMIT_MS, undefined, { ref: false })])
  channel.close()
  await waitUntilGone(folder, file.pid)
  return true
}
