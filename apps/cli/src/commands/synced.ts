import { ok } from "@keyferry/base"

import type { CommandSpec } from "../command.ts"
import { openVault } from "../context.ts"
import { warnOfWithdrawal } from "../exchange-keys.ts"
import { findItems } from "../find.ts"
import { count } from "../format.ts"
import { itemDocument } from "../views.ts"

export const command: CommandSpec = {
  name: "synced",
  summary: "let items travel to your other devices, sealed",
  args: "<refs...>",
  run: async (context, refs) => {
    const keyferry = await openVault(context)
    if (!keyferry.ok) return keyferry
    const items = await findItems(keyferry.value, refs, context.settings.vault)
    if (!items.ok) return items
    const set = await keyferry.value.setPolicy(
      items.value.map((item) => item.id),
      "synced",
    )
    if (!set.ok) return set
    warnOfWithdrawal(
      context,
      items.value.map((item) => ({ ...item, policy: "synced" as const })),
    )
    const { sync } = await keyferry.value.status()
    context.io.answer(
      {
        schema: "kf.items/1",
        data: items.value.map((item) => ({ ...itemDocument(item), policy: "synced" })),
        nextCursor: null,
      },
      [
        `${count(items.value.length, "item")} marked to be synced.${sync.on ? "" : " Sync is off on this device: kf sync on"}`,
      ],
    )
    return ok("done")
  },
}
