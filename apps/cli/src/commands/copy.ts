import { err, ok } from "@keyferry/base"
import { failure } from "@keyferry/sdk/errors"

import { copyToClipboard, findClipboard, startClearing } from "../clipboard.ts"
import { type CommandSpec, textOption } from "../command.ts"
import { usage } from "../failures.ts"
import { parseDuration } from "../format.ts"
import { printable } from "../io.ts"
import { readReference } from "./read.ts"

const DEFAULT_CLEAR_MS = 45_000

export const command: CommandSpec = {
  name: "copy",
  summary: "copy one field; the clipboard is cleared after 45 s if nothing else was copied",
  args: "<ref> [field]",
  options: [{ flags: "--clear <seconds>", text: "clear after this time; 0 leaves it there" }],
  run: async (context, [ref = "", field], options) => {
    const given = textOption(options, "clear")
    const clearMs = given === "0" ? 0 : given === undefined ? DEFAULT_CLEAR_MS : parseDuration(given)
    if (clearMs === undefined) return err(usage("--clear takes seconds, or 0 for never."))
    const clipboard = findClipboard(context.env)
    if (clipboard === undefined) {
      return err(
        failure("needs-terminal", "No clipboard here: install wl-clipboard, xclip or xsel, or print it with kf read."),
      )
    }
    const found = await readReference(context, ref, field)
    if (!found.ok) return found
    if (!(await copyToClipboard(clipboard, found.value.value))) {
      return err(failure("internal", `${clipboard.name} could not reach the clipboard.`))
    }
    if (clearMs > 0) startClearing(context.program, clipboard.name, clearMs, found.value.value)
    context.io.answer(
      { schema: "kf.copied/1", id: found.value.item.id, field: found.value.name, clearedAfterS: clearMs / 1000 },
      [
        `Copied “${printable(found.value.name)}” of “${printable(found.value.item.title)}”${clearMs > 0 ? `; cleared in ${clearMs / 1000} s` : ""}.`,
      ],
    )
    return ok("done")
  },
}
