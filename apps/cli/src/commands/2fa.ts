import { err, ok } from "@keyferry/base"
import { failure } from "@keyferry/sdk/errors"

import { type CommandSpec, type Ending, flagOption } from "../command.ts"
import { type Context, confirmed, openVault, withStepUp } from "../context.ts"
import { count } from "../format.ts"
import { printable } from "../io.ts"
import type { Keyferry, PasskeyInfo } from "../keyferry.ts"
import { table } from "../table.ts"
import { setUpSecondFactor, startSecondFactor } from "../wizard/second-factor.ts"

const account = async (context: Context, use: (keyferry: Keyferry) => Promise<Ending>): Promise<Ending> => {
  const keyferry = await openVault(context)
  if (!keyferry.ok) return keyferry
  const { mode } = await keyferry.value.status()
  return mode === "account"
    ? use(keyferry.value)
    : err(failure("signed-out", "A second factor belongs to an account: kf signup LINK or kf login URL."))
}

const show = (context: Context): Promise<Ending> =>
  account(context, async (keyferry) => {
    const factors = (await keyferry.status({ fresh: true })).account?.factors ?? []
    const listed = await keyferry.passkeys()
    if (!listed.ok) return listed
    context.io.answer({ schema: "kf.2fa/1", factors, passkeys: listed.value }, [
      factors.length === 0 ? "No second factor is set: kf 2fa on" : `Second factor: ${factors.join(", ")}.`,
      ...table(
        context.io,
        ["passkey", "does", "address"],
        listed.value.map((passkey) => [nameOf(passkey), badgeOf(passkey), passkey.address]),
      ),
    ])
    return ok("done")
  })

const badgeOf = ({ signsIn, unlocks }: PasskeyInfo): string => {
  if (!signsIn) return "left over: opens the account, signs nobody in"
  return unlocks ? "signs in and unlocks" : "signs in"
}

/** Without a label its id, which `kf 2fa remove` takes as well. */
const nameOf = ({ label, id }: PasskeyInfo): string => (label === "" ? id : printable(label))

const remove = (context: Context, wanted: string): Promise<Ending> =>
  account(context, async (keyferry) => {
    const listed = await keyferry.passkeys()
    if (!listed.ok) return listed
    const found = listed.value.filter(({ id, label }) => id === wanted || label === wanted)
    const [passkey] = found
    if (passkey === undefined) return err(failure("not-found", "No passkey has that name: kf 2fa"))
    if (found.length > 1)
      return err(failure("usage-wrong", `${found.length} passkeys have that name; take the id of kf 2fa --json.`))
    const go = await confirmed(context, `Remove the passkey ${nameOf(passkey)}? It signs nobody in after that.`)
    if (!go.ok) return go
    if (!go.value) return err(failure("not-allowed", "You said no; the passkey stays."))
    const password = await context.secrets.ask("password", { prompt: "Your password:" })
    if (!password.ok) return password
    const removed = await withStepUp(context, keyferry, () =>
      keyferry.passkeyRemove({ id: passkey.id, password: password.value }),
    )
    if (!removed.ok) return removed
    context.io.answer({ schema: "kf.2fa/1", removed: passkey.id }, [`The passkey ${nameOf(passkey)} was removed.`])
    return ok("done")
  })

const on = (context: Context): Promise<Ending> =>
  account(context, async (keyferry) => {
    if (context.prompter === undefined) {
      // In two runs: this one gives the secret to an authenticator, `kf 2fa confirm` takes its first code.
      const started = await startSecondFactor(context, keyferry)
      if (!started.ok) return started
      context.io.answer({ schema: "kf.2fa/1", otpauth: started.value.otpauth, next: "kf 2fa confirm" }, [
        started.value.otpauth,
      ])
      context.io.say("It is not on yet. Next: kf 2fa confirm --secrets-stdin, with code=…")
      return ok("done")
    }
    const factors = await setUpSecondFactor(context, keyferry)
    if (!factors.ok) return factors
    context.io.answer({ schema: "kf.2fa/1", factors: factors.value }, [])
    return ok("done")
  })

const confirm = (context: Context): Promise<Ending> =>
  account(context, async (keyferry) => {
    const code = await context.secrets.ask("code", {
      prompt: "The six digits of your authenticator:",
      shown: true,
      missing: failure("second-factor-needed", "Pass it as code=… with --secrets-stdin."),
    })
    if (!code.ok) return code
    const confirmedNow = await keyferry.twoFactorConfirm(code.value.replaceAll(/\s/g, ""))
    if (!confirmedNow.ok) return confirmedNow
    context.io.answer({ schema: "kf.2fa/1", factors: confirmedNow.value.factors }, [
      `Second factor: ${confirmedNow.value.factors.join(", ")}.`,
    ])
    return ok("done")
  })

export const command: CommandSpec = {
  name: "2fa",
  summary: "the second factor that guards your account",
  run: show,
  subcommands: [
    { name: "on", summary: "set up an authenticator app", run: on },
    { name: "confirm", summary: "give its first code, where on was run without a terminal", run: confirm },
    {
      name: "off",
      summary: "take the second factor off; refused while sync is on",
      options: [{ flags: "--suspend-sync", text: "stop sync on every device with it" }],
      run: (context, _args, options) =>
        account(context, async (keyferry) => {
          const suspendSync = flagOption(options, "suspendSync")
          const go = await confirmed(
            context,
            suspendSync
              ? "Take the second factor off and stop sync on every device? A stolen password alone could then sign in."
              : "Take the second factor off? A stolen password alone could then sign in.",
          )
          if (!go.ok) return go
          if (!go.value) return err(failure("not-allowed", "You said no; the second factor stays."))
          const password = await context.secrets.ask("password", { prompt: "Your password:" })
          if (!password.ok) return password
          const off = await withStepUp(context, keyferry, () =>
            keyferry.twoFactorOff({ password: password.value, suspendSync }),
          )
          if (!off.ok) return off
          context.io.answer({ schema: "kf.2fa/1", factors: [], devices: off.value.devices }, [
            `The second factor is off${suspendSync ? `; sync is suspended on ${count(off.value.devices, "device")}` : ""}.`,
          ])
          return ok("done")
        }),
    },
    {
      name: "remove",
      args: "<passkey>",
      summary: "remove a passkey, by its name or its id",
      run: (context, [wanted = ""]) => remove(context, wanted),
    },
    {
      name: "keep",
      summary: "stop somebody who waits to get in without the second factor",
      run: (context) =>
        account(context, async (keyferry) => {
          const stopped = await keyferry.stopFactorReset()
          if (!stopped.ok) return stopped
          context.io.answer({ schema: "kf.2fa/1", stopped: stopped.value.cancelled }, [
            stopped.value.cancelled
              ? "The wait was stopped. If it was not you, change your password: kf password"
              : "Nobody was waiting; the second factor stays as it is.",
          ])
          return ok("done")
        }),
    },
    {
      name: "codes",
      summary: "make ten recovery codes; older ones stop working",
      run: (context) =>
        account(context, async (keyferry) => {
          const codes = await withStepUp(context, keyferry, () => keyferry.recoveryCodes())
          if (!codes.ok) return codes
          context.io.answer({ schema: "kf.recovery-codes/1", codes: codes.value.codes }, codes.value.codes)
          if (!context.io.json)
            context.io.say(
              "Each works once in place of the authenticator. They are shown once: print them, apart from the kit.",
            )
          return ok("done")
        }),
    },
  ],
}
