import { ok } from "@keyferry/base"

import { type CommandSpec, flagOption } from "../command.ts"
import { openVault } from "../context.ts"
import { findItem } from "../find.ts"
import { when } from "../format.ts"
import { printable } from "../io.ts"
import { pairs, strong } from "../table.ts"
import { CUSTODY, fieldText, viewDocument } from "../views.ts"

export const command: CommandSpec = {
  name: "get",
  summary: "show an item; secrets stay hidden",
  args: "<ref>",
  options: [{ flags: "--reveal", text: "show the secrets too" }],
  more: ["A ref is a title, an id (itm_…) or kf://VAULT/TITLE."],
  run: async (context, [ref = ""], options) => {
    const keyferry = await openVault(context)
    if (!keyferry.ok) return keyferry
    const found = await findItem(keyferry.value, ref, context.settings.vault)
    if (!found.ok) return found
    const item = await keyferry.value.get(found.value.item.id)
    if (!item.ok) return item
    const reveal = flagOption(options, "reveal")
    const view = item.value
    const nowMs = context.clock.nowMs()
    context.io.answer({ schema: "kf.item/1", ...viewDocument(view, reveal) }, [
      strong(context.io, printable(view.title)),
      ...pairs([
        ["kind", view.kind],
        ...view.fields.map((field): [string, string] => [printable(field.name), fieldText(field, reveal)]),
        ...(view.tags.length === 0 ? [] : [["tags", printable(view.tags.join(", "))] as [string, string]]),
        ["where", CUSTODY[view.custody]],
        // What is not synced may belong to no account at all; the class says nothing then.
        ...(view.policy === "synced"
          ? [
              ["opens", view.class === "strict" ? "only while the server answers" : "also offline, for a while"] as [
                string,
                string,
              ],
            ]
          : []),
        ["changed", `${when(view.updatedAtMs, nowMs, context.env["TZ"])}, revision ${view.rev}`],
        ["id", view.id],
      ]),
      ...(view.conflicts > 0
        ? [
            "",
            `${view.conflicts === 1 ? "One field has" : `${view.conflicts} fields have`} two versions: kf conflicts show ${view.id}`,
          ]
        : []),
    ])
    return ok("done")
  },
}
