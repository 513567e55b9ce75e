import {
  anyCbor,
  bool,
  bytesOf,
  bytesUpTo,
  listOf,
  oneOf,
  optional,
  struct,
  tuple,
  type TypeOf,
  uint,
} from "@keyferry/base"
import { CHAIN_KIND, type ChainKind } from "@keyferry/crypto"

/*
 * The bytes of every link. Once released, a number here is never given another meaning.
 *
 *   link    = { 1 payload, 2 signature(64), 3? countersignatures [[holder id(16), signature(64)] …] sorted by id }
 *   payload = { 1 v=1, 2 suite=1, 3 chain kind, 4 id(32), 5 seq, 6 prev(32), 7 type, 8 body, 9 by_account(32),
 *               10 by_holder(16), 11 seen [[id, seq, hash] …] sorted by id, 12 ts (ms, informative), 13 auth [seq, hash] }
 *
 * In genesis: id, prev and auth hash are zero, auth seq is 0; in an account genesis by_account is zero and seen is empty.
 * Source: spec/chains.md
 */

/** The numbers are those of ids and wraps. */
export const CHAIN_ACCOUNT = CHAIN_KIND.account
export const CHAIN_TEAM = CHAIN_KIND.team
export const CHAIN_VAULT = CHAIN_KIND.vault
export type { ChainKind }

export const MAX_LINK_BYTES = 256 * 1024
export const MAX_OPS_PER_LINK = 1000

const id32 = bytesOf(32)
const id16 = bytesOf(16)
const hash = bytesOf(32)

export const linkStruct = struct({
  payload: [1, bytesUpTo(MAX_LINK_BYTES)],
  signature: [2, bytesOf(64)],
  countersignatures: [3, optional(listOf(tuple(id16, bytesOf(64)), 16))],
})
/** A link as it travels and rests. The payload bytes are kept as received and never encoded again. */
export type Link = TypeOf<typeof linkStruct>

export const payloadStruct = struct({
  v: [1, oneOf(1)],
  suite: [2, uint],
  chain: [3, oneOf(CHAIN_ACCOUNT, CHAIN_TEAM, CHAIN_VAULT)],
  id: [4, id32],
  seq: [5, uint],
  prev: [6, hash],
  type: [7, uint],
  body: [8, anyCbor],
  byAccount: [9, id32],
  byHolder: [10, id16],
  seen: [11, listOf(tuple(id32, uint, hash), 256)],
  ts: [12, uint],
  auth: [13, tuple(uint, hash)],
})
export type Payload = TypeOf<typeof payloadStruct>

// ── Account chain ────────────────────────────────────────────────────────────────────────────────────────────────

export const HOLDER_DEVICE = 1
export const HOLDER_PASSWORD = 2
export const HOLDER_RECOVERY = 3
export const HOLDER_PASSKEY = 4

/** auth_pk, lease_pk and lease_id are mandatory for a device and forbidden elsewhere; rec_pk likewise for a recovery slot. */
export const holderStruct = struct({
  id: [1, id16],
  kind: [2, oneOf(HOLDER_DEVICE, HOLDER_PASSWORD, HOLDER_PASSKEY, HOLDER_RECOVERY)],
  sigPk: [3, bytesOf(32)],
  kemPk: [4, bytesOf(1216)],
  authPk: [5, optional(bytesOf(32))],
  leasePk: [6, optional(bytesOf(32))],
  leaseId: [7, optional(id16)],
  recPk: [8, optional(bytesOf(32))],
})
export type Holder = TypeOf<typeof holderStruct>

/** One epoch of the account key. prev_sealed_hash is absent only in epoch 1. */
export const accountEpochStruct = struct({
  epoch: [1, uint],
  kemPk: [2, bytesOf(1216)],
  wrapsHash: [3, hash],
  prevSealedHash: [4, optional(hash)],
})
export type AccountEpoch = TypeOf<typeof accountEpochStruct>

/** SK sealed under UKsym_e: CBOR of {salt, commit, ct}. */
const skSealed = bytesUpTo(256)

export const ACCOUNT_GENESIS = 1
export const ACCOUNT_HOLDER_ADD = 2
export const ACCOUNT_HOLDER_REMOVE = 3
export const ACCOUNT_KEY_ROTATE = 4
export const ACCOUNT_POLICY_SET = 5
export const ACCOUNT_SLOT_REPLACE = 6
export const ACCOUNT_TEAM_JOIN = 7
export const ACCOUNT_TEAM_LEAVE = 8
export const ACCOUNT_RECOVERY_USED = 9

/** Holders in this order: first device, password slot, recovery slot. */
export const accountGenesisStruct = struct({
  holders: [1, listOf(holderStruct, 3)],
  key: [2, accountEpochStruct],
  minSuite: [3, uint],
  accountSalt: [4, bytesOf(32)],
  skSealed: [5, skSealed],
})

export const HOW_DEVICE = 1
export const HOW_KIT = 2
export const HOW_PASSKEY = 3

/** transcript = the approval transcript hash for how = device, zero otherwise. The wraps are the new holder's alone. */
export const holderAddStruct = struct({
  holder: [1, holderStruct],
  how: [2, oneOf(HOW_DEVICE, HOW_KIT, HOW_PASSKEY)],
  transcript: [3, hash],
  wrapsHash: [4, hash],
})

export const REASON_RETIRED = 1
export const REASON_LOST = 2
export const REASON_UNKNOWN = 3
export const REASON_REPLACED = 4

/** retired = [[device id, seq, head, signature over LP("kf1/retire", account id, device id, seq, head)] …]. */
export const holderRemoveStruct = struct({
  ids: [1, listOf(id16, 64)],
  reason: [2, oneOf(REASON_RETIRED, REASON_LOST, REASON_UNKNOWN, REASON_REPLACED)],
  key: [3, accountEpochStruct],
  skSealed: [4, skSealed],
  retired: [5, listOf(tuple(id16, uint, hash, bytesOf(64)), 64)],
})

export const keyRotateStruct = struct({ key: [1, accountEpochStruct], skSealed: [2, skSealed] })

/** Times in seconds. min_suite may only rise. */
export const policySetStruct = struct({
  minSuite: [1, uint],
  graceMaxS: [2, uint],
  requireDeviceApproval: [3, bool],
  reloginMaxS: [4, uint],
  unlockMaxS: [5, uint],
})
export type Policy = TypeOf<typeof policySetStruct>

/**
 * key and sk_sealed stand together: always for a recovery or passkey slot, and for a password slot if the old password was
 * exposed. Without them wraps_hash stands alone: the wraps of the current epoch for the added slots.
 */
export const slotReplaceStruct = struct({
  removed: [1, listOf(id16, 4)],
  added: [2, listOf(holderStruct, 4)],
  key: [3, optional(accountEpochStruct)],
  skSealed: [4, optional(skSealed)],
  wrapsHash: [5, optional(hash)],
})

/** removed names everything that dies: lost holders and always the password and recovery slots that are replaced. */
export const recoveryUsedStruct = struct({
  device: [1, holderStruct],
  removed: [2, listOf(id16, 64)],
  passwordSlot: [3, holderStruct],
  recoverySlot: [4, holderStruct],
  key: [5, accountEpochStruct],
  skSealed: [6, skSealed],
})

// ── Vault chain ──────────────────────────────────────────────────────────────────────────────────────────────────

export const VAULT_GENESIS = 1
export const VAULT_ACL_SET = 2
export const VAULT_EPOCH_ROTATE = 3
export const VAULT_ITEMS = 4

export const VAULT_PERSONAL = 1
export const VAULT_TEAM = 2

/** recipients = [[account id, account key epoch, H(kem_pk)] …] sorted by account id. */
export const vaultEpochStruct = struct({
  epoch: [1, uint],
  recipients: [2, listOf(tuple(id32, uint, hash), 256)],
  wrapsHash: [3, hash],
  confirm: [4, bytesOf(32)],
  prevSealedHash: [5, optional(hash)],
})
export type VaultEpoch = TypeOf<typeof vaultEpochStruct>

export const vaultGenesisStruct = struct({
  kind: [1, oneOf(VAULT_PERSONAL, VAULT_TEAM)],
  owner: [2, id32],
  vaultSalt: [3, bytesOf(32)],
  epoch: [4, vaultEpochStruct],
  root: [5, hash],
  count: [6, uint],
  team: [7, optional(id32)],
})

export const ROTATE_REMOVAL = 1
export const ROTATE_YEARLY = 2
export const ROTATE_DEMAND = 3

export const epochRotateStruct = struct({
  epoch: [1, vaultEpochStruct],
  reason: [2, oneOf(ROTATE_REMOVAL, ROTATE_YEARLY, ROTATE_DEMAND)],
  root: [3, hash],
  count: [4, uint],
})

export const OP_PUT = 1
export const OP_DEL = 2

/** op = [put|del, item id, rev, epoch, ct_hash, size]; a del has a zero ct_hash and size 0. */
export const opField = tuple(oneOf(OP_PUT, OP_DEL), id16, uint, uint, hash, uint)
export type Op = TypeOf<typeof opField>

export const itemsStruct = struct({
  ops: [1, listOf(opField, MAX_OPS_PER_LINK)],
  root: [2, hash],
  count: [3, uint],
})
