import { bytesToHex, err, formatId, ok, type Result } from "@keyferry/base"
import { RECORD_KIND } from "@keyferry/crypto"
import type { Failure } from "@keyferry/protocol"

import type { Device, FullKeys } from "./device.ts"
import type { LocalItem } from "./formats.ts"
import { itemRow, NO_VAULT } from "./items.ts"
import { forgetKept } from "./kept.ts"
import { moveToVault } from "./merge-item.ts"
import { mineOf } from "./outbox-rows.ts"
import type { Row } from "./ports.ts"
import { exchange, syncScope } from "./sync-exchange.ts"
import { syncNow } from "./sync.ts"
import { bundleRow } from "./key-bundle.ts"

/*
 * A person decides that the server's history of a frozen vault counts from here on: after the operator accepted a loss, or after a
 * fork that somebody has looked at. Every item stays on this device and goes up again, merged with what the server has; the
 * evidence stays too. Nothing but a person calls this. Source: spec/feed.md SY97
 */
export interface Taken {
  /** Vaults that were read anew. */
  readonly vaults: readonly string[]
  readonly sent: number
  readonly received: number
}

/** Errors: not-allowed (nothing is frozen), and those of a sync; whatever stops it, the next sync goes on from there */
export const takeServerHistory = async (device: Device): Promise<Result<Taken, Failure>> => {
  const scope = syncScope(device)
  if (!scope.ok) return scope
  const frozen = [...device.vaults.values()].filter(({ row }) => row.frozen !== undefined)
  if (frozen.length === 0) return err({ code: "not-allowed", detail: "No vault is frozen on this device." })
  // While the server waits for a repair it serves no history that could be taken.
  const served = await exchange(device, scope.value, [])
  if (!served.ok) return served
  const names: string[] = []
  for (const vault of frozen) {
    const vaultId = vault.state.id
    const id = bytesToHex(vaultId)
    const isThere = served.value.heads.some(([head]) => bytesToHex(head) === id)
    const items = [...device.items.values()]
      .filter((item) => bytesToHex(item.vaultId) === id)
      .map((item) => asNew(isThere ? item : moveToVault(item, NO_VAULT)))
    const full = withoutVault(scope.value.full, id)
    const rows: Row[] = [
      { table: "vault", key: id },
      ...(await forgetKept(device, vaultId)),
      await bundleRow(device, full, scope.value.keys),
    ]
    for (const item of items) rows.push(itemRow(scope.value.keys, item))
    await device.ports.store.write(rows)
    device.full = full
    device.vaults.delete(id)
    for (const item of items) device.items.set(bytesToHex(item.itemId), item)
    names.push(formatId("vlt", vaultId))
  }
  device.changed()
  const synced = await syncNow(device)
  return synced.ok ? ok({ vaults: names, ...synced.value }) : synced
}

/** The same row of an item that no server is known to have: what is synced waits, what is local-only or in the bin stays so. */
const asNew = (item: LocalItem): LocalItem => {
  const { base: _base, tried: _tried, order: _order, ...rest } = item
  const isItem = item.recordKind === RECORD_KIND.item
  return {
    ...rest,
    rev: 0,
    epoch: 0,
    ctHash: new Uint8Array(32),
    prevHash: new Uint8Array(32),
    waiting: mineOf(item) !== "deleted" && (isItem || item.body.length > 0),
  }
}

const withoutVault = (full: FullKeys, id: string): FullKeys => {
  const vaultKeys = new Map(full.vaultKeys)
  vaultKeys.delete(id)
  return { ...full, vaultKeys }
}
