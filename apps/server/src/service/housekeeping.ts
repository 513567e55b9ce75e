import { deleteAccountRows, listIdleUnconfirmed } from "../store/accounts.ts"
import { deleteOldAddressChanges } from "../store/address-changes.ts"
import { deleteOldFreezeLinks } from "../store/freeze-links.ts"
import { deleteOldIdempotency } from "../store/idempotency.ts"
import { deleteOldInvitations } from "../store/invitations.ts"
import { deleteOldMail } from "../store/mail-queue.ts"
import { deleteOldRelay } from "../store/relay.ts"
import { deleteEndedSessions } from "../store/sessions.ts"
import type { Context } from "./context.ts"

const DAY_MS = 24 * 3_600_000
const UNCONFIRMED_MS = 30 * DAY_MS
/** A sign-up that never finished: its reservation in the strongroom is gone after 30 minutes. */
const UNFINISHED_MS = 2 * 3_600_000

/** Deletes what has run out. Runs at start and once an hour; running it twice does no harm. */
export const keepHouse = async ({ store, strongroom, clock, log }: Context): Promise<void> => {
  const nowMs = clock.nowMs()
  await store.transaction(async (tx) => {
    await deleteEndedSessions(tx, nowMs)
    await deleteOldInvitations(tx, nowMs - DAY_MS)
    await deleteOldMail(tx, nowMs - 30 * DAY_MS)
    await deleteOldRelay(tx, nowMs - 3_600_000)
    await deleteOldAddressChanges(tx, nowMs)
    await deleteOldFreezeLinks(tx, nowMs)
    await deleteOldIdempotency(tx, nowMs - DAY_MS)
  })
  const idle = await store.read((db) => listIdleUnconfirmed(db, nowMs - UNFINISHED_MS, nowMs - UNCONFIRMED_MS))
  for (const account of idle) {
    if (account.account_id !== null) {
      const deleted = await strongroom.call("deleteAccount", { accountUuid: account.uuid })
      if (!deleted.ok && deleted.error.code !== "not-found") {
        log.warn({ code: deleted.error.code }, "an unconfirmed account was kept")
        continue
      }
    }
    await store.transaction((tx) => deleteAccountRows(tx, account.uuid))
  }
}
