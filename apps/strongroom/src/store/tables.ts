/*
 * Every table of the main store. Integers are safe integers, booleans 0 or 1, times milliseconds since 1970.
 * Columns called `sealed…` hold bytes under the outer layer (src/data-keys.ts); their places are in src/places.ts.
 * Source: spec/strongroom.md
 */
export interface MainTables {
  account: AccountTable
  device: DeviceTable
  attempt: AttemptTable
  factor: FactorTable
  passkey: PasskeyTable
  passkey_challenge: PasskeyChallengeTable
  factor_tries: FactorTriesTable
  factor_reset: FactorResetTable
  recovery_code: RecoveryCodeTable
  waiting_period: WaitingPeriodTable
  account_link: AccountLinkTable
  account_wrap: AccountWrapTable
  account_prev_sealed: AccountPrevSealedTable
  vault: VaultTable
  vault_link: VaultLinkTable
  vault_wrap: VaultWrapTable
  vault_prev_sealed: VaultPrevSealedTable
  leaf: LeafTable
  trie_node: TrieNodeTable
  record: RecordTable
  data_key: DataKeyTable
  event: EventTable
  meta: MetaTable
}

/** One person. Rows are found by uuid, by chain id, or by the key of the newest recovery slot. */
export interface AccountTable {
  uuid: string
  /** Chain id; null between `registerStart` and `signup.finish`. */
  id: Uint8Array | null
  created_ms: number
  /** Frozen by a device, a mailed link or the operator: no lease, no sync, until thawed. */
  frozen: number
  /** No new device may enrol before this; 0 for never frozen. */
  enrol_frozen_until_ms: number
  sync_suspended: number
  /** The first-account link, the mail or the operator confirmed the first device; 0 for not yet. */
  confirmed_ms: number
  sealed_opaque_record: Uint8Array | null
  /** Counts the OPAQUE records of this account; part of the record's place. */
  opaque_rev: number
  /** `rec_pk` of the newest recovery slot. */
  rec_pk: Uint8Array | null
  head_seq: number
  head_hash: Uint8Array | null
  /** encodeAccountState of the verified chain. */
  chain_state: Uint8Array | null
  /** Of the account's policy: a device whose last login is older must log in again. */
  relogin_max_s: number
  /** Live items and bytes of all vaults, counted under this row's lock. */
  items: number
  bytes: number
}

export interface DeviceTable {
  id: Uint8Array
  account_uuid: string
  /** A DeviceState of packages/protocol. */
  state: string
  state_ms: number
  /** Reserved, pending and confirmed devices end here; 0 where nothing ends. */
  expires_ms: number
  platform: string
  sig_pk: Uint8Array
  kem_pk: Uint8Array
  auth_pk: Uint8Array
  lease_id: Uint8Array
  lease_pk: Uint8Array
  created_ms: number
  last_seen_ms: number
  /** Times of the last second factor and password of this device; 0 for never. */
  last_factor_ms: number
  last_password_ms: number
  /** The six digits that the device shows while it waits. */
  code: string | null
  /** Why its mailed link failed last; for the waiting device only. */
  link_reason: string | null
  /** The seed that this device asked for and has not confirmed yet. */
  sealed_factor_seed: Uint8Array | null
  factor_seed_ms: number
  /** What `device.retire` signed. */
  retire_seq: number | null
  retire_head: Uint8Array | null
  retire_signature: Uint8Array | null
}

/** One mailed link. A newer mail leaves the older row as `superseded`. */
export interface AttemptTable {
  token_hash: Uint8Array
  device_id: Uint8Array
  account_uuid: string
  /** open | verified | denied | dead | superseded | expired */
  state: string
  tries: number
  made_ms: number
  expires_ms: number
}

/** One row for each kind that is set. */
export interface FactorTable {
  account_uuid: string
  /** totp | passkey */
  kind: string
  /** Empty for passkeys, which have rows of their own: the row here says that there is at least one. */
  sealed_seed: Uint8Array
  last_step: number
  created_ms: number
}

export interface PasskeyTable {
  credential_id: Uint8Array
  account_uuid: string
  /** The address it belongs to, as a browser knows it. */
  rp_id: string
  /** Of the authenticator's newest answer; 0 where it does not count. */
  counter: number
  /** Public key, label and how it is reached (accounts/passkey-rows.ts). */
  sealed_passkey: Uint8Array
  /** The slot of the account chain that its PRF output opens. */
  slot_id: Uint8Array | null
  created_ms: number
  last_used_ms: number
}

/** A challenge that nobody has answered yet. */
export interface PasskeyChallengeTable {
  hash: Uint8Array
  account_uuid: string
  /** register | check | login */
  purpose: string
  /** Who asked; null where a session did. */
  device_id: Uint8Array | null
  expires_ms: number
}

/** Counts wrong codes of an account; survives restarts. */
export interface FactorTriesTable {
  account_uuid: string
  tries: number
  window_ms: number
  locked_until_ms: number
  locks: number
}

/** Level 2 without a factor: after 72 hours, or once because an operator said so. */
export interface FactorResetTable {
  account_uuid: string
  requested_ms: number
  ready_ms: number
  /** An operator opened level 2 until here, for one login; 0 for not. */
  open_until_ms: number
}

/** 72 hours in which everybody is told, in place of a proof. Source: accounts/waiting-period.ts */
export interface WaitingPeriodTable {
  account_uuid: string
  /** thaw | lease-reset */
  what: string
  /** Device id, or zeros where it is the account's. */
  subject: Uint8Array
  requested_ms: number
  ready_ms: number
  open_until_ms: number
}

export interface RecoveryCodeTable {
  account_uuid: string
  hash: Uint8Array
  used_ms: number
}

export interface AccountLinkTable {
  account_uuid: string
  seq: number
  hash: Uint8Array
  /** encodeLink bytes, as received. */
  link: Uint8Array
}

/** Every wrap that any link of the account brought. `seq` is that link's. */
export interface AccountWrapTable {
  account_uuid: string
  seq: number
  epoch: number
  recipient: Uint8Array
  sealed_entry: Uint8Array
}

export interface AccountPrevSealedTable {
  account_uuid: string
  epoch: number
  sealed_bytes: Uint8Array
}

export interface VaultTable {
  id: Uint8Array
  account_uuid: string
  /** VAULT_PERSONAL | VAULT_TEAM */
  kind: number
  created_ms: number
  head_seq: number
  head_hash: Uint8Array
  authority_seq: number
  authority_hash: Uint8Array
  epoch: number
  root: Uint8Array
  /** Live items, and bytes of the newest records. */
  count: number
  bytes: number
  /** The verified authority part of the chain, as packages/chain encodes it. */
  chain_state: Uint8Array
}

export interface VaultLinkTable {
  vault_id: Uint8Array
  seq: number
  hash: Uint8Array
  /** 1 for genesis, acl.set and epoch.rotate. */
  authority: number
  link: Uint8Array
  /** Records that this push brought have n in [block × 1024, block × 1024 + 1023]; 0 where it brought none. */
  record_block: number
  at_ms: number
}

export interface VaultWrapTable {
  vault_id: Uint8Array
  epoch: number
  /** Account id. */
  recipient: Uint8Array
  sealed_entry: Uint8Array
}

export interface VaultPrevSealedTable {
  vault_id: Uint8Array
  epoch: number
  sealed_bytes: Uint8Array
}

export interface LeafTable {
  vault_id: Uint8Array
  item_id: Uint8Array
  rev: number
  epoch: number
  ct_hash: Uint8Array
  tombstone: number
  /** `record.n` of the newest record, where the item's history begins; stays when the item is deleted. */
  record_n: number | null
}

/** Up to 16 child hashes of the trie below a nibble prefix. */
export interface TrieNodeTable {
  vault_id: Uint8Array
  prefix: string
  children: Uint8Array
}

/** Append-only: written in commit order, so that a new record never moves an old page. */
export interface RecordTable {
  n: number
  vault_id: Uint8Array
  item_id: Uint8Array
  rev: number
  seq: number
  size: number
  /** Null while it is the newest revision. */
  superseded_ms: number | null
  /** `n` of the record before it, which may be purged by now; null for the first. */
  prev_n: number | null
  sealed_record: Uint8Array
}

export interface DataKeyTable {
  id: Uint8Array
  tenant: Uint8Array
  purpose: string
  wrapped: Uint8Array
  provider: string
  kek_id: string
  kek_version: number
  /** SHA-256 of the bound context. */
  context_hash: Uint8Array
  /** active | decrypt-only | destroyed */
  state: string
  /** `<tenant hex>/<purpose>` while active, else null: one active key each. */
  active_for: string | null
  created_ms: number
  uses: number
}

export interface EventTable {
  n: number
  log_id: Uint8Array
  at_ms: number
  account_uuid: string
  kind: string
  device_id: Uint8Array | null
  account_id: Uint8Array | null
  detail: string | null
}

export interface MetaTable {
  name: string
  value: Uint8Array
}
