/*
 * What travels between a command and the agent, one message a frame. The client says `hello` first; the agent answers
 * with its own. A client of another version may only say `stop`.
 */
export interface HelloMessage {
  readonly hello: { readonly version: string; readonly pid: number; readonly who: string; readonly folder: string }
}

/** A method of the SDK's object, or one of the agent's own. `progress` asks for progress messages under the same id. */
export interface CallMessage {
  readonly id: number
  readonly call: string
  readonly args: readonly unknown[]
  readonly progress: boolean
}

/** Runs a whole command that reads and never asks, inside the agent. */
export interface RunMessage {
  readonly id: number
  readonly run: readonly string[]
  readonly env: Readonly<Record<string, string>>
  readonly terminal: TerminalShape
}

export interface TerminalShape {
  readonly stdin: boolean
  readonly stdout: boolean
  readonly stderr: boolean
  readonly columns: number
}

export interface RunAnswer {
  /** The command needs a person: the client runs it itself. */
  readonly again: boolean
  readonly stdout: string
  readonly stderr: string
  readonly exit: number
}

export type ClientMessage = HelloMessage | CallMessage | RunMessage

export interface AgentStatus {
  readonly pid: number
  readonly version: string
  readonly startedAtMs: number
  readonly socket: string
  readonly sshSocket: string
  readonly sshKeys: number
  readonly lockAtMs?: number
  readonly asked: readonly AskedEntry[]
}

/** Who asked for what. Names of commands only. */
export interface AskedEntry {
  readonly atMs: number
  readonly who: string
  readonly pid: number
  readonly what: string
}

export const parseClientMessage = (value: unknown): ClientMessage | undefined => {
  const message = asObject(value)
  if (message === undefined) return undefined
  const hello = asObject(message["hello"])
  if (hello !== undefined) {
    const { version, pid, who, folder } = hello
    if (typeof version !== "string" || typeof pid !== "number" || typeof who !== "string") return undefined
    return typeof folder === "string" ? { hello: { version, pid, who: printable(who), folder } } : undefined
  }
  const { id, call, args, progress, run, env, terminal } = message
  if (typeof id !== "number") return undefined
  if (typeof call === "string" && Array.isArray(args)) return { id, call, args, progress: progress === true }
  const shape = asObject(terminal)
  if (!isTextList(run) || !isTextRecord(env) || shape === undefined) return undefined
  const { stdin, stdout, stderr, columns } = shape
  return {
    id,
    run,
    env,
    terminal: {
      stdin: stdin === true,
      stdout: stdout === true,
      stderr: stderr === true,
      columns: typeof columns === "number" ? columns : 80,
    },
  }
}

/** An answer as the client meets it. */
export type AgentMessage =
  | { readonly kind: "hello"; readonly version: string; readonly pid: number; readonly folder: string }
  | { readonly kind: "value"; readonly id: number; readonly value: unknown }
  | { readonly kind: "progress"; readonly id: number; readonly progress: unknown }
  | { readonly kind: "change" }

export const parseAgentMessage = (value: unknown): AgentMessage | undefined => {
  const message = asObject(value)
  if (message === undefined) return undefined
  const hello = asObject(message["hello"])
  if (hello !== undefined) {
    const { version, pid, folder } = hello
    if (typeof version !== "string" || typeof pid !== "number" || typeof folder !== "string") return undefined
    return { kind: "hello", version, pid, folder }
  }
  if (message["change"] === true) return { kind: "change" }
  const { id } = message
  if (typeof id !== "number") return undefined
  if ("progress" in message) return { kind: "progress", id, progress: message["progress"] }
  return { kind: "value", id, value: message["value"] }
}

export const asObject = (value: unknown): Readonly<Record<string, unknown>> | undefined =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : undefined

const isTextList = (value: unknown): value is readonly string[] =>
  Array.isArray(value) && value.every((part) => typeof part === "string")

const isTextRecord = (value: unknown): value is Readonly<Record<string, string>> =>
  asObject(value) !== undefined && Object.values(value as object).every((part) => typeof part === "string")

const printable = (text: string): string => text.replaceAll(/[^\x20-\x7e]/g, "?").slice(0, 80)
