import { err, ok } from "@keyferry/base"

import { type CommandSpec, flagOption, textOption } from "../command.ts"
import { usage } from "../failures.ts"
import { printable } from "../io.ts"
import { continueEnrolment, openToGoOn } from "../wizard/enrol.ts"
import { askAddress, ownName } from "./signup.ts"

export const command: CommandSpec = {
  name: "login",
  summary: "bring this device into your account; run it again to go on where it stopped",
  args: "[url]",
  options: [
    { flags: "--address <mail>", text: "your mail address" },
    { flags: "--device-name <name>", text: "name of this device in your list" },
    {
      flags: "--by <way>",
      text: "words: another device approves; kit: the code of your recovery kit",
      choices: ["words", "kit"],
    },
    { flags: "--wait", text: "without a terminal: wait for the confirmation instead of exit 8" },
    { flags: "--resend", text: "ask for a new mail; the old link dies" },
    { flags: "--lost-factor", text: "the second factor is lost: wait 72 hours instead, with every device told" },
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
    const url = given ?? (status.enrolment === undefined ? context.settings.server : undefined)
    let state = given === undefined ? status.enrolment : undefined
    if (state === undefined) {
      if (url === undefined) return err(usage("Which server? kf login https://keys.example.com"))
      const server = parseServer(url)
      if (server === undefined)
        return err(usage("The server's address begins with https:// (or http://localhost) and has no user name in it."))
      const address = await askAddress(context, textOption(options, "address"))
      if (!address.ok) return address
      const password = await context.secrets.ask("password", {
        prompt: "Password of your account:",
        missing: { code: "signed-out", detail: "Pass the password with --password-stdin." },
      })
      if (!password.ok) return password
      const started = await keyferry.loginStart({
        server,
        address: address.value,
        password: password.value,
        deviceName: textOption(options, "deviceName") ?? ownName(),
      })
      if (!started.ok) return started
      state = started.value
    }
    const by = textOption(options, "by")
    const done = await continueEnrolment(context, keyferry, state, {
      by: by === "words" || by === "kit" ? by : undefined,
      wait: flagOption(options, "wait"),
      resend: flagOption(options, "resend"),
      lostFactor: flagOption(options, "lostFactor"),
      again: "kf login",
    })
    if (!done.ok) return done
    context.io.answer(
      { schema: "kf.enrolment/1", step: done.value.step, address: done.value.address, server: done.value.server },
      [`This device is in the account ${printable(done.value.address)}.`],
    )
    context.io.say("Nothing was downloaded yet. Next: kf sync on")
    return ok("done")
  },
}

/** The origin only: what else a pasted address carries is of no use and might be a secret. */
export const parseServer = (text: string): string | undefined => {
  const url = URL.parse(/^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `https://${text}`)
  if (url === null || url.username !== "" || url.password !== "" || url.hostname === "") return undefined
  const loopback =
    url.hostname === "localhost" ||
    url.hostname.endsWith(".localhost") ||
    url.hostname === "127.0.0.1" ||
    url.hostname === "[::1]"
  return url.protocol === "https:" || (url.protocol === "http:" && loopback) ? url.origin : undefined
}
