import { bytesToBase64url, bytesToHex, err, formatId, ok, type Result } from "@keyferry/base"
import { type Failure, failure, type JsonBody, type JsonReply } from "@keyferry/protocol"
import type { SignedRequest } from "@keyferry/strongroom-api"

import { parseAddress } from "../policy/address.ts"
import { LIMITS } from "../policy/limits.ts"
import { findAccount, findAccountByAddress } from "../store/accounts.ts"
import { appendAudit } from "../store/audit.ts"
import { isActiveDevice } from "../store/devices.ts"
import type { SessionRow } from "../store/sessions.ts"
import type { Context } from "./context.ts"
import { openSession, raiseSession } from "./sessions.ts"
import { pseudonymOf } from "./tokens.ts"
import { bytesField, idField } from "./wire.ts"

/**
 * First half of signing in. An unknown address is answered like a known one. A device of the account has a limit of its
 * own, so that nobody can lock its owner out by guessing.
 * Errors: malformed, rate-limited
 */
export const startLogin = async (
  context: Context,
  body: JsonBody<"login.start">,
): Promise<Result<JsonReply<"login.start">, Failure>> => {
  const { store, strongroom, settings, limiter } = context
  const address = parseAddress(body.address)
  const startLoginRequest = bytesField(body.startLoginRequest)
  const deviceId = body.deviceId === undefined ? undefined : idField("dev", body.deviceId)
  if (!address.ok || !startLoginRequest.ok || deviceId?.ok === false) return err(failure("malformed"))

  const { account, known } = await store.read(async (db) => {
    const found = await findAccountByAddress(db, address.value.key)
    const active =
      found !== undefined && deviceId !== undefined && (await isActiveDevice(db, found.uuid, deviceId.value))
    return { account: found, known: active }
  })
  const subject = known && deviceId !== undefined ? `device ${bytesToHex(deviceId.value)}` : address.value.key
  for (const rule of LIMITS.login.filter((r) => r.by === "address")) {
    const counted = await limiter.count("login", rule, subject)
    if (!counted.ok) return counted
  }
  const accountUuid = account?.uuid ?? pseudonymOf(settings.pseudonymKey, address.value.key)
  const started = await strongroom.call("loginStart", { accountUuid, startLoginRequest: startLoginRequest.value })
  if (!started.ok) return started
  return ok({
    loginId: started.value.loginId,
    loginResponse: bytesToBase64url(started.value.loginResponse),
    accountUuid,
  })
}

/** Second half: level 1. Errors: wrong-credentials, malformed */
export const finishLogin = async (
  context: Context,
  body: JsonBody<"login.finish">,
  client: string,
): Promise<Result<JsonReply<"login.finish">, Failure>> => {
  const finishLoginRequest = bytesField(body.finishLoginRequest)
  const authPk = bytesField(body.authPk, 32)
  const binding = bytesField(body.binding, 32)
  if (!finishLoginRequest.ok || !authPk.ok || !binding.ok) return err(failure("malformed"))
  const done = await context.strongroom.call("loginFinish", {
    loginId: body.loginId,
    finishLoginRequest: finishLoginRequest.value,
    authPk: authPk.value,
    binding: binding.value,
  })
  if (!done.ok) return done
  return signIn(context, { ...done.value, authPk: authPk.value }, client, "signed-in")
}

/** Level 1 by the kit: the request is signed with the key derived from the kit code. */
export const startRecovery = async (
  context: Context,
  request: SignedRequest,
  client: string,
): Promise<Result<JsonReply<"recovery.start">, Failure>> => {
  const done = await context.strongroom.call("recoveryStart", { request, origins: context.settings.origins })
  if (!done.ok) return done
  return signIn(context, { ...done.value, authPk: null }, client, "recovery-started")
}

const signIn = async (
  context: Context,
  who: {
    readonly accountUuid: string
    readonly accountId: Uint8Array
    readonly factors: readonly string[]
    readonly authPk: Uint8Array | null
  },
  client: string,
  kind: string,
): Promise<Result<JsonReply<"login.finish">, Failure>> => {
  const { store, clock } = context
  const account = await store.read((db) => findAccount(db, who.accountUuid))
  if (account === undefined) return err(failure("wrong-credentials"))
  const session = await openSession(context, who, client, (tx) =>
    appendAudit(store, tx, { atMs: clock.nowMs(), accountUuid: who.accountUuid, kind }),
  )
  return ok({ session, accountId: formatId("acc", who.accountId), factors: [...who.factors] })
}

/** A challenge for one of the account's passkeys. Errors: not-found, kms-unavailable */
export const askPasskey = async (
  context: Context,
  session: SessionRow,
): Promise<Result<JsonReply<"login.passkey">, Failure>> => {
  const { origins } = context.settings
  const asked = await context.strongroom.call("passkeyRequest", { accountUuid: session.account_uuid, origins })
  if (!asked.ok) return asked
  const { challenge, rpId, credentials } = asked.value
  return ok({
    challenge: bytesToBase64url(challenge),
    rpId,
    credentials: credentials.map(({ id, transports, slotId }) => ({
      id: bytesToBase64url(id),
      transports: [...transports],
      ...(slotId === undefined ? {} : { slotId: formatId("slt", slotId) }),
    })),
  })
}

/** Level 2. The strongroom counts wrong codes by account. Errors: second-factor-wrong, passkey-copied, too-many-attempts, signed-out */
export const passSecondFactor = async (
  context: Context,
  session: SessionRow,
  body: JsonBody<"login.second-factor">,
): Promise<Result<JsonReply<"login.second-factor">, Failure>> => {
  if (session.level !== 1) return err(failure("not-allowed", "The second factor was passed already."))
  const accountUuid = session.account_uuid
  const passed =
    body.kind === "passkey"
      ? await context.strongroom.call("secondFactorPasskey", {
          accountUuid,
          assertion: JSON.stringify(body.assertion),
          origins: context.settings.origins,
        })
      : await context.strongroom.call("secondFactor", { accountUuid, kind: body.kind, code: body.code })
  const line = { atMs: context.clock.nowMs(), accountUuid }
  if (!passed.ok) {
    await context.store.transaction((tx) => appendAudit(context.store, tx, { ...line, kind: "second-factor-wrong" }))
    await context.events.catchUp()
    return passed
  }
  const raised = await raiseSession(context, session, 2, (tx) =>
    appendAudit(context.store, tx, { ...line, kind: "second-factor-passed" }),
  )
  return raised.ok ? ok({ session: raised.value }) : raised
}

/**
 * Asks to go on without the second factor: 72 hours, of which every device and the mailbox are told, or at once where the
 * operator opened it. Asked again after that time, it raises to level 2.
 * Errors: recovery-waiting is never answered here; the time is in the reply
 */
export const resetSecondFactor = async (
  context: Context,
  session: SessionRow,
): Promise<Result<JsonReply<"login.second-factor-reset">, Failure>> => {
  const asked = await context.strongroom.call("factorReset", { accountUuid: session.account_uuid })
  await context.events.catchUp()
  if (!asked.ok) return asked
  const { readyAtMs, open } = asked.value
  if (!open || session.level !== 1) return ok({ readyAtMs })
  const raised = await raiseSession(context, session, 2, (tx) =>
    appendAudit(context.store, tx, {
      atMs: context.clock.nowMs(),
      accountUuid: session.account_uuid,
      kind: "second-factor-bypassed",
    }),
  )
  return raised.ok ? ok({ readyAtMs, session: raised.value }) : raised
}
