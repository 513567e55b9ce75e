import { bytesToHex, Defect, equalBytes, isZero, type Random } from "@keyferry/base"
import { CHAIN_ACCOUNT, CHAIN_VAULT } from "@keyferry/chain"

import { finishDeletions } from "../accounts/deletion.ts"
import { finishFreezes } from "../accounts/freeze.ts"
import { DEAD_STATES, deviceTombstones, IN_CHAIN_STATES, moveDevice, WAITING_STATES } from "../accounts/devices.ts"
import { readOpaqueRecord } from "../accounts/opaque-records.ts"
import type { StrongroomContext } from "../context.ts"
import type { Tombstone } from "../lease-store.ts"
import { retirementHash } from "./retire.ts"
import {
  buriedDevices,
  type ChainHead,
  deleteHeads,
  deleteLease,
  frozenLeases,
  noteRestoredLog,
  openLeases,
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

export const reconcile = async (ctx: StrongroomContext, leases: LeaseDatabase): Promise<Reconciled> => {
  const deleted = await finishDeletions(ctx, await leases.openIntents())
  const settled = await settleIntents(ctx, leases)
  const behind = await chainsBehind(ctx, leases)
  leases.setBehind(behind)
  await keepBuried(ctx, leases)
  await dropBuriedRecords(ctx, leases, behind)
  const leasesEnded = await settleLeases(ctx, leases, behind.length > 0)
  const frozen = await finishFreezes(ctx, await leases.store.read((db) => frozenLeases(db)))
  if (behind.length === 0) await raiseAccountHeads(ctx, leases)
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

/** Leases follow their devices: what waits is reserved again, what has ended is destroyed. */
const settleLeases = async (ctx: StrongroomContext, leases: LeaseDatabase, isRestored: boolean): Promise<number> => {
  const rows = await leases.store.read((db) => openLeases(db))
  const states = new Map(
    (await ctx.store.read((db) => db.selectFrom("device").select(["id", "state", "expires_ms"]).execute())).map(
      (row) => [bytesToHex(row.id), row],
    ),
  )
  const nowMs = ctx.clock.nowMs()
  const ended: Uint8Array[] = []
  for (const row of rows) {
    const device = states.get(bytesToHex(row.device_id))
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
    if (isOver || isDead || device === undefined) ended.push(row.device_id)
  }
  for (const deviceId of ended) await leases.store.transaction((tx) => deleteLease(tx, deviceId))
  await leases.store.checkpoint()
  return ended.length
}

const chainsBehind = async (
  ctx: Pick<StrongroomContext, "store">,
  leases: LeaseDatabase,
): Promise<readonly ChainHead[]> => {
  const heads = await leases.chainHeads()
  const behind: ChainHead[] = []
  for (const head of heads) if (!(await hasLink(ctx, head))) behind.push(head)
  return behind
}

/** A restored store may still know a removed device as active. */
const keepBuried = async (ctx: StrongroomContext, leases: LeaseDatabase): Promise<void> => {
  const states = ["reserved", ...WAITING_STATES, ...IN_CHAIN_STATES] as const
  const alive = await ctx.store.read((db) =>
    db
      .selectFrom("device")
      .select("id")
      .where("state", "in", [...states])
      .execute(),
  )
  const buried = new Set((await leases.store.read((db) => buriedDevices(db))).map(bytesToHex))
  for (const { id } of alive)
    if (buried.has(bytesToHex(id)))
      await ctx.store.transaction((tx) => moveDevice(tx, id, states, "removed", ctx.clock.nowMs()))
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
  random: Random,
  logId: Uint8Array,
): Promise<Uint8Array> => {
  if ((await chainsBehind({ store }, leases)).length === 0) return logId
  const noted = await leases.store.read((db) => restoredLog(db))
  if (noted !== undefined && equalBytes(noted, logId)) return logId
  const next = random.bytes(16)
  await leases.store.transaction((tx) => noteRestoredLog(tx, next))
  await store.transaction((tx) => tx.updateTable("meta").set({ value: next }).where("name", "=", "log-id").execute())
  return next
}

/** True if exactly this link is stored at its place, whatever came after. */
export const hasLink = (ctx: Pick<StrongroomContext, "store">, { kind, id, seq, hash }: ChainHead): Promise<boolean> =>
  ctx.store.read(async (db) => {
    const row =
      kind === CHAIN_VAULT
        ? await db
            .selectFrom("vault_link")
            .select("hash")
            .where("vault_id", "=", id)
            .where("seq", "=", seq)
            .executeTakeFirst()
        : await db
            .selectFrom("account_link")
            .innerJoin("account", "account.uuid", "account_link.account_uuid")
            .select("account_link.hash")
            .where("account.id", "=", id)
            .where("account_link.seq", "=", seq)
            .executeTakeFirst()
    return row !== undefined && bytesToHex(row.hash) === bytesToHex(hash)
  })

/** Heads of all accounts as they are committed now. */
export const raiseAccountHeads = async (ctx: StrongroomContext, leases: LeaseDatabase): Promise<void> => {
  const rows = await ctx.store.read((db) =>
    db.selectFrom("account").select(["id", "head_seq", "head_hash"]).where("id", "is not", null).execute(),
  )
  await leases.raiseHeads(
    rows.flatMap(({ id, head_seq, head_hash }) =>
      id === null || head_hash === null
        ? []
        : [{ kind: CHAIN_ACCOUNT, id, accountId: id, seq: head_seq, hash: head_hash }],
    ),
  )
}

/** Looks again whether the account's chains hold their heads; once they do, it is served. Source   spec/feed.md SY93 */
export const lookAgain = async (
  ctx: Pick<StrongroomContext, "store">,
  leases: LeaseDatabase,
  accountId: Uint8Array,
): Promise<boolean> => {
  const left: ChainHead[] = []
  for (const head of leases.behindOf(accountId)) if (!(await hasLink(ctx, head))) left.push(head)
  leases.setBehindOf(accountId, left)
  return left.length === 0
}

/** The operator gives up what a restored store has lost of an account: its heads are what they are. */
export const acceptLoss = async (
  ctx: StrongroomContext,
  leases: LeaseDatabase,
  accountId: Uint8Array,
): Promise<void> => {
  await leases.store.transaction((tx) => deleteHeads(tx, accountId))
  leases.setBehindOf(accountId, [])
  await raiseAccountHeads(ctx, leases)
  await raiseVaultHeads(ctx, leases)
}

/** Heads of all vaults as they are committed now: every 60 seconds and when the process stops. */
export const raiseVaultHeads = async (ctx: StrongroomContext, leases: LeaseDatabase): Promise<void> => {
  const rows = await ctx.store.read((db) =>
    db
      .selectFrom("vault")
      .innerJoin("account", "account.uuid", "vault.account_uuid")
      .select(["vault.id", "vault.head_seq", "vault.head_hash", "account.id as account_id"])
      .execute(),
  )
  await leases.raiseHeads(
    rows.flatMap(({ id, head_seq, head_hash, account_id }) =>
      account_id === null ? [] : [{ kind: CHAIN_VAULT, id, accountId: account_id, seq: head_seq, hash: head_hash }],
    ),
  )
}
