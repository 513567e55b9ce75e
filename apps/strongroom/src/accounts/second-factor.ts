import { bytesToCrockford, crockfordToBytes, err, lp, ok, type Result } from "@keyferry/base"
import type { Primitives } from "@keyferry/crypto"
import type { Failure } from "@keyferry/protocol"
import type { Executing } from "@keyferry/store"

import type { Change, StrongroomContext, Tx } from "../context.ts"
import { factorSeedPlace } from "../places.ts"
import { statement } from "../store/statement.ts"
import { stepOfCode } from "./totp.ts"

/*
 * Codes of the second factor, and how often one may be wrong. The count is a row, written before the answer, so that a
 * restart refunds nothing. Source: spec/devices.md DV14–DV17
 */
export const TRIES = 5
export const WINDOW_MS = 15 * 60_000
const LONGEST_LOCK_MS = 24 * 3_600_000
export const RECOVERY_CODES = 10
const RECOVERY_CODE_BYTES = 15

export type FactorCode = { readonly kind: string; readonly code: string }

/** The kinds that a person may answer with now. */
export const openFactorKinds = (ctx: StrongroomContext, accountUuid: string): Promise<readonly string[]> =>
  ctx.store.read(async (db) => factorKinds(db, accountUuid))

const kindsOf = statement<"accountUuid", { readonly kind: string; readonly has_code: number | boolean }>((db, $) =>
  db
    .selectFrom("factor")
    .select("kind")
    .select((e) =>
      e
        .exists(
          e
            .selectFrom("recovery_code")
            .select("recovery_code.hash")
            .whereRef("recovery_code.account_uuid", "=", "factor.account_uuid")
            .where("recovery_code.used_ms", "=", 0),
        )
        .as("has_code"),
    )
    .where("factor.account_uuid", "=", $("accountUuid"))
    .orderBy("kind"),
)

export const factorKinds = async (db: Executing, accountUuid: string): Promise<readonly string[]> => {
  const rows = await kindsOf.rows(db, { accountUuid })
  return openKinds(
    rows.map(({ kind }) => kind),
    Boolean(rows[0]?.has_code),
  )
}

/** Recovery codes stand in for a factor; without one there is nothing to stand in for. */
export const openKinds = (kinds: readonly string[], hasCode: boolean): readonly string[] =>
  kinds.length === 0 || !hasCode ? kinds : [...kinds, "recovery-code"]

/**
 * Checks a code and uses it up. Needs the account's row lock. Commit what it did also when it answers an error: that is
 * the count.
 */
export type UseCode = (change: Change) => Promise<Result<undefined, Failure>>

/**
 * Reads what a check needs before its transaction. Errors: second-factor-wrong (also: no factor set), too-many-attempts,
 * kms-unavailable.
 */
export const prepareCode = async (
  ctx: StrongroomContext,
  account: { readonly uuid: string; readonly id: Uint8Array },
  { kind, code }: FactorCode,
): Promise<Result<UseCode, Failure>> => {
  if (kind === "recovery-code") return ok(counted(ctx, account.uuid, (tx) => useRecoveryCode(ctx, tx, account, code)))
  if (kind !== "totp") return err({ code: "malformed" })
  const factor = await ctx.store.read((db) =>
    db
      .selectFrom("factor")
      .select(["sealed_seed", "created_ms"])
      .where("account_uuid", "=", account.uuid)
      .where("kind", "=", "totp")
      .executeTakeFirst(),
  )
  if (factor === undefined) return ok(counted(ctx, account.uuid, async () => false))
  const seed = await ctx.atRest.decrypt(factorSeedPlace(ctx.primitives, account.id), factor.sealed_seed)
  if (!seed.ok) return seed
  return ok(
    counted(ctx, account.uuid, async (tx) => {
      const step = stepOfCode(seed.value, code, ctx.clock.nowMs())
      return step !== undefined && (await takeStep(tx, account.uuid, step, factor.created_ms))
    }),
  )
}

/** The step is used once: of two requests with the same code, the row decides which was first. */
const takeStep = async (tx: Tx, accountUuid: string, step: number, createdMs: number): Promise<boolean> => {
  const { numUpdatedRows } = await tx
    .updateTable("factor")
    .set({ last_step: step })
    .where("account_uuid", "=", accountUuid)
    .where("kind", "=", "totp")
    .where("created_ms", "=", createdMs)
    .where("last_step", "<", step)
    .executeTakeFirst()
  return numUpdatedRows === 1n
}

const useRecoveryCode = async (
  ctx: StrongroomContext,
  tx: Tx,
  account: { readonly uuid: string; readonly id: Uint8Array },
  code: string,
): Promise<boolean> => {
  const bytes = crockfordToBytes(code.replace(/[\s-]/g, ""))
  if (bytes === undefined || bytes.length !== RECOVERY_CODE_BYTES) return false
  const { numUpdatedRows } = await tx
    .updateTable("recovery_code")
    .set({ used_ms: ctx.clock.nowMs() })
    .where("account_uuid", "=", account.uuid)
    .where("hash", "=", recoveryCodeHash(ctx.primitives, account.id, bytes))
    .where("used_ms", "=", 0)
    .executeTakeFirst()
  return numUpdatedRows === 1n
}

/** 120 random bits need no slow hash. */
export const recoveryCodeHash = (p: Primitives, accountId: Uint8Array, code: Uint8Array): Uint8Array =>
  p.sha256(lp("kf1/recovery-code", accountId, code))

/** Ten codes of 120 bits as people write them down. The old ones are gone. */
export const replaceRecoveryCodes = async (
  ctx: StrongroomContext,
  tx: Tx,
  account: { readonly uuid: string; readonly id: Uint8Array },
): Promise<readonly string[]> => {
  const codes = Array.from({ length: RECOVERY_CODES }, () => ctx.random.bytes(RECOVERY_CODE_BYTES))
  await tx.deleteFrom("recovery_code").where("account_uuid", "=", account.uuid).execute()
  for (const code of codes)
    await tx
      .insertInto("recovery_code")
      .values({ account_uuid: account.uuid, hash: recoveryCodeHash(ctx.primitives, account.id, code), used_ms: 0 })
      .execute()
  return codes.map((code) => bytesToCrockford(code).replace(/(.{6})(?=.)/g, "$1-"))
}

/** Removes every factor with its codes and its count. */
export const removeFactors = async (tx: Tx, accountUuid: string): Promise<void> => {
  await tx.deleteFrom("factor").where("account_uuid", "=", accountUuid).execute()
  await tx.deleteFrom("passkey").where("account_uuid", "=", accountUuid).execute()
  await tx.deleteFrom("recovery_code").where("account_uuid", "=", accountUuid).execute()
  await tx.deleteFrom("factor_tries").where("account_uuid", "=", accountUuid).execute()
}

/** Five wrong ones in 15 minutes lock for 15 minutes, then twice as long each time, up to a day. */
export const counted =
  (ctx: StrongroomContext, accountUuid: string, isRight: (tx: Tx) => Promise<boolean>): UseCode =>
  async ({ tx, event }) => {
    const nowMs = ctx.clock.nowMs()
    const row = await tx
      .selectFrom("factor_tries")
      .select(["tries", "window_ms", "locked_until_ms", "locks"])
      .where("account_uuid", "=", accountUuid)
      .executeTakeFirst()
    if (row !== undefined && row.locked_until_ms > nowMs)
      return err({ code: "too-many-attempts", retryAfterS: Math.ceil((row.locked_until_ms - nowMs) / 1000) })
    if (await isRight(tx)) {
      await tx.deleteFrom("factor_tries").where("account_uuid", "=", accountUuid).execute()
      return ok(undefined)
    }
    const inWindow = row !== undefined && nowMs - row.window_ms < WINDOW_MS
    const tries = (inWindow ? row.tries : 0) + 1
    const locks = row?.locks ?? 0
    const isLocked = tries >= TRIES
    const lockMs = isLocked ? Math.min(WINDOW_MS * 2 ** locks, LONGEST_LOCK_MS) : 0
    const next = {
      tries: isLocked ? 0 : tries,
      window_ms: inWindow ? row.window_ms : nowMs,
      locked_until_ms: isLocked ? nowMs + lockMs : 0,
      locks: isLocked ? locks + 1 : locks,
    }
    await tx
      .insertInto("factor_tries")
      .values({ account_uuid: accountUuid, ...next })
      .onConflict((c) => c.column("account_uuid").doUpdateSet(next))
      .execute()
    if (!isLocked) return err({ code: "second-factor-wrong" })
    await event({ accountUuid, kind: "factor-attempts-exceeded" })
    return err({ code: "too-many-attempts", retryAfterS: Math.ceil(lockMs / 1000) })
  }

/** A code on the way in. Errors: those of `prepareCode`. */
export const secondFactor = async (
  ctx: StrongroomContext,
  { accountUuid, kind, code }: FactorCode & { readonly accountUuid: string },
): Promise<Result<undefined, Failure>> => {
  const account = await ctx.store.read((db) =>
    db.selectFrom("account").select(["uuid", "id"]).where("uuid", "=", accountUuid).executeTakeFirst(),
  )
  if (account === undefined || account.id === null) return err({ code: "second-factor-wrong" })
  const use = await prepareCode(ctx, { uuid: account.uuid, id: account.id }, { kind, code })
  if (!use.ok) return use
  const { value } = await ctx.change(async (change) => {
    await change.lockAccount(accountUuid)
    return use.value(change)
  })
  return value
}
