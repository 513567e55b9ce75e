import { err, ok, type Result } from "@keyferry/base"
import { failure, type Failure } from "@keyferry/sdk/errors"

import { type CommandSpec, type Ending, type OptionValues, textOption } from "../command.ts"
import { type Context, openVault, withStepUp } from "../context.ts"
import { usage } from "../failures.ts"
import { duration, parseDuration } from "../format.ts"
import type { AccountPolicy, Keyferry } from "../keyferry.ts"
import { pairs } from "../table.ts"

const MINUTE_S = 60
const HOUR_S = 3600
const DAY_S = 24 * HOUR_S

const inAccount = async (context: Context): Promise<Result<Keyferry, Failure>> => {
  const keyferry = await openVault(context)
  if (!keyferry.ok) return keyferry
  return (await keyferry.value.status()).mode === "account"
    ? keyferry
    : err(failure("signed-out", "Rules belong to an account: kf signup LINK or kf login URL."))
}

const tell = (context: Context, policy: AccountPolicy): void =>
  context.io.answer({ schema: "kf.policy/1", ...policy }, [
    ...pairs([
      [
        "Offline",
        policy.graceMaxS === 0 ? "nothing opens" : `standard items open for ${duration(policy.graceMaxS * 1000)}`,
      ],
      ["Unlocked", `at most ${duration(policy.unlockMaxS * 1000)}`],
      ["Second factor", `again after ${duration(policy.reloginMaxS * 1000)}`],
      ["New devices", policy.requireDeviceApproval ? "by another device only" : "by another device, or by the kit"],
    ]),
  ])

const show = async (context: Context): Promise<Ending> => {
  const keyferry = await inAccount(context)
  if (!keyferry.ok) return keyferry
  const policy = await keyferry.value.accountPolicy()
  if (!policy.ok) return policy
  tell(context, policy.value)
  return ok("done")
}

/** Seconds of a time option between two limits. */
const timeOption = (
  options: OptionValues,
  name: string,
  [least, most, words]: readonly [number, number, string],
): Result<number | undefined, Failure> => {
  const given = textOption(options, name)
  if (given === undefined) return ok(undefined)
  const ms = given === "0" ? 0 : parseDuration(given)
  const seconds = ms === undefined ? -1 : ms / 1000
  return seconds >= least && seconds <= most ? ok(seconds) : err(usage(`--${name} takes ${words}.`))
}

const set = async (context: Context, _args: readonly string[], options: OptionValues): Promise<Ending> => {
  const grace = timeOption(options, "grace", [0, 7 * DAY_S, "0, or a time up to 7d"])
  if (!grace.ok) return grace
  const unlock = timeOption(options, "unlock", [MINUTE_S, DAY_S, "a time from 1m to 24h"])
  if (!unlock.ok) return unlock
  const relogin = timeOption(options, "relogin", [HOUR_S, 365 * DAY_S, "a time from 1h to 365d"])
  if (!relogin.ok) return relogin
  const approval = textOption(options, "approval")
  const change = {
    ...(grace.value === undefined ? {} : { graceMaxS: grace.value }),
    ...(unlock.value === undefined ? {} : { unlockMaxS: unlock.value }),
    ...(relogin.value === undefined ? {} : { reloginMaxS: relogin.value }),
    ...(approval === undefined ? {} : { requireDeviceApproval: approval === "required" }),
  }
  if (Object.keys(change).length === 0)
    return err(usage("Say what changes: --grace, --unlock, --relogin or --approval."))
  const keyferry = await inAccount(context)
  if (!keyferry.ok) return keyferry
  const changed = await withStepUp(context, keyferry.value, () => keyferry.value.setAccountPolicy(change))
  if (!changed.ok) return changed
  tell(context, changed.value)
  if (change.requireDeviceApproval === true)
    context.io.say("The kit alone still recovers the account when every device is lost; it adds no device beside them.")
  return ok("done")
}

export const command: CommandSpec = {
  name: "policy",
  summary: "the rules that every device of your account holds to",
  run: show,
  subcommands: [
    { name: "show", summary: "print them", run: show },
    {
      name: "set",
      summary: "change them, on this device and all others",
      options: [
        { flags: "--grace <time>", text: "how long standard items open without the server (0 to 7d)" },
        { flags: "--unlock <time>", text: "how long a device stays open (1m to 24h)" },
        { flags: "--relogin <time>", text: "when a device gives its second factor again (1h to 365d)" },
        { flags: "--approval <rule>", text: "new devices need another device", choices: ["required", "optional"] },
      ],
      run: set,
    },
  ],
}
