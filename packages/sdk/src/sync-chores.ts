import { bytesToHex, equalBytes, err, formatId, ok, parseId, type Result } from "@keyferry/base"
import { holderOf } from "@keyferry/chain"
import { RECORD_KIND, verifyRetire } from "@keyferry/crypto"
import type { Failure } from "@keyferry/protocol"

import { deviceCalls } from "./device-calls.ts"
import { type Device, recordRow } from "./device.ts"
import { type LocalItem, POLICY_SYNCED } from "./formats.ts"
import { itemRow, NO_VAULT } from "./items.ts"
import { withEdit } from "./outbox-rows.ts"
import { decodeLabel, encodeLabel } from "./profile.ts"
import { removeDevice } from "./removal.ts"
import { rescueSlot } from "./renew-local-keys.ts"
import type { Retired } from "./remove-holders.ts"
import { fromB64 } from "./wire.ts"

/**
 * A device's name, sealed like an item: the server never learns it. Without an argument: this device's own, with the kit that
 * opens its rescue file. Another device's word about that is not taken: a name given elsewhere leaves it as it was.
 */
export const putLabel = async (
  device: Device,
  input?: { readonly deviceId: Uint8Array; readonly name: string },
): Promise<Result<void, Failure>> => {
  const { local, record } = device
  if (local === undefined || record?.account === undefined) return err({ code: "locked" })
  const deviceId = input?.deviceId ?? record.account.deviceId
  const name = input?.name ?? record.account.deviceName
  const stored = device.items.get(bytesToHex(deviceId))
  const before = stored === undefined ? undefined : decodeLabel(stored.body)
  const isOwn = bytesToHex(deviceId) === bytesToHex(record.account.deviceId)
  const kit = isOwn ? await rescueSlot(device) : before?.kit
  const isKitSame =
    kit === undefined ? before?.kit === undefined : before?.kit !== undefined && equalBytes(kit, before.kit)
  if (before?.name === name && isKitSame) return ok(undefined)
  const body = encodeLabel({
    name,
    platform: isOwn ? device.ports.platform : (before?.platform ?? ""),
    ...(kit === undefined ? {} : { kit }),
  })
  const item: LocalItem =
    stored === undefined
      ? {
          itemId: deviceId,
          vaultId: [...device.vaults.values()][0]?.state.id ?? NO_VAULT,
          rev: 0,
          epoch: 0,
          ctHash: new Uint8Array(32),
          body,
          policy: POLICY_SYNCED,
          strict: false,
          deletedAtMs: 0,
          waiting: true,
          by: new Uint8Array(16),
          recordKind: RECORD_KIND.deviceLabel,
          prevHash: new Uint8Array(32),
        }
      : withEdit(stored, body)
  const rows = [itemRow(local, item)]
  const next = isOwn ? { ...record, account: { ...record.account, deviceName: name } } : record
  if (isOwn) rows.push(recordRow(next))
  await device.ports.store.write(rows)
  device.record = next
  device.items.set(bytesToHex(deviceId), item)
  device.changed()
  return ok(undefined)
}

/** The others hear which kit opens this device's rescue file, once it syncs. `true`: there is something to send. */
export const tellKit = async (device: Device): Promise<Result<boolean, Failure>> => {
  const own = device.record?.account?.deviceId
  const stored = own === undefined ? undefined : device.items.get(bytesToHex(own))
  if (stored === undefined || !device.settings.syncOn) return ok(false)
  const told = await putLabel(device)
  return told.ok ? ok(device.items.get(bytesToHex(stored.itemId)) !== stored) : told
}

/** Devices that signed out by themselves leave the chain: their signature is verified, then they are removed and keys rotate. */
export const removeRetired = async (device: Device): Promise<Result<void, Failure>> => {
  const { account, full } = device
  if (account === undefined || full === undefined) return ok(undefined)
  const calls = await deviceCalls(device)
  if (!calls.ok) return calls
  const list = await calls.value.transport.json("devices.list", {}, calls.value.as)
  if (!list.ok) return list
  for (const served of list.value.devices) {
    if (served.state !== "retired" || served.retirement === undefined) continue
    const id = parseId("dev", served.deviceId)
    const holder = id.ok ? holderOf(account, id.value) : undefined
    if (!id.ok || holder === undefined || holder.removedAt !== undefined) continue
    const head = fromB64(served.retirement.head)
    const signature = fromB64(served.retirement.signature)
    if (head === undefined || signature === undefined) continue
    const genuine = await verifyRetire(
      device.ports.primitives,
      holder.holder.sigPk,
      { uid: account.id, deviceId: id.value, seq: served.retirement.seq, head },
      signature,
    )
    if (!genuine) continue
    const retired: Retired = [id.value, served.retirement.seq, head, signature]
    const removed = await removeDevice(device, { id: formatId("dev", id.value), reason: "retired", retired: [retired] })
    if (!removed.ok) return removed
  }
  return ok(undefined)
}
