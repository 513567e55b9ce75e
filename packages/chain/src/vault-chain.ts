import { bytesToHex, equalBytes, err, ok } from "@keyferry/base"
import type { Primitives } from "@keyferry/crypto"

import {
  CHAIN_VAULT,
  itemsStruct,
  type Link,
  type Op,
  VAULT_EPOCH_ROTATE,
  VAULT_GENESIS,
  VAULT_ITEMS,
} from "./format.ts"
import type { LeafTree } from "./leaf-tree.ts"
import { headOf, type OpenLink, openLink, parseBody } from "./link.ts"
import type { Checked } from "./ports.ts"
import { createTrie, type Leaf, liveCount, type Trie } from "./trie.ts"
import {
  type AccountLookup,
  applyRotation,
  checkOpShapes,
  checkRevisions,
  checkVaultPlace,
  checkVaultSigner,
  floorFor,
  isAuthority,
  isGenesisPlace,
  leafOfOp,
  openVaultGenesis,
  type VaultSigner,
} from "./vault-rules.ts"
import { currentEpoch, isRotationDue, type VaultState } from "./vault-state.ts"

/*
 * Verification of a vault chain, link by link or in one step for a device that is new to the vault. Order of the checks:
 * size and shape → chain, seq, prev, auth → seen, suite, floor → signature by an active device → body → root.
 * Source: spec/chains.md, CH28–CH42
 */

export interface VaultContext<T> {
  /** The verified account chain, as far as the reader has it. */
  readonly account: AccountLookup
  /** The leaves as of the state; an empty tree for a genesis. */
  readonly tree: T
  /**
   * True where the link is about to be appended now. Then the signer must still be active, and items are refused while a
   * rotation is due. A reader of history leaves it out: what was accepted then stays accepted.
   */
  readonly atCommit?: boolean
}

export interface VaultStep<T> {
  readonly state: VaultState
  readonly tree: T
  /** What an items link changed, in its order; empty for authority links. */
  readonly ops: readonly Op[]
}

/** `undefined` as state expects a genesis. Errors: any `ChainError`; nothing given is ever changed. */
export const verifyVaultLink = async <T extends LeafTree<T>>(
  p: Primitives,
  state: VaultState | undefined,
  link: Link,
  context: VaultContext<T>,
): Promise<Checked<VaultStep<T>>> => {
  const opened = openLink(p, link)
  if (!opened.ok) return opened
  const open = opened.value
  if (link.countersignatures !== undefined) return err({ code: "chain-malformed", what: "countersignatures" })
  return state === undefined ? verifyGenesis(p, open, context) : verifyNext(p, state, open, context)
}

/** Verifies links that follow `state`, or a whole chain. Stops at the first error; `ops` are those of all links. */
export const verifyVaultLinks = async <T extends LeafTree<T>>(
  p: Primitives,
  state: VaultState | undefined,
  links: readonly Link[],
  context: VaultContext<T>,
): Promise<Checked<VaultStep<T>>> => {
  let current: VaultStep<T> | undefined = state === undefined ? undefined : { state, tree: context.tree, ops: [] }
  for (const link of links) {
    const tree = current?.tree ?? context.tree
    const next = await verifyVaultLink(p, current?.state, link, { ...context, tree })
    if (!next.ok) return next
    current = { ...next.value, ops: [...(current?.ops ?? []), ...next.value.ops] }
  }
  return current === undefined ? err({ code: "chain-malformed", what: "empty chain" }) : ok(current)
}

const verifyGenesis = async <T extends LeafTree<T>>(
  p: Primitives,
  open: OpenLink,
  context: VaultContext<T>,
): Promise<Checked<VaultStep<T>>> => {
  const genesis = await checkGenesis(p, open, context.account, context.atCommit === true)
  if (!genesis.ok) return genesis
  const { state, signer } = genesis.value
  if (context.atCommit === true && isRotationDue(state, signer.account)) return rotationDue(state)
  return ok({ state, tree: context.tree, ops: [] })
}

const checkGenesis = async (
  p: Primitives,
  open: OpenLink,
  lookup: AccountLookup,
  atCommit: boolean,
): Promise<Checked<{ readonly state: VaultState; readonly signer: VaultSigner }>> => {
  const { payload } = open
  if (payload.chain !== CHAIN_VAULT) return err({ code: "chain-wrong-id" })
  if (payload.seq !== 1) return err({ code: "chain-out-of-order", expectedSeq: 1, seq: payload.seq })
  if (!isGenesisPlace(payload) || payload.type !== VAULT_GENESIS)
    return err({ code: "chain-malformed", what: "genesis" })
  const signer = await checkVaultSigner(p, open, { owner: payload.byAccount, floor: 0, lookup, atCommit })
  if (!signer.ok) return signer
  const state = openVaultGenesis(p, open, signer.value)
  return state.ok ? ok({ state: state.value, signer: signer.value }) : state
}

const verifyNext = async <T extends LeafTree<T>>(
  p: Primitives,
  state: VaultState,
  open: OpenLink,
  context: VaultContext<T>,
): Promise<Checked<VaultStep<T>>> => {
  const atCommit = context.atCommit === true
  const place = checkVaultPlace(state, open)
  if (!place.ok) return place
  const rules = { owner: state.owner, floor: floorFor(state, open), lookup: context.account, atCommit }
  const signer = await checkVaultSigner(p, open, rules)
  if (!signer.ok) return signer
  const { type } = open.payload
  if (type === VAULT_EPOCH_ROTATE) {
    const next = applyRotation(p, state, open, signer.value, true)
    if (!next.ok) return next
    if (atCommit && isRotationDue(next.value, signer.value.account)) return rotationDue(next.value)
    return ok({ state: next.value, tree: context.tree, ops: [] })
  }
  if (type === VAULT_ITEMS) {
    if (atCommit && isRotationDue(state, signer.value.account)) return rotationDue(state)
    return applyItems(state, open, context.tree)
  }
  return type === VAULT_GENESIS
    ? err({ code: "chain-malformed", what: "second genesis" })
    : err({ code: "link-type-unknown", type })
}

/** The current epoch names an account key that is no longer the newest: nothing is written under it any more. */
const rotationDue = (state: VaultState): Checked<never> => {
  const { epoch } = currentEpoch(state)
  return err({ code: "epoch-stale", current: epoch + 1, epoch })
}

const applyItems = async <T extends LeafTree<T>>(
  state: VaultState,
  open: OpenLink,
  tree: T,
): Promise<Checked<VaultStep<T>>> => {
  const { seq } = open.payload
  const parsed = parseBody(itemsStruct, open.payload.body)
  if (!parsed.ok) return parsed
  const { ops, root, count } = parsed.value
  const shapes = checkOpShapes(ops, currentEpoch(state).epoch)
  if (!shapes.ok) return shapes
  const after = await checkRevisions(tree, ops, state.count)
  if (!after.ok) return after
  const put = await tree.put(ops.map(leafOfOp))
  if (!equalBytes(put.root, root) || after.value !== count) return err({ code: "root-mismatch", seq })
  return ok({ state: { ...state, head: headOf(open), root, count }, tree: put.tree, ops })
}

export interface VaultBootstrap {
  /** Genesis, rotations: every authority link, oldest first. */
  readonly authorityLinks: readonly Link[]
  /** The newest link; the last authority link itself where nothing followed it. */
  readonly headLink: Link
  /** Every leaf as of the head, deleted ones too, in any order. */
  readonly leaves: readonly Leaf[]
}

/**
 * The first read of a vault by a device that has never seen it: the authority chain with the gaps between, the head, and the
 * leaves, which must add up to the root that the head signed.
 * Errors: any `ChainError`; chain-omission where the leaves do not add up
 * Source   spec/chains.md, CH40
 */
export const verifyVaultBootstrap = async (
  p: Primitives,
  bootstrap: VaultBootstrap,
  lookup: AccountLookup,
): Promise<Checked<{ readonly state: VaultState; readonly trie: Trie }>> => {
  const authority = await walkAuthority(p, bootstrap.authorityLinks, lookup)
  if (!authority.ok) return authority
  const headed = await checkHead(p, authority.value, bootstrap.headLink, lookup)
  if (!headed.ok) return headed
  const { state, ops } = headed.value
  const { leaves } = bootstrap
  const omission = err({ code: "chain-omission", seq: state.head.seq } as const)
  if (new Set(leaves.map((leaf) => bytesToHex(leaf.itemId))).size !== leaves.length) return omission
  const trie = createTrie(p, leaves)
  if (!equalBytes(trie.root(), state.root) || liveCount(leaves) !== state.count) return omission
  const disagrees = ops.some((op) => !isLeafOf(trie.get(op[1]), leafOfOp(op)))
  return disagrees ? omission : ok({ state, trie })
}

const isLeafOf = (leaf: Leaf | undefined, expected: Leaf): boolean =>
  leaf !== undefined &&
  leaf.rev === expected.rev &&
  leaf.epoch === expected.epoch &&
  leaf.tombstone === expected.tombstone &&
  equalBytes(leaf.ctHash, expected.ctHash)

const walkAuthority = async (
  p: Primitives,
  links: readonly Link[],
  lookup: AccountLookup,
): Promise<Checked<VaultState>> => {
  let state: VaultState | undefined
  for (const link of links) {
    const opened = openLink(p, link)
    if (!opened.ok) return opened
    const open = opened.value
    if (link.countersignatures !== undefined) return err({ code: "chain-malformed", what: "countersignatures" })
    if (state === undefined) {
      const genesis = await checkGenesis(p, open, lookup, false)
      if (!genesis.ok) return genesis
      state = genesis.value.state
      continue
    }
    const signer = await checkAfterGap(p, state, open, lookup)
    if (!signer.ok) return signer
    const { type } = open.payload
    if (type !== VAULT_EPOCH_ROTATE) return err({ code: "link-type-unknown", type })
    // Without a gap there was nothing between that could have changed the root.
    const isRootKnown = open.payload.seq === state.head.seq + 1
    const next = applyRotation(p, state, open, signer.value, isRootKnown)
    if (!next.ok) return next
    state = next.value
  }
  return state === undefined ? err({ code: "chain-malformed", what: "empty chain" }) : ok(state)
}

/** A link that follows the authority link `state` ends with, possibly with items links between that the reader was not given. */
const checkAfterGap = async (
  p: Primitives,
  state: VaultState,
  open: OpenLink,
  lookup: AccountLookup,
): Promise<Checked<VaultSigner>> => {
  const { payload } = open
  const { seq } = payload
  if (payload.chain !== CHAIN_VAULT || !equalBytes(payload.id, state.id)) return err({ code: "chain-wrong-id" })
  const isNext = seq === state.head.seq + 1
  if (seq <= state.head.seq || (isNext && !equalBytes(payload.prev, state.head.hash)))
    return err({ code: "chain-out-of-order", expectedSeq: state.head.seq + 1, seq })
  if (!isAuthority(payload, state.authority)) return err({ code: "authority-wrong", seq })
  return checkVaultSigner(p, open, { owner: state.owner, floor: floorFor(state, open), lookup, atCommit: false })
}

const checkHead = async (
  p: Primitives,
  state: VaultState,
  link: Link,
  lookup: AccountLookup,
): Promise<Checked<{ readonly state: VaultState; readonly ops: readonly Op[] }>> => {
  const opened = openLink(p, link)
  if (!opened.ok) return opened
  const open = opened.value
  if (equalBytes(open.hash, state.authority.hash)) return ok({ state, ops: [] })
  if (link.countersignatures !== undefined) return err({ code: "chain-malformed", what: "countersignatures" })
  const signer = await checkAfterGap(p, state, open, lookup)
  if (!signer.ok) return signer
  const { type } = open.payload
  // Any other authority link at the head would have to be the last of the list.
  if (type !== VAULT_ITEMS) return err({ code: "chain-omission", seq: open.payload.seq })
  const parsed = parseBody(itemsStruct, open.payload.body)
  if (!parsed.ok) return parsed
  const { ops, root, count } = parsed.value
  const shapes = checkOpShapes(ops, currentEpoch(state).epoch)
  return shapes.ok ? ok({ state: { ...state, head: headOf(open), root, count }, ops }) : shapes
}
