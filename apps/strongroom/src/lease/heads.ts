import { bytesToHex, Defect, equalBytes } from "@keyferry/base"
import { CHAIN_ACCOUNT, CHAIN_VAULT } from "@keyferry/chain"
import { statementsOf } from "@keyferry/store"

import type { StrongroomContext } from "../context.ts"
import type { MainTables } from "../store/tables.ts"
import { type Ordered, PAGE_ROWS, pairs } from "./pairs.ts"
import { type ChainHead, type ChainPlace, deleteHeads, keptHead, keptPlacesAfter } from "./rows.ts"
import type { LeaseDatabase } from "./store.ts"

/*
 * Heads of chains: the ones that the lease store keeps, beside the ones that the main store holds.
 * Source: spec/leases.md LS14
 */
type Main = Pick<StrongroomContext, "store">

const { statement } = statementsOf<MainTables>()

const accountPlacesAfter = statement<"after", ChainPlace>((db, $) =>
  db
    .selectFrom("account")
    .select(["id", "head_seq as seq", "head_hash as hash"])
    .where("id", ">", $("after"))
    .orderBy("id")
    .limit(PAGE_ROWS)
    .$narrowType<ChainPlace>(),
)
const vaultPlacesAfter = statement<"after", ChainPlace>((db, $) =>
  db
    .selectFrom("vault")
    .select(["id", "head_seq as seq", "head_hash as hash"])
    .where("id", ">", $("after"))
    .orderBy("id")
    .limit(PAGE_ROWS),
)

const KINDS = [
  [CHAIN_ACCOUNT, accountPlacesAfter],
  [CHAIN_VAULT, vaultPlacesAfter],
] as const

const heldPlaces = ({ store }: Main, places: typeof accountPlacesAfter): Ordered<ChainPlace> => ({
  after: (after) => store.read((db) => places.rows(db, { after })),
  idOf: ({ id }) => id,
})
const keptPlaces = ({ store }: LeaseDatabase, kind: number): Ordered<ChainPlace> => ({
  after: (after) => store.read((db) => keptPlacesAfter(db, kind, after)),
  idOf: ({ id }) => id,
})

export interface ComparedHeads {
  /** Chains that do not hold the head kept for them: the main store is older than the lease store. */
  readonly behind: readonly ChainHead[]
  /** How many stand higher than the lease store knows, or are new to it. */
  readonly higher: number
}

/** Every chain of both stores once. `onHigher` gets the heads that a page brought and the lease store does not keep yet. */
export const compareHeads = async (
  main: Main,
  leases: LeaseDatabase,
  onHigher: (heads: readonly ChainHead[]) => Promise<void> = async () => undefined,
): Promise<ComparedHeads> => {
  const behind: ChainHead[] = []
  let higher = 0
  for (const [kind, places] of KINDS)
    for await (const page of pairs(keptPlaces(leases, kind), heldPlaces(main, places))) {
      const raised: ChainPlace[] = []
      for (const [kept, held] of page) {
        const isBehind = kept !== undefined && !isSame(kept, held) && !(await holdsPlace(main, leases, kind, kept))
        if (isBehind) behind.push(await ofLeaseStore(leases, kind, kept))
        else if (held !== undefined && (kept === undefined || kept.seq < held.seq)) raised.push(held)
      }
      higher += raised.length
      if (raised.length > 0) await onHigher(await withAccounts(main, kind, raised))
    }
  return { behind, higher }
}

/** The account's and the vault's row move in the transaction that stores the link: they name it, and it is there. */
const isSame = (kept: ChainPlace, held: ChainPlace | undefined): boolean =>
  held !== undefined && held.seq === kept.seq && equalBytes(held.hash, kept.hash)

const holdsPlace = async (main: Main, leases: LeaseDatabase, kind: number, kept: ChainPlace): Promise<boolean> =>
  holdsHead(main, leases, await ofLeaseStore(leases, kind, kept))

const ofLeaseStore = async (leases: LeaseDatabase, kind: number, { id }: ChainPlace): Promise<ChainHead> => {
  const head = await leases.store.read((db) => keptHead(db, kind, id))
  if (head === undefined) throw new Defect("a head that was kept is gone")
  return head
}

const withAccounts = async (
  { store }: Main,
  kind: number,
  places: readonly ChainPlace[],
): Promise<readonly ChainHead[]> => {
  if (kind === CHAIN_ACCOUNT) return places.map((place) => ({ kind, accountId: place.id, ...place }))
  const owners = await store.read((db) =>
    db
      .selectFrom("vault")
      .innerJoin("account", "account.uuid", "vault.account_uuid")
      .select(["vault.id", "account.id as accountId"])
      .where(
        "vault.id",
        "in",
        places.map(({ id }) => id),
      )
      .execute(),
  )
  const ownerOf = new Map(owners.map(({ id, accountId }) => [bytesToHex(id), accountId]))
  return places.flatMap((place) => {
    const accountId = ownerOf.get(bytesToHex(place.id)) ?? null
    return accountId === null ? [] : [{ kind, accountId, ...place }]
  })
}

/** The link is there, or its account was deleted on purpose and is gone: that head is missed by nobody. */
export const holdsHead = async (main: Main, leases: LeaseDatabase, head: ChainHead): Promise<boolean> => {
  if (await hasLink(main, head)) return true
  if (head.kind !== CHAIN_ACCOUNT || !(await leases.isBuried("account", head.id))) return false
  const account = await main.store.read((db) =>
    db.selectFrom("account").select("uuid").where("id", "=", head.id).executeTakeFirst(),
  )
  return account === undefined
}

/** True if exactly this link is stored at its place, whatever came after. */
export const hasLink = (ctx: Main, { kind, id, seq, hash }: ChainHead): Promise<boolean> =>
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
    return row !== undefined && equalBytes(row.hash, hash)
  })

/** Heads of all chains as they are committed now. */
export const raiseAllHeads = async (main: Main, leases: LeaseDatabase): Promise<void> => {
  await compareHeads(main, leases, (heads) => leases.raiseHeads(heads))
}

/** Looks again whether the account's chains hold their heads; once they do, it is served. Source   spec/feed.md SY93 */
export const lookAgain = async (main: Main, leases: LeaseDatabase, accountId: Uint8Array): Promise<boolean> => {
  const left: ChainHead[] = []
  for (const head of leases.behindOf(accountId)) if (!(await hasLink(main, head))) left.push(head)
  leases.setBehindOf(accountId, left)
  return left.length === 0
}

/** The operator gives up what a restored store has lost of an account: its heads are what they are. */
export const acceptLoss = async (main: Main, leases: LeaseDatabase, accountId: Uint8Array): Promise<void> => {
  await leases.store.transaction((tx) => deleteHeads(tx, accountId))
  leases.setBehindOf(accountId, [])
  await leases.raiseHeads(await headsOf(main, accountId))
}

const headsOf = ({ store }: Main, accountId: Uint8Array): Promise<readonly ChainHead[]> =>
  store.read(async (db) => {
    const account = await db
      .selectFrom("account")
      .select(["uuid", "head_seq", "head_hash"])
      .where("id", "=", accountId)
      .executeTakeFirst()
    if (account === undefined || account.head_hash === null) return []
    const vaults = await db
      .selectFrom("vault")
      .select(["id", "head_seq", "head_hash"])
      .where("account_uuid", "=", account.uuid)
      .execute()
    const own = { kind: CHAIN_ACCOUNT, id: accountId, accountId, seq: account.head_seq, hash: account.head_hash }
    return [
      own,
      ...vaults.map(({ id, head_seq, head_hash }) => ({
        kind: CHAIN_VAULT,
        id,
        accountId,
        seq: head_seq,
        hash: head_hash,
      })),
    ]
  })
