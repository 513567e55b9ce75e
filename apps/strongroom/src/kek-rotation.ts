import { Defect, equalBytes, err, ok, type Result } from "@keyferry/base"
import type { OuterPurpose } from "@keyferry/crypto"
import type { Failure } from "@keyferry/protocol"
import type { Store } from "@keyferry/store"

import type { DataKeys } from "./data-keys.ts"
import type { KekRotation, KmsFailure, KmsProvider } from "./kms/provider.ts"
import type { MainTables } from "./store/tables.ts"

const BATCH = 200
const KMS_RETRY_S = 10

export interface KekRotated {
  readonly rewrapped: number
  /** Versions that are gone for good. */
  readonly destroyed: number
}

export interface KekRotationParts {
  readonly store: Store<MainTables>
  readonly kms: Pick<KmsProvider, "unwrap">
  readonly rotation: KekRotation
  readonly dataKeys: Pick<DataKeys, "contextOf" | "settled">
}

/** Ids of the versions that a data key is wrapped under. */
export const usedKeks = async (store: Store<MainTables>): Promise<readonly string[]> => {
  const rows = await store.read((db) =>
    db.selectFrom("data_key").select("kek_id").distinct().where("state", "!=", "destroyed").execute(),
  )
  return rows.map((row) => row.kek_id)
}

/**
 * A new version of the key-encryption key, every data key wrapped under it and proven to open, and only then the old
 * version destroyed. What an interrupted run left is finished by the next one, which then begins no new version.
 * Errors: kms-unavailable (run again later), kms-wrong-key. Source: spec/strongroom.md ST30
 */
export const rotateMainKek = async (
  { store, kms, rotation, dataKeys }: KekRotationParts,
  { resumeOnly }: { readonly resumeOnly: boolean },
): Promise<Result<KekRotated, Failure>> => {
  if (rotation.older().length === 0) {
    if (resumeOnly) return ok({ rewrapped: 0, destroyed: 0 })
    const next = rotation.makeNext()
    if (!next.ok) return failed(next.error)
  }
  let rewrapped = 0
  for (;;) {
    // A key that was being made under the old version when the new one came is stored before the last look.
    await dataKeys.settled()
    const rows = await store.read((db) =>
      db
        .selectFrom("data_key")
        .select(["id", "tenant", "purpose", "wrapped", "kek_id", "kek_version"])
        .where("kek_id", "!=", rotation.current())
        .where("state", "!=", "destroyed")
        .orderBy("id")
        .limit(BATCH)
        .execute(),
    )
    if (rows.length === 0) break
    for (const row of rows) {
      const context = dataKeys.contextOf(row.tenant, row.purpose as OuterPurpose, row.id)
      const old = { wrapped: row.wrapped, kekId: row.kek_id, kekVersion: row.kek_version }
      const next = await rotation.rewrap(old, context)
      if (!next.ok) return failed(next.error)
      const [before, after] = [await kms.unwrap(old, context), await kms.unwrap(next.value, context)]
      if (!before.ok) return failed(before.error)
      if (!after.ok) return failed(after.error)
      const isSame = equalBytes(before.value.reveal(), after.value.reveal())
      before.value.wipe()
      after.value.wipe()
      if (!isSame) throw new Defect("a data key does not survive its new wrap")
      const { wrapped, kekId, kekVersion } = next.value
      await store.transaction((tx) =>
        tx
          .updateTable("data_key")
          .set({ wrapped, kek_id: kekId, kek_version: kekVersion })
          .where("id", "=", row.id)
          .where("kek_id", "=", row.kek_id)
          .execute(),
      )
      rewrapped++
    }
  }
  // The rows' old wraps also stand in the log beside the file until it is moved over.
  await store.checkpoint()
  const destroyed = rotation.older().length
  await rotation.destroyOlder()
  return ok({ rewrapped, destroyed })
}

const failed = ({ code, detail }: KmsFailure): Result<never, Failure> =>
  err(code === "kms-unavailable" ? { code, retryAfterS: KMS_RETRY_S } : { code, detail })
