import { ok } from "@keyferry/base"
import { kinds } from "@keyferry/items"

import type { CommandSpec } from "../command.ts"
import type { Context } from "../context.ts"
import { printable } from "../io.ts"

export const command: CommandSpec = {
  name: "__complete",
  summary: "what may stand in place of the last word; for completion scripts",
  args: "[words...]",
  hidden: true,
  run: async (context, words) => {
    for (const line of await complete(context, words)) context.io.line(line)
    return ok("done")
  },
}

/** The last word is the one being typed, perhaps empty. Silent wherever there is nothing to say. */
export const complete = async (context: Context, words: readonly string[]): Promise<readonly string[]> => {
  const typed = words.at(-1) ?? ""
  const before = words.slice(0, -1).filter((word) => !word.startsWith("-"))
  const candidates = await candidatesFor(context, before, words.at(-2), typed)
  return candidates.filter((candidate) => candidate.toLowerCase().startsWith(typed.toLowerCase()))
}

const candidatesFor = async (
  context: Context,
  before: readonly string[],
  previous: string | undefined,
  typed: string,
): Promise<readonly string[]> => {
  const [name, second] = before
  if (name === undefined) return typed.startsWith("-") ? GLOBAL_FLAGS : context.catalogue.names
  const top = await context.catalogue.load(name)
  if (top === undefined) return []
  const spec = top.subcommands?.find((sub) => sub.name === second) ?? top
  const option = (spec.options ?? []).find(
    (each) => previous !== undefined && each.flags.split(/[ ,]+/).includes(previous),
  )
  if (option?.choices !== undefined) return option.choices
  if (typed.startsWith("-"))
    return [...(spec.options ?? []).flatMap((each) => each.flags.match(/--[a-z-]+/g) ?? []), ...GLOBAL_FLAGS]
  if (top.subcommands !== undefined && second === undefined && spec === top)
    return top.subcommands.map((sub) => sub.name)
  if (name === "add" && before.length === 1) return kinds.map((kind) => kind.kind)
  if (name === "add") return fieldNames(second)
  if (name === "sync" && (second === "auto" || second === "credentials")) return ["on", "off"]
  if (name === "help") return [...context.catalogue.names, "codes", "secrets", "refs", "compat"]
  if (name === "device" && before.length === 2) return names(context, "devices")
  return /<refs?\b|\[refs/.test(spec.args ?? "") ? names(context, "items") : []
}

const fieldNames = (kindName: string | undefined): readonly string[] =>
  (kinds.find((kind) => kind.kind === kindName)?.fields ?? []).map((field) => `${field.name}=`)

/** Only from a running agent with an open vault: completing starts nothing and asks nothing. */
const names = async (context: Context, what: "items" | "devices"): Promise<readonly string[]> => {
  if (context.place !== "agent") return []
  const connected = await context.connect()
  if (!connected.ok) return []
  const { keyferry } = connected.value
  const { lock } = await keyferry.status()
  if (lock !== "unlocked" && lock !== "standard-only") return []
  if (what === "devices") {
    const devices = await keyferry.devices()
    return devices.ok ? devices.value.map((device) => printable(device.name)) : []
  }
  const items = await keyferry.list()
  return items.ok ? items.value.map((item) => printable(item.title)) : []
}

const GLOBAL_FLAGS = ["--profile", "--json", "--quiet", "--no-input", "--yes", "--timeout", "--help"]
