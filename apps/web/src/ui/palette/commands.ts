import { useEffect } from "react"

import type { MessageId } from "../../i18n/translate.ts"
import { getPreferences } from "../data/preferences.ts"

/*
 * Everything that has a button has a command. Screens say what a command does while they are shown; a command that nobody
 * answers is not offered.
 */
export interface CommandSpec {
  readonly id: string
  readonly label: MessageId
  /** A single key, two in a row ("g d"), or none. */
  readonly key?: string
  readonly goTo?: string
}

export const COMMANDS = [
  { id: "list.filter", label: "command.filter", key: "/" },
  { id: "list.next", label: "command.next", key: "j" },
  { id: "list.previous", label: "command.previous", key: "k" },
  { id: "list.select", label: "command.select", key: "x" },
  { id: "list.clear", label: "command.clear" },
  { id: "item.new", label: "command.new", key: "n" },
  { id: "item.edit", label: "command.edit", key: "e" },
  { id: "item.copy", label: "command.copy", key: "c" },
  { id: "item.copy-public", label: "command.copy-public", key: "u" },
  { id: "item.reveal", label: "command.reveal", key: "." },
  { id: "sync.now", label: "command.sync", key: "s" },
  { id: "go.credentials", label: "command.go-credentials", key: "g c", goTo: "/" },
  { id: "go.devices", label: "command.go-devices", key: "g d", goTo: "/devices" },
  { id: "go.activity", label: "command.go-activity", key: "g a", goTo: "/activity" },
  { id: "go.settings", label: "command.go-settings", key: "g s", goTo: "/settings" },
  { id: "go.sync", label: "command.turn-on-sync", goTo: "/turn-on-sync" },
  { id: "go.conflicts", label: "command.go-conflicts", goTo: "/conflicts" },
  { id: "go.bin", label: "command.go-bin", goTo: "/bin" },
  { id: "go.replace", label: "command.go-replace", goTo: "/replace" },
  { id: "go.copies", label: "command.go-copies", goTo: "/settings/copies" },
  { id: "go.password", label: "command.go-password", goTo: "/settings/sign-in" },
  { id: "go.security", label: "command.go-security", goTo: "/security" },
  { id: "app.shortcuts", label: "command.shortcuts", key: "?" },
  { id: "app.theme", label: "command.theme" },
  { id: "app.density", label: "command.density" },
  { id: "app.lock", label: "command.lock" },
  { id: "app.sign-out", label: "command.sign-out", goTo: "/sign-out" },
] as const satisfies readonly CommandSpec[]

export type CommandId = (typeof COMMANDS)[number]["id"]
export type Commands = Partial<Readonly<Record<CommandId, () => void>>>

const answered: Commands[] = []

/** While the calling screen is shown, its answers come before those of the screens around it. */
export const useCommands = (commands: Commands): void => {
  useEffect(() => {
    answered.push(commands)
    return () => {
      answered.splice(answered.indexOf(commands), 1)
    }
  }, [commands])
}

export const answerOf = (id: CommandId): (() => void) | undefined =>
  answered.findLast((commands) => commands[id] !== undefined)?.[id]

export const specsOf = (): readonly (CommandSpec & { readonly id: CommandId })[] => COMMANDS

/** The key of a command now: the person's own, the usual one, or none. */
export const keyOf = (spec: CommandSpec): string | undefined => {
  const { keys, singleKeys } = getPreferences()
  if (!singleKeys) return undefined
  const own = keys[spec.id]
  return own === "" ? undefined : (own ?? spec.key)
}

export const commandOfKey = (typed: string): CommandId | undefined =>
  specsOf().find((spec) => keyOf(spec) === typed)?.id
export const beginsKey = (typed: string): boolean =>
  specsOf().some((spec) => keyOf(spec)?.startsWith(`${typed} `) === true)
