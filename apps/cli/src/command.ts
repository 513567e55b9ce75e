import type { Result } from "@keyferry/base"
import type { Failure } from "@keyferry/sdk/errors"

import type { Context } from "./context.ts"

/** `done` is exit 0; a number is another exit code that is no failure, such as 10 for partly done. */
export type Ending = Result<"done" | number, Failure>

export interface OptionSpec {
  /** As commander reads it: `--reason <word>`, `-o, --output <file>`. */
  readonly flags: string
  /** May be given several times; its value is a list. */
  readonly repeat?: boolean
  readonly text: string
  readonly choices?: readonly string[]
}

export type OptionValues = Readonly<Record<string, string | boolean | readonly string[] | undefined>>

/**
 * One command, or a group of them. One file each in `commands/`, listed in `commands/index.ts`.
 * `args` is commander's form: `<ref>`, `[name]`, `[refs...]`.
 */
export interface CommandSpec {
  readonly name: string
  readonly summary: string
  readonly args?: string
  readonly options?: readonly OptionSpec[]
  /** More for `--help`, plain lines. */
  readonly more?: readonly string[]
  readonly hidden?: boolean
  readonly run?: (context: Context, args: readonly string[], options: OptionValues) => Promise<Ending>
  readonly subcommands?: readonly CommandSpec[]
}

/** What `kf help` and completion need to know of all commands. */
export interface Catalogue {
  /** Names that a person may type, in the order of `kf --help`. */
  readonly names: readonly string[]
  readonly load: (name: string) => Promise<CommandSpec | undefined>
  /** Prints the help of a command, or of everything, and gives the exit code. */
  readonly help: (name: string | undefined) => Promise<number>
}

export const textOption = (options: OptionValues, name: string): string | undefined => {
  const value = options[name]
  return typeof value === "string" ? value : undefined
}

export const listOption = (options: OptionValues, name: string): readonly string[] => {
  const value = options[name]
  return Array.isArray(value) ? (value as readonly string[]) : typeof value === "string" ? [value] : []
}

export const flagOption = (options: OptionValues, name: string): boolean => options[name] === true
