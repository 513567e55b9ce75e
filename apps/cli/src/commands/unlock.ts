import { err, ok } from "@keyferry/base"
import { failure } from "@keyferry/sdk/errors"

import { type CommandSpec, type Ending, textOption } from "../command.ts"
import { type Context, unlockNow } from "../context.ts"
import { usage } from "../failures.ts"
import { duration, iso, parseDuration } from "../format.ts"
import type { Keyferry } from "../keyferry.ts"

/** A device that ten failed unlocks locked signs in again; then it opens by the kit, by another device, or in 72 hours. */
const resetLease = async (context: Context, keyferry: Keyferry, byKit: boolean): Promise<Ending> => {
  const kit = byKit
    ? await context.secrets.ask("kit", { prompt: "Code of your recovery kit (KF1-…):", shown: true })
    : ok(undefined)
  if (!kit.ok) return kit
  const password = await context.secrets.ask("password", { prompt: "Password of your account:" })
  if (!password.ok) return password
  const recovery = context.secrets.given("recovery-code")
  if (!recovery.ok) return recovery
  const code =
    recovery.value === undefined
      ? await context.secrets.ask("code", {
          prompt: "Code of your authenticator:",
          shown: true,
          missing: failure("second-factor-needed", "Pass it as code=… with --secrets-stdin."),
        })
      : ok(recovery.value)
  if (!code.ok) return code
  const reset = await keyferry.resetLease({
    password: password.value,
    factor: { kind: recovery.value === undefined ? "totp" : "recovery-code", code: code.value },
    ...(kit.value === undefined ? {} : { kitCode: kit.value }),
  })
  if (!reset.ok) return reset
  context.io.answer({ schema: "kf.unlocked/1", lock: "locked", reset: true }, [
    "This device may be opened again: kf unlock, with its own password.",
  ])
  return ok("done")
}

export const command: CommandSpec = {
  name: "unlock",
  summary: "open the vault on this device",
  options: [
    { flags: "--for <time>", text: "lock again after this time (8h, 30m); the policy's limit holds anyway" },
    {
      flags: "--reset <how>",
      text: "after ten failed unlocks: by the kit at once, or wait for another device, at most 72 hours",
      choices: ["kit", "wait"],
    },
  ],
  run: async (context, _args, options) => {
    const given = textOption(options, "for")
    const forMs = given === undefined ? undefined : parseDuration(given)
    if (given !== undefined && forMs === undefined) return err(usage("--for takes a time such as 8h or 30m."))
    const connected = await context.connect()
    if (!connected.ok) return connected
    const { keyferry, agent } = connected.value
    const before = await keyferry.status()
    if (before.lock === "no-vault")
      return err(
        failure("not-found", "This profile has no vault yet; kf add makes one, kf login URL joins an account."),
      )
    const reset = textOption(options, "reset")
    if (reset !== undefined) return resetLease(context, keyferry, reset === "kit")
    const password = context.secrets.given("password")
    if (!password.ok) return password
    // An open vault is opened again when a password is given: strict keys may wait for the server's answer.
    if (before.lock !== "unlocked" || password.value !== undefined) {
      const unlocked = await unlockNow(context, keyferry)
      if (!unlocked.ok) return unlocked
    }
    if (forMs !== undefined) await agent?.lockAfter(forMs)
    const after = await keyferry.status()
    const limits = [after.unlockedUntilMs, forMs === undefined ? undefined : context.clock.nowMs() + forMs].filter(
      (ms) => ms !== undefined,
    )
    const untilMs = limits.length === 0 ? undefined : Math.min(...limits)
    context.io.answer(
      { schema: "kf.unlocked/1", lock: after.lock, ...(untilMs === undefined ? {} : { until: iso(untilMs) }) },
      [
        `Unlocked${untilMs === undefined ? "" : ` for ${duration(untilMs - context.clock.nowMs())}`}.${
          after.lock === "standard-only" ? " Strict keys stay closed until the server answers." : ""
        }`,
      ],
    )
    return ok("done")
  },
}
