import type { Failure } from "@keyferry/sdk/errors"

import type { TerminalShape } from "./agent/messages.ts"
import { oneLine, renderFailure, renderFailureJson } from "./failures.ts"
import type { Environment, Settings } from "./settings.ts"

/** Where a command writes. Answers go to stdout, everything else to stderr. */
export interface Io {
  readonly terminal: TerminalShape
  readonly color: boolean
  readonly json: boolean
  /** Raw text of an answer. */
  readonly write: (text: string) => void
  /** A line of an answer. */
  readonly line: (text: string) => void
  /** The answer: one document with `schema` under --json, else the lines. */
  readonly answer: (document: Readonly<Record<string, unknown>>, lines: readonly string[]) => void
  /** A sentence beside the answer; silent with --quiet. */
  readonly say: (sentence: string) => void
  /** A sentence that --quiet does not hide: a warning, a question's frame. */
  readonly warn: (sentence: string) => void
  /** Text on stderr as it is, for a line that changes. */
  readonly draw: (text: string) => void
  readonly fail: (failure: Failure) => void
  /** One line of machine-read progress on stderr, under --json only. */
  readonly event: (event: Readonly<Record<string, unknown>>) => void
}

export interface Sink {
  readonly stdout: (text: string) => void
  readonly stderr: (text: string) => void
}

export const createIo = (
  sink: Sink,
  terminal: TerminalShape,
  env: Environment,
  settings: Pick<Settings, "json" | "jsonFields" | "quiet">,
): Io => {
  const warn = (sentence: string): void => sink.stderr(`${sentence}\n`)
  return Object.freeze({
    terminal,
    color: colorWanted(env, terminal),
    json: settings.json,
    write: sink.stdout,
    line: (text: string) => sink.stdout(`${text}\n`),
    answer: (document: Readonly<Record<string, unknown>>, lines: readonly string[]) => {
      if (settings.json) sink.stdout(`${JSON.stringify(pickFields(document, settings.jsonFields))}\n`)
      else for (const line of lines) sink.stdout(`${line}\n`)
    },
    say: (sentence: string) => {
      if (!settings.quiet) warn(sentence)
    },
    warn,
    draw: sink.stderr,
    fail: (failure: Failure) =>
      sink.stderr(settings.json ? `${JSON.stringify(renderFailureJson(failure))}\n` : renderFailure(failure)),
    event: (event: Readonly<Record<string, unknown>>) => {
      if (settings.json) sink.stderr(`${JSON.stringify(event)}\n`)
    },
  })
}

const colorWanted = (env: Environment, terminal: TerminalShape): boolean => {
  if (env["NO_COLOR"] !== undefined && env["NO_COLOR"] !== "") return false
  if (env["FORCE_COLOR"] !== undefined && env["FORCE_COLOR"] !== "0") return true
  return terminal.stdout && env["TERM"] !== "dumb" && env["CI"] === undefined
}

/** `--json=id,title`: those keys only, of each row where the document is a list. `schema` always stays. */
const pickFields = (
  document: Readonly<Record<string, unknown>>,
  fields: readonly string[],
): Readonly<Record<string, unknown>> => {
  if (fields.length === 0) return document
  const { data } = document
  if (Array.isArray(data)) return { ...document, data: data.map((row: unknown) => pick(row, fields)) }
  return pick(document, ["schema", ...fields])
}

const pick = (row: unknown, fields: readonly string[]): Record<string, unknown> =>
  Object.fromEntries(Object.entries(Object(row)).filter(([key]) => fields.includes(key)))

/** Titles, names and notes come from other devices: no control character of theirs may reach a terminal. */
export const printable = oneLine
