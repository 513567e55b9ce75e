import { bytesToHex, equalBytes, err, isZero, ok } from "@keyferry/base"
import type { Primitives } from "@keyferry/crypto"

import { type AccountState, hashAt, holderAt, holderOf, suiteFloorAt } from "./account-state.ts"
import {
  CHAIN_VAULT,
  epochRotateStruct,
  HOLDER_DEVICE,
  OP_DEL,
  OP_PUT,
  type Op,
  type Payload,
  VAULT_PERSONAL,
  type VaultEpoch,
  vaultGenesisStruct,
} from "./format.ts"
import type { LeafTree } from "./leaf-tree.ts"
import { areDistinct, checkSuite, isLinkSignedBy, isStrictlySorted, linkId, type OpenLink, parseBody } from "./link.ts"
import type { Checked, Head } from "./ports.ts"
import { emptyRoot, type Leaf } from "./trie.ts"
import { areSameRecipients, currentEpoch, floorOf, personalRecipients, type VaultState } from "./vault-state.ts"

/*
 * The rules of vault links that the whole walk and the first read of a new device share.
 * Source: spec/chains.md, CH28–CH34
 */

export type AccountLookup = (accountId: Uint8Array) => AccountState | undefined | Promise<AccountState | undefined>

/** Who signed, and how much of the account's chain the signer says it had seen. */
export interface VaultSigner {
  readonly account: AccountState
  readonly seenSeq: number
}

/**
 * Field 11, floor, activity and signature of the writer: any device of the owner, active at `seen`.
 * Errors: seen-wrong, account-behind, suite-…, signer-below-floor, signer-not-active, not-allowed, chain-signature-invalid
 */
export const checkVaultSigner = async (
  p: Primitives,
  open: OpenLink,
  rules: {
    readonly owner: Uint8Array
    readonly floor: number
    readonly lookup: AccountLookup
    readonly atCommit: boolean
  },
): Promise<Checked<VaultSigner>> => {
  const { payload, link } = open
  const { seq } = payload
  if (!equalBytes(payload.byAccount, rules.owner)) return err({ code: "not-allowed", seq, what: "not the owner" })
  const account = await rules.lookup(payload.byAccount)
  if (account === undefined || !equalBytes(account.id, payload.byAccount))
    return err({ code: "not-allowed", seq, what: "unknown account" })
  const seen = checkSeen(account, payload)
  if (!seen.ok) return seen
  const seenSeq = seen.value
  const suite = checkSuite(payload.suite, suiteFloorAt(account, seenSeq))
  if (!suite.ok) return suite
  if (seenSeq < rules.floor) return err({ code: "signer-below-floor", seq, seen: seenSeq, floor: rules.floor })
  const signer = holderAt(account, payload.byHolder, seenSeq)
  const isGone = rules.atCommit && holderOf(account, payload.byHolder)?.removedAt !== undefined
  if (signer === undefined || isGone)
    return err({ code: "signer-not-active", seq, holder: bytesToHex(payload.byHolder) })
  if (signer.holder.kind !== HOLDER_DEVICE) return err({ code: "not-allowed", seq, what: "a slot writes no vault" })
  if (!(await isLinkSignedBy(p, link, signer.holder.sigPk))) return err({ code: "chain-signature-invalid", seq })
  return ok({ account, seenSeq })
}

const checkSeen = (account: AccountState, payload: Payload): Checked<number> => {
  const { seq } = payload
  const own = payload.seen.find(([id]) => equalBytes(id, account.id))
  if (own === undefined || !isStrictlySorted(payload.seen.map(([id]) => id))) return err({ code: "seen-wrong", seq })
  const [, seenSeq, seenHash] = own
  if (seenSeq > account.head.seq) {
    const behind = { account: bytesToHex(account.id), haveSeq: account.head.seq, needSeq: seenSeq }
    return err({ code: "account-behind", ...behind })
  }
  const hash = hashAt(account, seenSeq)
  return hash !== undefined && equalBytes(hash, seenHash) ? ok(seenSeq) : err({ code: "seen-wrong", seq })
}

/** Genesis of a vault, after its signer was checked. */
export const openVaultGenesis = (p: Primitives, open: OpenLink, signer: VaultSigner): Checked<VaultState> => {
  const { payload } = open
  const parsed = parseBody(vaultGenesisStruct, payload.body)
  if (!parsed.ok) return parsed
  const body = parsed.value
  if (body.kind !== VAULT_PERSONAL) return err({ code: "link-type-unknown", type: payload.type })
  if (body.team !== undefined) return err({ code: "chain-malformed", what: "team" })
  if (!equalBytes(body.owner, signer.account.id)) return err({ code: "not-allowed", seq: 1, what: "not the owner" })
  const epoch = checkVaultEpoch(p, body.epoch, 1, signer, 1)
  if (!epoch.ok) return epoch
  if (!equalBytes(body.root, emptyRoot(p)) || body.count !== 0) return err({ code: "root-mismatch", seq: 1 })
  const head = { seq: 1, hash: open.hash }
  return ok({
    id: linkId(p, open),
    kind: body.kind,
    owner: body.owner,
    vaultSalt: body.vaultSalt,
    head,
    authority: head,
    epochs: [epochEntry(open, body.epoch)],
    root: body.root,
    count: 0,
    floors: new Map([[bytesToHex(signer.account.id), signer.seenSeq]]),
  })
}

/** A rotation, after its signer was checked. `isRootKnown` is false in a first read, which has not seen the items between. */
export const applyRotation = (
  p: Primitives,
  state: VaultState,
  open: OpenLink,
  signer: VaultSigner,
  isRootKnown: boolean,
): Checked<VaultState> => {
  const { seq } = open.payload
  const parsed = parseBody(epochRotateStruct, open.payload.body)
  if (!parsed.ok) return parsed
  const body = parsed.value
  const epoch = checkVaultEpoch(p, body.epoch, currentEpoch(state).epoch + 1, signer, seq)
  if (!epoch.ok) return epoch
  if (isRootKnown && (!equalBytes(body.root, state.root) || body.count !== state.count))
    return err({ code: "root-mismatch", seq })
  const head = { seq, hash: open.hash }
  return ok({
    ...state,
    head,
    authority: head,
    epochs: [...state.epochs, epochEntry(open, body.epoch)],
    root: body.root,
    count: body.count,
    floors: new Map([...state.floors, [bytesToHex(signer.account.id), signer.seenSeq]]),
  })
}

/** Only authority links raise floors, so that a first read, which gets all of those, knows every floor. */
const checkVaultEpoch = (
  p: Primitives,
  epoch: VaultEpoch,
  expected: number,
  signer: VaultSigner,
  seq: number,
): Checked<undefined> => {
  if (epoch.epoch !== expected) return err({ code: "epoch-wrong", expected, epoch: epoch.epoch })
  if ((epoch.prevSealedHash === undefined) !== (expected === 1))
    return err({ code: "chain-malformed", what: "prev_sealed_hash" })
  const recipients = personalRecipients(p, signer.account, signer.seenSeq)
  return recipients !== undefined && areSameRecipients(epoch.recipients, recipients)
    ? ok(undefined)
    : err({ code: "recipients-wrong", seq })
}

const epochEntry = (open: OpenLink, epoch: VaultEpoch): VaultState["epochs"][number] => {
  const { seq, prev, byAccount, byHolder } = open.payload
  return { ...epoch, seq, prev, byAccount, byHolder }
}

/** seq, prev and auth of a link that follows `state` without a gap. */
export const checkVaultPlace = (state: VaultState, open: OpenLink): Checked<undefined> => {
  const { payload } = open
  const { seq } = payload
  if (payload.chain !== CHAIN_VAULT || !equalBytes(payload.id, state.id)) return err({ code: "chain-wrong-id" })
  if (seq !== state.head.seq + 1 || !equalBytes(payload.prev, state.head.hash))
    return err({ code: "chain-out-of-order", expectedSeq: state.head.seq + 1, seq })
  return isAuthority(payload, state.authority) ? ok(undefined) : err({ code: "authority-wrong", seq })
}

export const isAuthority = (payload: Payload, authority: Head): boolean =>
  payload.auth[0] === authority.seq && equalBytes(payload.auth[1], authority.hash)

/** Of a link with seq 1. */
export const isGenesisPlace = (payload: Payload): boolean =>
  payload.auth[0] === 0 && [payload.id, payload.prev, payload.auth[1]].every(isZero)

export const floorFor = (state: VaultState, open: OpenLink): number => floorOf(state, open.payload.byAccount)

/** The leaf that an op leaves behind. */
export const leafOfOp = ([kind, itemId, rev, epoch, ctHash]: Op): Leaf => ({
  itemId,
  rev,
  epoch,
  ctHash,
  tombstone: kind === OP_DEL,
})

/** Shape of ops, without looking at leaves. Errors: chain-malformed, epoch-stale. */
export const checkOpShapes = (ops: readonly Op[], epoch: number): Checked<undefined> => {
  if (ops.length === 0 || !areDistinct(ops.map(([, itemId]) => itemId)))
    return err({ code: "chain-malformed", what: "ops" })
  for (const [kind, , rev, opEpoch, ctHash, size] of ops) {
    if (opEpoch !== epoch) return err({ code: "epoch-stale", current: epoch, epoch: opEpoch })
    const isDelete = kind === OP_DEL
    if (rev === 0 || isDelete !== isZero(ctHash) || isDelete !== (size === 0))
      return err({ code: "chain-malformed", what: "op" })
  }
  return ok(undefined)
}

/** Revisions against the leaves before, and the number of live items after. Errors: rev-wrong. */
export const checkRevisions = async <T>(
  tree: LeafTree<T>,
  ops: readonly Op[],
  count: number,
): Promise<Checked<number>> => {
  const before = await tree.leavesOf(ops.map(([, itemId]) => itemId))
  let after = count
  for (const [i, [kind, itemId, rev]] of ops.entries()) {
    const leaf = before[i]
    const expected = (leaf?.rev ?? 0) + 1
    const item = bytesToHex(itemId)
    if (rev !== expected) return err({ code: "rev-wrong", item, expected, rev })
    const wasLive = leaf !== undefined && !leaf.tombstone
    // Nothing can be deleted that is not there: such an op would make the count lie.
    if (kind === OP_DEL && !wasLive) return err({ code: "rev-wrong", item, expected: 0, rev })
    after += (kind === OP_PUT ? 1 : 0) - (wasLive ? 1 : 0)
  }
  return ok(after)
}
