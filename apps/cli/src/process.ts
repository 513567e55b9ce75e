import { randomBytes } from "node:crypto"
import process from "node:process"

import { ok, type Result } from "@keyferry/base"
import { failure, type Failure } from "@keyferry/sdk/errors"

import { ChannelClosed } from "./agent/channel.ts"
import { connectAgent } from "./agent/connect.ts"
import { createAgentCalls, createRemoteKeyferry } from "./agent/remote.ts"
import type { Catalogue } from "./command.ts"
import type { Connection, Context } from "./context.ts"
import { exitOf, usage } from "./failures.ts"
import { terminalShape } from "./fast.ts"
import { createIo } from "./io.ts"
import { runProgram } from "./program.ts"
import { createPrompter } from "./prompt.ts"
import { createSecretIntake } from "./secrets.ts"
import { takeGlobals } from "./settings.ts"

const EXIT_INTERRUPTED = 130

/** Runs a command in this process and sets its exit code. The top of a command: defects end here, in one sentence. */
export const runProcess = async (argv: readonly string[], program: readonly string[]): Promise<void> => {
  const sink = {
    stdout: (text: string) => void process.stdout.write(text),
    stderr: (text: string) => void process.stderr.write(text),
  }
  const terminal = terminalShape()
  const globals = takeGlobals(argv, process.env)
  if (!globals.ok) {
    const json = argv.some((argument) => argument === "--json" || argument.startsWith("--json="))
    createIo(sink, terminal, process.env, { json, jsonFields: [], quiet: false }).fail(usage(globals.problem))
    process.exitCode = exitOf(failure("usage-wrong"))
    return
  }
  const { settings, rest } = globals
  const io = createIo(sink, terminal, process.env, settings)
  let resumeHint: string | undefined
  const interrupt = (): never => {
    if (resumeHint !== undefined) io.warn(resumeHint)
    process.exit(EXIT_INTERRUPTED)
  }
  process.on("SIGINT", () => interrupt())
  const prompter = terminal.stdin && terminal.stderr && !settings.noInput ? createPrompter(interrupt) : undefined
  const secrets = createSecretIntake({ settings, prompter })

  let connection: Promise<Result<Connection, Failure>> | undefined
  let close: (() => Promise<void>) | undefined
  const connect = async (who: string): Promise<Result<Connection, Failure>> => {
    if (settings.noAgent) {
      const { openHere } = await import("./agent/open-here.ts")
      const opened = await openHere(settings.folder)
      if (!opened.ok) return opened
      close = () => opened.value.close()
      return ok({ keyferry: opened.value, agent: undefined })
    }
    const channel = await connectAgent({
      folder: settings.folder,
      profile: settings.profile,
      who,
      program,
      say: io.say,
    })
    if (!channel.ok) return channel
    close = async () => channel.value.close()
    return ok({ keyferry: createRemoteKeyferry(channel.value), agent: createAgentCalls(channel.value) })
  }
  const context = (who: string, catalogue: Catalogue): Context => ({
    settings,
    env: process.env,
    io,
    prompter,
    secrets,
    clock: { nowMs: () => Date.now() },
    random: { bytes: (length) => new Uint8Array(randomBytes(length)) },
    who,
    catalogue,
    place: "process",
    program,
    connect: () => (connection ??= connect(who)),
    setResume: (hint) => {
      resumeHint = hint
    },
  })

  const timer =
    settings.timeoutMs === undefined
      ? undefined
      : setTimeout(() => {
          io.fail(
            failure(
              "timed-out",
              `--timeout ${settings.timeoutMs === undefined ? "" : settings.timeoutMs / 1000} was reached.`,
            ),
          )
          process.exit(exitOf(failure("timed-out")))
        }, settings.timeoutMs)
  try {
    process.exitCode = await runProgram(rest, { io, context })
  } catch (error) {
    const told =
      error instanceof ChannelClosed
        ? failure("internal", "The agent ended before it answered; the command can be repeated.")
        : failure("internal", nameOf(error))
    io.fail(told)
    process.exitCode = exitOf(told)
  } finally {
    clearTimeout(timer)
    await close?.()
  }
}

/** Never the message: an exception of a library may quote what it was given. */
const nameOf = (error: unknown): string => {
  if (!(error instanceof Error)) return "An unknown defect."
  const code = "code" in error && typeof error.code === "string" ? ` (${error.code})` : ""
  return `${error.name}${code}.`
}
