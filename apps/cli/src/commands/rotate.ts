import { err, ok } from "@keyferry/base"
import { failure } from "@keyferry/sdk/errors"

import type { CommandSpec, Ending } from "../command.ts"
import { type Context, openVault } from "../context.ts"
import { findAmong } from "../find.ts"
import { count } from "../format.ts"
import { printable } from "../io.ts"
import { rotationDocument, rotationTable } from "../views.ts"

const list = async (context: Context): Promise<Ending> => {
  const keyferry = await openVault(context)
  if (!keyferry.ok) return keyferry
  const entries = await keyferry.value.rotationList()
  if (!entries.ok) return entries
  context.io.answer(
    { schema: "kf.rotation/1", data: rotationDocument(entries.value), nextCursor: null },
    rotationTable(context.io, entries.value),
  )
  const left = entries.value.filter((entry) => entry.doneAtMs === undefined).length
  if (!context.io.json) {
    context.io.say(
      left === 0
        ? "Nothing is left to change."
        : `${count(left, "secret")} still to be replaced where they are used. New keys here do not change what the removed device already knows.`,
    )
  }
  return ok("done")
}

export const command: CommandSpec = {
  name: "rotate",
  summary: "what a removed device could read, worst first, to be replaced by you",
  run: list,
  subcommands: [
    { name: "ls", summary: "list it", run: list },
    {
      name: "done",
      summary: "tick one off, after its secret was replaced",
      args: "<ref>",
      run: async (context, [ref = ""]) => {
        const keyferry = await openVault(context)
        if (!keyferry.ok) return keyferry
        const entries = await keyferry.value.rotationList()
        if (!entries.ok) return entries
        const items = await keyferry.value.list()
        if (!items.ok) return items
        const direct = entries.value.find((entry) => entry.itemId === ref)
        const found = direct === undefined ? findAmong(ref, items.value, context.settings.vault) : undefined
        if (found !== undefined && !found.ok) return found
        const id = direct?.itemId ?? (found?.ok === true ? found.value.item.id : ref)
        const entry = entries.value.find((candidate) => candidate.itemId === id)
        if (entry === undefined) return err(failure("not-found", "It is not on the list: kf rotate ls"))
        const done = await keyferry.value.rotationDone(id)
        if (!done.ok) return done
        const left = entries.value.filter((other) => other.doneAtMs === undefined && other.itemId !== id).length
        context.io.answer({ schema: "kf.rotation-done/1", id, left }, [
          `“${printable(entry.title)}” is done; ${left === 0 ? "nothing is left" : `${left} left`}.`,
        ])
        return ok("done")
      },
    },
  ],
}
