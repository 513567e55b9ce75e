import { equalBytes, type Random } from "@keyferry/base"
import type { EVENT_KINDS, StrongroomEvent } from "@keyferry/strongroom-api"
import type { Logger } from "pino"

import type { Feed } from "../feed/feed.ts"
import type { MailQueue } from "../mail/queue.ts"
import { isNoticeKind } from "../mail/templates/security-notice.ts"
import {
  confirmAddress,
  deleteAccountRows,
  findAccount,
  findAccountByAddress,
  setAccountId,
  touchAccount,
} from "../store/accounts.ts"
import { deleteAddressChangeOf } from "../store/address-changes.ts"
import { appendAudit } from "../store/audit.ts"
import { setDeviceState } from "../store/devices.ts"
import { deleteFreezeLinksOf } from "../store/freeze-links.ts"
import { findInvitation, useInvitation } from "../store/invitations.ts"
import { advanceProgress, readProgress, startProgress } from "../store/progress.ts"
import { deleteAllSessions, deleteSessionsOfAccount, deleteSessionsOfDevice } from "../store/sessions.ts"
import type { ServerStore, Tx } from "../store/tables.ts"
import type { Strongroom } from "../strongroom/process.ts"
import { queueNotice } from "./notices.ts"

type Kind = (typeof EVENT_KINDS)[number]

export interface Events {
  /** Applies everything that the strongroom has committed so far. One run at a time; a call during a run causes another. */
  readonly catchUp: () => Promise<void>
}

interface Deps {
  readonly store: ServerStore
  readonly strongroom: Strongroom
  readonly mail: MailQueue
  readonly feed: Feed
  readonly log: Logger
  readonly origin: () => string
  readonly random: Random
}

const BATCH = 500

/** State of a device after an event about it; an event without one leaves it as it is. */
const STATE_BY_KIND: Partial<Record<Kind, string>> = {
  "device-pending": "pending",
  "device-confirmed": "confirmed",
  "device-rejected": "rejected",
  "device-expired": "expired",
  "device-approved": "approved",
  "device-active": "active",
  "device-lease-locked": "lease-locked",
  "device-removed": "removed",
  "device-retired": "retired",
}
const ENDS_DEVICE: ReadonlySet<string> = new Set<Kind>([
  "device-rejected",
  "device-expired",
  "device-removed",
  "device-retired",
])
const ENDS_ACCOUNT_SESSIONS: ReadonlySet<string> = new Set<Kind>([
  "password-changed",
  "recovery-used",
  "account-deleted",
  "account-frozen",
])
const CONFIRMS_ADDRESS: ReadonlySet<string> = new Set<Kind>(["device-confirmed", "device-active", "account-active"])

/**
 * Applies the strongroom's events to the server's store, each exactly once: the cursor moves in the transaction of its
 * effect. What must be asked of the strongroom because of an event is asked before that transaction and may be asked again.
 */
export const createEvents = ({ store, strongroom, mail, feed, log, origin, random }: Deps): Events => {
  let running: Promise<void> | undefined
  let again = false

  const before = async (event: StrongroomEvent): Promise<void> => {
    if (event.kind === "account-created") await confirmIfFirst(event.accountUuid)
    if (CONFIRMS_ADDRESS.has(event.kind)) await releaseAddress(event.accountUuid)
  }
  // The one-time link of the first account stands for the mail.
  const confirmIfFirst = async (uuid: string): Promise<void> => {
    const first = await store.read(async (db) => {
      const account = await findAccount(db, uuid)
      if (account === undefined || account.invitation === null) return false
      return (await findInvitation(db, account.invitation))?.first === 1
    })
    if (!first) return
    const confirmed = await strongroom.call("confirmFirst", { accountUuid: uuid })
    if (!confirmed.ok) log.error({ code: confirmed.error.code }, "the first device could not be confirmed")
  }
  // A confirmed sign-up takes its address from an account without second factor and vaults; the strongroom judges both.
  const releaseAddress = async (uuid: string): Promise<void> => {
    const old = await store.read(async (db) => {
      const account = await findAccount(db, uuid)
      if (account === undefined || account.confirmed === 1) return undefined
      return findAccountByAddress(db, account.address_key)
    })
    if (old === undefined) return
    const all = await strongroom.call("accounts", {})
    const known = all.ok ? all.value.accounts.find((a) => a.accountUuid === old.uuid) : undefined
    if (known === undefined || known.factors > 0) return
    const deleted = await strongroom.call("deleteAccount", { accountUuid: old.uuid })
    if (deleted.ok) await store.transaction((tx) => deleteAccountRows(tx, old.uuid))
  }

  const apply = async (tx: Tx, event: StrongroomEvent): Promise<void> => {
    const { accountUuid, deviceId, kind, atMs } = event
    if (kind === "account-created" && event.accountId !== undefined)
      await created(tx, accountUuid, event.accountId, atMs)
    const state = STATE_BY_KIND[kind as Kind]
    if (state !== undefined && deviceId !== undefined)
      await setDeviceState(tx, { deviceId, accountUuid, state, nowMs: atMs })
    if (CONFIRMS_ADDRESS.has(kind)) {
      await touchAccount(tx, accountUuid, atMs)
      await confirmAddress(tx, accountUuid)
    }
    if (ENDS_DEVICE.has(kind) && deviceId !== undefined) await deleteSessionsOfDevice(tx, accountUuid, deviceId)
    if (ENDS_ACCOUNT_SESSIONS.has(kind)) await deleteSessionsOfAccount(tx, accountUuid)
    // A new address that somebody asked for is not confirmed while nothing may change, and not after that either.
    if (kind === "account-frozen") await deleteAddressChangeOf(tx, accountUuid)
    if (kind === "account-thawed") await deleteFreezeLinksOf(tx, accountUuid)
    await appendAudit(store, tx, {
      atMs,
      accountUuid,
      kind,
      ...(deviceId === undefined ? {} : { deviceId }),
      ...(event.detail === undefined ? {} : { detail: event.detail }),
    })
    if (isNoticeKind(kind)) await queueNotice({ mail, origin: origin(), random }, tx, accountUuid, kind, atMs)
    if (kind === "account-deleted") await deleteAccountRows(tx, accountUuid)
  }
  const created = async (tx: Tx, uuid: string, accountId: Uint8Array, atMs: number): Promise<void> => {
    const account = await findAccount(tx, uuid)
    if (account === undefined) return
    const invitation = account.invitation === null ? undefined : await findInvitation(tx, account.invitation)
    await setAccountId(tx, uuid, accountId, invitation?.first ?? 0)
    if (invitation !== undefined) await useInvitation(tx, invitation.token_hash, atMs)
  }

  const run = async (): Promise<void> => {
    for (;;) {
      const progress = await store.read(readProgress)
      const answer = await strongroom.call("events", { after: progress?.n ?? 0, max: BATCH })
      if (!answer.ok) {
        log.warn({ code: answer.error.code }, "events wait for the strongroom")
        return
      }
      const { logId, events } = answer.value
      if (progress === undefined || !equalBytes(progress.logId, logId)) {
        // Another log: the strongroom is new or was restored. Whatever was signed in belongs to a past that may be gone.
        await store.transaction(async (tx) => {
          await startProgress(tx, logId)
          if (progress !== undefined) await deleteAllSessions(tx)
        })
        if (progress !== undefined) feed.endAll("restart")
        continue
      }
      for (const event of events) {
        await before(event)
        await store.transaction(async (tx) => {
          if (await advanceProgress(tx, logId, event.n)) await apply(tx, event)
        })
        if (ENDS_DEVICE.has(event.kind) && event.deviceId !== undefined) feed.endDevice(event.deviceId)
      }
      if (events.length > 0) mail.wake()
      // Until there is none: applying one may have caused another.
      if (events.length === 0) return
    }
  }
  return Object.freeze<Events>({
    catchUp: () => {
      again = true
      running ??= (async () => {
        try {
          while (again) {
            again = false
            await run()
          }
        } finally {
          // In the same turn as the last look at `again`, so that no call falls between the two.
          running = undefined
        }
      })()
      return running
    },
  })
}
