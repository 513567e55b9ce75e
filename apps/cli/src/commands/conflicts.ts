import { err, ok } from "@keyferry/base"
import { failure } from "@keyferry/sdk/errors"

import { type CommandSpec, type Ending, flagOption, textOption } from "../command.ts"
import { type Context, openVault } from "../context.ts"
import { needsTerminal, usage } from "../failures.ts"
import { findItem } from "../find.ts"
import { printable } from "../io.ts"
import { strong, table } from "../table.ts"
import { HIDDEN, itemDocument } from "../views.ts"

const list = async (context: Context): Promise<Ending> => {
  const keyferry = await openVault(context)
  if (!keyferry.ok) return keyferry
  const items = await keyferry.value.list()
  if (!items.ok) return items
  const split = items.value.filter((item) => item.conflicts > 0)
  context.io.answer(
    { schema: "kf.conflicts/1", data: split.map(itemDocument), nextCursor: null },
    table(
      context.io,
      ["TITLE", "KIND", "FIELDS", "ID"],
      split.map((item) => [printable(item.title), item.kind, String(item.conflicts), item.id]),
    ),
  )
  if (split.length === 0 && !context.io.json) context.io.say("No item has two versions.")
  return ok("done")
}

export const command: CommandSpec = {
  name: "conflicts",
  summary: "items with two versions of a field",
  run: list,
  subcommands: [
    { name: "ls", summary: "list them", run: list },
    {
      name: "show",
      summary: "both versions of each field",
      args: "<ref>",
      options: [{ flags: "--reveal", text: "show the secrets too" }],
      run: async (context, [ref = ""], options) => {
        const keyferry = await openVault(context)
        if (!keyferry.ok) return keyferry
        const found = await findItem(keyferry.value, ref, context.settings.vault)
        if (!found.ok) return found
        const view = await keyferry.value.get(found.value.item.id)
        if (!view.ok) return view
        const reveal = flagOption(options, "reveal")
        const isSecret = (name: string): boolean =>
          view.value.fields.find((field) => field.name === name)?.secret ?? name !== "title"
        const shown = (name: string, value: string): string => (isSecret(name) && !reveal ? HIDDEN : printable(value))
        const hidden = (name: string, value: string): unknown =>
          isSecret(name) && !reveal ? { redacted: true } : value
        const currentOf = (name: string): string =>
          name === "title" ? view.value.title : (view.value.fields.find((field) => field.name === name)?.value ?? "")
        const names = [...new Set(view.value.alternatives.map((other) => other.field))]
        context.io.answer(
          {
            schema: "kf.conflict/1",
            ...itemDocument(view.value),
            fields: names.map((name) => ({
              name,
              secret: isSecret(name),
              current: hidden(name, currentOf(name)),
              others: view.value.alternatives
                .filter((other) => other.field === name)
                .map((other, index) => ({
                  take: index + 1,
                  rev: other.rev,
                  device: other.deviceId,
                  value: hidden(name, other.value),
                })),
            })),
          },
          names.length === 0
            ? [`“${printable(view.value.title)}” has one version of everything.`]
            : [
                strong(context.io, printable(view.value.title)),
                ...table(
                  context.io,
                  ["FIELD", "TAKE", "VALUE", "FROM"],
                  names.flatMap((name) => [
                    [printable(name), "current", shown(name, currentOf(name)), "in use now"],
                    ...view.value.alternatives
                      .filter((other) => other.field === name)
                      .map((other, index) => [
                        "",
                        String(index + 1),
                        shown(name, other.value),
                        `revision ${other.rev} of ${other.deviceId}`,
                      ]),
                  ]),
                ),
                `Choose with kf conflicts pick ${view.value.id} FIELD --take current, or --take and the number.`,
              ],
        )
        return ok("done")
      },
    },
    {
      name: "pick",
      summary: "choose the version that stays; the other remains in the history",
      args: "<ref> <field>",
      options: [{ flags: "--take <which>", text: "current, or the number that kf conflicts show prints" }],
      run: async (context, [ref = "", field = ""], options) => {
        const keyferry = await openVault(context)
        if (!keyferry.ok) return keyferry
        const found = await findItem(keyferry.value, ref, context.settings.vault)
        if (!found.ok) return found
        const view = await keyferry.value.get(found.value.item.id)
        if (!view.ok) return view
        const others = view.value.alternatives.filter((other) => other.field === field)
        if (others.length === 0) return err(failure("not-found", "This field has one version only."))
        let take = textOption(options, "take")
        if (take === undefined) {
          if (context.prompter === undefined)
            return err(needsTerminal("Say which version stays: --take current, or --take and the number."))
          const choice = await context.prompter.choose("Which version stays?", [
            "the one in use now",
            ...others.map((other) => `the one of revision ${other.rev}, from ${other.deviceId}`),
          ])
          if (!choice.ok) return choice
          take = choice.value === 0 ? "current" : String(choice.value)
        }
        const index = others.findIndex((_, at) => String(at + 1) === take)
        if (take !== "current" && index === -1)
          return err(usage(`--take is current, or a number from 1 to ${others.length}.`))
        const resolved = await keyferry.value.resolve(view.value.id, field, take === "current" ? "current" : index)
        if (!resolved.ok) return resolved
        context.io.answer({ schema: "kf.item/1", ...itemDocument(resolved.value) }, [
          `“${printable(field)}” has one version again${resolved.value.conflicts > 0 ? `; ${resolved.value.conflicts} more to choose` : ""}.`,
        ])
        return ok("done")
      },
    },
  ],
}
