import { err, ok } from "@keyferry/base"

import { type CommandSpec, textOption } from "../command.ts"
import { openVault } from "../context.ts"
import { usage } from "../failures.ts"
import { findAmong } from "../find.ts"
import { printable } from "../io.ts"
import { itemDocument } from "../views.ts"

export const command: CommandSpec = {
  name: "restore",
  summary: "bring an item back from the bin, or an old revision of one",
  args: "<ref>",
  options: [{ flags: "--rev <number>", text: "the revision to bring back: kf history REF" }],
  run: async (context, [ref = ""], options) => {
    const text = textOption(options, "rev")
    if (text !== undefined && !/^-?\d{1,10}$/.test(text)) return err(usage("--rev takes the number of a revision."))
    const rev = text === undefined ? undefined : Number(text)
    const keyferry = await openVault(context)
    if (!keyferry.ok) return keyferry
    const [bin, list] = [await keyferry.value.bin(), await keyferry.value.list()]
    if (!bin.ok) return bin
    if (!list.ok) return list
    const binned = findAmong(ref, bin.value)
    const found = binned.ok ? binned : findAmong(ref, list.value, context.settings.vault)
    if (!found.ok) return binned.ok ? found : binned.error.code === "ambiguous-reference" ? binned : found
    if (!binned.ok && rev === undefined)
      return err(
        usage(`“${printable(found.value.item.title)}” is not in the bin; --rev N brings an old revision back.`),
      )
    const restored = await keyferry.value.restore(found.value.item.id, rev)
    if (!restored.ok) return restored
    context.io.answer({ schema: "kf.item/1", ...itemDocument(restored.value) }, [
      `“${printable(restored.value.title)}” is back${rev === undefined ? "" : ` as it was in revision ${rev}`}, now revision ${restored.value.rev}.`,
    ])
    return ok("done")
  },
}
