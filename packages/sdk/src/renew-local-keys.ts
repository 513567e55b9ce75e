import { equalBytes, ok, type Result } from "@keyferry/base"
import { HOLDER_RECOVERY, newestSlot } from "@keyferry/chain"
import { decodeRescue } from "@keyferry/crypto"
import type { Failure } from "@keyferry/protocol"

import { chainRows, type Device, recordRow } from "./device.ts"
import { rowsUnderNewKeys } from "./rekey-store.ts"
import { rescueRows } from "./staged.ts"
import { bundleRow } from "./key-bundle.ts"
import { renewLease } from "./lease.ts"
import { newLocalKeys } from "./unlock.ts"

/**
 * New local keys: every row sealed again into a new file, the old one unlinked, the keys wrapped to the kit of today. After a
 * kit was replaced (the old one opened this store), and when an item became strict (its old row was sealed as standard).
 * Only while the server's answer is there. Source: spec/device-store.md
 */
export const renewLocalKeys = async (device: Device): Promise<Result<void, Failure>> => {
  const { record, full, local, ports } = device
  if (record?.account === undefined || full === undefined || local?.strict === undefined) return ok(undefined)
  const fresh = newLocalKeys(device)
  const rows = await rowsUnderNewKeys(device, fresh)
  if (!rows.ok) return rows
  const auth = await ports.store.read("clear", "auth")
  await ports.store.replace([
    ...rows.value,
    recordRow(record),
    ...(auth === undefined ? [] : [{ table: "clear", key: "auth", value: auth }]),
    ...(await chainRows(device, device.links)),
    await bundleRow(device, full, fresh),
    ...(await rescueRows(device, full, fresh)),
  ])
  device.local = fresh
  local.standard.wipe()
  local.strict.wipe()
  // The grace bundle held the old standard key; a fresh lease writes it anew.
  return renewLease(device)
}

/** The recovery slot that this device's rescue file is wrapped to. */
export const rescueSlot = async (device: Device): Promise<Uint8Array | undefined> => {
  const bytes = await device.ports.store.read("clear", "rescue")
  const box = bytes === undefined ? undefined : decodeRescue(bytes)
  return box?.ok === true ? box.value.slotId : undefined
}

/** True while the rescue file still belongs to a kit that was replaced. */
export const isRescueStale = async (device: Device): Promise<boolean> => {
  const slot = device.account === undefined ? undefined : newestSlot(device.account, HOLDER_RECOVERY)
  const own = slot === undefined ? undefined : await rescueSlot(device)
  return slot !== undefined && (own === undefined || !equalBytes(own, slot.holder.id))
}
