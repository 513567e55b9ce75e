import { err, formatId, ok, type Result } from "@keyferry/base"
import { type Failure, failure } from "@keyferry/protocol"

import { parseAddress } from "../policy/address.ts"
import { countAccounts, findAccountByAddress, listAccounts } from "../store/accounts.ts"
import { appendAudit } from "../store/audit.ts"
import { deleteFirstInvitations, insertInvitation } from "../store/invitations.ts"
import type { Context } from "./context.ts"
import { queueNotice } from "./notices.ts"
import { makeToken } from "./tokens.ts"

const FIRST_LINK_MS = 3_600_000
const INVITATION_MS = 7 * 24 * 3_600_000

export interface Invitation {
  readonly link: string
  readonly expiresAtMs: number
  readonly first: boolean
}

/** A one-time sign-up link. While there is no account it is the link of the first one, of which only the newest works. */
export const invite = async ({ store, clock, random, settings }: Context): Promise<Result<Invitation, Failure>> => {
  const token = makeToken(random)
  const nowMs = clock.nowMs()
  const first = await store.transaction(async (tx) => {
    const isFirst = (await countAccounts(tx)) === 0
    if (isFirst) await deleteFirstInvitations(tx)
    await insertInvitation(tx, {
      token_hash: token.hash,
      first: isFirst ? 1 : 0,
      created_ms: nowMs,
      expires_ms: nowMs + (isFirst ? FIRST_LINK_MS : INVITATION_MS),
      claimed_by: null,
      claimed_until_ms: 0,
      used_ms: null,
    })
    await appendAudit(store, tx, { atMs: nowMs, kind: isFirst ? "first-link-made" : "invitation-made" })
    return isFirst
  })
  return ok({
    link: `${settings.origin}/setup#t=${token.text}`,
    expiresAtMs: nowMs + (first ? FIRST_LINK_MS : INVITATION_MS),
    first,
  })
}

export interface AccountLine {
  readonly address: string
  readonly accountId: string
  readonly confirmed: boolean
  readonly operator: boolean
  readonly devices: number
  readonly factors: number
  readonly frozen: boolean
  readonly syncSuspended: boolean
  readonly createdAtMs: number
  readonly seenAtMs: number
}

/** Everybody, with what both processes know. Nothing of what they keep. */
export const listUsers = async ({ store, strongroom }: Context): Promise<Result<readonly AccountLine[], Failure>> => {
  const kept = await strongroom.call("accounts", {})
  if (!kept.ok) return kept
  const byUuid = new Map(kept.value.accounts.map((a) => [a.accountUuid, a]))
  const rows = await store.read(listAccounts)
  return ok(
    rows
      .filter((row) => row.account_id !== null)
      .map((row) => {
        const known = byUuid.get(row.uuid)
        return {
          address: row.address,
          accountId: row.account_id === null ? "" : formatId("acc", row.account_id),
          confirmed: row.confirmed === 1,
          operator: row.operator === 1,
          devices: known?.devices ?? 0,
          factors: known?.factors ?? 0,
          frozen: known?.frozen ?? false,
          syncSuspended: known?.syncSuspended ?? false,
          createdAtMs: row.created_ms,
          seenAtMs: row.seen_ms,
        }
      }),
  )
}

/** Lets an account sign in once within 24 hours without its second factor. Suspends sync, and its owner is told. */
export const resetTwoFactor = async (
  context: Context,
  address: string,
): Promise<Result<{ readonly openUntilMs: number }, Failure>> => {
  const { store, strongroom, clock, mail, settings, events } = context
  const parsed = parseAddress(address)
  const account = parsed.ok ? await store.read((db) => findAccountByAddress(db, parsed.value.key)) : undefined
  if (account === undefined) return err(failure("not-found", "No account has confirmed this address."))
  const opened = await strongroom.call("operatorResetTwoFactor", { accountUuid: account.uuid })
  if (!opened.ok) return opened
  const atMs = clock.nowMs()
  await store.transaction(async (tx) => {
    const kind = "operator-reset-two-factor"
    await appendAudit(store, tx, { atMs, accountUuid: account.uuid, kind })
    await queueNotice({ mail, origin: settings.origin, random: context.random }, tx, account.uuid, kind, atMs)
  })
  mail.wake()
  await events.catchUp()
  return ok({ openUntilMs: opened.value.openUntilMs })
}

/** Freezes an account, as its owner asked; only the owner thaws it. The owner is told by the event's mail. */
export const freezeUser = async (
  context: Context,
  address: string,
): Promise<Result<{ readonly frozen: boolean }, Failure>> => {
  const { store, strongroom, clock, events } = context
  const parsed = parseAddress(address)
  const account = parsed.ok ? await store.read((db) => findAccountByAddress(db, parsed.value.key)) : undefined
  if (account === undefined) return err(failure("not-found", "No account has confirmed this address."))
  const frozen = await strongroom.call("freeze", { accountUuid: account.uuid, by: "operator" })
  if (!frozen.ok) return frozen
  await store.transaction((tx) =>
    appendAudit(store, tx, { atMs: clock.nowMs(), accountUuid: account.uuid, kind: "operator-froze" }),
  )
  await events.catchUp()
  return ok({ frozen: frozen.value.frozen })
}

/** Confirms the device that shows this code, where no mail can. */
export const confirmDevice = async (
  context: Context,
  code: string,
): Promise<Result<{ readonly deviceId: string; readonly state: string }, Failure>> => {
  const { store, strongroom, clock, events } = context
  const digits = code.replace(/[\s-]/g, "")
  if (!/^\d{6}$/.test(digits)) return err(failure("malformed", "The code has six digits."))
  const confirmed = await strongroom.call("operatorConfirm", { code: digits })
  if (!confirmed.ok) return confirmed
  const { accountUuid, deviceId, state } = confirmed.value
  await store.transaction((tx) =>
    appendAudit(store, tx, { atMs: clock.nowMs(), accountUuid, kind: "operator-confirmed-device", deviceId }),
  )
  await events.catchUp()
  return ok({ deviceId: formatId("dev", deviceId), state })
}

/** A new key over the outer layer's data keys. Asked again after it was cut off, it finishes that one. */
export const rotateKek = async (
  context: Context,
): Promise<Result<{ readonly rewrapped: number; readonly destroyed: number }, Failure>> => {
  const { store, strongroom, clock } = context
  const rotated = await strongroom.call("rotateKek", {})
  if (!rotated.ok) return rotated
  await store.transaction((tx) => appendAudit(store, tx, { atMs: clock.nowMs(), kind: "operator-rotated-kek" }))
  return rotated
}
