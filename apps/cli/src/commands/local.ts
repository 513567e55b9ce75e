import { err, ok, type Result } from "@keyferry/base"
import type { Failure } from "@keyferry/sdk/errors"

import { type CommandSpec, type OptionSpec, type OptionValues, textOption } from "../command.ts"
import { type Context, openVault } from "../context.ts"
import { needsTerminal } from "../failures.ts"
import { findItems } from "../find.ts"
import { count } from "../format.ts"
import { itemDocument, nameSome } from "../views.ts"

export const ELSEWHERE: OptionSpec = {
  flags: "--elsewhere <what>",
  text: "copies on other devices: keep (as local-only copies there) or delete (at their next contact)",
  choices: ["keep", "delete"],
}

export const command: CommandSpec = {
  name: "local",
  summary: "keep items on this device only; the server's copies are deleted",
  args: "<refs...>",
  options: [ELSEWHERE],
  run: async (context, refs, options) => {
    const keyferry = await openVault(context)
    if (!keyferry.ok) return keyferry
    const found = await findItems(keyferry.value, refs, context.settings.vault)
    if (!found.ok) return found
    const items = found.value.filter((item) => item.policy === "synced")
    if (items.length > 0) {
      const elsewhere = await askElsewhere(context, options, nameSome(items.map((item) => item.title)))
      if (!elsewhere.ok) return elsewhere
      const set = await keyferry.value.setPolicy(
        items.map((item) => item.id),
        "local-only",
        elsewhere.value,
      )
      if (!set.ok) return set
    }
    const already = found.value.length - items.length
    context.io.answer(
      {
        schema: "kf.items/1",
        data: found.value.map((item) => ({ ...itemDocument(item), policy: "local-only" })),
        nextCursor: null,
      },
      [
        ...(items.length === 0
          ? []
          : [
              `${count(items.length, "item")} now on this device only; the server's ${items.length === 1 ? "copy is" : "copies are"} deleted. Export before you clear this device: nobody else has them.`,
            ]),
        ...(already === 0 ? [] : [`${count(already, "item")} already on this device only.`]),
      ],
    )
    return ok("done")
  },
}

/** What happens to the copies on other devices. Keeping is the default, and is what silence means without a terminal. */
export const askElsewhere = async (
  context: Context,
  options: OptionValues,
  what: string,
): Promise<Result<"keep" | "delete", Failure>> => {
  const chosen = textOption(options, "elsewhere")
  if (chosen === "keep" || chosen === "delete") return ok(chosen)
  if (context.settings.yes) return ok("keep")
  if (context.prompter === undefined)
    return err(needsTerminal("Say what happens to copies on other devices: --elsewhere keep or --elsewhere delete."))
  const answer = await context.prompter.choose(`What happens to ${what} on your other devices?`, [
    "They stay there as local-only copies (nothing is lost)",
    "They are deleted there at the next contact",
  ])
  return answer.ok ? ok(answer.value === 0 ? "keep" : "delete") : answer
}
