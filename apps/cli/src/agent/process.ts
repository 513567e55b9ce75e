import { randomBytes } from "node:crypto"
import process from "node:process"

import { createKeychainStorage, openNodeKeyferry } from "@keyferry/sdk/node"

import { exitOf, usage } from "../failures.ts"
import type { Catalogue } from "../command.ts"
import type { Context } from "../context.ts"
import { createIo } from "../io.ts"
import type { Keyferry } from "../keyferry.ts"
import { runProgram } from "../program.ts"
import { createSecretIntake } from "../secrets.ts"
import { takeGlobals } from "../settings.ts"
import { CLIENT } from "../version.ts"
import { startAgent } from "./host.ts"
import { systemKeychain } from "./keychain.ts"
import type { RunAnswer, RunMessage } from "./messages.ts"
import { storyOf } from "./story.ts"

/** The agent's own process, started detached by any command. Says one line on stdout when it is ready. */
export const runAgentProcess = async (argv: readonly string[]): Promise<void> => {
  const globals = takeGlobals(argv, process.env)
  if (!globals.ok) throw new Error("the agent was started with wrong arguments")
  const log = (line: string): void => void process.stderr.write(`${new Date().toISOString()} ${line}\n`)
  // The command that started us reads one line and goes; nobody is there for a second one.
  process.stdout.on("error", () => undefined)
  for (const event of ["uncaughtException", "unhandledRejection"] as const) {
    process.on(event, (error: unknown) => {
      log(storyOf(error))
      process.exit(1)
    })
  }
  const agent = await startAgent({
    folder: globals.settings.folder,
    env: process.env,
    clock: { nowMs: () => Date.now() },
    open: () =>
      openNodeKeyferry({
        folder: globals.settings.folder,
        client: CLIENT,
        secrets: createKeychainStorage(globals.settings.folder, systemKeychain(globals.settings.folder)),
      }),
    run: runInside,
    log,
    every: (ms, run) => {
      const timer = setInterval(run, ms)
      return () => clearInterval(timer)
    },
  })
  if (agent === "other") {
    process.stdout.write("other\n")
    return
  }
  if (!agent.ok) {
    process.stdout.write(`failed ${agent.error.code}\n`)
    process.exitCode = exitOf(agent.error)
    return
  }
  const { stop, stopped } = agent.value
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.on(signal, () => void stop())
  process.stdout.write("ready\n")
  await stopped
  process.exit(0)
}

/** Runs a reading command against the agent's own object and catches what it prints. */
export const runInside = async (keyferry: Keyferry, message: RunMessage): Promise<RunAnswer> => {
  const globals = takeGlobals(message.run, message.env)
  if (!globals.ok) return { again: true, stdout: "", stderr: "", exit: 2 }
  const { settings, rest } = globals
  const stdout: string[] = []
  const stderr: string[] = []
  const sink = { stdout: (text: string) => void stdout.push(text), stderr: (text: string) => void stderr.push(text) }
  const io = createIo(sink, message.terminal, message.env, settings)
  const personThere = message.terminal.stdin && message.terminal.stderr && !settings.noInput
  let wantsPerson = false
  const secrets = createSecretIntake({ settings: { secrets: undefined, noInput: true }, prompter: undefined })
  const context = (who: string, catalogue: Catalogue): Context => ({
    settings,
    env: message.env,
    io,
    prompter: undefined,
    secrets: {
      ...secrets,
      ask: (name, question) => {
        wantsPerson = personThere
        return secrets.ask(name, question)
      },
      stdin: () => ({ ok: false, error: usage("Nothing can be read here.") }),
    },
    clock: { nowMs: () => Date.now() },
    random: { bytes: (length) => new Uint8Array(randomBytes(length)) },
    who,
    catalogue,
    place: "agent",
    program: [],
    connect: async () => ({ ok: true, value: { keyferry, agent: undefined } }),
    setResume: () => undefined,
  })
  const exit = await runProgram(rest, { io, context })
  return { again: wantsPerson, stdout: stdout.join(""), stderr: stderr.join(""), exit }
}
