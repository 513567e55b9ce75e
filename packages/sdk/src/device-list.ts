import { bytesToHex, equalBytes, err, formatId, ok, type Result } from "@keyferry/base"
import {
  type AccountState,
  ADDED_BY_DEVICE,
  ADDED_BY_KIT,
  ADDED_BY_PASSKEY,
  ADDED_BY_RECOVERY,
  ADDED_GENESIS,
  HOLDER_DEVICE,
  HOLDER_RECOVERY,
  type HolderEntry,
  newestSlot,
} from "@keyferry/chain"
import type { Failure } from "@keyferry/protocol"

import { deviceCalls } from "./device-calls.ts"
import type { DeviceInfo } from "./api.ts"
import type { Device } from "./device.ts"
import { labelOf, nameOf } from "./status.ts"

type Done<T> = Promise<Result<T, Failure>>

const HOW: Readonly<Record<number, DeviceInfo["how"]>> = {
  [ADDED_GENESIS]: "first",
  [ADDED_BY_DEVICE]: "device",
  [ADDED_BY_KIT]: "kit",
  [ADDED_BY_PASSKEY]: "passkey",
  [ADDED_BY_RECOVERY]: "recovery",
}

/**
 * Whether a kit that was replaced still opens this device's rescue file. Its own label says which kit does; one that said
 * nothing since the kit was replaced is taken to have the old one, unless it came after. Source: spec/records.md RC17
 */
const isOfOldKit = (device: Device, account: AccountState, entry: HolderEntry): boolean => {
  const slot = newestSlot(account, HOLDER_RECOVERY)
  if (slot === undefined || entry.addedAt >= slot.addedAt) return false
  const kit = labelOf(device, entry.holder.id)?.kit
  return kit === undefined || !equalBytes(kit, slot.holder.id)
}

/** Devices of the verified chain; what the server adds is times, platforms and those that still wait. */
export const devicesOf = async (device: Device): Done<readonly DeviceInfo[]> => {
  const { account, record } = device
  if (record?.account === undefined || account === undefined)
    return err({ code: "sync-not-enabled-here", detail: "This device has no account." })
  const calls = await deviceCalls(device)
  if (!calls.ok) return calls
  const served = await calls.value.transport.json("devices.list", {}, calls.value.as)
  if (!served.ok) return served
  const hints = new Map<string, (typeof served.value.devices)[number]>(served.value.devices.map((d) => [d.deviceId, d]))
  const out: DeviceInfo[] = []
  for (const entry of account.holders.values()) {
    if (entry.holder.kind !== HOLDER_DEVICE) continue
    const id = formatId("dev", entry.holder.id)
    const hint = hints.get(id)
    hints.delete(id)
    out.push({
      id,
      name: nameOf(device, entry.holder.id) ?? hint?.platform ?? "device",
      platform: hint?.platform ?? "",
      state:
        entry.removedAt === undefined ? (hint?.state ?? "active") : hint?.state === "retired" ? "retired" : "removed",
      isThis: bytesToHex(entry.holder.id) === bytesToHex(record.account.deviceId),
      how: HOW[entry.how] ?? "none",
      addedAtMs: hint?.createdAtMs ?? 0,
      lastSeenMs: hint?.lastSeenMs ?? 0,
      ...(hint?.leaseReset === undefined ? {} : { leaseResetAtMs: hint.leaseReset.readyAtMs }),
      oldKit: entry.removedAt === undefined && isOfOldKit(device, account, entry),
    })
  }
  for (const [id, hint] of hints) {
    if (hint.state !== "pending" && hint.state !== "confirmed") continue
    out.push({
      id,
      name: hint.platform,
      platform: hint.platform,
      state: hint.state,
      isThis: false,
      how: "none",
      addedAtMs: hint.createdAtMs,
      lastSeenMs: hint.lastSeenMs,
      oldKit: false,
    })
  }
  return ok(out)
}
