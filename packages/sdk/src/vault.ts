import { bytesToHex, equalBytes, err, lp, ok, type Result } from "@keyferry/base"
import {
  type AccountState,
  createMemoryTree,
  createTrie,
  currentEpoch,
  decodeVaultState,
  encodeLink,
  encodeVaultState,
  type Leaf,
  type LinkSigner,
  type MemoryTree,
  newestAccountKey,
  personalRecipients,
  signPayload,
  VAULT_PERSONAL,
  type VaultEpochEntry,
  vaultGenesisPayload,
  type VaultState,
  emptyRoot,
  verifyVaultLink,
  vaultPayload,
  VAULT_EPOCH_ROTATE,
  epochRotateStruct,
  type ROTATE_REMOVAL,
} from "@keyferry/chain"
import {
  decodeWrapEntry,
  deriveAccountKem,
  encodeWrapEntry,
  makeVaultKey,
  makeWrap,
  openPrevVaultKey,
  openWrap,
  sealedHash,
  sealedStruct,
  sealPrevVaultKey,
  vaultConfirm,
  type VaultKey,
  wrapEntryHash,
  wrapsHash,
  wrapsHashOfHashes,
} from "@keyferry/crypto"
import type { Failure, VaultPush } from "@keyferry/protocol"

import type { Device, FullKeys, LocalKeys } from "./device.ts"
import { type VaultRow, vaultRow } from "./formats.ts"
import type { RowHead } from "./packed-row.ts"
import type { Row } from "./ports.ts"
import { openRow, sealRow } from "./sealing.ts"

const ZERO32 = new Uint8Array(32)

/** One vault in memory. Replaced as a whole when something was verified and stored. */
export interface Vault {
  readonly row: VaultRow
  readonly state: VaultState
  readonly tree: MemoryTree
}

export const vaultStoreRow = async (device: Device, keys: LocalKeys, row: VaultRow): Promise<Row> => {
  const key = bytesToHex(row.vaultId)
  const value = await sealRow(
    device.ports.primitives,
    device.ports.random,
    keys.standard,
    "vault",
    key,
    vaultRow.encode(row),
  )
  return { table: "vault", key, value }
}

/** Reads vault states; rebuilds each trie from the items. Where strict items are closed the trie is not complete and is not used. */
export const loadVaults = async (device: Device, keys: LocalKeys): Promise<Result<void, Failure>> => {
  const vaults = new Map<string, Vault>()
  for (const { key, value } of await device.ports.store.list("vault")) {
    const opened = await openRow(device.ports.primitives, keys.standard, "vault", key, value)
    const row = opened.ok ? vaultRow.decode(opened.value, 80 * 1024 * 1024) : opened
    const state = row.ok ? decodeVaultState(row.value.state) : row
    if (!row.ok || !state.ok) return err({ code: "store-corrupt", detail: "A vault's state does not open." })
    // As of now; hashed when the trie is first asked for: a list is there without the twenty thousand hashes of a large vault.
    const rows = device.items.heads()
    let tree: MemoryTree | undefined
    vaults.set(key, {
      row: row.value,
      state: state.value,
      get tree() {
        tree ??= createMemoryTree(createTrie(device.ports.primitives, leavesOf(rows, row.value)))
        return tree
      },
    })
  }
  device.vaults = vaults
  return ok(undefined)
}

/** The server's leaf of a local row, `undefined` while the server has none. */
export const leafOfLocal = (item: RowHead): Leaf | undefined =>
  item.rev === 0
    ? undefined
    : {
        itemId: item.itemId,
        rev: item.rev,
        epoch: item.epoch,
        ctHash: item.ctHash,
        tombstone: equalBytes(item.ctHash, ZERO32),
      }

const leavesOf = (items: readonly RowHead[], row: VaultRow): readonly Leaf[] => {
  const leaves: Leaf[] = []
  for (const item of items) {
    const leaf = equalBytes(item.vaultId, row.vaultId) ? leafOfLocal(item) : undefined
    if (leaf !== undefined) leaves.push(leaf)
  }
  for (const [itemId, rev, epoch, ctHash, tombstone] of row.otherLeaves)
    leaves.push({ itemId, rev, epoch, ctHash, tombstone: tombstone === 1 })
  return leaves
}

export const rowOfState = (previous: VaultRow | undefined, state: VaultState): VaultRow => ({
  ...(previous ?? { otherLeaves: [], wraps: [], prevSealed: [] }),
  vaultId: state.id,
  state: encodeVaultState(state),
})

export const linkSigner = (device: Device, full: FullKeys, deviceId: Uint8Array): LinkSigner => ({
  holderId: deviceId,
  sign: (message) => device.ports.primitives.ed25519Sign(full.sigSeed.reveal(), message),
})

export const vaultKeyOf = (full: FullKeys, vaultId: Uint8Array, epoch: number): VaultKey | undefined =>
  full.vaultKeys.get(bytesToHex(vaultId))?.get(epoch)

export const withVaultKey = (full: FullKeys, vaultId: Uint8Array, epoch: number, key: VaultKey): FullKeys => {
  const vaultKeys = new Map(full.vaultKeys)
  const epochs = new Map(vaultKeys.get(bytesToHex(vaultId)) ?? [])
  epochs.set(epoch, key)
  vaultKeys.set(bytesToHex(vaultId), epochs)
  return { ...full, vaultKeys }
}

export interface MadeVault {
  readonly push: VaultPush
  readonly vault: Vault
  readonly full: FullKeys
}

/** A new personal vault: its genesis, signed, with the first key wrapped to this account. */
export const makeVault = async (
  device: Device,
  account: AccountState,
  full: FullKeys,
  deviceId: Uint8Array,
): Promise<MadeVault> => {
  const p = device.ports.primitives
  const vaultSalt = device.ports.random.bytes(32)
  const key = makeVaultKey(device.ports.random)
  const accountKey = newestAccountKey(account)
  const recipients = personalRecipients(p, account, account.head.seq)
  if (recipients === undefined) throw new Error("an account without a key")
  const wrap = await makeWrap<3>(
    p,
    device.ports.random,
    { kind: 3, chainId: ZERO32, epoch: 1, byUid: account.id, by: deviceId, seq: 1, prev: ZERO32 },
    { id: account.id, kemPk: accountKey.kemPk },
    key,
  )
  const payload = vaultGenesisPayload(
    account,
    {
      kind: VAULT_PERSONAL,
      owner: account.id,
      vaultSalt,
      epoch: {
        epoch: 1,
        recipients,
        wrapsHash: wrapsHash(p, [wrap]),
        confirm: await vaultConfirm(p, key, vaultSalt, 1),
      },
      root: emptyRoot(p),
      count: 0,
    },
    { byHolder: deviceId, ts: device.ports.clock.nowMs() },
  )
  const link = await signPayload(linkSigner(device, full, deviceId), payload)
  const verified = await verifyVaultLink(p, undefined, link, {
    account: lookupOf(account),
    tree: createMemoryTree(createTrie(p)),
  })
  if (!verified.ok) throw new Error(`own genesis refused: ${verified.error.code}`)
  const { state, tree } = verified.value
  const entry = encodeWrapEntry(wrap)
  const row: VaultRow = { ...rowOfState(undefined, state), wraps: [[1, entry, [wrapEntryHash(p, wrap)]]] }
  return {
    push: { vaultId: state.id, links: [encodeLink(link)], records: [], wraps: [entry] },
    vault: { row, state, tree },
    full: withVaultKey(full, state.id, 1, key),
  }
}

/** The next epoch of a vault for the account's newest key. The old key is sealed under the new one. */
export const makeRotation = async (
  device: Device,
  account: AccountState,
  full: FullKeys,
  vault: Vault,
  deviceId: Uint8Array,
  reason: typeof ROTATE_REMOVAL | 2 | 3,
): Promise<MadeVault> => {
  const p = device.ports.primitives
  const { state } = vault
  const epoch = currentEpoch(state).epoch + 1
  const previous = vaultKeyOf(full, state.id, epoch - 1)
  const recipients = personalRecipients(p, account, account.head.seq)
  if (previous === undefined || recipients === undefined) throw new Error("a rotation needs the current key")
  const key = makeVaultKey(device.ports.random)
  const wrap = await makeWrap<3>(
    p,
    device.ports.random,
    {
      kind: 3,
      chainId: state.id,
      epoch,
      byUid: account.id,
      by: deviceId,
      seq: state.head.seq + 1,
      prev: state.head.hash,
    },
    { id: account.id, kemPk: newestAccountKey(account).kemPk },
    key,
  )
  const prevSealed = await sealPrevVaultKey(p, device.ports.random, { vid: state.id, epoch, key, previous })
  const payload = vaultPayload(
    state,
    account,
    VAULT_EPOCH_ROTATE,
    epochRotateStruct,
    {
      epoch: {
        epoch,
        recipients,
        wrapsHash: wrapsHash(p, [wrap]),
        confirm: await vaultConfirm(p, key, state.vaultSalt, epoch),
        prevSealedHash: sealedHash(p, prevSealed),
      },
      reason,
      root: state.root,
      count: state.count,
    },
    { byHolder: deviceId, ts: device.ports.clock.nowMs() },
  )
  const link = await signPayload(linkSigner(device, full, deviceId), payload)
  const verified = await verifyVaultLink(p, state, link, { account: lookupOf(account), tree: vault.tree })
  if (!verified.ok) throw new Error(`own rotation refused: ${verified.error.code}`)
  const entry = encodeWrapEntry(wrap)
  const row: VaultRow = {
    ...rowOfState(vault.row, verified.value.state),
    wraps: [...vault.row.wraps, [epoch, entry, [wrapEntryHash(p, wrap)]]],
    prevSealed: [...vault.row.prevSealed, [epoch, sealedStruct.encode(prevSealed)]],
  }
  return {
    push: {
      vaultId: state.id,
      links: [encodeLink(link)],
      records: [],
      wraps: [entry],
      prevSealed: sealedStruct.encode(prevSealed),
    },
    vault: { row, state: verified.value.state, tree: verified.value.tree },
    full: withVaultKey(full, state.id, epoch, key),
  }
}

export const lookupOf =
  (account: AccountState) =>
  (id: Uint8Array): AccountState | undefined =>
    equalBytes(id, account.id) ? account : undefined

/**
 * Takes the key of one epoch from its wrap: the entry must be one of those the signed link committed to, open with this
 * account's key of the named epoch, and confirm.
 * Errors: key-not-trusted
 */
export const acceptVaultKey = async (
  device: Device,
  account: AccountState,
  full: FullKeys,
  state: VaultState,
  entry: VaultEpochEntry,
  served: { readonly entry: Uint8Array; readonly hashes: readonly Uint8Array[] },
): Promise<Result<VaultKey, Failure>> => {
  const p = device.ports.primitives
  const refused = err({ code: "key-not-trusted" } as const)
  const wrap = decodeWrapEntry(served.entry)
  if (!wrap.ok) return refused
  const own = wrapEntryHash(p, wrap.value)
  const committed =
    served.hashes.some((h) => equalBytes(h, own)) && equalBytes(wrapsHashOfHashes(p, served.hashes), entry.wrapsHash)
  const recipient = entry.recipients.find(([id]) => equalBytes(id, account.id))
  const seed = recipient === undefined ? undefined : full.accountSeeds.get(recipient[1])
  if (!committed || recipient === undefined || seed === undefined) return refused
  const kem = await deriveAccountKem(p, seed, account.accountSalt, recipient[1])
  const opened = await openWrap<3>(
    p,
    {
      kind: 3,
      chainId: entry.seq === 1 ? ZERO32 : state.id,
      epoch: entry.epoch,
      byUid: entry.byAccount,
      by: entry.byHolder,
      seq: entry.seq,
      prev: entry.prev,
    },
    { id: account.id, kem },
    wrap.value,
  )
  if (!opened.ok) return refused
  const confirm = await vaultConfirm(p, opened.value, state.vaultSalt, entry.epoch)
  return equalBytes(confirm, entry.confirm) ? ok(opened.value) : refused
}

/** Walks back from the newest key through the sealed older ones. Errors: key-not-trusted, where the chain breaks. */
export const acceptOlderKeys = async (
  device: Device,
  full: FullKeys,
  state: VaultState,
  sealedByEpoch: ReadonlyMap<number, Uint8Array>,
): Promise<Result<FullKeys, Failure>> => {
  const p = device.ports.primitives
  let current = full
  for (const entry of state.epochs.toReversed()) {
    if (entry.epoch === 1 || vaultKeyOf(current, state.id, entry.epoch - 1) !== undefined) continue
    const bytes = sealedByEpoch.get(entry.epoch)
    const key = vaultKeyOf(current, state.id, entry.epoch)
    const sealed = bytes === undefined ? undefined : sealedStruct.decode(bytes, 1024)
    if (key === undefined || sealed === undefined || !sealed.ok || entry.prevSealedHash === undefined)
      return err({ code: "key-not-trusted" })
    if (!equalBytes(sealedHash(p, sealed.value), entry.prevSealedHash)) return err({ code: "key-not-trusted" })
    const opened = await openPrevVaultKey(p, { vid: state.id, epoch: entry.epoch, key, sealed: sealed.value })
    if (!opened.ok) return err({ code: "key-not-trusted" })
    current = withVaultKey(current, state.id, entry.epoch - 1, opened.value)
  }
  return ok(current)
}

/** Where a vault's own settings stand among its items. */
export const profileItemId = (device: Device, vaultId: Uint8Array): Uint8Array =>
  device.ports.primitives.sha256(lp("kf1/profile", vaultId)).slice(0, 16)
