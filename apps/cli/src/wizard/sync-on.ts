import { setTimeout as sleep } from "node:timers/promises"

import { err, ok, type Result } from "@keyferry/base"
import { failure, type Failure } from "@keyferry/sdk/errors"

import { type Ending, flagOption, type OptionValues, textOption } from "../command.ts"
import { type Context, openVault, withStepUp } from "../context.ts"
import { warnOfWithdrawal } from "../exchange-keys.ts"
import { needsTerminal } from "../failures.ts"
import { findItems } from "../find.ts"
import { count } from "../format.ts"
import { printable } from "../io.ts"
import type { ItemSummary, Keyferry, Status } from "../keyferry.ts"
import { showProgress } from "../progress.ts"
import { continueEnrolment, openToGoOn, POLL_MS, tellConfirmation } from "./enrol.ts"
import { setUpSecondFactor } from "./second-factor.ts"

/*
 * One wizard: second factor, confirmation, choice. It looks at where the device stands and begins there, so running it
 * again goes on; nothing is uploaded before the last step.
 */
export const syncOn = async (context: Context, options: OptionValues): Promise<Ending> => {
  const connected = await context.connect()
  if (!connected.ok) return connected
  const { keyferry } = connected.value
  const open = await openToGoOn(context, keyferry)
  if (!open.ok) return open
  const before = await keyferry.status({ fresh: true })
  if (before.mode !== "account") {
    if (before.enrolment === undefined) {
      return err(failure("signed-out", "Sync needs an account: kf signup LINK makes one, kf login URL joins yours."))
    }
    if (before.enrolment.purpose === "recovery") {
      return err(failure("signed-out", "The recovery of this account is not finished: kf recover"))
    }
    const enrolled = await continueEnrolment(context, keyferry, before.enrolment, {
      by: undefined,
      wait: flagOption(options, "wait"),
      resend: flagOption(options, "resend"),
      again: "kf sync on",
    })
    if (!enrolled.ok) return enrolled
  }
  const opened = await openVault(context)
  if (!opened.ok) return opened
  const ready = await secondFactorAndConfirmation(context, keyferry, options)
  if (!ready.ok) return ready
  return chooseAndStart(context, keyferry, ready.value, options)
}

const secondFactorAndConfirmation = async (
  context: Context,
  keyferry: Keyferry,
  options: OptionValues,
): Promise<Result<Status, Failure>> => {
  context.setResume("Nothing was uploaded. Go on at any time with kf sync on")
  let status = await keyferry.status({ fresh: true })
  if (status.account !== undefined && status.account.factors.length === 0) {
    // Without a person only the way out is named: a factor cannot be set up by a flag.
    if (context.prompter === undefined) return err(failure("two-factor-required"))
    context.io.warn("Step 1 of 3: sync needs a second factor, and this account has none yet.")
    const set = await setUpSecondFactor(context, keyferry)
    if (!set.ok) return set
    status = await keyferry.status({ fresh: true })
  }
  if (
    status.account !== undefined &&
    status.account.deviceState !== "active" &&
    isWaiting(status.account.deviceState)
  ) {
    const confirmed = await confirmThisDevice(context, keyferry, options)
    if (!confirmed.ok) return confirmed
    status = await keyferry.status({ fresh: true })
  }
  return ok(status)
}

const isWaiting = (state: string): boolean => state === "pending-first" || state === "pending" || state === "confirmed"

/** The device that made the account: it is in the chain already, so it needs the mail only, no keys. */
const confirmThisDevice = async (
  context: Context,
  keyferry: Keyferry,
  options: OptionValues,
): Promise<Result<void, Failure>> => {
  if (context.prompter !== undefined)
    context.io.warn("Step 2 of 3: confirm that this device and this address are yours.")
  // Whoever runs this again goes on with the link that is in the mailbox already.
  const mail = await keyferry.requestMail({ running: !flagOption(options, "resend") })
  if (!mail.ok) return mail
  const stops = context.prompter === undefined && !flagOption(options, "wait")
  const { account } = await keyferry.status({ fresh: true })
  const where = { server: account?.server ?? "", address: account?.address ?? "" }
  tellConfirmation(context, { ...mail.value, ...where }, { again: "kf sync on", stops })
  if (stops) return err(failure("device-not-verified", `The code is ${mail.value.code}; then run kf sync on again.`))
  for (;;) {
    const state = (await keyferry.status({ fresh: true })).account?.deviceState ?? "unknown"
    if (state === "active") return ok(undefined)
    if (state === "rejected") return err(failure("device-rejected"))
    if (state === "expired") return err(failure("device-expired"))
    await sleep(POLL_MS)
  }
}

const chooseAndStart = async (
  context: Context,
  keyferry: Keyferry,
  status: Status,
  options: OptionValues,
): Promise<Ending> => {
  const list = await keyferry.list()
  if (!list.ok) return list
  const candidates = list.value.filter((item) => item.policy === "local-only")
  const items = await chooseItems(context, keyferry, candidates, options)
  if (!items.ok) return items
  const autoNew = await chooseAutoNew(context, status, options)
  if (!autoNew.ok) return autoNew
  const view = showProgress(
    context,
    "The agent goes on by itself; kf status shows how far it is, kf sync on starts it again.",
  )
  const on = await withStepUp(context, keyferry, () =>
    keyferry.syncOn({ items: items.value, autoNew: autoNew.value }, view.on),
  )
  view.end()
  if (!on.ok) return on
  const chosen = items.value
  warnOfWithdrawal(
    context,
    candidates
      .filter((item) => chosen === "all" || (chosen !== "none" && chosen.includes(item.id)))
      .map((item) => ({ ...item, policy: "synced" as const })),
  )
  const after = await keyferry.status()
  const { sync } = after
  context.io.answer(
    {
      schema: "kf.sync/1",
      on: true,
      uploaded: on.value.uploaded,
      synced: sync.synced,
      localOnly: sync.localOnly,
      autoNew: sync.autoNew,
    },
    [
      `Sync is on. ${count(on.value.uploaded, "item")} uploaded, ${sync.synced} synced here, ${sync.localOnly} on this device only.`,
      sync.autoNew
        ? "New items are synced by themselves: kf sync auto off changes that."
        : "New items stay here until you say kf synced REF; kf sync auto on changes that.",
    ],
  )
  return ok("done")
}

const chooseItems = async (
  context: Context,
  keyferry: Keyferry,
  candidates: readonly ItemSummary[],
  options: OptionValues,
): Promise<Result<"all" | "none" | readonly string[], Failure>> => {
  const given = textOption(options, "items")
  if (given === "all" || given === "none") return ok(given)
  if (given !== undefined) {
    const found = await findItems(
      keyferry,
      given
        .split(",")
        .map((part) => part.trim())
        .filter(Boolean),
      context.settings.vault,
    )
    return found.ok ? ok(found.value.map((item) => item.id)) : found
  }
  if (candidates.length === 0) return ok("none")
  if (context.prompter === undefined) {
    return err(
      needsTerminal(
        "Say which items are uploaded: --items all, --items none, or --items with titles or ids, separated by commas.",
      ),
    )
  }
  const { prompter } = context
  prompter.show(
    `Step 3 of 3: ${count(candidates.length, "item")} on this device only. What you do not choose stays here and is never sent.`,
  )
  for (const [index, item] of candidates.entries()) {
    prompter.show(
      `  ${String(index + 1).padStart(3)}  ${printable(item.title)}  ${item.kind}  ${printable(item.summary)}`,
    )
  }
  for (;;) {
    const answer = await prompter.text("Upload which? all, none, or numbers such as 1,3-5:", "all")
    if (!answer.ok) return answer
    const chosen = parseChoice(answer.value, candidates.length)
    if (chosen === "all" || chosen === "none") return ok(chosen)
    if (chosen !== undefined) return ok(chosen.map((index) => candidates[index]?.id).filter((id) => id !== undefined))
    prompter.show("That was not understood.")
  }
}

/** `all`, `none`, or zero-based indexes for `1,3-5`. `undefined` for anything else. */
export const parseChoice = (text: string, length: number): "all" | "none" | readonly number[] | undefined => {
  const folded = text.trim().toLowerCase()
  if (folded === "all" || folded === "none") return folded
  const chosen = new Set<number>()
  for (const part of folded.split(/[\s,]+/).filter(Boolean)) {
    const match = /^(\d{1,6})(?:-(\d{1,6}))?$/.exec(part)
    const from = Number(match?.[1] ?? 0)
    const to = Number(match?.[2] ?? match?.[1] ?? 0)
    if (from < 1 || to < from || to > length) return undefined
    for (let n = from; n <= to; n++) chosen.add(n - 1)
  }
  return chosen.size === 0 ? undefined : [...chosen].toSorted((a, b) => a - b)
}

const chooseAutoNew = async (
  context: Context,
  status: Status,
  options: OptionValues,
): Promise<Result<boolean, Failure>> => {
  if (flagOption(options, "autoNew")) return ok(true)
  if (options["autoNew"] === false || context.prompter === undefined || context.settings.yes)
    return ok(status.sync.autoNew && options["autoNew"] !== false)
  return context.prompter.confirm("Sync items that you add later by themselves?", status.sync.autoNew)
}
