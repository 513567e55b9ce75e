import { err, ok, type Result } from "@keyferry/base"
import { type Failure, failure, type JsonBody, type JsonReply } from "@keyferry/protocol"
import type { AuthenticatedActor } from "@keyferry/strongroom-api"

import { addressTaken } from "../mail/templates/address-taken.ts"
import { confirmAddress } from "../mail/templates/confirm-address.ts"
import { parseAddress } from "../policy/address.ts"
import { MAIL_PER_ACCOUNT } from "../policy/limits.ts"
import { changeAddress, findAccount, findAccountByAddress } from "../store/accounts.ts"
import { findAddressChange, replaceAddressChange, takeAddressChange } from "../store/address-changes.ts"
import { appendAudit } from "../store/audit.ts"
import type { Context } from "./context.ts"
import { queueNotice } from "./notices.ts"
import { hashToken, makeToken } from "./tokens.ts"

const LINK_HOURS = 24

/** The address as the server knows it, and whether a new one waits for its mail. */
export const showAddress = async (
  { store, clock }: Context,
  actor: AuthenticatedActor,
): Promise<Result<JsonReply<"address.show">, Failure>> => {
  const { account, change } = await store.read(async (db) => ({
    account: await findAccount(db, actor.accountUuid),
    change: await findAddressChange(db, actor.accountUuid),
  }))
  if (account === undefined) return err(failure("device-not-enrolled"))
  return ok({ address: account.address, waiting: change !== undefined && change.expires_ms > clock.nowMs() })
}

/** Mails a link to the new address and a notice to the old one. A taken address answers the same. */
export const startAddressChange = async (
  context: Context,
  actor: AuthenticatedActor,
  body: JsonBody<"address.start">,
): Promise<Result<JsonReply<"address.start">, Failure>> => {
  const { store, mail, clock, settings, limiter } = context
  const address = parseAddress(body.address)
  if (!address.ok) return err(failure("malformed", "This is not an address."))
  if (mail.mode === "off") return err(failure("mail-not-deliverable"))
  const counted = await limiter.count("link-mail", MAIL_PER_ACCOUNT, actor.accountUuid)
  if (!counted.ok) return counted
  const token = makeToken(context.random)
  const nowMs = clock.nowMs()
  await store.transaction(async (tx) => {
    const owner = await findAccountByAddress(tx, address.value.key)
    if (owner !== undefined && owner.uuid !== actor.accountUuid) {
      const fields = { origin: settings.origin }
      await mail.add(tx, { template: addressTaken, to: owner.address, accountUuid: owner.uuid, fields })
    } else {
      await replaceAddressChange(tx, {
        token_hash: token.hash,
        account_uuid: actor.accountUuid,
        address: address.value.text,
        address_key: address.value.key,
        expires_ms: nowMs + LINK_HOURS * 3_600_000,
      })
      await mail.add(tx, {
        template: confirmAddress,
        to: address.value.text,
        accountUuid: actor.accountUuid,
        fields: { link: `${settings.origin}/address/#${token.text}`, hours: String(LINK_HOURS) },
      })
    }
    await queueNotice(
      { mail, origin: settings.origin, random: context.random },
      tx,
      actor.accountUuid,
      "address-change-requested",
      nowMs,
    )
    const line = { atMs: nowMs, accountUuid: actor.accountUuid, kind: "address-change-requested" }
    await appendAudit(store, tx, { ...line, deviceId: actor.deviceId })
  })
  mail.wake()
  return ok({ mail: "queued" })
}

/** The link in the mail to the new address. Works once. Errors: verify-link-not-valid */
export const confirmAddressChange = async (
  context: Context,
  body: JsonBody<"address.confirm">,
): Promise<Result<JsonReply<"address.confirm">, Failure>> => {
  const { store, mail, clock, settings, events } = context
  const tokenHash = hashToken(body.token)
  if (tokenHash === undefined) return err(failure("verify-link-not-valid"))
  // A freeze that the strongroom has answered ended this link, whether or not its event has come.
  await events.catchUp()
  const nowMs = clock.nowMs()
  const changed = await store.transaction(async (tx) => {
    const change = await takeAddressChange(tx, tokenHash)
    if (change === undefined || change.expires_ms <= nowMs) return undefined
    const account = await findAccount(tx, change.account_uuid)
    if (account === undefined) return undefined
    // The old mailbox hears it before it stops being the one.
    const notice = { mail, origin: settings.origin, random: context.random }
    await queueNotice(notice, tx, account.uuid, "address-changed", nowMs, account.address)
    if (!(await changeAddress(tx, account.uuid, change.address, change.address_key))) return undefined
    await queueNotice(notice, tx, account.uuid, "address-confirmed", nowMs)
    await appendAudit(store, tx, { atMs: nowMs, accountUuid: account.uuid, kind: "address-changed" })
    return change.address
  })
  mail.wake()
  return changed === undefined ? err(failure("verify-link-not-valid")) : ok({ address: changed })
}
