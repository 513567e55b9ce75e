import { ok } from "@keyferry/base"

import { type CommandSpec, flagOption, textOption } from "../command.ts"
import { openVault } from "../context.ts"
import { itemDocument, itemTable } from "../views.ts"

export const command: CommandSpec = {
  name: "ls",
  summary: "list items",
  args: "[words...]",
  options: [
    { flags: "--kind <kind>", text: "only this kind" },
    { flags: "--tag <tag>", text: "only with this tag" },
    { flags: "--local", text: "only what is on this device alone" },
    { flags: "--synced", text: "only what is synced or waits to be" },
    { flags: "--bin", text: "deleted items of the last 30 days" },
  ],
  more: ["Words: shown are items whose title, kind, tags or detail contain every one of them."],
  run: async (context, words, options) => {
    const keyferry = await openVault(context)
    if (!keyferry.ok) return keyferry
    const listed = await (flagOption(options, "bin") ? keyferry.value.bin() : keyferry.value.list())
    if (!listed.ok) return listed
    const kind = textOption(options, "kind")
    const tag = textOption(options, "tag")
    const wanted = words.map((word) => word.toLowerCase())
    const items = listed.value
      .filter((item) => kind === undefined || item.kind === kind)
      .filter((item) => tag === undefined || item.tags.includes(tag))
      .filter((item) => !flagOption(options, "local") || item.policy === "local-only")
      .filter((item) => !flagOption(options, "synced") || item.policy === "synced")
      .filter((item) => {
        const text = [item.title, item.kind, item.summary, ...item.tags].join("\n").toLowerCase()
        return wanted.every((word) => text.includes(word))
      })
      .toSorted((a, b) => a.title.localeCompare(b.title) || (a.id < b.id ? -1 : 1))
    context.io.answer(
      { schema: "kf.items/1", data: items.map(itemDocument), nextCursor: null },
      itemTable(context.io, items),
    )
    if (items.length === 0 && !context.io.json) {
      context.io.say(listed.value.length === 0 ? "Nothing here yet. kf add KIND adds an item." : "No item matches.")
    }
    return ok("done")
  },
}
