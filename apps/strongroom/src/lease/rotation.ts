import { Defect, equalBytes, ok, type Result } from "@keyferry/base"
import type { Failure } from "@keyferry/protocol"

import type { LeaseKek } from "./kek.ts"
import { forgetRetiredKek, type LeaseRow, leasesUnderOtherKek, replaceSealed, retiredKeks } from "./rows.ts"
import type { LeaseDatabase } from "./store.ts"

/** How long after a removal the old version may still exist. */
export const ROTATE_WITHIN_MS = 60 * 60 * 1000
const BATCH = 200

/**
 * After a removal: a new version of the lease KEK, every remaining lease key wrapped under it, and only then the old
 * version destroyed. Idempotent and resumable: whatever an interrupted run left is finished by the next one.
 * Answers how many versions were destroyed. Errors: kms-unavailable (run again later)
 * Source   spec/leases.md LS11
 */
export const rotateLeaseKek = async (leases: LeaseDatabase): Promise<Result<number, Failure>> => {
  const { kek } = leases
  const retired = await leases.store.read((db) => retiredKeks(db))
  if (retired.some((row) => row.kek_id === kek.currentId())) {
    const next = await kek.makeNext()
    if (!next.ok) return next
  }
  const rewrapped = await rewrapAll(leases, kek)
  if (!rewrapped.ok) return rewrapped
  const old = kek.versions().filter((id) => id !== kek.currentId())
  for (const id of old) {
    const destroyed = await kek.destroy(id)
    if (!destroyed.ok) return destroyed
  }
  for (const row of retired) await leases.store.transaction((tx) => forgetRetiredKek(tx, row.kek_id))
  return ok(old.length)
}

const rewrapAll = async (leases: LeaseDatabase, kek: LeaseKek): Promise<Result<undefined, Failure>> => {
  for (;;) {
    const rows = await leases.store.read((db) => leasesUnderOtherKek(db, kek.currentId(), BATCH))
    if (rows.length === 0) return ok(undefined)
    for (const row of rows) {
      const done = await rewrapOne(leases, kek, row)
      if (!done.ok) return done
    }
  }
}

const rewrapOne = async (leases: LeaseDatabase, kek: LeaseKek, row: LeaseRow): Promise<Result<undefined, Failure>> => {
  if (row.sealed === null) return ok(undefined)
  const place = { deviceId: row.device_id, leaseId: row.lease_id }
  const plain = await kek.unwrap({ kekId: row.kek_id, sealed: row.sealed }, place)
  if (!plain.ok) return plain
  const next = await kek.wrap(plain.value, place)
  if (!next.ok) return next
  const again = await kek.unwrap(next.value, place)
  if (!again.ok) return again
  if (!equalBytes(again.value, plain.value)) throw new Defect("a lease key does not survive its new wrap")
  plain.value.fill(0)
  again.value.fill(0)
  // A row that changed meanwhile is dead or was wrapped by another run.
  await leases.store.transaction((tx) => replaceSealed(tx, row, next.value))
  return ok(undefined)
}
