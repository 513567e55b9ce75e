import { equalBytes, err, ok, type Struct } from "@keyferry/base"

import type { AccountState } from "./account-state.ts"
import {
  ACCOUNT_GENESIS,
  accountGenesisStruct,
  CHAIN_ACCOUNT,
  CHAIN_VAULT,
  type Holder,
  holderAddStruct,
  holderStruct,
  itemsStruct,
  MAX_LINK_BYTES,
  type Op,
  payloadStruct,
  VAULT_GENESIS,
  VAULT_ITEMS,
  vaultGenesisStruct,
} from "./format.ts"
import type { MemoryTree } from "./leaf-tree.ts"
import { encodePayload, parseBody, ZERO_ID } from "./link.ts"
import type { Checked, Head } from "./ports.ts"
import { leafOfOp } from "./vault-rules.ts"
import type { VaultState } from "./vault-state.ts"

/*
 * Payloads of the next link of a chain. A writer gives what it wants to say; place, authority and `seen` follow from the
 * states, so that they cannot be wrong.
 */

const NO_HEAD: Head = { seq: 0, hash: ZERO_ID }

/** What every writer decides. `ts` is informative: milliseconds since 1970, never compared. */
export interface Writer {
  readonly byHolder: Uint8Array
  readonly ts: number
}

export const accountGenesisPayload = (
  body: ReturnType<typeof accountGenesisStruct.fromCbor>,
  writer: Writer,
): Uint8Array =>
  encodePayload({
    chain: CHAIN_ACCOUNT,
    id: ZERO_ID,
    seq: 1,
    prev: ZERO_ID,
    type: ACCOUNT_GENESIS,
    body: accountGenesisStruct.toCbor(body),
    byAccount: ZERO_ID,
    byHolder: writer.byHolder,
    seen: [],
    ts: writer.ts,
    auth: NO_HEAD,
  })

/** The next link of an account chain: `accountPayload(state, ACCOUNT_POLICY_SET, policySetStruct, {…}, writer)`. */
export const accountPayload = <T>(
  state: AccountState,
  type: number,
  shape: Struct<T>,
  body: T,
  writer: Writer,
): Uint8Array =>
  encodePayload({
    chain: CHAIN_ACCOUNT,
    id: state.id,
    seq: state.head.seq + 1,
    prev: state.head.hash,
    type,
    body: shape.toCbor(body),
    byAccount: state.id,
    byHolder: writer.byHolder,
    seen: [seenOf(state.id, state.head)],
    ts: writer.ts,
    auth: state.head,
  })

export const vaultGenesisPayload = (
  account: AccountState,
  body: ReturnType<typeof vaultGenesisStruct.fromCbor>,
  writer: Writer,
): Uint8Array =>
  encodePayload({
    chain: CHAIN_VAULT,
    id: ZERO_ID,
    seq: 1,
    prev: ZERO_ID,
    type: VAULT_GENESIS,
    body: vaultGenesisStruct.toCbor(body),
    byAccount: account.id,
    byHolder: writer.byHolder,
    seen: [seenOf(account.id, account.head)],
    ts: writer.ts,
    auth: NO_HEAD,
  })

/** The next link of a vault chain. `account` is the writer's own, as far as it has verified it. */
export const vaultPayload = <T>(
  state: VaultState,
  account: AccountState,
  type: number,
  shape: Struct<T>,
  body: T,
  writer: Writer,
): Uint8Array =>
  encodePayload({
    chain: CHAIN_VAULT,
    id: state.id,
    seq: state.head.seq + 1,
    prev: state.head.hash,
    type,
    body: shape.toCbor(body),
    byAccount: account.id,
    byHolder: writer.byHolder,
    seen: [seenOf(account.id, account.head)],
    ts: writer.ts,
    auth: state.authority,
  })

/** The items link for these ops, with the root and count they lead to. */
export const itemsPayload = async (
  state: VaultState,
  account: AccountState,
  tree: MemoryTree,
  ops: readonly Op[],
  writer: Writer,
): Promise<Uint8Array> => {
  const before = await tree.leavesOf(ops.map(([, itemId]) => itemId))
  const { root } = await tree.put(ops.map(leafOfOp))
  const wasLive = before.filter((leaf) => leaf !== undefined && !leaf.tombstone).length
  const isLive = ops.filter((op) => !leafOfOp(op).tombstone).length
  const body = { ops, root, count: state.count - wasLive + isLive }
  return vaultPayload(state, account, VAULT_ITEMS, itemsStruct, body, writer)
}

const seenOf = (id: Uint8Array, head: Head): readonly [Uint8Array, number, Uint8Array] => [id, head.seq, head.hash]

/**
 * What a new device checks before it countersigns the payload that adds it (CH25): this account, this head, these keys, and a
 * signer whose turn it is. Errors: chain-malformed, chain-wrong-id, chain-out-of-order (the head moved: start again), not-allowed.
 */
export const checkOwnAddition = (
  payload: Uint8Array,
  expected: {
    readonly accountId: Uint8Array
    readonly head: Head
    readonly approver: Uint8Array
    readonly holder: Holder
    readonly transcript: Uint8Array
  },
): Checked<{ readonly wrapsHash: Uint8Array }> => {
  const decoded = payloadStruct.decode(payload, MAX_LINK_BYTES)
  if (!decoded.ok) return err({ code: "chain-malformed", what: "payload" })
  const { chain, id, seq, prev, byHolder, body } = decoded.value
  if (chain !== CHAIN_ACCOUNT || !equalBytes(id, expected.accountId)) return err({ code: "chain-wrong-id" })
  const expectedSeq = expected.head.seq + 1
  if (seq !== expectedSeq || !equalBytes(prev, expected.head.hash))
    return err({ code: "chain-out-of-order", expectedSeq, seq })
  const parsed = parseBody(holderAddStruct, body)
  if (!parsed.ok) return parsed
  const { holder, transcript, wrapsHash } = parsed.value
  const isMine = equalBytes(holderStruct.encode(holder), holderStruct.encode(expected.holder))
  if (!isMine || !equalBytes(byHolder, expected.approver) || !equalBytes(transcript, expected.transcript))
    return err({ code: "not-allowed", seq, what: "not what was approved" })
  return ok({ wrapsHash })
}
