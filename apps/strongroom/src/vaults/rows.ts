import { expectOk } from "@keyferry/base"
import { decodeVaultState, encodeVaultState, type Head, type Leaf, type VaultState } from "@keyferry/chain"
import type { Store } from "@keyferry/store"

import type { Tx } from "../context.ts"
import type { MainTables } from "../store/tables.ts"

/* The statements about vaults, one each. */
export type Reader = Pick<Tx, "selectFrom">

/** How many rows one statement writes: few sizes, so that prepared statements are found again. */
const CHUNKS = [64, 8, 1] as const

const chunked = async <T>(rows: readonly T[], write: (rows: readonly T[]) => Promise<unknown>): Promise<void> => {
  let at = 0
  for (const size of CHUNKS)
    for (; rows.length - at >= size; at += size) await write(rows.slice(at, at + size))
}

export interface VaultRow {
  readonly accountUuid: string
  readonly epoch: number
  readonly bytes: number
  readonly state: VaultState
}

const VAULT_COLUMNS = [
  "account_uuid",
  "head_seq",
  "head_hash",
  "authority_seq",
  "epoch",
  "root",
  "count",
  "bytes",
  "chain_state",
] as const

/** The stored state is that of the newest authority link; head, root and count are kept beside it. */
export const readVault = async (
  db: Reader,
  vaultId: Uint8Array,
  states: VaultStates,
): Promise<VaultRow | undefined> => {
  const row = await db.selectFrom("vault").select(VAULT_COLUMNS).where("id", "=", vaultId).executeTakeFirst()
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

/** Compare-and-set on the head. False: another link was there first. */
export const moveVault = async (
  tx: Tx,
  before: VaultState,
  after: VaultState,
  bytes: number,
): Promise<boolean> => {
  const isAuthority = after.authority.seq !== before.authority.seq
  const { numUpdatedRows } = await tx
    .updateTable("vault")
    .set({
      head_seq: after.head.seq,
      head_hash: after.head.hash,
      root: after.root,
      count: after.count,
      bytes,
      ...(isAuthority
        ? {
            authority_seq: after.authority.seq,
            authority_hash: after.authority.hash,
            epoch: after.epochs.length,
            chain_state: encodeVaultState(after),
          }
        : {}),
    })
    .where("id", "=", after.id)
    .where("head_seq", "=", before.head.seq)
    .where("head_hash", "=", before.head.hash)
    .executeTakeFirstOrThrow()
  return numUpdatedRows === 1n
}

export interface NewVaultLink {
  readonly seq: number
  readonly hash: Uint8Array
  readonly isAuthority: boolean
  readonly bytes: Uint8Array
}

export const insertVaultLinks = (
  tx: Tx,
  vaultId: Uint8Array,
  links: readonly NewVaultLink[],
  block: number,
  nowMs: number,
): Promise<void> =>
  chunked(links, (rows) =>
    tx
      .insertInto("vault_link")
      .values(
        rows.map((link) => ({
          vault_id: vaultId,
          seq: link.seq,
          hash: link.hash,
          authority: link.isAuthority ? 1 : 0,
          link: link.bytes,
          record_block: block,
          at_ms: nowMs,
        })),
      )
      .execute(),
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

/** A leaf with where its newest record lies. */
export interface StoredLeaf extends Leaf {
  readonly recordN: number | undefined
  readonly size: number
}

export const readLeaves = async (
  db: Reader,
  vaultId: Uint8Array,
  itemIds: readonly Uint8Array[],
): Promise<readonly StoredLeaf[]> => {
  const out: StoredLeaf[] = []
  await chunked(itemIds, async (ids) => {
    const rows = await db
      .selectFrom("leaf")
      .leftJoin("record", "record.n", "leaf.record_n")
      .select(["leaf.item_id", "leaf.rev", "leaf.epoch", "leaf.ct_hash", "leaf.tombstone", "leaf.record_n", "record.size"])
      .where("leaf.vault_id", "=", vaultId)
      .where("leaf.item_id", "in", ids)
      .execute()
    for (const row of rows)
      out.push({
        itemId: row.item_id,
        rev: row.rev,
        epoch: row.epoch,
        ctHash: row.ct_hash,
        tombstone: row.tombstone === 1,
        recordN: row.record_n ?? undefined,
        size: row.size ?? 0,
      })
  })
  return out
}

export const writeLeaves = (tx: Tx, vaultId: Uint8Array, leaves: readonly StoredLeaf[]): Promise<void> =>
  chunked(leaves, (rows) =>
    tx
      .insertInto("leaf")
      .values(
        rows.map((leaf) => ({
          vault_id: vaultId,
          item_id: leaf.itemId,
          rev: leaf.rev,
          epoch: leaf.epoch,
          ct_hash: leaf.ctHash,
          tombstone: leaf.tombstone ? 1 : 0,
          record_n: leaf.recordN ?? null,
        })),
      )
      .onConflict((c) =>
        c.columns(["vault_id", "item_id"]).doUpdateSet((e) => ({
          rev: e.ref("excluded.rev"),
          epoch: e.ref("excluded.epoch"),
          ct_hash: e.ref("excluded.ct_hash"),
          tombstone: e.ref("excluded.tombstone"),
          record_n: e.ref("excluded.record_n"),
        })),
      )
      .execute(),
  )

export const readTrieRows = async (
  db: Reader,
  vaultId: Uint8Array,
  prefixes: readonly string[],
): Promise<ReadonlyMap<string, Uint8Array>> => {
  const out = new Map<string, Uint8Array>()
  await chunked(prefixes, async (some) => {
    const rows = await db
      .selectFrom("trie_node")
      .select(["prefix", "children"])
      .where("vault_id", "=", vaultId)
      .where("prefix", "in", some)
      .execute()
    for (const row of rows) out.set(row.prefix, row.children)
  })
  return out
}

export const writeTrieRows = (
  tx: Tx,
  vaultId: Uint8Array,
  changed: ReadonlyMap<string, Uint8Array>,
): Promise<void> =>
  chunked([...changed], (rows) =>
    tx
      .insertInto("trie_node")
      .values(rows.map(([prefix, children]) => ({ vault_id: vaultId, prefix, children })))
      .onConflict((c) =>
        c.columns(["vault_id", "prefix"]).doUpdateSet((e) => ({ children: e.ref("excluded.children") })),
      )
      .execute(),
  )

export interface NewRecord {
  readonly n: number
  readonly itemId: Uint8Array
  readonly rev: number
  readonly seq: number
  readonly size: number
  readonly supersededMs: number | undefined
  readonly sealed: Uint8Array
}

export const insertRecords = (tx: Tx, vaultId: Uint8Array, records: readonly NewRecord[]): Promise<void> =>
  chunked(records, (rows) =>
    tx
      .insertInto("record")
      .values(
        rows.map((record) => ({
          n: record.n,
          vault_id: vaultId,
          item_id: record.itemId,
          rev: record.rev,
          seq: record.seq,
          size: record.size,
          superseded_ms: record.supersededMs ?? null,
          sealed_record: record.sealed,
        })),
      )
      .execute(),
  )

export const supersede = (tx: Tx, numbers: readonly number[], nowMs: number): Promise<void> =>
  chunked(numbers, (some) =>
    tx.updateTable("record").set({ superseded_ms: nowMs }).where("n", "in", some).execute(),
  )

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
  readonly deviceState: string
  readonly hasFactor: boolean
}

/** Everything that decides whether a device may write now, under the account's lock. `undefined`: no such device there. */
export const lockWritableAccount = async (
  store: Store<MainTables>,
  tx: Tx,
  accountUuid: string,
  deviceId: Uint8Array,
): Promise<WritableAccount | undefined> => {
  const account = await tx
    .selectFrom("account")
    .select(["frozen", "sync_suspended", "items", "bytes"])
    .select((e) => [
      e.selectFrom("device").select("state").where("id", "=", deviceId).where("account_uuid", "=", accountUuid).as("state"),
      e.selectFrom("factor").select("kind").where("account_uuid", "=", accountUuid).limit(1).as("factor"),
    ])
    .where("uuid", "=", accountUuid)
    .$call((q) => store.lockRow(q))
    .executeTakeFirst()
  if (account === undefined || account.state === null) return undefined
  return {
    frozen: account.frozen === 1,
    syncSuspended: account.sync_suspended === 1,
    items: account.items,
    bytes: account.bytes,
    deviceState: account.state,
    hasFactor: account.factor !== null,
  }
}

export const countAccount = (tx: Tx, accountUuid: string, items: number, bytes: number) =>
  tx
    .updateTable("account")
    .set((e) => ({ items: e("items", "+", items), bytes: e("bytes", "+", bytes) }))
    .where("uuid", "=", accountUuid)
    .execute()

export const countVaults = async (db: Reader, accountUuid: string): Promise<number> => {
  const row = await db
    .selectFrom("vault")
    .select((e) => e.fn.countAll<number>().as("n"))
    .where("account_uuid", "=", accountUuid)
    .executeTakeFirstOrThrow()
  return Number(row.n)
}

export interface VaultHead extends Head {
  readonly id: Uint8Array
}

export const vaultHeads = async (db: Reader, accountUuid: string): Promise<readonly VaultHead[]> =>
  db
    .selectFrom("vault")
    .select(["id", "head_seq as seq", "head_hash as hash"])
    .where("account_uuid", "=", accountUuid)
    .orderBy("id")
    .execute()
