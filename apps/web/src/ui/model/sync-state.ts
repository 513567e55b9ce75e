import type { Status } from "@keyferry/sdk"
import type { ErrorCode } from "@keyferry/sdk/errors"

import type { Surroundings } from "../data/surroundings.ts"

/** The states of sync on this device, in the order in which the first that applies is shown. */
export const SYNC_STATES = [
  "insecure-context",
  "wrong-server",
  "client-too-old",
  "device-removed",
  "account-frozen",
  "device-unknown",
  "clock-wrong",
  "device-limit",
  "server-rolled-back",
  "vault-frozen",
  "no-account",
  "sync-suspended",
  "setup-incomplete",
  "sync-off",
  "offline",
  "retrieve-paused",
  "conflicts",
  "rejected",
  "busy",
  "retrieving",
  "syncing",
  "up-to-date",
] as const

export type SyncState = (typeof SYNC_STATES)[number]

const BY_CODE: Partial<Readonly<Record<ErrorCode, SyncState>>> = {
  "server-identity-changed": "wrong-server",
  "unsupported-version": "client-too-old",
  "device-removed": "device-removed",
  "device-rejected": "device-removed",
  "device-retired": "device-removed",
  "holder-reused": "device-removed",
  "device-not-enrolled": "device-unknown",
  "signature-invalid": "device-unknown",
  "clock-skew": "clock-wrong",
  "clock-moved": "clock-wrong",
  "device-limit": "device-limit",
  "chain-rolled-back": "server-rolled-back",
  "chain-forked": "vault-frozen",
  "chain-invalid": "vault-frozen",
  "chain-omission": "vault-frozen",
  "account-frozen": "account-frozen",
  "sync-suspended": "sync-suspended",
  "network-unreachable": "offline",
  "timed-out": "offline",
}

const isWaitingDevice = (state: string): boolean =>
  state === "pending-first" || state === "pending" || state === "confirmed"

export const syncStateOf = (status: Status, surroundings: Surroundings): SyncState => {
  const { sync, account } = status
  if (!surroundings.secure) return "insecure-context"
  const coded = BY_CODE[status.lockCode ?? sync.code ?? "internal"]
  const hard: readonly (SyncState | undefined)[] = SYNC_STATES.slice(0, 10)
  if (coded !== undefined && hard.includes(coded)) return coded
  if (account?.frozen === true) return "account-frozen"
  if (account === undefined) return "no-account"
  if (account.syncSuspended || coded === "sync-suspended") return "sync-suspended"
  if (!sync.on) {
    // Who had it on and turned it off here is not to be reminded of a set-up.
    const begun = account.factors.length > 0 || isWaitingDevice(account.deviceState)
    return begun && sync.lastSyncMs === undefined ? "setup-incomplete" : "sync-off"
  }
  if (sync.state === "frozen") return "vault-frozen"
  // What was opened without the server does not sync before it is opened with it.
  const isWithout = status.lock === "standard-only" || sync.state === "offline" || !surroundings.online
  if (isWithout || coded === "offline") return "offline"
  if (sync.retrieve?.paused === true) return "retrieve-paused"
  if (sync.conflicts > 0) return "conflicts"
  if (sync.state === "refused") return "rejected"
  if (sync.state === "busy") return "busy"
  if (sync.retrieve !== undefined) return "retrieving"
  return sync.state === "working" || sync.state === "waiting" || sync.waiting > 0 ? "syncing" : "up-to-date"
}
