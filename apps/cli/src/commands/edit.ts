import { err, ok, type Result } from "@keyferry/base"
import { kindByName, normaliseField } from "@keyferry/items"
import type { Failure } from "@keyferry/sdk/errors"

import { type CommandSpec, listOption, textOption } from "../command.ts"
import { type Context, openVault } from "../context.ts"
import { needsTerminal, usage } from "../failures.ts"
import { refuseMainWallet, warnOfWithdrawal } from "../exchange-keys.ts"
import { fieldFailure, readFieldEntries, specFor, splitFieldWords } from "../field-input.ts"
import { findItem } from "../find.ts"
import { printable } from "../io.ts"
import type { ItemChange, ItemView } from "../keyferry.ts"
import { CUSTODY, itemDocument } from "../views.ts"
import { classOf } from "./add.ts"

type FieldChange = NonNullable<ItemChange["fields"]>[number]

export const command: CommandSpec = {
  name: "edit",
  summary: "change an item; its old values are kept for 30 days",
  args: "<ref> [fields...]",
  options: [
    { flags: "--title <text>", text: "a new title" },
    { flags: "--tag <tag>", text: "the tags, replacing those it has; may be repeated", repeat: true },
    { flags: "--no-tags", text: "take all tags off" },
    { flags: "--remove-field <name>", text: "take a field out; may be repeated", repeat: true },
    { flags: "--class <class>", text: "strict or standard", choices: ["strict", "standard"] },
  ],
  more: ["Fields are name=value; a secret one is name=- (stdin) or name=@FILE. Without any, each field is asked."],
  run: async (context, [ref = "", ...words], options) => {
    const keyferry = await openVault(context)
    if (!keyferry.ok) return keyferry
    const found = await findItem(keyferry.value, ref, context.settings.vault)
    if (!found.ok) return found
    const view = await keyferry.value.get(found.value.item.id)
    if (!view.ok) return view
    const { plain, entries } = splitFieldWords(words)
    if (plain.length > 0) return err(usage("Changes are written name=value."))
    const removed = listOption(options, "removeField")
    const unknown = removed.find((name) => !view.value.fields.some((field) => field.name === name))
    if (unknown !== undefined) return err(usage(`The item has no field “${printable(unknown)}”.`))
    const title = textOption(options, "title")
    const tags = options["tags"] === false ? [] : options["tag"] === undefined ? undefined : listOption(options, "tag")
    const itemClass = classOf(options)
    const nothing =
      entries.length === 0 &&
      removed.length === 0 &&
      title === undefined &&
      tags === undefined &&
      itemClass.class === undefined
    const changes = nothing ? await askEach(context, view.value) : readChanges(context, view.value, entries)
    if (!changes.ok) return changes
    const fields = [...changes.value, ...removed.map((name) => ({ name, value: null }))]
    if (nothing && fields.length === 0) {
      context.io.say("Nothing was changed.")
      return ok("done")
    }
    const after = new Map(view.value.fields.map((field) => [field.name, field.value] as const))
    for (const { name, value } of fields) {
      if (value === null) after.delete(name)
      else after.set(name, value)
    }
    const agent = await refuseMainWallet(view.value.kind, Object.fromEntries(after))
    if (!agent.ok) return agent
    const change: ItemChange = {
      ...(title === undefined ? {} : { title }),
      ...(tags === undefined ? {} : { tags }),
      ...(fields.length === 0 ? {} : { fields }),
      ...itemClass,
    }
    const edited = await keyferry.value.edit(view.value.id, change)
    if (!edited.ok) return edited
    if (changes.value.some((field) => field.name === "permissions")) warnOfWithdrawal(context, [edited.value])
    context.io.answer({ schema: "kf.item/1", ...itemDocument(edited.value) }, [
      `Changed “${printable(edited.value.title)}”, revision ${edited.value.rev}, ${CUSTODY[edited.value.custody]}.`,
    ])
    return ok("done")
  },
}

const readChanges = (
  context: Context,
  view: ItemView,
  entries: readonly (readonly [string, string])[],
): Result<readonly FieldChange[], Failure> => {
  const existing = new Map(view.fields.map((field) => [field.name, field.secret]))
  const read = readFieldEntries(context, kindByName(view.kind), entries, existing)
  if (!read.ok) return read
  const changes: FieldChange[] = []
  for (const [name, value] of read.value) {
    const cleaned = cleanOne(context, view, name, value)
    if (!cleaned.ok) return cleaned
    changes.push(cleaned.value)
  }
  return ok(changes)
}

/** Trims and checks one value by its kind's rule; the SDK checks the item as a whole. */
const cleanOne = (context: Context, view: ItemView, name: string, value: string): Result<FieldChange, Failure> => {
  const kind = kindByName(view.kind)
  const known = Object.fromEntries(view.fields.map((field) => [field.name, field.value]))
  const existing = view.fields.find((field) => field.name === name)
  if (value === "") return ok({ name, value: null })
  if (kind === undefined) return ok({ name, value, secret: existing?.secret ?? true })
  const spec = specFor(kind, known, name)
  const cleaned = normaliseField(spec, value)
  if (!cleaned.ok) return err(fieldFailure(cleaned.error, kind, known))
  if (cleaned.value.trimmed) context.io.say(`Spaces at the ends of “${name}” were cut.`)
  return ok({ name, value: cleaned.value.value, secret: existing?.secret ?? spec.secret })
}

const askEach = async (context: Context, view: ItemView): Promise<Result<readonly FieldChange[], Failure>> => {
  const { prompter } = context
  if (prompter === undefined) return err(needsTerminal("Say what to change: kf edit REF name=value, --title, --tag."))
  prompter.show("Enter keeps a value; a single - takes the field out.")
  const changes: FieldChange[] = []
  for (const field of view.fields) {
    const oneLine = !field.value.includes("\n")
    const answer = field.secret
      ? await prompter.hidden(`${field.name} (hidden):`)
      : await prompter.text(`${field.name}${oneLine && field.value !== "" ? ` [${printable(field.value)}]` : ""}:`)
    if (!answer.ok) return answer
    if (answer.value === "") continue
    const cleaned = cleanOne(context, view, field.name, answer.value === "-" ? "" : answer.value)
    if (!cleaned.ok) return cleaned
    if (cleaned.value.value !== field.value) changes.push(cleaned.value)
  }
  return ok(changes)
}
