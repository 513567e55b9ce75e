import { err, ok } from "@keyferry/base"
import { failure } from "@keyferry/sdk/errors"

import type { CommandSpec } from "../command.ts"
import { confirmed } from "../context.ts"
import { count } from "../format.ts"

export const command: CommandSpec = {
  name: "rescue",
  summary: "open this device's store with the kit, without any server",
  more: [
    "For a server that is gone, or a forgotten password. The items become a vault of this device alone, under a new password.",
  ],
  run: async (context) => {
    const connected = await context.connect()
    if (!connected.ok) return connected
    const { keyferry } = connected.value
    const { mode } = await keyferry.status()
    if (mode !== "account") return err(failure("not-found", "This profile has no account's store to rescue."))
    const go = await confirmed(
      context,
      "This device leaves the account's sync and keeps what it has as its own. Go on?",
    )
    if (!go.ok) return go
    if (!go.value) return err(failure("not-allowed", "You said no; nothing was changed."))
    const kit = await context.secrets.ask("kit", { prompt: "Code of your recovery kit (KF1-…):", shown: true })
    if (!kit.ok) return kit
    const password = await context.secrets.ask("new-password", {
      prompt: "Choose a new password for this device:",
      twice: true,
    })
    if (!password.ok) return password
    const rescued = await keyferry.rescue(kit.value, password.value)
    if (!rescued.ok) return rescued
    context.io.answer({ schema: "kf.rescued/1", items: rescued.value.items }, [
      `${count(rescued.value.items, "item")} opened, now in a vault of this device alone. Make a copy that needs nothing of ours: kf export archive -o FILE`,
    ])
    return ok("done")
  },
}
