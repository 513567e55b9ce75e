import { base64urlToBytes, bytesToBase64url, equalBytes, err, ok, type Result } from "@keyferry/base"
import type { Failure, PasskeyAssertion } from "@keyferry/protocol"
import { isPasskeyAssertion } from "@keyferry/protocol/schemas"
import type { CallParams, CallResult } from "@keyferry/strongroom-api"

import type { StrongroomContext, Tx } from "../context.ts"
import { type Account, makeChallenge, type Passkey, raiseCounter, readPasskeys, takeChallenge } from "./passkey-rows.ts"
import { counted, type UseCode } from "./second-factor.ts"
import { challengeIn, checkAssertion, relyingParty, relyingPartyOf } from "./webauthn.ts"

/*
 * A passkey as second factor: asked for, answered, counted with the codes. Source: spec/passkeys.md PK3–PK7
 */
type For = { readonly purpose: "login" } | { readonly purpose: "check"; readonly deviceId: Uint8Array }

/** A challenge and who may answer it: the passkeys of the address that the server has now. Errors: kms-unavailable */
export const requestPasskey = async (
  ctx: StrongroomContext,
  account: Account,
  origins: readonly string[],
  what: For,
): Promise<
  Result<{ readonly challenge: Uint8Array; readonly rpId: string; readonly passkeys: readonly Passkey[] }, Failure>
> => {
  const all = await readPasskeys(ctx, account)
  if (!all.ok) return all
  const { rpId } = relyingParty(origins)
  const challenge = await makeChallenge(ctx, { accountUuid: account.uuid, ...what })
  return ok({ challenge, rpId, passkeys: all.value.filter((passkey) => passkey.rpId === rpId) })
}

/**
 * Checks the signature before the transaction that uses the challenge up and raises the counter.
 * Errors: kms-unavailable; in the transaction second-factor-wrong, too-many-attempts, passkey-copied
 */
export const preparePasskey = async (
  ctx: StrongroomContext,
  account: Account,
  assertion: PasskeyAssertion,
  origins: readonly string[],
  what: For,
): Promise<Result<UseCode, Failure>> => {
  const all = await readPasskeys(ctx, account)
  if (!all.ok) return all
  const challenge = challengeIn(assertion.response.clientDataJSON)
  const id = base64urlToBytes(assertion.id)
  const passkey = id === undefined ? undefined : all.value.find((one) => equalBytes(one.credentialId, id))
  const checked =
    passkey === undefined || challenge === undefined
      ? undefined
      : await checkAssertion(
          assertion,
          bytesToBase64url(challenge),
          passkey.publicKey,
          relyingPartyOf(passkey.rpId, origins),
        )
  return ok(async (change) => {
    let isCopied = false
    const isRight = async (tx: Tx): Promise<boolean> => {
      const isOurs = await takeChallenge(ctx, tx, challenge, { accountUuid: account.uuid, ...what })
      if (!isOurs || checked === undefined || passkey === undefined) return false
      isCopied = !(await raiseCounter(ctx, tx, passkey.credentialId, checked.counter))
      return !isCopied
    }
    const used = await counted(ctx, account.uuid, isRight)(change)
    if (!isCopied) return used
    await change.event({ accountUuid: account.uuid, accountId: account.id, kind: "passkey-copied" })
    return !used.ok && used.error.code === "second-factor-wrong" ? err({ code: "passkey-copied" }) : used
  })
}

const accountOf = async (ctx: StrongroomContext, uuid: string): Promise<Account | undefined> => {
  const row = await ctx.store.read((db) =>
    db.selectFrom("account").select("id").where("uuid", "=", uuid).executeTakeFirst(),
  )
  return row === undefined || row.id === null ? undefined : { uuid, id: row.id }
}

/** On the way in, for a session of level 1. Errors: not-found, kms-unavailable */
export const passkeyRequest = async (
  ctx: StrongroomContext,
  { accountUuid, origins }: CallParams<"passkeyRequest">,
): Promise<Result<CallResult<"passkeyRequest">, Failure>> => {
  const account = await accountOf(ctx, accountUuid)
  if (account === undefined) return err({ code: "not-found" })
  const asked = await requestPasskey(ctx, account, origins, { purpose: "login" })
  if (!asked.ok) return asked
  const { challenge, rpId, passkeys } = asked.value
  return ok({
    challenge,
    rpId,
    credentials: passkeys.map(({ credentialId, transports, slotId }) => ({
      id: credentialId,
      transports,
      ...(slotId === undefined ? {} : { slotId }),
    })),
  })
}

/** Errors: malformed, those of `preparePasskey` */
export const secondFactorPasskey = async (
  ctx: StrongroomContext,
  { accountUuid, assertion, origins }: CallParams<"secondFactorPasskey">,
): Promise<Result<undefined, Failure>> => {
  const parsed = tryJson(assertion)
  if (!isPasskeyAssertion(parsed)) return err({ code: "malformed" })
  const account = await accountOf(ctx, accountUuid)
  if (account === undefined) return err({ code: "second-factor-wrong" })
  const use = await preparePasskey(ctx, account, parsed, origins, { purpose: "login" })
  if (!use.ok) return use
  const { value } = await ctx.change(async (change) => {
    await change.lockAccount(accountUuid)
    return use.value(change)
  })
  return value
}

const tryJson = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
