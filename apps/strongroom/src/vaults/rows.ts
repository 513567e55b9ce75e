import { expectOk } from "@keyferry/base"
import {
  decodeTrieRow,
  decodeVaultState,
  encodeTrieRow,
  encodeVaultState,
  type Head,
  type Leaf,
  type TrieRow,
  type VaultState,
} from "@keyferry/chain"
import { chunked, type Store } from "@keyferry/store"

import type { Tx } from "../context.ts"
import type { MainTables, VaultTable } from "../store/tables.ts"
import { inserter, statement } from "../store/statement.ts"

/* The statements about vaults, one each. */
export type Reader = Pick<Tx, "selectFrom" | "getExecutor">

export interface VaultRow {
  readonly accountUuid: string
  readonly epoch: number
  readonly bytes: number
  readonly state: VaultState
}

const vaultById = statement<"id", Omit<VaultTable, "id" | "kind" | "created_ms" | "authority_seq" | "authority_hash">>(
  (db, $) =>
    db
      .selectFrom("vault")
      .select(["account_uuid", "head_seq", "head_hash", "epoch", "root", "count", "bytes", "chain_state"])
      .where("id", "=", $("id")),
)

/** The stored state is that of the newest authority link; head, root and count are kept beside it. */
export const readVault = async (
  db: Reader,
  vaultId: Uint8Array,
  states: VaultStates,
): Promise<VaultRow | undefined> => {
  const [row] = await vaultById.rows(db, { id: vaultId })
  if (row === undefined) return undefined
  const authority = states.of(row.chain_state)
  const { root, count } = row
  const state = { ...authority, head: { seq: row.head_seq, hash: row.head_hash }, root, count }
  return { accountUuid: row.account_uuid, epoch: row.epoch, bytes: row.bytes, state }
}

/** Decoded authority states; few vaults are written to at one time. */
export interface VaultStates {
  readonly of: (encoded: Uint8Array) => VaultState
}
const KEPT_STATES = 500

export const createVaultStates = (): VaultStates => {
  const known = new Map<string, VaultState>()
  return Object.freeze({
    of: (encoded: Uint8Array) => {
      const name = Buffer.from(encoded.buffer, encoded.byteOffset, encoded.length).toString("latin1")
      const found = known.get(name)
      if (found !== undefined) return found
      const state = expectOk(decodeVaultState(encoded), "the stored state of a vault is damaged")
      if (known.size >= KEPT_STATES) known.clear()
      known.set(name, state)
      return state
    },
  })
}

export const insertVault = (tx: Tx, accountUuid: string, state: VaultState, bytes: number, nowMs: number) =>
  tx
    .insertInto("vault")
    .values({
      id: state.id,
      account_uuid: accountUuid,
      kind: state.kind,
      created_ms: nowMs,
      head_seq: state.head.seq,
      head_hash: state.head.hash,
      authority_seq: state.authority.seq,
      authority_hash: state.authority.hash,
      epoch: state.epochs.length,
      root: state.root,
      count: state.count,
      bytes,
      chain_state: encodeVaultState(state),
    })
    .execute()

const moveHead = statement<"id" | "seq" | "hash" | "root" | "count" | "bytes" | "fromSeq" | "fromHash">((db, $) =>
  db
    .updateTable("vault")
    .set({ head_seq: $("seq"), head_hash: $("hash"), root: $("root"), count: $("count"), bytes: $("bytes") })
    .where("id", "=", $("id"))
    .where("head_seq", "=", $("fromSeq"))
    .where("head_hash", "=", $("fromHash")),
)
const setAuthority = statement<"id" | "seq" | "hash" | "epoch" | "state">((db, $) =>
  db
    .updateTable("vault")
    .set({ authority_seq: $("seq"), authority_hash: $("hash"), epoch: $("epoch"), chain_state: $("state") })
    .where("id", "=", $("id")),
)

/** Compare-and-set on the head, decided by the number of rows. False: another link was there first. */
export const moveVault = async (tx: Tx, before: VaultState, after: VaultState, bytes: number): Promise<boolean> => {
  const { id, head, root, count } = after
  const from = { fromSeq: before.head.seq, fromHash: before.head.hash }
  if ((await moveHead.run(tx, { id, seq: head.seq, hash: head.hash, root, count, bytes, ...from })) !== 1) return false
  if (after.authority.seq !== before.authority.seq) {
    const { seq, hash } = after.authority
    await setAuthority.run(tx, { id, seq, hash, epoch: after.epochs.length, state: encodeVaultState(after) })
  }
  return true
}

export interface NewVaultLink {
  readonly seq: number
  readonly hash: Uint8Array
  readonly isAuthority: boolean
  readonly bytes: Uint8Array
}

const insertLinks = inserter(["vault_id", "seq", "hash", "authority", "link", "record_block", "at_ms"], (db, rows) =>
  db.insertInto("vault_link").values(rows),
)

export const insertVaultLinks = (
  tx: Tx,
  vaultId: Uint8Array,
  links: readonly NewVaultLink[],
  block: number,
  nowMs: number,
): Promise<void> =>
  insertLinks(
    tx,
    links.map((link) => ({
      vault_id: vaultId,
      seq: link.seq,
      hash: link.hash,
      authority: link.isAuthority ? 1 : 0,
      link: link.bytes,
      record_block: block,
      at_ms: nowMs,
    })),
  )

export const vaultLinkHash = async (db: Reader, vaultId: Uint8Array, seq: number): Promise<Uint8Array | undefined> => {
  const row = await db
    .selectFrom("vault_link")
    .select("hash")
    .where("vault_id", "=", vaultId)
    .where("seq", "=", seq)
    .executeTakeFirst()
  return row?.hash
}

/** A leaf with where its newest record lies, and that record's size while the item is there. */
export interface StoredLeaf extends Leaf {
  readonly recordN: number | undefined
  readonly size: number
}

interface LeafRow {
  readonly item_id: Uint8Array
  readonly rev: number
  readonly epoch: number
  readonly ct_hash: Uint8Array
  readonly tombstone: number
  readonly record_n: number | null
  readonly size: number | null
}
const leafById = statement<"vault" | "item", LeafRow>((db, $) =>
  db
    .selectFrom("leaf")
    .leftJoin("record", "record.n", "leaf.record_n")
    .select([
      "leaf.item_id",
      "leaf.rev",
      "leaf.epoch",
      "leaf.ct_hash",
      "leaf.tombstone",
      "leaf.record_n",
      "record.size",
    ])
    .where("leaf.vault_id", "=", $("vault"))
    .where("leaf.item_id", "=", $("item")),
)

export const readLeaves = async (
  db: Reader,
  vaultId: Uint8Array,
  itemIds: readonly Uint8Array[],
): Promise<readonly StoredLeaf[]> => {
  const out: StoredLeaf[] = []
  for (const itemId of itemIds)
    for (const row of await leafById.rows(db, { vault: vaultId, item: itemId }))
      out.push({
        itemId: row.item_id,
        rev: row.rev,
        epoch: row.epoch,
        ctHash: row.ct_hash,
        tombstone: row.tombstone === 1,
        recordN: row.record_n ?? undefined,
        size: row.tombstone === 1 ? 0 : (row.size ?? 0),
      })
  return out
}

const upsertLeaves = inserter(["vault_id", "item_id", "rev", "epoch", "ct_hash", "tombstone", "record_n"], (db, rows) =>
  db
    .insertInto("leaf")
    .values(rows)
    .onConflict((c) =>
      c.columns(["vault_id", "item_id"]).doUpdateSet((e) => ({
        rev: e.ref("excluded.rev"),
        epoch: e.ref("excluded.epoch"),
        ct_hash: e.ref("excluded.ct_hash"),
        tombstone: e.ref("excluded.tombstone"),
        record_n: e.ref("excluded.record_n"),
      })),
    ),
)

export const writeLeaves = (tx: Tx, vaultId: Uint8Array, leaves: readonly StoredLeaf[]): Promise<void> =>
  upsertLeaves(
    tx,
    leaves.map((leaf) => ({
      vault_id: vaultId,
      item_id: leaf.itemId,
      rev: leaf.rev,
      epoch: leaf.epoch,
      ct_hash: leaf.ctHash,
      tombstone: leaf.tombstone ? 1 : 0,
      record_n: leaf.recordN ?? null,
    })),
  )

const trieRow = statement<"vault" | "prefix", { readonly children: Uint8Array }>((db, $) =>
  db.selectFrom("trie_node").select("children").where("vault_id", "=", $("vault")).where("prefix", "=", $("prefix")),
)

export const readTrieRows = async (
  db: Reader,
  vaultId: Uint8Array,
  prefixes: readonly string[],
): Promise<ReadonlyMap<string, TrieRow>> => {
  const out = new Map<string, TrieRow>()
  for (const prefix of prefixes)
    for (const row of await trieRow.rows(db, { vault: vaultId, prefix })) out.set(prefix, decodeTrieRow(row.children))
  return out
}

const upsertTrieRows = inserter(["vault_id", "prefix", "children"], (db, rows) =>
  db
    .insertInto("trie_node")
    .values(rows)
    .onConflict((c) =>
      c.columns(["vault_id", "prefix"]).doUpdateSet((e) => ({ children: e.ref("excluded.children") })),
    ),
)

export const writeTrieRows = (tx: Tx, vaultId: Uint8Array, changed: ReadonlyMap<string, TrieRow>): Promise<void> =>
  upsertTrieRows(
    tx,
    [...changed].map(([prefix, row]) => ({ vault_id: vaultId, prefix, children: encodeTrieRow(row) })),
  )

export interface NewRecord {
  readonly n: number
  readonly itemId: Uint8Array
  readonly rev: number
  readonly seq: number
  readonly size: number
  readonly supersededMs: number | undefined
  readonly prevN: number | undefined
  readonly sealed: Uint8Array
}

const insertRecordRows = inserter(
  ["n", "vault_id", "item_id", "rev", "seq", "size", "superseded_ms", "prev_n", "sealed_record"],
  (db, rows) => db.insertInto("record").values(rows),
)

export const insertRecords = (tx: Tx, vaultId: Uint8Array, records: readonly NewRecord[]): Promise<void> =>
  insertRecordRows(
    tx,
    records.map((record) => ({
      n: record.n,
      vault_id: vaultId,
      item_id: record.itemId,
      rev: record.rev,
      seq: record.seq,
      size: record.size,
      superseded_ms: record.supersededMs ?? null,
      prev_n: record.prevN ?? null,
      sealed_record: record.sealed,
    })),
  )

export const supersede = (tx: Tx, numbers: readonly number[], nowMs: number): Promise<void> =>
  chunked(numbers, (some) => tx.updateTable("record").set({ superseded_ms: nowMs }).where("n", "in", some).execute())

export const insertVaultWraps = (
  tx: Tx,
  vaultId: Uint8Array,
  epoch: number,
  wraps: readonly { readonly recipient: Uint8Array; readonly sealed: Uint8Array }[],
): Promise<void> =>
  chunked(wraps, (rows) =>
    tx
      .insertInto("vault_wrap")
      .values(rows.map(({ recipient, sealed }) => ({ vault_id: vaultId, epoch, recipient, sealed_entry: sealed })))
      .execute(),
  )

export const insertVaultPrevSealed = (tx: Tx, vaultId: Uint8Array, epoch: number, sealed: Uint8Array) =>
  tx.insertInto("vault_prev_sealed").values({ vault_id: vaultId, epoch, sealed_bytes: sealed }).execute()

export interface WritableAccount {
  readonly frozen: boolean
  readonly syncSuspended: boolean
  readonly items: number
  readonly bytes: number
  readonly headHash: Uint8Array | undefined
  readonly deviceState: string
  readonly hasFactor: boolean
}

interface WritableRow {
  readonly frozen: number
  readonly sync_suspended: number
  readonly items: number
  readonly bytes: number
  readonly head_hash: Uint8Array | null
  readonly state: string | null
  readonly factor: string | null
}

const writable = (store: Store<MainTables>) =>
  statement<"account" | "device", WritableRow>((db, $) =>
    db
      .selectFrom("account")
      .select(["frozen", "sync_suspended", "items", "bytes", "head_hash"])
      .select((e) => [
        e
          .selectFrom("device")
          .select("state")
          .where("id", "=", $("device"))
          .whereRef("account_uuid", "=", "account.uuid")
          .as("state"),
        e.selectFrom("factor").select("kind").whereRef("account_uuid", "=", "account.uuid").limit(1).as("factor"),
      ])
      .where("uuid", "=", $("account"))
      .$call((q) => store.lockRow(q)),
  )
const writableOf = new WeakMap<object, ReturnType<typeof writable>>()

/** Everything that decides whether a device may write now, under the account's lock. `undefined`: no such device there. */
export const lockWritableAccount = async (
  store: Store<MainTables>,
  tx: Tx,
  accountUuid: string,
  deviceId: Uint8Array,
): Promise<WritableAccount | undefined> => {
  const query = writableOf.get(store) ?? writable(store)
  writableOf.set(store, query)
  const [account] = await query.rows(tx, { account: accountUuid, device: deviceId })
  if (account === undefined || account.state === null) return undefined
  return {
    frozen: account.frozen === 1,
    syncSuspended: account.sync_suspended === 1,
    items: account.items,
    bytes: account.bytes,
    headHash: account.head_hash ?? undefined,
    deviceState: account.state,
    hasFactor: account.factor !== null,
  }
}

const addToAccount = statement<"account" | "items" | "bytes">((db, $) =>
  db
    .updateTable("account")
    .set((e) => ({ items: e("items", "+", $("items")), bytes: e("bytes", "+", $("bytes")) }))
    .where("uuid", "=", $("account")),
)

export const countAccount = (tx: Tx, accountUuid: string, items: number, bytes: number): Promise<number> =>
  addToAccount.run(tx, { account: accountUuid, items, bytes })

export const countVaults = async (db: Reader, accountUuid: string): Promise<number> => {
  const row = await db
    .selectFrom("vault")
    .select((e) => e.fn.countAll<number>().as("n"))
    .where("account_uuid", "=", accountUuid)
    .executeTakeFirstOrThrow()
  return row.n
}

export interface VaultHead extends Head {
  readonly id: Uint8Array
}

const headsOfAccount = statement<"account", VaultHead>((db, $) =>
  db
    .selectFrom("vault")
    .select(["id", "head_seq as seq", "head_hash as hash"])
    .where("account_uuid", "=", $("account"))
    .orderBy("id"),
)

export const vaultHeads = (db: Reader, accountUuid: string): Promise<readonly VaultHead[]> =>
  headsOfAccount.rows(db, { account: accountUuid })
