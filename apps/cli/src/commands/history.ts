import { ok } from "@keyferry/base"

import { type CommandSpec, flagOption } from "../command.ts"
import { openVault } from "../context.ts"
import { findAmong } from "../find.ts"
import { iso, when } from "../format.ts"
import { printable } from "../io.ts"
import { table } from "../table.ts"
import { fieldDocument, fieldText } from "../views.ts"

export const command: CommandSpec = {
  name: "history",
  summary: "the revisions of an item, newest first",
  args: "<ref>",
  more: ["Revisions that were never sent count back from now: -1 is the one before the current."],
  options: [{ flags: "--reveal", text: "show the secrets too" }],
  run: async (context, [ref = ""], options) => {
    const keyferry = await openVault(context)
    if (!keyferry.ok) return keyferry
    const [list, bin] = [await keyferry.value.list(), await keyferry.value.bin()]
    if (!list.ok) return list
    if (!bin.ok) return bin
    const found = findAmong(ref, [...list.value, ...bin.value], context.settings.vault)
    if (!found.ok) return found
    const history = await keyferry.value.history(found.value.item.id)
    if (!history.ok) return history
    const reveal = flagOption(options, "reveal")
    const revisions = history.value
    const nowMs = context.clock.nowMs()
    context.io.answer(
      {
        schema: "kf.history/1",
        id: found.value.item.id,
        data: revisions.map((revision) => ({
          rev: revision.rev,
          at: iso(revision.atMs),
          device: revision.deviceId,
          title: revision.title,
          fields: revision.fields.map((field) => fieldDocument(field, reveal)),
        })),
        nextCursor: null,
      },
      table(
        context.io,
        ["REV", "WHEN", "TITLE", "FIELDS", "DEVICE"],
        revisions.map((revision) => [
          String(revision.rev),
          when(revision.atMs, nowMs, context.env["TZ"]),
          printable(revision.title),
          revision.fields.map((field) => `${printable(field.name)}=${fieldText(field, reveal)}`).join(" "),
          revision.deviceId,
        ]),
      ),
    )
    return ok("done")
  },
}
