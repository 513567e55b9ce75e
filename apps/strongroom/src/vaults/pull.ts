import { bytesToHex, compareBytes, equalBytes, err, ok, type Result } from "@keyferry/base"
import { decodeWrapEntry } from "@keyferry/crypto"
import { type Failure, MAX_SYNC_BYTES, type VaultChanges } from "@keyferry/protocol"
import { sql, type Reader as StoreReader } from "@keyferry/store"

import type { SigningDevice, StrongroomContext } from "../context.ts"
import { prevSealedPlace, recordPlace, wrapPlace } from "../places.ts"
import type { MainTables } from "../store/tables.ts"
import { RECORDS_IN_BLOCK } from "./record-blocks.ts"
import { type VaultHead, vaultHeads, type VaultStates } from "./rows.ts"
import { statement } from "../store/statement.ts"

/*
 * What a device is missing, read at one moment: links after its cursors and the newest records of what they put, heads of
 * all vaults, and the commit number of that moment. A record comes with the link that put it, and only while it is the
 * newest of its item: in an answer that was cut, the record of an item that a later link puts again comes with that link.
 * Source: spec/feed.md SY70–SY73
 */
export interface Cursor {
  readonly vaultId: Uint8Array
  readonly seq: number
  readonly hash: Uint8Array
}

export interface PullRequest {
  readonly accountSeq: number
  readonly cursors: readonly Cursor[]
  /** Soft limit of links and records; at least one link is answered. */
  readonly maxBytes: number
}

export interface Pulled {
  readonly commit: number
  readonly accountLinks: readonly Uint8Array[]
  readonly vaults: readonly VaultChanges[]
  readonly heads: readonly VaultHead[]
}

type Db = StoreReader<MainTables>

interface FoundRecord {
  readonly itemId: Uint8Array
  readonly rev: number
  readonly sealed: Uint8Array
}
interface FoundWrap {
  readonly epoch: number
  readonly seq: number
  readonly recipient: Uint8Array
  readonly sealed: Uint8Array
}
interface Found {
  readonly head: VaultHead
  readonly links: readonly Uint8Array[]
  readonly records: readonly FoundRecord[]
  readonly wraps: readonly FoundWrap[]
  readonly older: readonly { readonly epoch: number; readonly sealed_bytes: Uint8Array }[]
  readonly more: boolean
}

const LINKS_AT_ONCE = 64

/** Errors: what the device's state says now, two-factor-required, sync-suspended, kms-unavailable */
export const pull = async (
  ctx: StrongroomContext,
  states: VaultStates,
  device: SigningDevice,
  request: PullRequest,
): Promise<Result<Pulled, Failure>> => {
  const found = await ctx.store.snapshot(async (db) => {
    const moment = await readMoment(db, device)
    if (!moment.ok) return moment
    const { commit, accountSeq } = moment.value
    const heads = await vaultHeads(db, device.accountUuid)
    const budget = { left: Math.min(request.maxBytes, MAX_SYNC_BYTES), isUntouched: true }
    const vaults: Found[] = []
    for (const cursor of request.cursors) {
      const head = heads.find(({ id }) => equalBytes(id, cursor.vaultId))
      if (head !== undefined && head.seq > cursor.seq) vaults.push(await findChanges(db, states, head, cursor, budget))
    }
    return ok({
      commit,
      accountLinks:
        accountSeq > request.accountSeq ? await accountLinksAfter(db, device.accountUuid, request.accountSeq) : [],
      heads,
      vaults,
    })
  })
  if (!found.ok) return found
  const { commit, accountLinks, heads } = found.value
  const vaults: VaultChanges[] = []
  for (const one of found.value.vaults) {
    const opened = await openChanges(ctx, device.accountId, one)
    if (!opened.ok) return opened
    vaults.push(opened.value)
  }
  return ok({ commit, accountLinks, heads, vaults })
}

interface MomentRow {
  readonly state: string
  readonly sync_suspended: number
  readonly head_seq: number
  readonly factor: string | null
  readonly commit_n: number | null
}
const momentOf = statement<"device", MomentRow>((db, $) =>
  db
    .selectFrom("device")
    .innerJoin("account", "account.uuid", "device.account_uuid")
    .select(["device.state", "account.sync_suspended", "account.head_seq"])
    .select((e) => [
      e.selectFrom("factor").select("kind").whereRef("account_uuid", "=", "account.uuid").limit(1).as("factor"),
      sql<number>`(select value from counter where name = 'commit')`.as("commit_n"),
    ])
    .where("device.id", "=", $("device")),
)

export interface Moment {
  /** The commit number of the moment that `db` reads. */
  readonly commit: number
  readonly accountSeq: number
}

/**
 * Whether the device may read at the moment that `db` reads, whatever it was when it signed: a removal that was committed
 * since is seen here. Errors: device-not-enrolled, device-removed, not-allowed, sync-suspended, two-factor-required
 */
export const readMoment = async (db: Db, device: SigningDevice): Promise<Result<Moment, Failure>> => {
  const [row] = await momentOf.rows(db, { device: device.deviceId })
  if (row === undefined) return err({ code: "device-not-enrolled" })
  if (row.state === "removed") return err({ code: "device-removed" })
  if (row.state !== "active") return err({ code: "not-allowed" })
  if (row.sync_suspended === 1) return err({ code: "sync-suspended" })
  if (row.factor === null) return err({ code: "two-factor-required" })
  return ok({ commit: row.commit_n ?? 0, accountSeq: row.head_seq })
}

export const accountLinksAfter = async (
  db: Pick<Db, "selectFrom">,
  accountUuid: string,
  seq: number,
  upTo = Number.MAX_SAFE_INTEGER,
): Promise<readonly Uint8Array[]> => {
  const rows = await db
    .selectFrom("account_link")
    .select("link")
    .where("account_uuid", "=", accountUuid)
    .where("seq", ">", seq)
    .where("seq", "<=", upTo)
    .orderBy("seq")
    .execute()
  return rows.map((row) => row.link)
}

const linksAfter = statement<
  "vault" | "seq",
  { readonly seq: number; readonly link: Uint8Array; readonly authority: number; readonly record_block: number }
>((db, $) =>
  db
    .selectFrom("vault_link")
    .select(["seq", "link", "authority", "record_block"])
    .where("vault_id", "=", $("vault"))
    .where("seq", ">", $("seq"))
    .orderBy("seq")
    .limit(LINKS_AT_ONCE),
)

const findChanges = async (
  db: Db,
  states: VaultStates,
  head: VaultHead,
  cursor: Cursor,
  budget: { left: number; isUntouched: boolean },
): Promise<Found> => {
  const links: Uint8Array[] = []
  const records: FoundRecord[] = []
  const authorities: number[] = []
  let seq = cursor.seq
  while (seq < head.seq && (budget.left > 0 || budget.isUntouched)) {
    const rows = await linksAfter.rows(db, { vault: head.id, seq })
    if (rows.length === 0) break
    for (const row of rows) {
      if (budget.left <= 0 && !budget.isUntouched) break
      const put = row.record_block === 0 ? [] : await recordsOfLink(db, head.id, row.record_block, row.seq)
      links.push(row.link)
      records.push(...put)
      if (row.authority === 1) authorities.push(row.seq)
      budget.left -= row.link.length + put.reduce((n, record) => n + record.sealed.length, 0)
      budget.isUntouched = false
      seq = row.seq
    }
  }
  const wraps = authorities.length === 0 ? [] : await wrapsOfLinks(db, states, head.id, authorities)
  const older = wraps.length === 0 ? [] : await olderKeysOf(db, head.id, [...new Set(wraps.map(({ epoch }) => epoch))])
  return { head, links, records, wraps, older, more: seq < head.seq }
}

const newestOfLink = statement<
  "vault" | "seq" | "from" | "to",
  { readonly item_id: Uint8Array; readonly rev: number; readonly sealed_record: Uint8Array }
>((db, $) =>
  db
    .selectFrom("record")
    .select(["item_id", "rev", "sealed_record"])
    .where("n", ">=", $("from"))
    .where("n", "<", $("to"))
    .where("vault_id", "=", $("vault"))
    .where("seq", "=", $("seq"))
    .where("superseded_ms", "is", null)
    .orderBy("n"),
)

const recordsOfLink = async (
  db: Db,
  vaultId: Uint8Array,
  block: number,
  seq: number,
): Promise<readonly FoundRecord[]> => {
  const from = block * RECORDS_IN_BLOCK
  const rows = await newestOfLink.rows(db, { vault: vaultId, seq, from, to: from + RECORDS_IN_BLOCK })
  return rows.map((row) => ({ itemId: row.item_id, rev: row.rev, sealed: row.sealed_record }))
}

const olderKeysOf = (db: Db, vaultId: Uint8Array, epochs: readonly number[]) =>
  db
    .selectFrom("vault_prev_sealed")
    .select(["epoch", "sealed_bytes"])
    .where("vault_id", "=", vaultId)
    .where("epoch", "in", epochs)
    .orderBy("epoch")
    .execute()

/** Every wrap of the epochs that these authority links start. */
export const wrapsOfLinks = async (
  db: Db,
  states: VaultStates,
  vaultId: Uint8Array,
  seqs: readonly number[] | "all",
): Promise<readonly FoundWrap[]> => {
  const vault = await db.selectFrom("vault").select("chain_state").where("id", "=", vaultId).executeTakeFirstOrThrow()
  const seqOf = new Map(states.of(vault.chain_state).epochs.map((epoch) => [epoch.epoch, epoch.seq]))
  const rows = await db
    .selectFrom("vault_wrap")
    .select(["epoch", "recipient", "sealed_entry"])
    .where("vault_id", "=", vaultId)
    .orderBy("epoch")
    .execute()
  return rows.flatMap((row) => {
    const seq = seqOf.get(row.epoch) ?? 0
    const isAsked = seqs === "all" || seqs.includes(seq)
    return isAsked ? [{ epoch: row.epoch, seq, recipient: row.recipient, sealed: row.sealed_entry }] : []
  })
}

const openChanges = async (
  ctx: StrongroomContext,
  accountId: Uint8Array,
  { head, links, records, wraps, older, more }: Found,
): Promise<Result<VaultChanges, Failure>> => {
  const opened = await openRecords(ctx, accountId, head.id, records)
  if (!opened.ok) return opened
  const keys = await openWraps(ctx, accountId, head.id, wraps)
  if (!keys.ok) return keys
  const sealed = await ctx.atRest.decryptAll(
    older.map((row) => ({
      place: prevSealedPlace(ctx.primitives, accountId, head.id, row.epoch),
      sealed: row.sealed_bytes,
    })),
  )
  if (!sealed.ok) return sealed
  return ok({
    vaultId: head.id,
    links,
    records: opened.value,
    head: [head.seq, head.hash],
    more,
    ...(keys.value.length === 0 ? {} : { wraps: keys.value }),
    ...(older.length === 0
      ? {}
      : { prevSealed: older.map((row, i) => [row.epoch, sealed.value[i] ?? new Uint8Array()] as const) }),
  })
}

/** Takes the outer layer off. Errors: kms-unavailable. */
export const openRecords = (
  ctx: StrongroomContext,
  accountId: Uint8Array,
  vaultId: Uint8Array,
  records: readonly FoundRecord[],
): Promise<Result<readonly Uint8Array[], Failure>> =>
  ctx.atRest.decryptAll(
    records.map(({ itemId, rev, sealed }) => ({ place: recordPlace(accountId, vaultId, itemId, rev), sealed })),
  )

export type WrapOfEpoch = readonly [epoch: number, entry: Uint8Array, hashes: readonly Uint8Array[]]

/** Of each epoch: the entry for this account, and the hashes of all entries sorted by recipient. Errors: kms-unavailable. */
export const openWraps = async (
  ctx: StrongroomContext,
  accountId: Uint8Array,
  vaultId: Uint8Array,
  wraps: readonly FoundWrap[],
): Promise<Result<readonly WrapOfEpoch[], Failure>> => {
  const opened = await ctx.atRest.decryptAll(
    wraps.map(({ seq, recipient, sealed }) => ({
      place: wrapPlace(ctx.primitives, accountId, vaultId, seq, recipient),
      sealed,
    })),
  )
  if (!opened.ok) return opened
  const byEpoch = new Map<number, { readonly recipient: Uint8Array; readonly bytes: Uint8Array }[]>()
  for (const [i, bytes] of opened.value.entries()) {
    const entry = decodeWrapEntry(bytes)
    const epoch = wraps[i]?.epoch ?? 0
    if (entry.ok) byEpoch.set(epoch, [...(byEpoch.get(epoch) ?? []), { recipient: entry.value.recipient, bytes }])
  }
  return ok(
    [...byEpoch].flatMap(([epoch, entries]): readonly WrapOfEpoch[] => {
      const own = entries.find(({ recipient }) => equalBytes(recipient, accountId))
      const sorted = entries.toSorted((a, b) => compareBytes(a.recipient, b.recipient))
      return own === undefined ? [] : [[epoch, own.bytes, sorted.map(({ bytes }) => ctx.primitives.sha256(bytes))]]
    }),
  )
}

export const headsByVault = (heads: readonly VaultHead[]): ReadonlyMap<string, VaultHead> =>
  new Map(heads.map((head) => [bytesToHex(head.id), head]))
