import { renderUnicodeCompact } from "uqr"

import { setTimeout as sleep } from "node:timers/promises"

import { err, ok, type Result } from "@keyferry/base"
import { failure, type Failure } from "@keyferry/sdk/errors"

import { type Context, unlockNow } from "../context.ts"
import { needsTerminal } from "../failures.ts"
import { printable } from "../io.ts"
import type { EnrolmentState, Keyferry } from "../keyferry.ts"
import { strong } from "../table.ts"

/*
 * The way of a new device into the account: second factor, confirmation, keys. Every run goes as far as it can and says
 * how to go on; nothing is asked twice, because where it stands is kept by the SDK.
 */

export interface EnrolWish {
  /** How the keys get here, and whether the mail is needed at all. */
  readonly by: "words" | "kit" | undefined
  /** Without a person: wait for the confirmation instead of stopping with exit 8. */
  readonly wait: boolean
  readonly resend: boolean
  /** The second factor is gone: go by the 72 hours. */
  readonly lostFactor?: boolean
  /** The command that goes on, for hints. */
  readonly again: string
}

export const POLL_MS = 1_500

/** What was begun before the agent stopped is in this device's store: opens it, so that it goes on. */
export const openToGoOn = async (context: Context, keyferry: Keyferry): Promise<Result<void, Failure>> => {
  const status = await keyferry.status()
  const isClosed = status.enrolment === undefined && status.mode === "local" && status.lock === "locked"
  return isClosed ? unlockNow(context, keyferry) : ok(undefined)
}

/**
 * Errors: second-factor-needed and device-not-verified where nobody is there to act (after saying what to do);
 * every reason for which an enrolment ends.
 */
export const continueEnrolment = async (
  context: Context,
  keyferry: Keyferry,
  start: EnrolmentState,
  wish: EnrolWish,
): Promise<Result<EnrolmentState, Failure>> => {
  let state = start
  context.setResume(`Go on at any time with ${wish.again}`)
  try {
    if (state.step === "second-factor") {
      const passed =
        wish.lostFactor === true
          ? await keyferry.loginFactorLost()
          : await giveSecondFactor(context, keyferry, state, wish)
      if (!passed.ok) return passed
      state = passed.value
    }
    if (state.step === "confirm") {
      // It may have been confirmed, or ended, since the last run.
      const now = await keyferry.confirmation()
      if (!now.ok) return now
      if (now.value.reason !== undefined) return err(failure(now.value.reason))
      state = now.value
    }
    if (state.step === "confirm") {
      const confirmed = await confirm(context, keyferry, state, wish)
      if (!confirmed.ok) return confirmed
      state = confirmed.value
    }
    if (state.step === "keys" && state.purpose === "login") {
      const got = await getKeys(context, keyferry, state, wish)
      if (!got.ok) return got
      state = got.value
    }
    return ok(state)
  } finally {
    context.setResume(undefined)
  }
}

const giveSecondFactor = async (
  context: Context,
  keyferry: Keyferry,
  state: EnrolmentState,
  wish: EnrolWish,
): Promise<Result<EnrolmentState, Failure>> => {
  // Approval stands for the mail; a person is asked first how it shall be.
  const asksLater = wish.by === undefined && context.prompter !== undefined
  const mail = state.purpose === "recovery" || !(wish.by === "words" || asksLater)
  if (state.factors.length > 0 && state.factors.every((kind) => kind === "passkey"))
    return err(
      failure(
        "second-factor-needed",
        "Its only second factor is a passkey, which kf cannot ask. Sign in with a browser and add an authenticator app there, or go without: kf login --lost-factor",
      ),
    )
  const recovery = context.secrets.given("recovery-code")
  if (!recovery.ok) return recovery
  if (recovery.value !== undefined) return keyferry.loginSecondFactor("recovery-code", recovery.value, mail)
  const TRIES = 3
  for (let tries = 1; ; tries++) {
    const code = await context.secrets.ask("code", {
      prompt:
        state.factors.includes("recovery-code") || state.factors.length > 0
          ? "Code of your authenticator (or a recovery code):"
          : "Code of your second factor:",
      shown: true,
      missing: failure("second-factor-needed", "Pass it as code=… with --secrets-stdin."),
    })
    if (!code.ok) return code
    const typed = code.value.replaceAll(/\s/g, "")
    const answer = await keyferry.loginSecondFactor(/^\d{6,8}$/.test(typed) ? "totp" : "recovery-code", typed, mail)
    const personTypes = context.prompter !== undefined && context.settings.secrets === undefined
    if (answer.ok || answer.error.code !== "second-factor-wrong" || !personTypes || tries >= TRIES) return answer
    context.io.fail(answer.error)
  }
}

/** Shows the code, has the mail sent, and waits; or goes by words, where approval stands for the mail. */
const confirm = async (
  context: Context,
  keyferry: Keyferry,
  start: EnrolmentState,
  wish: EnrolWish,
): Promise<Result<EnrolmentState, Failure>> => {
  let state = start
  const person = context.prompter !== undefined
  let words = wish.by === "words"
  if (
    wish.by === undefined &&
    state.approver &&
    state.purpose === "login" &&
    context.prompter !== undefined &&
    state.mail === undefined
  ) {
    const choice = await context.prompter.choose("How is this device confirmed?", [
      "by another of your devices: compare three words (delivers the keys too)",
      "by a link in a mail",
    ])
    if (!choice.ok) return choice
    words = choice.value === 0
  }
  if (words) return approveByWords(context, keyferry, state)

  if (state.mail === undefined || wish.resend || state.code === undefined) {
    const mail = await keyferry.requestMail()
    if (!mail.ok) return mail
    state = { ...state, mail: mail.value.mail, mailedTo: mail.value.mailedTo, code: mail.value.code }
  }
  const stops = !person && !wish.wait
  tellConfirmation(context, state, { again: wish.again, stops })
  if (stops) {
    return err(
      failure(
        "device-not-verified",
        `The code is ${state.code ?? "shown by kf status"}; then run ${wish.again} again.`,
      ),
    )
  }
  return waitForConfirmation(keyferry)
}

export const tellConfirmation = (
  context: Context,
  state: Pick<EnrolmentState, "code" | "mailedTo" | "mail" | "server" | "address">,
  wish: { readonly again: string; readonly stops: boolean },
): void => {
  const { io } = context
  if (io.json) {
    const where = {
      step: "confirm",
      code: state.code,
      mailedTo: state.mailedTo,
      mail: state.mail,
      server: state.server,
    }
    if (wish.stops) io.answer({ schema: "kf.enrolment/1", ...where }, [])
    else io.event({ event: "confirm", ...where })
    return
  }
  io.warn("")
  io.warn(`  The code of this device:  ${strong(io, spaced(state.code ?? "······"))}`)
  io.warn("")
  if (state.mail === "queued") {
    io.warn(
      `A mail with a link went to ${printable(state.mailedTo ?? state.address)}. Open the link and type the code there; it is good for 10 minutes.`,
    )
  } else {
    io.warn(state.mail === "off" ? "This server sends no mail." : "The mail could not be sent.")
    io.warn(`Its operator confirms this device with: keyferry device confirm ${state.code ?? "CODE"}`)
  }
  io.warn(
    wish.stops
      ? `Then run ${wish.again} again; --resend asks for a new mail.`
      : `Waiting. You can stop here with Ctrl-C and go on with ${wish.again}; --resend asks for a new mail.`,
  )
}

/** Polls until the step changes. The server says which of its reasons ended the wait. */
export const waitForConfirmation = async (keyferry: Keyferry): Promise<Result<EnrolmentState, Failure>> => {
  for (;;) {
    const now = await keyferry.confirmation()
    if (!now.ok) {
      if (now.error.code !== "network-unreachable" && now.error.code !== "rate-limited") return now
      await sleep((now.error.retryAfterS ?? 5) * 1000)
      continue
    }
    if (now.value.reason !== undefined) return err(failure(now.value.reason))
    if (now.value.step !== "confirm") return now
    await sleep(POLL_MS)
  }
}

const getKeys = async (
  context: Context,
  keyferry: Keyferry,
  state: EnrolmentState,
  wish: EnrolWish,
): Promise<Result<EnrolmentState, Failure>> => {
  const kit = context.secrets.given("kit")
  if (!kit.ok) return kit
  let words = wish.by === "words"
  if (wish.by === undefined && kit.value === undefined) {
    if (context.prompter === undefined)
      return err(
        needsTerminal(
          `The device is confirmed; its keys come with kit=… in --secrets-stdin, or with ${wish.again} --by words.`,
        ),
      )
    const choices = ["by another of your devices: compare three words", "by the code of your recovery kit"]
    if (state.approver) {
      const choice = await context.prompter.choose("How do the keys get here?", choices)
      if (!choice.ok) return choice
      words = choice.value === 0
    }
  }
  if (words) return approveByWords(context, keyferry, state)
  const TRIES = 5
  for (let tries = 1; ; tries++) {
    const code = await context.secrets.ask("kit", { prompt: "Code of your recovery kit (KF1-…):", shown: true })
    if (!code.ok) return code
    const finished = await keyferry.finishWithKit(code.value)
    if (finished.ok) return ok({ ...state, step: "done" })
    const personTypes = context.prompter !== undefined && context.settings.secrets === undefined
    if (finished.error.code !== "kit-code-wrong" || !personTypes || tries >= TRIES) return finished
    context.io.fail(finished.error)
  }
}

/**
 * Three words are shown here and typed on an active device; two reply words come back and are typed here.
 * Without a person the words are printed, and a later run is given reply=….
 */
const approveByWords = async (
  context: Context,
  keyferry: Keyferry,
  state: EnrolmentState,
): Promise<Result<EnrolmentState, Failure>> => {
  const { io } = context
  const given = context.secrets.given("reply")
  if (!given.ok) return given
  if (given.value === undefined) {
    const scan = await keyferry.approvalScan()
    if (!scan.ok) return scan
    // A camera on the other device needs no words; the same text can be pasted there.
    if (!io.json && io.terminal.stderr && io.terminal.columns >= 60)
      io.warn(renderUnicodeCompact(scan.value.text, { border: 2 }))
    io.say(`Waiting for one of your devices. There, run: kf device approve --qr "${scan.value.text}"`)
    io.say("or, to compare words instead: kf device approve")
    const words = await keyferry.approvalWords()
    if (!words.ok) return words
    if (io.json) io.answer({ schema: "kf.words/1", words: words.value.words, scan: words.value.scan }, [])
    else if (context.prompter === undefined) io.line(words.value.words.join(" "))
    else {
      io.warn("")
      io.warn(`  The words of this device:  ${strong(io, words.value.words.join("  "))}`)
      io.warn("")
      io.warn("Type them on the other device, if you gave it no code. It then shows two words; type those here.")
    }
    if (context.prompter === undefined) {
      return err(
        needsTerminal("Type the words on the other device, then run this again with reply=… in --secrets-stdin."),
      )
    }
  }
  const reply = await context.secrets.ask("reply", {
    prompt: "The two words that the other device shows:",
    shown: true,
  })
  if (!reply.ok) return reply
  const arrived = await keyferry.approvalReply(reply.value)
  return arrived.ok ? ok({ ...state, step: "done" }) : arrived
}

const spaced = (code: string): string => (code.length === 6 ? `${code.slice(0, 3)} ${code.slice(3)}` : code)
