import type { Clock, Random, Result } from "@keyferry/base"
import { err, ok } from "@keyferry/base"
import { failure, type Failure } from "@keyferry/sdk/errors"

import type { AgentCalls } from "./agent/remote.ts"
import { needsTerminal } from "./failures.ts"
import type { Catalogue } from "./command.ts"
import type { Io } from "./io.ts"
import type { Keyferry } from "./keyferry.ts"
import type { Prompter } from "./prompt.ts"
import type { SecretIntake } from "./secrets.ts"
import type { Environment, Settings } from "./settings.ts"

/** The SDK's object and, where it lives in an agent, the agent's own calls. */
export interface Connection {
  readonly keyferry: Keyferry
  readonly agent: AgentCalls | undefined
}

/** Everything a command is given. */
export interface Context {
  readonly settings: Settings
  readonly env: Environment
  readonly io: Io
  /** Absent where nobody can be asked. */
  readonly prompter: Prompter | undefined
  readonly secrets: SecretIntake
  readonly clock: Clock
  readonly random: Random
  /** The path of the command, for hints: `kf sync on`. */
  readonly who: string
  /** `agent`: the command runs inside the agent, with nobody to ask. */
  readonly place: "process" | "agent"
  /** Arguments that run this program again on the same Node. */
  readonly program: readonly string[]
  /** Connects, starting the agent where there is none. */
  readonly connect: () => Promise<Result<Connection, Failure>>
  readonly catalogue: Catalogue
  /** What Ctrl-C prints: how to go on. */
  readonly setResume: (hint: string | undefined) => void
}

/** Connects and makes sure that the vault is open, asking for its password where a person is there. */
export const openVault = async (context: Context): Promise<Result<Keyferry, Failure>> => {
  const connected = await context.connect()
  if (!connected.ok) return connected
  const { keyferry } = connected.value
  // Inside the agent listing costs nothing, and unlike a status it never asks the server.
  if (context.place === "agent" && (await keyferry.list()).ok) return ok(keyferry)
  const status = await keyferry.status()
  if (status.lock === "no-vault") {
    return err(failure("not-found", "This profile has no vault yet; kf add makes one, kf login URL joins an account."))
  }
  if (status.lock === "unlocked" || status.lock === "standard-only") {
    // A password given by flag to an open vault is checked all the same: a wrong one must not pass silently.
    const given = context.secrets.given("password")
    return given.ok ? ok(keyferry) : given
  }
  // No password opens these: asking for one would be a lie.
  if (status.lockCode === "device-removed" || status.lockCode === "device-retired") return err(failure(status.lockCode))
  const unlocked = await unlockNow(context, keyferry)
  return unlocked.ok ? ok(keyferry) : unlocked
}

export const unlockNow = async (context: Context, keyferry: Keyferry): Promise<Result<void, Failure>> => {
  const TRIES = 3
  for (let tries = 1; ; tries++) {
    const password = await context.secrets.ask("password", {
      prompt: "Password of this device's vault:",
      missing: failure("locked"),
    })
    if (!password.ok) return password
    const unlocked = await keyferry.unlock(password.value)
    if (unlocked.ok) {
      if (unlocked.value.notice !== undefined) context.io.fail(failure(unlocked.value.notice))
      return ok(undefined)
    }
    if (unlocked.error.code === "reauth-required" && tries < TRIES) {
      // The policy's time is over: the second factor is given again, and then the same password opens.
      const factor = await freshFactor(context, keyferry, failure("second-factor-needed"))
      if (!factor.ok) return factor
      const again = await keyferry.unlock(password.value)
      if (again.ok || again.error.code !== "wrong-password") return again.ok ? ok(undefined) : again
    }
    const typed = context.prompter !== undefined && context.settings.secrets === undefined
    if (unlocked.error.code !== "wrong-password" || !typed || tries >= TRIES) return unlocked
    context.io.fail(unlocked.error)
  }
}

/** Asks a yes-no question. `--yes` answers it; nobody to ask is exit 9. */
export const confirmed = async (
  context: Context,
  question: string,
  preset = false,
): Promise<Result<boolean, Failure>> => {
  if (context.settings.yes) return ok(true)
  if (context.prompter === undefined) return err(needsTerminal("Pass --yes to go ahead."))
  return context.prompter.confirm(question, preset)
}

/**
 * Runs an action; where it wants the password or the second factor fresh, asks for them once and repeats.
 */
export const withStepUp = async <T>(
  context: Context,
  keyferry: Keyferry,
  action: () => Promise<Result<T, Failure>>,
): Promise<Result<T, Failure>> => {
  const first = await action()
  if (first.ok || (first.error.code !== "reauth-required" && first.error.code !== "second-factor-needed")) return first
  if (first.error.code === "reauth-required") {
    const password = await context.secrets.ask("password", {
      prompt: "Your password, once more:",
      missing: first.error,
    })
    if (!password.ok) return password
    const checked = await keyferry.confirmPassword(password.value)
    if (!checked.ok) return checked
    const second = await action()
    if (second.ok || (second.error.code !== "second-factor-needed" && second.error.code !== "reauth-required"))
      return second
  }
  const factor = await freshFactor(context, keyferry, first.error)
  return factor.ok ? action() : factor
}

/** Takes a code of the authenticator or a recovery code and has it checked. */
export const freshFactor = async (
  context: Context,
  keyferry: Keyferry,
  missing: Failure,
): Promise<Result<void, Failure>> => {
  const recovery = context.secrets.given("recovery-code")
  if (!recovery.ok) return recovery
  if (recovery.value !== undefined) return keyferry.twoFactorCheck("recovery-code", recovery.value)
  const code = await context.secrets.ask("code", { prompt: "Code of your authenticator:", shown: true, missing })
  return code.ok ? keyferry.twoFactorCheck("totp", code.value.replaceAll(/\s/g, "")) : code
}
