import { bytesToBase64url, equalBytes, err, formatId, ok, type Result } from "@keyferry/base"
import { type Failure, failure, type JsonBody, type JsonReply } from "@keyferry/protocol"
import type { AuthenticatedActor } from "@keyferry/strongroom-api"

import { addressTaken } from "../mail/templates/address-taken.ts"
import { verifyDevice } from "../mail/templates/verify-device.ts"
import { verifyFirst } from "../mail/templates/verify-first.ts"
import { maskAddress } from "../policy/address.ts"
import { MAIL_PER_ACCOUNT } from "../policy/limits.ts"
import { type AccountRow, findAccount, findAccountByAddress } from "../store/accounts.ts"
import { appendAudit } from "../store/audit.ts"
import { newestMailState } from "../store/mail-queue.ts"
import { bindSessionDevice, type SessionRow } from "../store/sessions.ts"
import type { Context } from "./context.ts"
import { raiseSession } from "./sessions.ts"
import { makeToken, type Token } from "./tokens.ts"
import { deviceKeysField } from "./wire.ts"

const LINK_MINUTES = "10"
/** Shown to a person as the pause until the next mail makes sense. */
const NEXT_MAIL_S = 30

const linkOf = (origin: string, token: Token): string => `${origin}/v/#${token.text}`

/**
 * Puts a new device into `pending` and mails the link. The code is shown by the device only; the mail holds only the link.
 * Errors: malformed, signature-invalid (other keys than those that signed in), holder-reused, device-limit, rate-limited
 */
export const startEnrolment = async (
  context: Context,
  session: SessionRow,
  body: JsonBody<"enrol.start">,
): Promise<Result<JsonReply<"enrol.start">, Failure>> => {
  const { store, strongroom, mail, clock, settings } = context
  const device = deviceKeysField(body.device)
  if (!device.ok) return device
  if (session.auth_pk !== null && !equalBytes(session.auth_pk, device.value.authPk))
    return err(failure("signature-invalid"))
  const wantsMail = body.mail !== false
  const counted = wantsMail ? await countMail(context, session.account_uuid) : ok(undefined)
  if (!counted.ok) return counted
  const token = makeToken(context.random)
  const enrolled = await strongroom.call("enrol", {
    accountUuid: session.account_uuid,
    device: device.value,
    tokenHash: token.hash,
    limits: settings.limits,
  })
  if (!enrolled.ok) return enrolled
  const account = await store.transaction(async (tx) => {
    await bindSessionDevice(tx, session.token_hash, device.value.deviceId)
    const row = await findAccount(tx, session.account_uuid)
    // The token of a link that nobody asked for is forgotten here: it can never be used.
    if (!wantsMail) return row
    await appendAudit(store, tx, {
      atMs: clock.nowMs(),
      accountUuid: session.account_uuid,
      kind: "link-mailed",
      deviceId: device.value.deviceId,
    })
    if (row !== undefined)
      await mail.add(tx, {
        template: verifyDevice,
        to: row.address,
        accountUuid: row.uuid,
        fields: { link: linkOf(settings.origin, token), platform: device.value.platform, minutes: LINK_MINUTES },
      })
    return row
  })
  mail.wake()
  await context.events.catchUp()
  const { code, lease, expiresAtMs } = enrolled.value
  return ok({
    state: "pending",
    code,
    lease: { leaseId: formatId("lea", lease.leaseId), leasePk: bytesToBase64url(lease.leasePk) },
    mail: mail.mode === "off" ? "off" : wantsMail ? "queued" : "none",
    mailedTo: maskAddress(account?.address ?? ""),
    expiresAtMs,
  })
}

/** What the waiting device may know. A confirmed one gets its level-3 session here, once. */
export const readEnrolment = async (
  context: Context,
  session: SessionRow,
): Promise<Result<JsonReply<"enrol.state">, Failure>> => {
  if (session.device_id === null) return err(failure("device-not-enrolled"))
  const now = await context.strongroom.call("enrolState", {
    accountUuid: session.account_uuid,
    deviceId: session.device_id,
  })
  if (!now.ok) return now
  const { state, reason, approver } = now.value
  const reply = {
    state,
    ...(reason === undefined ? {} : { reason }),
    mail: await mailState(context, session),
    approver,
  }
  if (state !== "confirmed" || session.level !== 2) return ok(reply)
  const raised = await raiseSession(context, session, 3)
  return raised.ok ? ok({ ...reply, session: raised.value }) : raised
}

const mailState = (context: Context, session: SessionRow): Promise<string> =>
  stateOfMail(context, session.account_uuid, verifyDevice.name)

const firstMailState = (context: Context, accountUuid: string): Promise<string> =>
  stateOfMail(context, accountUuid, verifyFirst.name)

const stateOfMail = async (context: Context, accountUuid: string, template: string): Promise<string> => {
  if (context.mail.mode === "off") return "off"
  const newest = await context.store.read((db) => newestMailState(db, accountUuid, template))
  if (newest === undefined) return "queued"
  // A second attempt means that the first one failed. It is tried again for hours; who waits for it is told now.
  if (newest.state === "waiting") return newest.tries > 1 ? "failed" : "queued"
  return newest.state
}

/** A new mail for the same device; the older link is dead. Errors: device-not-enrolled, rate-limited */
export const mailAgain = async (
  context: Context,
  session: SessionRow,
): Promise<Result<JsonReply<"enrol.mail">, Failure>> => {
  if (session.device_id === null) return err(failure("device-not-enrolled"))
  const account = await context.store.read((db) => findAccount(db, session.account_uuid))
  if (account === undefined) return err(failure("signed-out"))
  const sent = await sendLink(context, account, session.device_id, "enrol")
  return sent.ok ? ok({ mail: sent.value.mail, mailedTo: sent.value.mailedTo, nextInS: NEXT_MAIL_S }) : sent
}

/**
 * The mail of a first device, which also confirms the address. A taken address tells its owner instead. `running`: a link that is
 * still good is gone on with, and nothing is mailed.
 */
export const mailFirst = async (
  context: Context,
  actor: AuthenticatedActor,
  running: boolean,
): Promise<Result<JsonReply<"first.mail">, Failure>> => {
  const account = await context.store.read((db) => findAccount(db, actor.accountUuid))
  if (account === undefined) return err(failure("device-not-enrolled"))
  if (running) {
    const now = await context.strongroom.call("enrolRunning", { accountUuid: account.uuid, deviceId: actor.deviceId })
    if (!now.ok) return now
    const { code } = now.value
    const mail = await firstMailState(context, account.uuid)
    if (code !== undefined) return ok({ mail, mailedTo: maskAddress(account.address), code, nextInS: 0 })
  }
  const sent = await sendLink(context, account, actor.deviceId, "first")
  return sent.ok ? ok({ ...sent.value, nextInS: NEXT_MAIL_S }) : sent
}

const sendLink = async (
  context: Context,
  account: AccountRow,
  deviceId: Uint8Array,
  purpose: "enrol" | "first",
): Promise<Result<{ mail: string; mailedTo: string; code: string }, Failure>> => {
  const { store, strongroom, mail, settings } = context
  const counted = await countMail(context, account.uuid)
  if (!counted.ok) return counted
  const token = makeToken(context.random)
  const made = await strongroom.call("enrolMail", { accountUuid: account.uuid, deviceId, tokenHash: token.hash })
  if (!made.ok) return made
  const owner = purpose === "first" ? await ownerInTheWay(context, account) : undefined
  const described = await strongroom.call("confirmDescribe", { tokenHash: token.hash })
  await store.transaction(async (tx) => {
    if (owner !== undefined)
      await mail.add(tx, {
        template: addressTaken,
        to: owner.address,
        accountUuid: owner.uuid,
        fields: { origin: settings.origin },
      })
    else
      await mail.add(tx, {
        template: purpose === "first" ? verifyFirst : verifyDevice,
        to: account.address,
        accountUuid: account.uuid,
        fields: {
          link: linkOf(settings.origin, token),
          platform: described.ok ? described.value.platform : "unknown",
          minutes: LINK_MINUTES,
        },
      })
    await appendAudit(store, tx, {
      atMs: context.clock.nowMs(),
      accountUuid: account.uuid,
      kind: "link-mailed",
      deviceId,
    })
  })
  mail.wake()
  return ok({
    mail: mail.mode === "off" ? "off" : "queued",
    mailedTo: maskAddress(account.address),
    code: made.value.code,
  })
}

/** Who holds this address and keeps it: an account with a second factor. One without any can be replaced. */
const ownerInTheWay = async (context: Context, account: AccountRow): Promise<AccountRow | undefined> => {
  const owner = await context.store.read((db) => findAccountByAddress(db, account.address_key))
  if (owner === undefined || owner.uuid === account.uuid) return undefined
  const all = await context.strongroom.call("accounts", {})
  const known = all.ok ? all.value.accounts.find((a) => a.accountUuid === owner.uuid) : undefined
  return known === undefined || known.factors > 0 ? owner : undefined
}

const countMail = (context: Context, accountUuid: string): Promise<Result<unknown, Failure>> =>
  context.limiter.count("link-mail", MAIL_PER_ACCOUNT, accountUuid)
