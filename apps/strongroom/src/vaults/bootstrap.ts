import { err, ok, type Result, type TypeOf } from "@keyferry/base"
import type { VaultState } from "@keyferry/chain"
import { type bootstrapReplyStruct, type Failure, MAX_SYNC_BYTES } from "@keyferry/protocol"
import type { Reader as StoreReader } from "@keyferry/store"

import type { StrongroomContext } from "../context.ts"
import type { Handler } from "../execute.ts"
import { prevSealedPlace } from "../places.ts"
import type { MainTables } from "../store/tables.ts"
import { behind, isBehind } from "./behind.ts"
import { openRecords, openWraps, readMoment, wrapsOfLinks } from "./pull.ts"
import type { PushParts } from "./push.ts"
import { readVault, type VaultStates } from "./rows.ts"

/*
 * The first read of a vault, in pages by item id. The first page carries everything that is signed: authority links, the
 * head, and every leaf, which add up to the root. Later pages carry records only; one that was replaced between two pages
 * does not match its leaf any more and comes again by the next sync from the first page's head.
 * Source: spec/feed.md SY74
 */
type Reply = TypeOf<typeof bootstrapReplyStruct>
type Db = StoreReader<MainTables>
const RECORDS_AT_ONCE = 256

/** Errors: vault-not-found, kms-unavailable, those of `readMoment` */
export const bootstrap =
  ({ states, leases }: Pick<PushParts, "states" | "leases">): Handler<"bootstrap"> =>
  async (ctx, { device }, body) => {
    if (isBehind({ leases }, device)) return behind
    const { vaultId, after } = body
    const found = await ctx.store.snapshot(async (db) => {
      const moment = await readMoment(db, device)
      if (!moment.ok) return moment
      const vault = await readVault(db, vaultId, states)
      if (vault === undefined || vault.accountUuid !== device.accountUuid)
        return err<Failure>({ code: "vault-not-found" })
      const page = await recordsAfter(db, vaultId, after, Math.min(body.maxBytes, MAX_SYNC_BYTES))
      const first = after === undefined ? await firstPage(db, states, vaultId, vault.state) : undefined
      const head = first?.head ?? (await headLink(db, vaultId, vault.state))
      return ok({ page, first, head })
    })
    if (!found.ok) return found
    const { page, first, head } = found.value
    const records = await openRecords(ctx, device.accountId, vaultId, page.records)
    if (!records.ok) return records
    const keys = first === undefined ? ok(NO_KEYS) : await openKeys(ctx, device.accountId, vaultId, first)
    if (!keys.ok) return keys
    return ok({
      reply: {
        authorityLinks: first?.authorityLinks ?? [],
        headLink: head,
        leaves: first?.leaves ?? [],
        records: records.value,
        ...(page.next === undefined ? {} : { next: page.next }),
        ...keys.value,
      },
    })
  }

const NO_KEYS: Pick<Reply, "wraps" | "prevSealed"> = { wraps: [], prevSealed: [] }

interface Page {
  readonly records: readonly { readonly itemId: Uint8Array; readonly rev: number; readonly sealed: Uint8Array }[]
  readonly next: Uint8Array | undefined
}

/** At least one record, then as many as fit. */
const recordsAfter = async (
  db: Db,
  vaultId: Uint8Array,
  after: Uint8Array | undefined,
  maxBytes: number,
): Promise<Page> => {
  const records: Page["records"][number][] = []
  let left = maxBytes
  let last = after
  for (;;) {
    const rows = await db
      .selectFrom("leaf")
      .innerJoin("record", "record.n", "leaf.record_n")
      .select(["leaf.item_id", "leaf.rev", "record.sealed_record"])
      .where("leaf.vault_id", "=", vaultId)
      .where("leaf.tombstone", "=", 0)
      .$if(last !== undefined, (q) => q.where("leaf.item_id", ">", last ?? new Uint8Array()))
      .orderBy("leaf.item_id")
      .limit(RECORDS_AT_ONCE)
      .execute()
    for (const row of rows) {
      if (left <= 0 && records.length > 0) return { records, next: last }
      records.push({ itemId: row.item_id, rev: row.rev, sealed: row.sealed_record })
      left -= row.sealed_record.length
      last = row.item_id
    }
    if (rows.length < RECORDS_AT_ONCE) return { records, next: undefined }
  }
}

interface FirstPage {
  readonly authorityLinks: readonly Uint8Array[]
  readonly head: Uint8Array
  readonly leaves: Reply["leaves"]
  readonly wraps: Awaited<ReturnType<typeof wrapsOfLinks>>
  readonly older: readonly { readonly epoch: number; readonly sealed: Uint8Array }[]
}

const firstPage = async (db: Db, states: VaultStates, vaultId: Uint8Array, state: VaultState): Promise<FirstPage> => {
  const authority = await db
    .selectFrom("vault_link")
    .select("link")
    .where("vault_id", "=", vaultId)
    .where("authority", "=", 1)
    .orderBy("seq")
    .execute()
  const leaves = await db
    .selectFrom("leaf")
    .select(["item_id", "rev", "epoch", "ct_hash", "tombstone"])
    .where("vault_id", "=", vaultId)
    .orderBy("item_id")
    .execute()
  const older = await db
    .selectFrom("vault_prev_sealed")
    .select(["epoch", "sealed_bytes as sealed"])
    .where("vault_id", "=", vaultId)
    .orderBy("epoch")
    .execute()
  return {
    authorityLinks: authority.map((row) => row.link),
    head: await headLink(db, vaultId, state),
    leaves: leaves.map((row) => [row.item_id, row.rev, row.epoch, row.ct_hash, row.tombstone] as const),
    wraps: await wrapsOfLinks(db, states, vaultId, "all"),
    older,
  }
}

const headLink = async (db: Db, vaultId: Uint8Array, state: VaultState): Promise<Uint8Array> => {
  const row = await db
    .selectFrom("vault_link")
    .select("link")
    .where("vault_id", "=", vaultId)
    .where("seq", "=", state.head.seq)
    .executeTakeFirstOrThrow()
  return row.link
}

const openKeys = async (
  ctx: StrongroomContext,
  accountId: Uint8Array,
  vaultId: Uint8Array,
  { wraps, older }: FirstPage,
): Promise<Result<Pick<Reply, "wraps" | "prevSealed">, Failure>> => {
  const opened = await openWraps(ctx, accountId, vaultId, wraps)
  if (!opened.ok) return opened
  const sealed = await ctx.atRest.decryptAll(
    older.map((row) => ({ place: prevSealedPlace(ctx.primitives, accountId, vaultId, row.epoch), sealed: row.sealed })),
  )
  if (!sealed.ok) return sealed
  const prevSealed = older.map((row, i) => [row.epoch, sealed.value[i] ?? new Uint8Array()] as const)
  return ok({ wraps: opened.value, prevSealed })
}
