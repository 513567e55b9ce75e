import { err, ok } from "@keyferry/base"
import { failure } from "@keyferry/sdk/errors"

import { type CommandSpec, textOption } from "../command.ts"
import { unlockNow } from "../context.ts"
import { usage } from "../failures.ts"
import { duration, iso, parseDuration } from "../format.ts"

export const command: CommandSpec = {
  name: "unlock",
  summary: "open the vault on this device",
  options: [{ flags: "--for <time>", text: "lock again after this time (8h, 30m); the policy's limit holds anyway" }],
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
