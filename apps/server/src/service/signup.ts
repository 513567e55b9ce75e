import { bytesToBase64url, err, formatId, ok, type Result } from "@keyferry/base"
import { type Failure, failure, type JsonBody, type JsonReply, signupFinishStruct } from "@keyferry/protocol"
import type { Executed, SignedRequest } from "@keyferry/strongroom-api"

import { addressTaken } from "../mail/templates/address-taken.ts"
import { parseAddress } from "../policy/address.ts"
import { MAIL_PER_ACCOUNT } from "../policy/limits.ts"
import { refuseSignup } from "../policy/registration.ts"
import { countAccounts, findAccount, findAccountByAddress, insertAccount } from "../store/accounts.ts"
import { claimInvitation, findInvitation, releaseInvitation } from "../store/invitations.ts"
import type { Context } from "./context.ts"
import { hashToken, makeUuid } from "./tokens.ts"
import { bytesField, deviceKeysField } from "./wire.ts"

const CLAIM_MS = 120_000

/**
 * Begins a sign-up. A taken address answers exactly like a free one; its owner is told by mail.
 * Errors: malformed, registration-closed, invitation-invalid, and what the strongroom refuses
 */
export const startSignup = async (
  context: Context,
  body: JsonBody<"signup.start">,
): Promise<Result<JsonReply<"signup.start">, Failure>> => {
  const { store, strongroom, clock, random, mail, settings } = context
  const address = parseAddress(body.address)
  const device = deviceKeysField(body.device)
  const registrationRequest = bytesField(body.registrationRequest)
  if (!address.ok || !device.ok || !registrationRequest.ok) return err(failure("malformed"))

  const invitationHash = body.invitation === "" ? undefined : hashToken(body.invitation)
  const { accounts, invitation, owner } = await store.read(async (db) => ({
    accounts: await countAccounts(db),
    invitation: invitationHash === undefined ? undefined : await findInvitation(db, invitationHash),
    owner: await findAccountByAddress(db, address.value.key),
  }))
  const refused = refuseSignup(
    settings.registration,
    accounts,
    body.invitation !== "",
    invitation === undefined
      ? undefined
      : { first: invitation.first === 1, expiresMs: invitation.expires_ms, used: invitation.used_ms !== null },
    clock.nowMs(),
  )
  if (refused !== undefined) return err(refused)

  const accountUuid = makeUuid(random)
  const started = await strongroom.call("registerStart", {
    accountUuid,
    registrationRequest: registrationRequest.value,
    device: device.value,
  })
  if (!started.ok) return started
  const nowMs = clock.nowMs()
  const tellOwner = owner !== undefined && (await context.limiter.count("owner-mail", MAIL_PER_ACCOUNT, owner.uuid)).ok
  await store.transaction(async (tx) => {
    await insertAccount(tx, {
      uuid: accountUuid,
      account_id: null,
      address: address.value.text,
      address_key: address.value.key,
      confirmed: 0,
      operator: 0,
      first_device: device.value.deviceId,
      invitation: invitation?.token_hash ?? null,
      created_ms: nowMs,
      seen_ms: nowMs,
    })
    if (tellOwner && owner !== undefined)
      await mail.add(tx, {
        template: addressTaken,
        to: owner.address,
        accountUuid: owner.uuid,
        fields: { origin: settings.origin },
      })
  })
  mail.wake()
  return ok({
    accountUuid,
    registrationResponse: bytesToBase64url(started.value.registrationResponse),
    lease: {
      leaseId: formatId("lea", started.value.lease.leaseId),
      leasePk: bytesToBase64url(started.value.lease.leasePk),
    },
    mailed: mail.mode !== "off",
  })
}

/**
 * Completes a sign-up in the strongroom's one transaction. The invitation is held meanwhile, so that two sign-ups with
 * the same link cannot both succeed, and is used up by the event that the new account leaves.
 * Errors: malformed, invitation-invalid, registration-closed
 */
export const finishSignup = async (
  context: Context,
  request: SignedRequest,
  execute: () => Promise<Result<Executed, Failure>>,
): Promise<Result<Executed, Failure>> => {
  const { store, clock, events } = context
  const body = signupFinishStruct.decode(request.body, request.body.length)
  if (!body.ok) return err(failure("malformed"))
  const { accountUuid } = body.value
  const account = await store.read((db) => findAccount(db, accountUuid))
  if (account === undefined) return err(failure("device-not-enrolled"))
  const tokenHash = account.invitation
  if (tokenHash !== null && account.account_id === null) {
    const nowMs = clock.nowMs()
    const claimed = await store.transaction((tx) =>
      claimInvitation(tx, { tokenHash, accountUuid, nowMs, untilMs: nowMs + CLAIM_MS }),
    )
    if (!claimed) return err(failure("invitation-invalid"))
  }
  const done = await execute()
  if (done.ok && done.value.code === undefined) await events.catchUp()
  else if (tokenHash !== null) await store.transaction((tx) => releaseInvitation(tx, tokenHash, accountUuid))
  return done
}
