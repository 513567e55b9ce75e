import { bytesToHex, equalBytes } from "@keyferry/base"
import { HOLDER_RECOVERY, newestSlot } from "@keyferry/chain"

import { type Device, saveSettings } from "./device.ts"

/*
 * A kit is shown once. Until somebody proved on the device that made it that it can be read, that device reminds of it: the
 * chain says who made the newest kit, and the settings of the device which kit was checked. No code is kept anywhere.
 */

/** `false` while the device is locked: what was checked is sealed. */
export const isKitUnchecked = (device: Device): boolean => {
  const { account, local, record, settings } = device
  const slot = account === undefined ? undefined : newestSlot(account, HOLDER_RECOVERY)
  const own = record?.account?.deviceId
  if (account === undefined || local === undefined || slot === undefined || own === undefined) return false
  // A sign-up and a recovery add the kit in the same link as the device; a replacement starts an epoch, signed by the device.
  const madeHere =
    account.holders.get(bytesToHex(own))?.addedAt === slot.addedAt ||
    account.keys.some(({ seq, byHolder }) => seq === slot.addedAt && equalBytes(byHolder, own))
  return madeHere && (settings.checkedKit === undefined || !equalBytes(settings.checkedKit, slot.holder.id))
}

/** The kit that counts now was typed or scanned here, and was right. */
export const noteKitChecked = async (device: Device): Promise<void> => {
  const slot = device.account === undefined ? undefined : newestSlot(device.account, HOLDER_RECOVERY)
  if (slot !== undefined && isKitUnchecked(device)) await saveSettings(device, { checkedKit: slot.holder.id })
}
