import { err, ok } from "@keyferry/base"

import type { Context } from "../context.ts"
import { usage } from "../failures.ts"
import { createIo } from "../io.ts"
import type { Keyferry } from "../keyferry.ts"
import { runProgram } from "../program.ts"
import type { Prompter } from "../prompt.ts"
import { createSecretIntake } from "../secrets.ts"
import { takeGlobals } from "../settings.ts"

export interface CommandRun {
  readonly exit: number
  readonly stdout: string
  readonly stderr: string
  /** Every question that was put, in order. */
  readonly asked: readonly string[]
}

export interface CommandWish {
  readonly keyferry: Keyferry
  /** A person is there and gives these answers, one a question. */
  readonly answers?: readonly string[]
  /** What comes in on stdin. */
  readonly stdin?: string
  readonly place?: Context["place"]
  readonly nowMs?: number
}

/** Runs a command line as a process would, with everything it prints caught. */
export const runCommand = async (argv: readonly string[], wish: CommandWish): Promise<CommandRun> => {
  const globals = takeGlobals(argv, {})
  if (!globals.ok) throw new Error(globals.problem)
  const out: string[] = []
  const errors: string[] = []
  const asked: string[] = []
  const person = wish.answers !== undefined
  const io = createIo(
    { stdout: (text) => void out.push(text), stderr: (text) => void errors.push(text) },
    { stdin: person, stdout: false, stderr: person, columns: 80 },
    { NO_COLOR: "1" },
    globals.settings,
  )
  const prompter = person
    ? scripted([...(wish.answers ?? [])], asked, (line) => void errors.push(`${line}\n`))
    : undefined
  const secrets = createSecretIntake({
    settings: globals.settings,
    prompter,
    readFd: () => new TextEncoder().encode(wish.stdin ?? ""),
  })
  const exit = await runProgram(globals.rest, {
    io,
    context: (who, catalogue) => ({
      settings: globals.settings,
      env: { TZ: "UTC" },
      io,
      prompter,
      secrets,
      clock: { nowMs: () => wish.nowMs ?? 0 },
      random: { bytes: (length) => new Uint8Array(length).map((_, i) => i * 7) },
      who,
      catalogue,
      place: wish.place ?? "process",
      program: [],
      connect: async () => ok({ keyferry: wish.keyferry, agent: undefined }),
      setResume: () => undefined,
    }),
  })
  return { exit, stdout: out.join(""), stderr: errors.join(""), asked }
}

const scripted = (answers: string[], asked: string[], show: (line: string) => void): Prompter => {
  const next = (question: string): string | undefined => {
    asked.push(question)
    return answers.shift()
  }
  const text = async (question: string, preset = ""): ReturnType<Prompter["text"]> => {
    const answer = next(question)
    if (answer === undefined) return err(usage(`No answer was prepared for: ${question}`))
    return ok(answer === "" ? preset : answer)
  }
  return {
    text,
    hidden: (question) => text(question),
    confirm: async (question, preset) => {
      const answer = next(question)
      return answer === undefined
        ? err(usage(`No answer was prepared for: ${question}`))
        : ok(answer === "" ? preset : answer === "y")
    },
    choose: async (question) => {
      const answer = next(question)
      return answer === undefined ? err(usage(`No answer was prepared for: ${question}`)) : ok(Number(answer) - 1)
    },
    show,
  }
}
