import { err, ok } from "@keyferry/base"
import { failure } from "@keyferry/sdk/errors"

import { type CommandSpec, flagOption, textOption } from "../command.ts"
import { confirmed, openVault, withStepUp } from "../context.ts"
import { usage } from "../failures.ts"
import { showKit } from "./signup.ts"

export const command: CommandSpec = {
  name: "kit",
  summary: "replace your recovery kit, or check that the one you have is right",
  options: [
    { flags: "--check", text: "only check a kit's code; nothing is changed or sent" },
    { flags: "--kit-file <file>", text: "write the new kit to a file (0600) instead of the screen" },
  ],
  run: async (context, _args, options) => {
    const check = flagOption(options, "check")
    if (check && options["kitFile"] !== undefined)
      return err(usage("--check shows no kit, so there is nothing for --kit-file."))
    const keyferry = await openVault(context)
    if (!keyferry.ok) return keyferry
    const status = await keyferry.value.status()
    if (status.mode !== "account")
      return err(failure("signed-out", "A kit comes with an account; until then only your password opens this vault."))
    if (check) {
      const code = await context.secrets.ask("kit", { prompt: "Code of your recovery kit:", shown: true })
      if (!code.ok) return code
      const checked = await keyferry.value.checkKit(code.value)
      if (!checked.ok) return checked
      context.io.answer({ schema: "kf.kit-check/1", right: true }, ["This is the kit of your account. Keep it."])
      return ok("done")
    }
    // Said before anybody types a password for it; the server would refuse the link.
    const { account } = await keyferry.value.status({ fresh: true })
    if (account?.deviceState === "pending-first")
      return err(
        failure(
          account.factors.length === 0 ? "two-factor-required" : "device-not-verified",
          "A new kit comes after the set-up: kf sync on. Until then the server holds none of your keys.",
        ),
      )
    context.io.say(
      "A new kit makes the old one worthless for everything from now on; your other devices follow when they unlock next.",
    )
    const go = await confirmed(context, "Replace the kit now?")
    if (!go.ok) return go
    if (!go.value) return err(failure("not-allowed", "You said no; the kit is the old one."))
    const password = await context.secrets.ask("password", { prompt: "Your password:" })
    if (!password.ok) return password
    const replaced = await withStepUp(context, keyferry.value, () =>
      keyferry.value.replaceKit({ password: password.value }),
    )
    if (!replaced.ok) return replaced
    return showKit(context, replaced.value, textOption(options, "kitFile"))
  },
}
