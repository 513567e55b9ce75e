import { err, isZero, ok, type Result } from "@keyferry/base"
import {
  currentEpoch,
  encodeLink,
  itemsPayload,
  OP_DEL,
  OP_PUT,
  type Op,
  signPayload,
  verifyVaultLinks,
} from "@keyferry/chain"
import { ctHash, encodeRecord, sealRecord, type VaultKey } from "@keyferry/crypto"
import type { PushOp } from "@keyferry/engine"
import type { Failure, VaultPush } from "@keyferry/protocol"

import type { Device } from "./device.ts"
import type { LocalItem } from "./formats.ts"
import type { Body } from "./outbox-rows.ts"
import type { SyncScope } from "./sync-exchange.ts"
import { linkSigner, lookupOf, rowOfState, type Vault, vaultKeyOf } from "./vault.ts"

const ZERO32 = new Uint8Array(32)

/** One signed link with its records, and what is true once it is accepted. */
export interface Prepared {
  readonly push: VaultPush
  readonly vault: Vault
  /** The key of a new epoch, where this starts one. */
  readonly made?: { readonly epoch: number; readonly key: VaultKey }
  /** Rows at their new leaves, by item id. Their bodies are those of the time of sending. */
  readonly placed: ReadonlyMap<string, LocalItem>
}

/** Seals these ops under the vault's key, and signs them as one link. Errors: key-not-trusted */
export const prepareItems = async (
  device: Device,
  scope: SyncScope,
  vault: Vault,
  wanted: readonly PushOp<Body>[],
): Promise<Result<Prepared, Failure>> => {
  const p = device.ports.primitives
  const epoch = currentEpoch(vault.state).epoch
  const key = vaultKeyOf(scope.full, vault.state.id, epoch)
  if (key === undefined) return err({ code: "key-not-trusted" })
  const ops: Op[] = []
  const records: Uint8Array[] = []
  const placed = new Map<string, LocalItem>()
  for (const { itemId, rev, body } of wanted) {
    const row = device.items.get(itemId)
    if (row === undefined) throw new Error("an item waits that is not here")
    const prevHash = previousHash(row)
    if (body === "deleted") {
      ops.push([OP_DEL, row.itemId, rev, epoch, ZERO32, 0])
      placed.set(itemId, { ...row, rev, epoch, prevHash, ctHash: ZERO32 })
      continue
    }
    const record = await sealRecord(p, device.ports.random, {
      key,
      header: {
        kind: row.recordKind as 1,
        vid: vault.state.id,
        epoch,
        itemId: row.itemId,
        rev,
        byUid: scope.account.id,
        by: scope.record.deviceId,
        prevCtHash: prevHash,
      },
      plaintext: body,
    })
    const bytes = encodeRecord(record)
    const hash = ctHash(p, record)
    ops.push([OP_PUT, row.itemId, rev, epoch, hash, bytes.length])
    records.push(bytes)
    placed.set(itemId, { ...row, rev, epoch, prevHash, ctHash: hash, by: scope.record.deviceId })
  }
  const payload = await itemsPayload(vault.state, scope.account, vault.tree, ops, {
    byHolder: scope.record.deviceId,
    ts: device.ports.clock.nowMs(),
  })
  const link = await signPayload(linkSigner(device, scope.full, scope.record.deviceId), payload)
  const verified = await verifyVaultLinks(p, vault.state, [link], {
    account: lookupOf(scope.account),
    tree: vault.tree,
  })
  if (!verified.ok) throw new Error(`own link refused: ${verified.error.code}`)
  return ok({
    push: { vaultId: vault.state.id, links: [encodeLink(link)], records },
    vault: { row: rowOfState(vault.row, verified.value.state), state: verified.value.state, tree: verified.value.tree },
    placed,
  })
}

/** What the next record of an item follows: the current one, or after a deletion the last one before it. */
const previousHash = (item: LocalItem): Uint8Array => (isZero(item.ctHash) ? item.prevHash : item.ctHash)
