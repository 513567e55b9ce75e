import { err, ok } from "@keyferry/base"
import { failure } from "@keyferry/sdk/errors"

import type { CommandSpec } from "../command.ts"
import { confirmed, openVault } from "../context.ts"
import { findItems } from "../find.ts"
import { count } from "../format.ts"
import { nameSome } from "../views.ts"

export const command: CommandSpec = {
  name: "rm",
  summary: "move items to the bin, for 30 days",
  args: "<refs...>",
  run: async (context, refs) => {
    const keyferry = await openVault(context)
    if (!keyferry.ok) return keyferry
    const items = await findItems(keyferry.value, refs, context.settings.vault)
    if (!items.ok) return items
    const all = await keyferry.value.list()
    if (!all.ok) return all
    // A wrong pattern in a script empties a vault in one line; a person is asked anyway.
    if (!context.settings.yes && context.prompter === undefined && isShrinking(items.value.length, all.value.length))
      return err(failure("shrink-guard", `${count(items.value.length, "item")} of ${all.value.length}.`))
    const synced = items.value.filter((item) => item.policy === "synced").length
    const everywhere =
      synced > 0
        ? ` ${synced === items.value.length ? "They go" : `${synced} of them go`} from your other devices too.`
        : ""
    const go = await confirmed(
      context,
      `Delete ${nameSome(items.value.map((item) => item.title))}?${everywhere} kf restore brings them back for 30 days.`,
      true,
    )
    if (!go.ok) return go
    if (!go.value) return err(failure("not-allowed", "You said no; nothing was deleted."))
    for (const item of items.value) {
      const removed = await keyferry.value.remove(item.id)
      if (!removed.ok) return removed
    }
    context.io.answer(
      { schema: "kf.removed/1", data: items.value.map((item) => ({ id: item.id, title: item.title })) },
      [`Moved ${count(items.value.length, "item")} to the bin.`],
    )
    return ok("done")
  },
}

/** At least ten, and more than half of what is there. */
const isShrinking = (removed: number, all: number): boolean => removed >= 10 && removed * 2 > all
