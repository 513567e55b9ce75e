import { renderUnicodeCompact } from "uqr"

import { ok, type Result } from "@keyferry/base"
import { failure, type Failure } from "@keyferry/sdk/errors"

import { type Context, withStepUp } from "../context.ts"
import type { Keyferry } from "../keyferry.ts"

/** The secret of a new authenticator. Where one is there already, the account's password and a code of the old one come first. */
export const startSecondFactor = async (
  context: Context,
  keyferry: Keyferry,
): Promise<Result<{ readonly otpauth: string }, Failure>> => {
  const { account } = await keyferry.status({ fresh: true })
  if (account === undefined || account.factors.length === 0)
    return withStepUp(context, keyferry, () => keyferry.twoFactorStart())
  const password = await context.secrets.ask("password", { prompt: "Your password:" })
  if (!password.ok) return password
  return withStepUp(context, keyferry, () => keyferry.twoFactorStart({ password: password.value }))
}

/** Shows the new second factor to a person and confirms it with its first code. */
export const setUpSecondFactor = async (
  context: Context,
  keyferry: Keyferry,
): Promise<Result<readonly string[], Failure>> => {
  const started = await startSecondFactor(context, keyferry)
  if (!started.ok) return started
  const { io } = context
  io.warn("Scan this with your authenticator app:")
  if (io.terminal.stderr && io.terminal.columns >= 60)
    io.warn(renderUnicodeCompact(started.value.otpauth, { border: 2 }))
  io.warn(`or enter this key by hand: ${secretOf(started.value.otpauth)}`)
  const TRIES = 5
  for (let tries = 1; ; tries++) {
    const code = await context.secrets.ask("code", {
      prompt: "The six digits that it shows now:",
      shown: true,
      missing: failure("second-factor-needed", "Pass it as code=… to kf 2fa confirm."),
    })
    if (!code.ok) return code
    const confirmed = await keyferry.twoFactorConfirm(code.value.replaceAll(/\s/g, ""))
    if (confirmed.ok) {
      io.say("The second factor is on. Recovery codes for the day the phone is lost: kf 2fa codes")
      return ok(confirmed.value.factors)
    }
    const personTypes = context.prompter !== undefined && context.settings.secrets === undefined
    if (confirmed.error.code !== "second-factor-wrong" || !personTypes || tries >= TRIES) return confirmed
    io.fail(confirmed.error)
  }
}

const secretOf = (otpauth: string): string =>
  (/[?&]secret=([A-Z2-7]+)/i.exec(otpauth)?.[1] ?? "").replaceAll(/(.{4})(?=.)/g, "$1 ")
