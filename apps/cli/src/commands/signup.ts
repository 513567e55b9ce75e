import { hostname } from "node:os"

import { err, ok, type Result } from "@keyferry/base"
import { failure, type Failure } from "@keyferry/sdk/errors"

import { type CommandSpec, textOption } from "../command.ts"
import { type Context, unlockNow } from "../context.ts"
import { needsTerminal, oneLine, usage } from "../failures.ts"
import type { Keyferry, Kit } from "../keyferry.ts"
import { kitDocument, kitLines } from "../views.ts"
import { writeFileWhole } from "./read.ts"

export const command: CommandSpec = {
  name: "signup",
  summary: "make an account with an invitation link; what this device holds stays local until sync is on",
  args: "<link>",
  options: [
    { flags: "--address <mail>", text: "your mail address" },
    { flags: "--device-name <name>", text: "name of this device in your list" },
    { flags: "--kit-file <file>", text: "write the recovery kit to a file (0600) instead of the screen" },
  ],
  run: async (context, [link = ""], options) => {
    if (!/^https?:\/\/\S+$/.test(link))
      return err(usage("The link begins with https:// or http://; the server's operator gives it to you."))
    const connected = await context.connect()
    if (!connected.ok) return connected
    const { keyferry } = connected.value
    const status = await keyferry.status()
    if (status.mode === "account") return err(failure("account-exists-here"))
    const address = await askAddress(context, textOption(options, "address"))
    if (!address.ok) return address
    const password = await accountPassword(context, keyferry, status.mode === "local")
    if (!password.ok) return password
    const deviceName = textOption(options, "deviceName") ?? ownName()
    const signedUp = await keyferry.signUp({ link, address: address.value, password: password.value, deviceName })
    if (!signedUp.ok) return signedUp
    const shown = showKit(context, signedUp.value, textOption(options, "kitFile"))
    context.io.say("Your keys are still on this device only. Next: kf sync on")
    return shown
  },
}

export const ownName = (): string => hostname().split(".")[0] ?? "device"

export const askAddress = async (context: Context, given: string | undefined): Promise<Result<string, Failure>> => {
  let address = given
  if (address === undefined) {
    if (context.prompter === undefined) return err(needsTerminal("Pass your address with --address."))
    const answer = await context.prompter.text("Mail address:")
    if (!answer.ok) return answer
    address = answer.value
  }
  const trimmed = address.trim()
  return /^[^\s@]+@[^\s@]+$/.test(trimmed) ? ok(trimmed) : err(usage("That is not a mail address."))
}

/** One password for both: the vault's where there is one, which it must open; else a new one. */
const accountPassword = async (
  context: Context,
  keyferry: Keyferry,
  hasVault: boolean,
): Promise<Result<string, Failure>> => {
  if (!hasVault) {
    return context.secrets.ask("password", {
      prompt: "Choose a password for the account and this device:",
      twice: true,
      missing: needsTerminal("Pass the new password with --password-stdin."),
    })
  }
  const password = await context.secrets.ask("password", {
    prompt: "Password of this device's vault (it becomes the account's too):",
    missing: failure("locked"),
  })
  if (!password.ok) return password
  const { lock } = await keyferry.status()
  if (lock === "locked") {
    const unlocked = await unlockNow(
      { ...context, secrets: { ...context.secrets, ask: async () => password } },
      keyferry,
    )
    return unlocked.ok ? password : unlocked
  }
  const checked = await keyferry.confirmPassword(password.value)
  return checked.ok ? password : checked
}

/** The kit's only appearance: on the screen, or in a file of its own. */
export const showKit = (context: Context, kit: Kit, file: string | undefined): Result<"done", Failure> => {
  if (file === undefined) {
    context.io.answer(kitDocument(kit), kitLines(context.io, kit))
    return ok("done")
  }
  const text = `${kitLines({ ...context.io, color: false }, kit).join("\n")}\n`
  const written = writeFileWhole(file, text, 0o600)
  if (!written.ok) {
    // The code exists nowhere else: better on the screen than lost.
    context.io.answer(kitDocument(kit), kitLines(context.io, kit))
    return written
  }
  const { code: _shownInTheFile, ...rest } = kitDocument(kit)
  context.io.answer({ ...rest, file }, [
    `The recovery kit is in ${oneLine(file)}. Print it or move it off this machine, then delete the file.`,
  ])
  return ok("done")
}
