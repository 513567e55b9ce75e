import { err, ok, type Result } from "@keyferry/base"
import type { Keyferry } from "@keyferry/sdk"
import type { Failure } from "@keyferry/sdk/errors"

import { type CommandSpec, flagOption } from "../command.ts"
import { type Context, openVault, withStepUp } from "../context.ts"
import { needsTerminal } from "../failures.ts"

export const command: CommandSpec = {
  name: "password",
  summary: "change the password of the account and of this device",
  options: [
    { flags: "--this-device", text: "only what opens this device; the account's password stays" },
    { flags: "--restore", text: "register a password again, after a restored server has lost it" },
  ],
  run: async (context, _args, options) => {
    if (context.prompter === undefined && context.settings.secrets === undefined) {
      return err(needsTerminal("Pass password=… and new-password=… with --secrets-stdin."))
    }
    const opened = await openVault(context)
    if (!opened.ok) return opened
    const keyferry = opened.value
    const { mode } = await keyferry.status()
    if (flagOption(options, "restore")) return restorePassword(context, keyferry)
    const onlyHere = flagOption(options, "thisDevice") || mode === "local"
    const password = await context.secrets.ask("password", {
      prompt: onlyHere ? "Current password of this device:" : "Current password:",
    })
    if (!password.ok) return password
    const newPassword = await context.secrets.ask("new-password", { prompt: "New password:", twice: true })
    if (!newPassword.ok) return newPassword
    const input = { password: password.value, newPassword: newPassword.value }
    const changed = onlyHere
      ? await keyferry.changeDevicePassword(input)
      : await withStepUp(context, keyferry, () => keyferry.changePassword({ ...input, exposed: true }))
    if (!changed.ok) return changed
    context.io.answer({ schema: "kf.password/1", changed: true, account: !onlyHere }, [
      onlyHere
        ? "This device opens with the new password now."
        : "The password of the account and of this device is changed, and the account has new keys. Your other devices still open with the old one; there, run: kf password --this-device",
    ])
    return ok("done")
  },
}

/** The account has no password to ask for: this device's password and the second factor stand for it. */
const restorePassword = async (context: Context, keyferry: Keyferry): Promise<Result<"done", Failure>> => {
  const newPassword = await context.secrets.ask("new-password", { prompt: "Password of the account:", twice: true })
  if (!newPassword.ok) return newPassword
  const input = { newPassword: newPassword.value }
  const registered = await withStepUp(context, keyferry, () => keyferry.registerPassword(input))
  if (!registered.ok) return registered
  context.io.answer({ schema: "kf.password/1", changed: true, account: true }, [
    "The account has a password again, and it opens this device too. New devices can sign in with it.",
  ])
  return ok("done")
}
