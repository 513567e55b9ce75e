import {
  bool,
  bytesToBase64url,
  bytesUpTo,
  Defect,
  listOf,
  ok,
  type Result,
  struct,
  textUpTo,
  type TypeOf,
} from "@keyferry/base"
import type { Failure } from "@keyferry/protocol"

import type { StrongroomContext, Tx } from "../context.ts"
import { passkeyPlace } from "../places.ts"

/*
 * Rows of passkeys and of challenges. Source: spec/passkeys.md PK1, PK2
 */
const sealedStruct = struct({
  publicKey: [1, bytesUpTo(2048)],
  label: [2, textUpTo(256)],
  transports: [3, listOf(textUpTo(16), 8)],
  backedUp: [4, bool],
})
export type SealedPasskey = TypeOf<typeof sealedStruct>

export interface Passkey extends SealedPasskey {
  readonly credentialId: Uint8Array
  readonly rpId: string
  readonly counter: number
  readonly slotId: Uint8Array | undefined
  readonly createdMs: number
  readonly lastUsedMs: number
}

export type Account = { readonly uuid: string; readonly id: Uint8Array }

/** Oldest first. Errors: kms-unavailable */
export const readPasskeys = async (
  ctx: StrongroomContext,
  account: Account,
): Promise<Result<readonly Passkey[], Failure>> => {
  const rows = await ctx.store.read((db) =>
    db
      .selectFrom("passkey")
      .select(["credential_id", "rp_id", "counter", "sealed_passkey", "slot_id", "created_ms", "last_used_ms"])
      .where("account_uuid", "=", account.uuid)
      .orderBy("created_ms")
      .orderBy("credential_id")
      .execute(),
  )
  const opened = await ctx.atRest.decryptAll(
    rows.map((row) => ({
      place: passkeyPlace(ctx.primitives, account.id, row.credential_id),
      sealed: row.sealed_passkey,
    })),
  )
  if (!opened.ok) return opened
  return ok(
    rows.map((row, i) => {
      const sealed = sealedStruct.decode(opened.value[i] ?? new Uint8Array(), 8192)
      if (!sealed.ok) throw new Defect("a passkey's row has another form")
      return {
        ...sealed.value,
        credentialId: row.credential_id,
        rpId: row.rp_id,
        counter: row.counter,
        slotId: row.slot_id ?? undefined,
        createdMs: row.created_ms,
        lastUsedMs: row.last_used_ms,
      }
    }),
  )
}

/** Errors: kms-unavailable */
export const sealPasskey = (
  ctx: StrongroomContext,
  accountId: Uint8Array,
  credentialId: Uint8Array,
  passkey: SealedPasskey,
): Promise<Result<Uint8Array, Failure>> =>
  ctx.atRest.encrypt(passkeyPlace(ctx.primitives, accountId, credentialId), sealedStruct.encode(passkey))

export type Purpose = "register" | "check" | "login"
const CHALLENGE_MS = 5 * 60_000
const CHALLENGE_BYTES = 32

interface Asker {
  readonly accountUuid: string
  readonly purpose: Purpose
  /** Where a device asks: only it may answer. */
  readonly deviceId?: Uint8Array
}

export const makeChallenge = async (ctx: StrongroomContext, asker: Asker): Promise<Uint8Array> => {
  const challenge = ctx.random.bytes(CHALLENGE_BYTES)
  await ctx.store.transaction(async (tx) => {
    await tx
      .insertInto("passkey_challenge")
      .values({
        hash: ctx.primitives.sha256(challenge),
        account_uuid: asker.accountUuid,
        purpose: asker.purpose,
        device_id: asker.deviceId ?? null,
        expires_ms: ctx.clock.nowMs() + CHALLENGE_MS,
      })
      .execute()
  })
  return challenge
}

/** Used up by being looked at, right or wrong. False: not ours, for something else, over, or used before. */
export const takeChallenge = async (
  ctx: StrongroomContext,
  tx: Tx,
  challenge: Uint8Array | undefined,
  { accountUuid, purpose, deviceId }: Asker,
): Promise<boolean> => {
  if (challenge === undefined) return false
  const { numDeletedRows } = await tx
    .deleteFrom("passkey_challenge")
    .where("hash", "=", ctx.primitives.sha256(challenge))
    .where("account_uuid", "=", accountUuid)
    .where("purpose", "=", purpose)
    .where("device_id", deviceId === undefined ? "is" : "=", deviceId ?? null)
    .where("expires_ms", ">", ctx.clock.nowMs())
    .executeTakeFirst()
  return numDeletedRows === 1n
}

/** Each answer of an authenticator that counts has a higher number. False: this one does not. */
export const raiseCounter = async (
  ctx: StrongroomContext,
  tx: Tx,
  credentialId: Uint8Array,
  counter: number,
): Promise<boolean> => {
  const { numUpdatedRows } = await tx
    .updateTable("passkey")
    .set({ counter, last_used_ms: ctx.clock.nowMs() })
    .where("credential_id", "=", credentialId)
    .where((e) => e.or([e("counter", "<", counter), ...(counter === 0 ? [e("counter", "=", 0)] : [])]))
    .executeTakeFirst()
  return numUpdatedRows === 1n
}

/** As the wire names one. */
export const refOf = ({ credentialId, transports, slotId }: Passkey) => ({
  id: bytesToBase64url(credentialId),
  transports: [...transports],
  ...(slotId === undefined ? {} : { slotId }),
})
