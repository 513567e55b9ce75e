import { bytesToHex, Defect, equalBytes, isZero, type Random } from "@keyferry/base"
import { type Selectable, statementsOf } from "@keyferry/store"

import { finishDeletions } from "../accounts/deletion.ts"
import { finishFreezes } from "../accounts/freeze.ts"
import { DEAD_STATES, deviceTombstones, IN_CHAIN_STATES, moveDevice, WAITING_STATES } from "../accounts/devices.ts"
import { readOpaqueRecord } from "../accounts/opaque-records.ts"
import type { StrongroomContext } from "../context.ts"
import type { Tombstone } from "../lease-store.ts"
import type { DeviceTable, MainTables } from "../store/tables.ts"
import { retirementHash } from "./retire.ts"
import { type ComparedHeads, holdsHead, raiseAllHeads } from "./heads.ts"
import { type Ordered, PAGE_ROWS, pairs } from "./pairs.ts"
import {
  buriedDevicesAfter,
  type ChainHead,
  deleteLease,
  frozenLeases,
  noteRestoredLog,
  type OpenLease,
  openLeasesAfter,
  restoredLog,
  type TombstoneEntry,
  updateLease,
} from "./rows.ts"
import type { LeaseDatabase } from "./store.ts"

/*
 * At every start the two stores are brought together again: whatever a crash or a restore left between them is decided
 * here, before anything is served. Source: spec/leases.md LS10, LS13
 */
export interface Reconciled {
  /** Intents whose link is there: a crash came between the commit and the last step. */
  readonly done: number
  /** Intents of slots and records whose link never came. Devices stay dead until their removal is signed again. */
  readonly void: number
  readonly leasesEnded: number
  /** Accounts frozen in the lease store and not in the main store. */
  readonly frozen: number
  /** Accounts whose deletion a crash had cut off. */
  readonly deleted: number
  /** Chains that stand behind a head that was certainly committed: the main store is older than the lease store. */
  readonly behind: readonly ChainHead[]
}

export const reconcile = async (
  ctx: StrongroomContext,
  leases: LeaseDatabase,
  compared: ComparedHeads,
): Promise<Reconciled> => {
  const deleted = await finishDeletions(ctx, await leases.openIntents())
  const settled = await settleIntents(ctx, leases)
  const behind = await stillBehind(ctx, leases, compared)
  leases.setBehind(behind)
  await keepBuried(ctx, leases)
  await dropBuriedRecords(ctx, leases, behind)
  const leasesEnded = await settleLeases(ctx, leases, behind.length > 0)
  const frozen = await finishFreezes(ctx, await leases.store.read((db) => frozenLeases(db)))
  if (compared.higher > 0) await raiseAllHeads(ctx, leases)
  return { ...settled, leasesEnded, frozen, deleted, behind }
}

const settleIntents = async (
  ctx: StrongroomContext,
  leases: LeaseDatabase,
): Promise<Pick<Reconciled, "done" | "void">> => {
  const done: Tombstone[] = []
  const gone: Tombstone[] = []
  for (const intent of await leases.openIntents()) {
    if (await isCommitted(ctx, intent)) done.push(intent)
    else if (intent.what !== "device" && intent.what !== "holder-key") gone.push(intent)
  }
  await leases.confirm(done)
  await leases.void(gone)
  return { done: done.length, void: gone.length }
}

/** Of an account whose deletion was only finished now, nothing is missing. */
const stillBehind = async (
  ctx: StrongroomContext,
  leases: LeaseDatabase,
  { behind }: ComparedHeads,
): Promise<readonly ChainHead[]> => {
  const still: ChainHead[] = []
  for (const head of behind) if (!(await holdsHead(ctx, leases, head))) still.push(head)
  return still
}

/**
 * The link that the tombstone names is stored, or the retirement that it stands for is. One that no link stands for, of a
 * deleted account or a refused device, is committed once nothing that lives here carries its id.
 */
const isCommitted = (ctx: StrongroomContext, { what, id, linkHash }: TombstoneEntry): Promise<boolean> =>
  ctx.store.read(async (db) => {
    if (isZero(linkHash)) {
      if (what === "account")
        return (await db.selectFrom("account").select("uuid").where("id", "=", id).executeTakeFirst()) === undefined
      const alive = await db
        .selectFrom("device")
        .select(["id", "sig_pk", "kem_pk", "auth_pk"])
        .where("state", "not in", [...DEAD_STATES])
        .execute()
      return !alive.some((d) =>
        deviceTombstones(
          ctx.primitives,
          { id: d.id, sigPk: d.sig_pk, kemPk: d.kem_pk, authPk: d.auth_pk },
          linkHash,
        ).some((own) => own.what === what && equalBytes(own.id, id)),
      )
    }
    const link = await db
      .selectFrom("account_link")
      .select("seq")
      .where("hash", "=", linkHash)
      .limit(1)
      .executeTakeFirst()
    if (link !== undefined) return true
    if (what !== "device" && what !== "holder-key") return false
    const retired = await db
      .selectFrom("device")
      .select(["id", "sig_pk", "kem_pk", "auth_pk", "retire_signature"])
      .where("state", "=", "retired")
      .$if(what === "device", (q) => q.where("id", "=", id))
      .execute()
    return retired.some(
      (row) =>
        row.retire_signature !== null &&
        bytesToHex(retirementHash(ctx.primitives, row.retire_signature)) === bytesToHex(linkHash),
    )
  })

const leasedDevicesAfter = statementsOf<MainTables>().statement<"after", DeviceOfLease>((db, $) =>
  db
    .selectFrom("device")
    .select(["id", "state", "expires_ms"])
    .where("id", ">", $("after"))
    .orderBy("id")
    .limit(PAGE_ROWS),
)
type DeviceOfLease = Pick<Selectable<DeviceTable>, "id" | "state" | "expires_ms">

/** Leases follow their devices: what waits is reserved again, what has ended is destroyed. */
const settleLeases = async (ctx: StrongroomContext, leases: LeaseDatabase, isRestored: boolean): Promise<number> => {
  const nowMs = ctx.clock.nowMs()
  const open: Ordered<OpenLease> = {
    after: (id) => leases.store.read((db) => openLeasesAfter(db, id)),
    idOf: (row) => row.device_id,
  }
  const devices: Ordered<DeviceOfLease> = {
    after: (after) => ctx.store.read((db) => leasedDevicesAfter.rows(db, { after })),
    idOf: (row) => row.id,
  }
  let ended = 0
  for await (const page of pairs(open, devices))
    for (const [row, device] of page) {
      if (row === undefined) continue
      // A restored store may have forgotten a device that its chain will bring back.
      if (device === undefined && row.state === "live" && isRestored) continue
      const isWaiting = device !== undefined && ["reserved", ...WAITING_STATES].includes(device.state)
      if (isWaiting && row.state === "live") {
        // The key became live and the link that it was for never did.
        await leases.store.transaction((tx) =>
          updateLease(tx, row.device_id, { state: "reserved", reserved_until_ms: device.expires_ms }),
        )
        continue
      }
      const isOver = row.state === "reserved" && row.reserved_until_ms <= nowMs
      const isDead = device !== undefined && [...DEAD_STATES, "expired"].includes(device.state)
      if (!isOver && !isDead && device !== undefined) continue
      await leases.store.transaction((tx) => deleteLease(tx, row.device_id))
      ended++
    }
  await leases.store.checkpoint()
  return ended
}

/** A restored store may still know a removed device as active. */
const keepBuried = async (ctx: StrongroomContext, leases: LeaseDatabase): Promise<void> => {
  const states = ["reserved", ...WAITING_STATES, ...IN_CHAIN_STATES] as const
  let after = new Uint8Array()
  for (;;) {
    const buried = await leases.store.read((db) => buriedDevicesAfter(db, after))
    const last = buried.at(-1)
    if (last === undefined) return
    after = new Uint8Array(last)
    const alive = await ctx.store.read((db) =>
      db
        .selectFrom("device")
        .select("id")
        .where("id", "in", [...buried])
        .where("state", "in", [...states])
        .execute(),
    )
    for (const { id } of alive)
      await ctx.store.transaction((tx) => moveDevice(tx, id, states, "removed", ctx.clock.nowMs()))
  }
}

/** A restored store may still hold a password that was replaced: nobody signs in with it. */
const dropBuriedRecords = async (
  ctx: StrongroomContext,
  leases: LeaseDatabase,
  behind: readonly ChainHead[],
): Promise<void> => {
  const accounts = new Map(behind.map((head) => [bytesToHex(head.accountId), head.accountId]))
  for (const accountId of accounts.values()) {
    const record = await readOpaqueRecord(ctx, accountId)
    if (!record.ok) throw new Defect("the record of a restored account cannot be read", { cause: record.error.code })
    if (record.value === undefined) continue
    if (!(await leases.isBuried("opaque-record", ctx.primitives.sha256(record.value.record)))) continue
    await ctx.store.transaction((tx) =>
      tx.updateTable("account").set({ sealed_opaque_record: null }).where("id", "=", accountId).execute(),
    )
  }
}

/**
 * The log id to serve under. A main store that is behind was restored: its events and commit numbers begin anew, once.
 * Source   spec/leases.md LS14
 */
export const logAfterRestore = async (
  store: StrongroomContext["store"],
  leases: LeaseDatabase,
  { behind }: ComparedHeads,
  random: Random,
  logId: Uint8Array,
): Promise<Uint8Array> => {
  if (behind.length === 0) return logId
  const noted = await leases.store.read((db) => restoredLog(db))
  if (noted !== undefined && equalBytes(noted, logId)) return logId
  const next = random.bytes(16)
  await leases.store.transaction((tx) => noteRestoredLog(tx, next))
  await store.transaction((tx) => tx.updateTable("meta").set({ value: next }).where("name", "=", "log-id").execute())
  return next
}
