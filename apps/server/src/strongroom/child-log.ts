import type { Readable } from "node:stream"

import type { Logger } from "pino"

/** What the strongroom said last about why it cannot go on. */
export interface ChildLog {
  readonly lastError: () => LastError | undefined
}

export interface LastError {
  /** A code of the error table where the strongroom gave one. */
  readonly what: string
  readonly sentence: string
}

/**
 * Puts the strongroom's lines (one JSON object each, on its standard error) into the server's log at their own level.
 * Whatever is no such line is passed on as an error: it comes from the runtime, before our code ran.
 */
export const readChildLog = (stream: Readable | null, log: Logger): ChildLog => {
  let rest = ""
  let lastError: LastError | undefined
  const take = (line: string): void => {
    if (line.trim() === "") return
    const entry = parseLine(line)
    if (entry === undefined) {
      lastError ??= { what: "", sentence: line.slice(0, 300) }
      log.error({ part: "strongroom" }, line.slice(0, 2_000))
      return
    }
    const { level, time: _time, ...fields } = entry
    if (level === "error") lastError = { what: textOf(fields["what"]), sentence: sentenceOf(fields) }
    log[level]({ part: "strongroom", ...fields }, textOf(fields["what"]))
  }
  stream?.on("data", (chunk: Buffer) => {
    const lines = (rest + chunk.toString("utf8")).split("\n")
    rest = lines.pop() ?? ""
    for (const line of lines) take(line)
  })
  stream?.on("end", () => take(rest))
  return { lastError: () => lastError }
}

type Line = Readonly<Record<string, unknown>> & { readonly level: "info" | "warn" | "error" }

const parseLine = (line: string): Line | undefined => {
  try {
    const value: unknown = JSON.parse(line)
    if (typeof value !== "object" || value === null || !("level" in value)) return undefined
    return value.level === "info" || value.level === "warn" || value.level === "error" ? (value as Line) : undefined
  } catch {
    return undefined
  }
}

const textOf = (value: unknown): string => (typeof value === "string" ? value : "")

const sentenceOf = (fields: Readonly<Record<string, unknown>>): string =>
  ["sentence", "detail", "action"]
    .flatMap((name) => (typeof fields[name] === "string" ? [fields[name]] : []))
    .join(" ") ||
  textOf(fields["what"]) ||
  "no reason given"
