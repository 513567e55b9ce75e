import { err, ok } from "@keyferry/base"

import { type CommandSpec, flagOption } from "../command.ts"
import { openVault, withStepUp } from "../context.ts"
import { needsTerminal } from "../failures.ts"

export const command: CommandSpec = {
  name: "password",
  summary: "change the password of the account and of this device",
  options: [{ flags: "--exposed", text: "somebody may know the old one: give the account new keys as well" }],
  run: async (context, _args, options) => {
    if (context.prompter === undefined && context.settings.secrets === undefined) {
      return err(needsTerminal("Pass password=… and new-password=… with --secrets-stdin."))
    }
    const keyferry = await openVault(context)
    if (!keyferry.ok) return keyferry
    const password = await context.secrets.ask("password", { prompt: "Current password:" })
    if (!password.ok) return password
    const newPassword = await context.secrets.ask("new-password", { prompt: "New password:", twice: true })
    if (!newPassword.ok) return newPassword
    const exposed = flagOption(options, "exposed")
    const changed = await withStepUp(context, keyferry.value, () =>
      keyferry.value.changePassword({ password: password.value, newPassword: newPassword.value, exposed }),
    )
    if (!changed.ok) return changed
    context.io.answer({ schema: "kf.password/1", changed: true, exposed }, [
      `The password is changed${exposed ? " and the account has new keys" : ""}. Your other devices ask for the new one when they unlock next.`,
    ])
    return ok("done")
  },
}
