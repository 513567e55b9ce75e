import { err, ok, type Result } from "@keyferry/base"
import { failure, type Failure } from "@keyferry/sdk/errors"

import { type CommandSpec, flagOption, textOption } from "../command.ts"
import type { Context } from "../context.ts"
import { usage } from "../failures.ts"
import { continueEnrolment, openToGoOn } from "../wizard/enrol.ts"
import { parseServer } from "./login.ts"
import { ownName, showKit } from "./signup.ts"

export const command: CommandSpec = {
  name: "recover",
  summary: "get back into the account with the kit, when the password is lost; run it again to go on",
  args: "[url]",
  options: [
    { flags: "--device-name <name>", text: "name of this device in your list" },
    { flags: "--wait", text: "without a terminal: wait for the confirmation instead of exit 8" },
    { flags: "--resend", text: "ask for a new mail; the old link dies" },
    { flags: "--lost-factor", text: "the second factor is lost: wait 72 hours instead, with every device told" },
    { flags: "--kit-file <file>", text: "write the new kit to a file (0600) instead of the screen" },
  ],
  run: async (context, [given], options) => {
    const connected = await context.connect()
    if (!connected.ok) return connected
    const { keyferry } = connected.value
    if (given === undefined) {
      const open = await openToGoOn(context, keyferry)
      if (!open.ok) return open
    }
    const status = await keyferry.status()
    if (status.mode === "account")
      return err(failure("account-exists-here", "With a device in the account, change the password there: kf password"))
    let state = given === undefined ? status.enrolment : undefined
    if (state === undefined) {
      const url = given ?? context.settings.server
      if (url === undefined)
        return err(usage("Which server? The kit shows its address: kf recover https://keys.example.com"))
      const server = parseServer(url)
      if (server === undefined)
        return err(usage("The server's address begins with https:// (or http://localhost) and has no user name in it."))
      const kitCode = await context.secrets.ask("kit", { prompt: "Code of your recovery kit (KF1-…):", shown: true })
      if (!kitCode.ok) return kitCode
      // Chosen first: what is kept until the end of the recovery is sealed under it, and survives a stop.
      const chosen = await choosePassword(context, context.prompter !== undefined)
      if (!chosen.ok) return chosen
      const started = await keyferry.recoverStart({
        server,
        kitCode: kitCode.value,
        deviceName: textOption(options, "deviceName") ?? ownName(),
        ...(chosen.value === undefined ? {} : { newPassword: chosen.value }),
      })
      if (!started.ok) return started
      state = started.value
    }
    const ready = await continueEnrolment(context, keyferry, state, {
      by: undefined,
      wait: flagOption(options, "wait"),
      resend: flagOption(options, "resend"),
      lostFactor: flagOption(options, "lostFactor"),
      again: "kf recover",
    })
    if (!ready.ok) return ready
    const password = ready.value.passwordChosen === true ? ok(undefined) : await choosePassword(context, true)
    if (!password.ok) return password
    const kit = await keyferry.recoverFinish(password.value)
    if (!kit.ok) return kit
    const shown = showKit(context, kit.value, textOption(options, "kitFile"))
    context.io.say("The old kit and the old password are dead. Next: kf sync on")
    return shown
  },
}

const choosePassword = async (context: Context, needed: boolean): Promise<Result<string | undefined, Failure>> =>
  needed
    ? context.secrets.ask("new-password", {
        prompt: "Choose a new password for the account and this device:",
        twice: true,
      })
    : context.secrets.given("new-password")
