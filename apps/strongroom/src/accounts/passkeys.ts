import { base64urlToBytes, bytesToBase64url, err, formatId, ok, parseId, type Result } from "@keyferry/base"
import { passkeyUserHandle } from "@keyferry/crypto"
import type { Failure, JsonReply } from "@keyferry/protocol"
import { rollBack } from "@keyferry/store"

import type { Tx } from "../context.ts"
import type { Handler, Handlers } from "../execute.ts"
import { changeBy, activateReady, countInChain, stateOf } from "./devices.ts"
import { requestPasskey } from "./passkey-answer.ts"
import { makeChallenge, type Passkey, readPasskeys, refOf, sealPasskey, takeChallenge } from "./passkey-rows.ts"
import { factorKinds, removeFactors } from "./second-factor.ts"
import { hasFactor, staleness, syncBlocks } from "./two-factor.ts"
import { challengeIn, checkRegistration, relyingParty } from "./webauthn.ts"

/*
 * Passkeys, as a device of the chain adds, lists and removes them. Source: spec/passkeys.md PK1–PK9
 */
const MAX_PASSKEYS = 16
const accountIn = (device: { readonly accountUuid: string; readonly accountId: Uint8Array }) => ({
  uuid: device.accountUuid,
  id: device.accountId,
})

const onWire = (passkey: Passkey): JsonReply<"enrol.passkeys">["credentials"][number] => {
  const { slotId, ...ref } = refOf(passkey)
  return { ...ref, ...(slotId === undefined ? {} : { slotId: formatId("slt", slotId) }) }
}

const list: Handler<"passkeys.list"> = async (ctx, { device, origins }) => {
  const all = await readPasskeys(ctx, accountIn(device))
  if (!all.ok) return all
  return ok({
    reply: {
      rpId: relyingParty(origins).rpId,
      passkeys: all.value.map((passkey) => ({
        ...onWire(passkey),
        label: passkey.label,
        rpId: passkey.rpId,
        backedUp: passkey.backedUp,
        createdAtMs: passkey.createdMs,
        lastUsedAtMs: passkey.lastUsedMs,
      })),
    },
  })
}

/** The passkeys of this address, for a confirmed device that wants the PRF output of one. */
const forSlots: Handler<"enrol.passkeys"> = async (ctx, { device, origins }) => {
  const all = await readPasskeys(ctx, accountIn(device))
  if (!all.ok) return all
  const { rpId } = relyingParty(origins)
  const here = all.value.filter((passkey) => passkey.rpId === rpId)
  return ok({ reply: { rpId, credentials: here.map(onWire) } })
}

/** The first factor needs a device of the chain only; a further one needs what is there, and the password, both fresh. */
const start: Handler<"passkeys.start"> = async (ctx, { device, origins }) => {
  const hasOne = await ctx.store.read((db) => hasFactor(db, device.accountUuid))
  const stale = hasOne ? staleness(device, ctx.clock.nowMs()) : undefined
  if (stale !== undefined) return err(stale)
  const all = await readPasskeys(ctx, accountIn(device))
  if (!all.ok) return all
  const { accountUuid, deviceId, accountId } = device
  const challenge = await makeChallenge(ctx, { accountUuid, purpose: "register", deviceId })
  const { rpId } = relyingParty(origins)
  return ok({
    reply: {
      challenge: bytesToBase64url(challenge),
      rpId,
      // The same for every passkey of the account, so that an authenticator replaces what was removed here.
      userHandle: bytesToBase64url(passkeyUserHandle(ctx.primitives, accountId)),
      credentials: all.value.filter((passkey) => passkey.rpId === rpId).map(onWire),
    },
  })
}

const finish: Handler<"passkeys.finish"> = async (ctx, { device, origins }, body) => {
  const { accountUuid, accountId, deviceId } = device
  const slotId = body.slotId === undefined ? undefined : parseId("slt", body.slotId)
  if (slotId?.ok === false) return err({ code: "malformed" })
  const party = relyingParty(origins)
  const challenge = challengeIn(body.credential.response.clientDataJSON)
  const made =
    challenge === undefined ? undefined : await checkRegistration(body.credential, bytesToBase64url(challenge), party)
  if (made === undefined) return err({ code: "second-factor-wrong" })
  const sealed = await sealPasskey(ctx, accountId, made.credentialId, {
    publicKey: made.publicKey,
    label: body.label,
    transports: body.credential.response.transports ?? [],
    backedUp: made.backedUp,
  })
  if (!sealed.ok) return sealed
  const nowMs = ctx.clock.nowMs()
  const { value, commit } = await changeBy(ctx, device, async (change) => {
    const { tx } = change
    const hadOne = await hasFactor(tx, accountUuid)
    const stale = hadOne ? staleness(device, nowMs) : undefined
    if (stale !== undefined) return err(stale)
    if (!(await takeChallenge(ctx, tx, challenge, { accountUuid, purpose: "register", deviceId })))
      return err<Failure>({ code: "second-factor-wrong", detail: "Ask for a new challenge first." })
    const room = await hasRoom(tx, accountUuid, made.credentialId)
    if (!room.ok) return room
    await tx
      .insertInto("passkey")
      .values({
        credential_id: made.credentialId,
        account_uuid: accountUuid,
        rp_id: party.rpId,
        counter: made.counter,
        sealed_passkey: sealed.value,
        slot_id: slotId?.value ?? null,
        created_ms: nowMs,
        last_used_ms: 0,
      })
      .execute()
    await tx
      .insertInto("factor")
      .values({
        account_uuid: accountUuid,
        kind: "passkey",
        sealed_seed: new Uint8Array(),
        last_step: 0,
        created_ms: nowMs,
      })
      .onConflict((c) => c.columns(["account_uuid", "kind"]).doNothing())
      .execute()
    await tx.updateTable("device").set({ last_factor_ms: nowMs }).where("id", "=", deviceId).execute()
    await tx.deleteFrom("factor_reset").where("account_uuid", "=", accountUuid).execute()
    await change.event({
      accountUuid,
      accountId,
      deviceId,
      kind: "passkey-added",
      detail: hadOne ? "further" : "first",
    })
    await activateReady(ctx, change, accountUuid)
    const state = await stateOf(tx, deviceId)
    return ok({
      id: body.credential.id,
      factors: [...(await factorKinds(tx, accountUuid))],
      state: state ?? device.state,
    })
  })
  return value.ok ? ok({ reply: value.value, commit }) : value
}

const hasRoom = async (tx: Tx, accountUuid: string, credentialId: Uint8Array): Promise<Result<undefined, Failure>> => {
  const known = await tx
    .selectFrom("passkey")
    .select("account_uuid")
    .where("credential_id", "=", credentialId)
    .executeTakeFirst()
  if (known !== undefined) return err({ code: "not-allowed", detail: "This passkey is registered already." })
  const { n } = await tx
    .selectFrom("passkey")
    .select((e) => e.fn.countAll<number>().as("n"))
    .where("account_uuid", "=", accountUuid)
    .executeTakeFirstOrThrow()
  return n < MAX_PASSKEYS
    ? ok(undefined)
    : err({ code: "not-allowed", detail: `An account has at most ${MAX_PASSKEYS} passkeys.` })
}

const challenge: Handler<"passkeys.challenge"> = async (ctx, { device, origins }) => {
  const asked = await requestPasskey(ctx, accountIn(device), origins, { purpose: "check", deviceId: device.deviceId })
  if (!asked.ok) return asked
  const { challenge: bytes, rpId, passkeys } = asked.value
  return ok({ reply: { challenge: bytesToBase64url(bytes), rpId, credentials: passkeys.map(onWire) } })
}

/** The last factor goes only where sync is suspended already; `two-factor.disable` does both at once. */
const remove: Handler<"passkeys.remove"> = async (ctx, { device }, { id }) => {
  const { accountUuid, accountId, deviceId } = device
  const credentialId = base64urlToBytes(id)
  if (credentialId === undefined) return err({ code: "malformed" })
  const { value, commit } = await changeBy(ctx, device, async (change) => {
    const { tx } = change
    const { numDeletedRows } = await tx
      .deleteFrom("passkey")
      .where("credential_id", "=", credentialId)
      .where("account_uuid", "=", accountUuid)
      .executeTakeFirst()
    if (numDeletedRows !== 1n) return rollBack(err<Failure>({ code: "not-found" }))
    const left = await tx
      .selectFrom("passkey")
      .select("credential_id")
      .where("account_uuid", "=", accountUuid)
      .limit(1)
      .executeTakeFirst()
    if (left === undefined) {
      await tx.deleteFrom("factor").where("account_uuid", "=", accountUuid).where("kind", "=", "passkey").execute()
      if (!(await hasFactor(tx, accountUuid))) {
        const blocked = await syncBlocks(tx, accountUuid, await countInChain(tx, accountUuid))
        if (blocked !== undefined) return rollBack(err(blocked))
        await removeFactors(tx, accountUuid)
      }
    }
    await change.event({ accountUuid, accountId, deviceId, kind: "passkey-removed" })
    return ok({ factors: [...(await factorKinds(tx, accountUuid))] })
  })
  return value.ok ? ok({ reply: value.value, commit }) : value
}

export const passkeyHandlers = {
  "passkeys.list": list,
  "enrol.passkeys": forSlots,
  "passkeys.start": start,
  "passkeys.finish": finish,
  "passkeys.challenge": challenge,
  "passkeys.remove": remove,
} as const satisfies Partial<Handlers>
