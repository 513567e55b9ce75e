import { err, ok } from "@keyferry/base"
import { failure } from "@keyferry/sdk/errors"

import type { CommandSpec } from "../command.ts"
import { confirmed } from "../context.ts"

export const command: CommandSpec = {
  name: "freeze",
  summary: "stop everything of your account at once; needs no password",
  run: async (context) => {
    const connected = await context.connect()
    if (!connected.ok) return connected
    const { keyferry } = connected.value
    if ((await keyferry.status()).mode !== "account")
      return err(failure("signed-out", "Only an account can be frozen: kf signup LINK or kf login URL."))
    const go = await confirmed(
      context,
      "Freeze the account? No device opens or sends anything until you thaw it with your second factor.",
    )
    if (!go.ok) return go
    if (!go.value) return err(failure("not-allowed", "You said no; nothing was frozen."))
    const frozen = await keyferry.freezeAccount()
    if (!frozen.ok) return frozen
    context.io.answer({ schema: "kf.account/1", frozen: true }, [
      "The account is frozen, and this device is locked. Nothing was deleted.",
      "When you know more: kf thaw. Without your second factor: kf thaw --wait, which takes 72 hours.",
    ])
    return ok("done")
  },
}
