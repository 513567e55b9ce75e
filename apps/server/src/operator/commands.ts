import { errors, type Failure } from "@keyferry/protocol"

import type { AccountLine, Invitation } from "../service/operator.ts"
import type { LossLine } from "../service/losses.ts"
import type { OperatorRequest } from "./messages.ts"
import { askServer } from "./socket.ts"

export interface CommandOutput {
  readonly out: string
  readonly error: string
  readonly exitCode: number
}

/** The words of the operator's commands, as `keyferry help` lists them; `undefined` for others. */
export const parseOperatorCommand = (words: readonly string[]): OperatorRequest | undefined => {
  const [first, second, third, ...rest] = words
  if (rest.length > 0) return undefined
  if (first === "invite" && second === undefined) return { command: "invite" }
  if (first === "user" && second === "ls" && third === undefined) return { command: "user-ls" }
  if (first === "user" && second === "reset-2fa" && third !== undefined)
    return { command: "user-reset-2fa", address: third }
  if (first === "user" && second === "freeze" && third !== undefined) return { command: "user-freeze", address: third }
  if (first === "device" && second === "confirm" && third !== undefined)
    return { command: "device-confirm", code: third }
  if (first === "kek" && second === "rotate" && third === undefined) return { command: "kek-rotate" }
  if (first === "loss" && second === "ls" && third === undefined) return { command: "loss-ls" }
  if (first === "loss" && second === "accept" && third !== undefined) return { command: "loss-accept", account: third }
  return undefined
}

export const runOperatorCommand = async (
  folder: string,
  request: OperatorRequest,
  json: boolean,
): Promise<CommandOutput> => {
  const asked = await askServer(folder, request)
  if (!asked.ok) return refused(asked.error, json)
  if (!asked.value.ok) return refused(asked.value.error, json)
  const { value } = asked.value
  return { out: json ? `${JSON.stringify(value, undefined, 2)}\n` : print(request, value), error: "", exitCode: 0 }
}

const refused = (failed: Failure, json: boolean): CommandOutput => {
  const { sentence, action, exit } = errors[failed.code]
  const error = json
    ? `${JSON.stringify({ code: failed.code, sentence, detail: failed.detail, action })}\n`
    : `${failed.detail ?? sentence}\n${failed.code === "network-unreachable" ? "Start it first: keyferry serve" : action}\n`
  return { out: "", error, exitCode: exit }
}

// The server of the same version wrote the value; these functions are its other half.
const print = (request: OperatorRequest, value: unknown): string => {
  switch (request.command) {
    case "invite": {
      const { link, expiresAtMs, first } = value as Invitation
      return `${link}\n${first ? "For the first account, who becomes operator. " : ""}Works once, until ${timeOf(expiresAtMs)}.\n`
    }
    case "user-ls":
      return printAccounts(value as readonly AccountLine[])
    case "user-reset-2fa":
      return `One sign-in without the second factor is open until ${timeOf((value as { openUntilMs: number }).openUntilMs)}.\nSync of this account is suspended and its owner was told.\n`
    case "user-freeze":
      return "The account is frozen: no device opens or sends anything, and its owner was told.\nOnly its owner thaws it: with a device and the second factor, or after 72 hours.\n"
    case "device-confirm": {
      const { deviceId, state } = value as { deviceId: string; state: string }
      return `${deviceId} is ${state} now. The log of the account says that an operator did this.\n`
    }
    case "kek-rotate": {
      const { rewrapped, destroyed } = value as { rewrapped: number; destroyed: number }
      return `${rewrapped} data ${rewrapped === 1 ? "key is" : "keys are"} wrapped under a new key; ${destroyed === 1 ? "the old one is" : "older ones are"} destroyed.\nBack up strongroom/main.kek and the databases now: older copies of one no longer open with newer ones of the other.\n`
    }
    case "loss-ls":
      return printLosses(value as readonly LossLine[])
    case "loss-accept":
      return `Accepted: ${describeLoss(value as LossLine)} is served as it is now. Its owner was told.\n`
  }
}

export const printLosses = (losses: readonly LossLine[]): string =>
  losses.length === 0
    ? "Nothing is lost: every account holds all that is known of it.\n"
    : losses.map((line) => `${describeLoss(line)}\n`).join("")

const describeLoss = ({ accountId, address, lost }: LossLine): string => {
  const chains = lost.map(({ what, kept, here }) => `${what} ends at step ${here}, step ${kept} was certainly stored`)
  return `${address ?? accountId}${address === undefined ? "" : ` (${accountId})`}: ${chains.join("; ")}`
}

const timeOf = (ms: number): string => `${new Date(ms).toISOString().slice(0, 16).replace("T", " ")} UTC`

const printAccounts = (accounts: readonly AccountLine[]): string => {
  if (accounts.length === 0) return "No accounts yet.\n"
  const rows = accounts.map((a) => [
    a.address,
    a.accountId.slice(0, 12),
    `${a.devices} device${a.devices === 1 ? "" : "s"}`,
    a.factors > 0 ? "second factor" : "no second factor",
    [
      a.operator ? "operator" : "",
      a.confirmed ? "" : "unconfirmed",
      a.frozen ? "frozen" : "",
      a.syncSuspended ? "sync suspended" : "",
    ]
      .filter((word) => word !== "")
      .join(", "),
  ])
  const widths = [0, 1, 2, 3].map((i) => Math.max(...rows.map((row) => (row[i] ?? "").length)))
  return rows
    .map(
      (row) =>
        `${row
          .map((cell, i) => cell.padEnd(widths[i] ?? 0))
          .join("  ")
          .trimEnd()}\n`,
    )
    .join("")
}
