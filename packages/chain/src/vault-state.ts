import {
  bytesOf,
  bytesToHex,
  Defect,
  equalBytes,
  hexToBytes,
  listOf,
  ok,
  oneOf,
  type Result,
  struct,
  tuple,
  uint,
} from "@keyferry/base"
import type { Primitives } from "@keyferry/crypto"

import { accountKeyAt, type AccountState, newestAccountKey } from "./account-state.ts"
import { VAULT_PERSONAL, VAULT_TEAM, type VaultEpoch, vaultEpochStruct } from "./format.ts"
import type { Head } from "./ports.ts"

/*
 * What a verified vault chain says, except its leaves. Immutable.
 * Source: spec/chains.md, "Vault chain"
 */

/** One epoch of the vault key, and the link that started it: everything that a wrap's `info` and `aad` are made of. */
export interface VaultEpochEntry extends VaultEpoch {
  readonly seq: number
  readonly prev: Uint8Array
  readonly byAccount: Uint8Array
  readonly byHolder: Uint8Array
}

export interface VaultState {
  readonly id: Uint8Array
  readonly kind: typeof VAULT_PERSONAL | typeof VAULT_TEAM
  readonly owner: Uint8Array
  readonly vaultSalt: Uint8Array
  readonly head: Head
  /** The latest authority link: genesis, acl.set or epoch.rotate. */
  readonly authority: Head
  /** Epoch 1 first. */
  readonly epochs: readonly VaultEpochEntry[]
  readonly root: Uint8Array
  /** Items that are not deleted. */
  readonly count: number
  /** By account id in hex: links that say they saw less of that account are refused. */
  readonly floors: ReadonlyMap<string, number>
}

export const currentEpoch = (state: VaultState): VaultEpochEntry => {
  const newest = state.epochs.at(-1)
  if (newest === undefined) throw new Defect("a vault without an epoch")
  return newest
}

export const floorOf = (state: VaultState, accountId: Uint8Array): number =>
  state.floors.get(bytesToHex(accountId)) ?? 0

export type Recipient = readonly [accountId: Uint8Array, accountEpoch: number, kemPkHash: Uint8Array]

/** Exactly whom the key of a personal vault is wrapped to: the owner, at the newest account key as of `seenSeq` (CH31). */
export const personalRecipients = (
  p: Primitives,
  account: AccountState,
  seenSeq: number,
): readonly [Recipient] | undefined => {
  const key = accountKeyAt(account, seenSeq)
  return key === undefined ? undefined : [[account.id, key.epoch, p.sha256(key.kemPk)]]
}

export const areSameRecipients = (a: readonly Recipient[], b: readonly Recipient[]): boolean =>
  a.length === b.length &&
  a.every((x, i) => {
    const y = b[i]
    return y !== undefined && equalBytes(x[0], y[0]) && x[1] === y[1] && equalBytes(x[2], y[2])
  })

/** True if a member's account key is newer than the one that the vault key is wrapped to: rotate before writing (CH32). */
export const isRotationDue = (state: VaultState, account: AccountState): boolean => {
  const newest = newestAccountKey(account).epoch
  return currentEpoch(state).recipients.some(([id, epoch]) => equalBytes(id, account.id) && epoch < newest)
}

// ── Local form ───────────────────────────────────────────────────────────────────────────────────────────────────

const head = tuple(uint, bytesOf(32))
const epochEntryStruct = struct({
  epoch: [1, vaultEpochStruct],
  seq: [2, uint],
  prev: [3, bytesOf(32)],
  byAccount: [4, bytesOf(32)],
  byHolder: [5, bytesOf(16)],
})
const vaultStateStruct = struct({
  version: [1, oneOf(1)],
  id: [2, bytesOf(32)],
  kind: [3, oneOf(VAULT_PERSONAL, VAULT_TEAM)],
  owner: [4, bytesOf(32)],
  vaultSalt: [5, bytesOf(32)],
  head: [6, head],
  authority: [7, head],
  epochs: [8, listOf(epochEntryStruct, 65_536)],
  root: [9, bytesOf(32)],
  count: [10, uint],
  floors: [11, listOf(tuple(bytesOf(32), uint), 4096)],
})

const MAX_STATE_BYTES = 64 * 1024 * 1024

/** For a store that keeps verified states beside the links. Not signed: only for places that nobody else can write. */
export const encodeVaultState = (state: VaultState): Uint8Array =>
  vaultStateStruct.encode({
    ...state,
    version: 1,
    head: [state.head.seq, state.head.hash],
    authority: [state.authority.seq, state.authority.hash],
    epochs: state.epochs.map(({ seq, prev, byAccount, byHolder, ...epoch }) => ({
      epoch,
      seq,
      prev,
      byAccount,
      byHolder,
    })),
    floors: [...state.floors].map(([id, seq]) => [hexId(id), seq] as const),
  })

export const decodeVaultState = (bytes: Uint8Array): Result<VaultState, "malformed"> => {
  const decoded = vaultStateStruct.decode(bytes, MAX_STATE_BYTES)
  if (!decoded.ok) return decoded
  const { version: _version, head: h, authority: a, epochs, floors, ...rest } = decoded.value
  return ok({
    ...rest,
    head: { seq: h[0], hash: h[1] },
    authority: { seq: a[0], hash: a[1] },
    epochs: epochs.map(({ epoch, ...at }) => ({ ...epoch, ...at })),
    floors: new Map(floors.map(([id, seq]) => [bytesToHex(id), seq])),
  })
}

const hexId = (hex: string): Uint8Array => {
  const bytes = hexToBytes(hex)
  if (bytes === undefined) throw new Defect("floor of no account")
  return bytes
}
