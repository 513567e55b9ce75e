import { ok } from "@keyferry/base"

import { clearLater } from "../clipboard.ts"
import type { CommandSpec } from "../command.ts"

export const command: CommandSpec = {
  name: "__clear-clipboard",
  summary: "clears the clipboard later; started by kf copy",
  hidden: true,
  run: async (context) => {
    const order = context.secrets.stdin("the order")
    if (!order.ok) return order
    await clearLater(order.value)
    return ok("done")
  },
}
