import { ok } from "@keyferry/base"
import { errors } from "@keyferry/sdk/errors"

import type { CommandSpec } from "../command.ts"
import { count, duration, iso, when } from "../format.ts"
import { printable } from "../io.ts"
import { KIT_UNCHECKED } from "../kit-words.ts"
import type { Status } from "../keyferry.ts"
import { pairs } from "../table.ts"

export const command: CommandSpec = {
  name: "status",
  summary: "server, account, device and sync on one screen; needs no password",
  run: async (context) => {
    const connected = await context.connect()
    if (!connected.ok) return connected
    const status = await connected.value.keyferry.status({ fresh: true })
    const nowMs = context.clock.nowMs()
    context.io.answer(
      statusDocument(context.settings.profile, status),
      statusLines(context.settings.profile, status, nowMs, context.env["TZ"]),
    )
    return ok("done")
  },
}

export const statusDocument = (profile: string, status: Status): Readonly<Record<string, unknown>> => {
  const { unlockedUntilMs, lastContactMs, graceUntilMs, sync, ...rest } = status
  const { lastSyncMs, ...syncRest } = sync
  return {
    schema: "kf.status/1",
    profile,
    ...rest,
    ...time("unlockedUntil", unlockedUntilMs),
    ...time("lastContact", lastContactMs),
    ...time("graceUntil", graceUntilMs),
    sync: { ...syncRest, ...time("lastSync", lastSyncMs) },
  }
}

const time = (name: string, ms: number | undefined): Readonly<Record<string, string>> =>
  ms === undefined ? {} : { [name]: iso(ms) }

const SYNC: Readonly<Record<Status["sync"]["state"], string>> = {
  off: "off on this device",
  "up-to-date": "up to date",
  working: "working",
  waiting: "changes wait to be sent",
  offline: "offline",
  refused: "refused by the server",
  frozen: "frozen: the server's history is not the one this device knows",
  busy: "busy; this device keeps trying",
}

export const statusLines = (profile: string, status: Status, nowMs: number, zone?: string): readonly string[] => {
  const { account, enrolment, sync } = status
  const rows: [string, string][] = []
  if (profile !== "default") rows.push(["Profile", profile])
  if (account !== undefined) {
    rows.push(["Server", `${account.server}  identity ${account.serverWords}`])
    rows.push([
      "Account",
      `${printable(account.address)}${knows(status) ? (account.factors.length > 0 ? "  2FA on" : "  2FA off") : ""}${account.frozen ? "  frozen" : ""}${account.syncSuspended ? "  sync suspended" : ""}`,
    ])
    rows.push([
      "Device",
      `${printable(account.deviceName)}  ${lockText(status, nowMs)}${account.deviceState === "active" || !knows(status) ? "" : `  ${account.deviceState}`}`,
    ])
  } else {
    if (enrolment === undefined)
      rows.push(["Account", status.mode === "local" ? "none; this vault is on this device only" : "none"])
    rows.push(["Vault", lockText(status, nowMs)])
  }
  if (account !== undefined && status.lock === "locked") {
    rows.push(["Sync", "rests while the vault is locked"])
  } else if (account !== undefined || sync.on) {
    const last = sync.lastSyncMs === undefined ? "" : ` ${when(sync.lastSyncMs, nowMs, zone)}`
    rows.push([
      "Sync",
      `${SYNC[sync.state]}${last}  ${sync.synced} synced here, ${sync.localOnly} local only${sync.waiting > 0 ? `, ${sync.waiting} waiting` : ""}${sync.credentials ? "" : "  credentials stay local"}`,
    ])
  } else if (status.mode === "local" && status.lock !== "locked") {
    rows.push(["Items", count(sync.localOnly, "item")])
  }
  if (enrolment !== undefined) {
    rows.push([
      "Joining",
      `${enrolment.address === "" ? "your account" : printable(enrolment.address)} at ${enrolment.server}: ${STEP[enrolment.step]}${enrolment.code === undefined ? "" : `, code ${enrolment.code}`}`,
    ])
  }
  if (status.graceUntilMs !== undefined && sync.state === "offline")
    rows.push([
      "Offline",
      `standard items open until ${when(status.graceUntilMs, nowMs, zone)}, strict ones not before the server answers`,
    ])
  for (const line of lookAt(status, nowMs, zone)) rows.push(["Look at", line])
  return pairs(rows)
}

/** What the server said about factors and the device; a locked or cut-off device was told nothing. */
const knows = ({ account }: Status): boolean => account !== undefined && account.deviceState !== "unknown"

const STEP = {
  "second-factor": "the second factor is next",
  confirm: "waits to be confirmed",
  keys: "confirmed; its keys are next",
  done: "done",
} as const

const lockText = (status: Status, nowMs: number): string => {
  const until = status.unlockedUntilMs === undefined ? "" : ` for ${duration(status.unlockedUntilMs - nowMs)}`
  if (status.lock === "unlocked") return `unlocked${until}`
  if (status.lock === "standard-only") return `unlocked${until}, strict keys closed until the server answers`
  return status.lock === "locked" ? "locked" : "no vault yet"
}

const lookAt = (status: Status, nowMs: number, zone?: string): readonly string[] => {
  const { sync, account, enrolment } = status
  const lines: string[] = []
  if (sync.conflicts > 0) lines.push(`${count(sync.conflicts, "item has", "items have")} two versions → kf conflicts`)
  if (status.lockCode !== undefined)
    lines.push(`${errors[status.lockCode].sentence} → ${errors[status.lockCode].action}`)
  if (sync.code !== undefined) lines.push(`${errors[sync.code].sentence} → ${errors[sync.code].action}`)
  if (account?.frozen === true)
    lines.push(
      account.thawAtMs === undefined
        ? "the account is frozen; nothing opens or syncs → kf thaw"
        : `the account is frozen; somebody may thaw it without your second factor ${when(account.thawAtMs, nowMs, zone)} → kf freeze stops that, kf thaw ends it`,
    )
  if (account?.factorResetAtMs !== undefined)
    lines.push(
      `somebody with your password or your kit may sign in without your second factor ${when(account.factorResetAtMs, nowMs, zone)} → kf 2fa keep stops that`,
    )
  if (account !== undefined && knows(status) && account.factors.length === 0)
    lines.push("no second factor; sync needs one → kf sync on")
  else if (account !== undefined && (account.deviceState === "pending-first" || account.deviceState === "pending"))
    lines.push("this device is not confirmed → kf sync on")
  if (account?.kitUnchecked === true) lines.push(`${KIT_UNCHECKED.found} → ${KIT_UNCHECKED.fix}`)
  if (enrolment !== undefined && enrolment.step !== "done")
    lines.push(`joining is not finished → kf ${enrolment.purpose === "login" ? "login" : "recover"}`)
  if (status.mode === "none" && enrolment === undefined)
    lines.push("nothing here yet → kf add KIND, kf signup LINK or kf login URL")
  return lines
}
