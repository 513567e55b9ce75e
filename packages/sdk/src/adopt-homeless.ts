import { bytesToHex, err, isZero, ok, type Result } from "@keyferry/base"
import type { Failure } from "@keyferry/protocol"

import type { Device, LocalKeys } from "./device.ts"
import type { LocalItem } from "./formats.ts"
import { itemRow } from "./items.ts"
import { moveToVault } from "./merge-item.ts"
import type { Row } from "./ports.ts"

/** What was on this device before it read the account's vault belongs to that vault from now on. */
export const adoptHere = async (device: Device, vaultId: Uint8Array): Promise<Result<void, Failure>> => {
  const { local } = device
  if (local === undefined) return err({ code: "locked" })
  const changed: LocalItem[] = []
  const rows = await adoptHomeless(device, local, vaultId, changed)
  if (rows.length > 0) await device.ports.store.write(rows)
  for (const item of changed) device.items.set(bytesToHex(item.itemId), item)
  return ok(undefined)
}

/** Items from before the first vault become its items; their bodies name their place. */
export const adoptHomeless = async (
  device: Device,
  keys: LocalKeys,
  vaultId: Uint8Array,
  changed: LocalItem[],
): Promise<readonly Row[]> => {
  const rows: Row[] = []
  for (const item of device.items.values()) {
    if (!isZero(item.vaultId)) continue
    const moved = moveToVault(item, vaultId)
    changed.push(moved)
    rows.push(itemRow(keys, moved))
  }
  return rows
}
