import { bytesToHex, err, ok, parseId, type Result } from "@keyferry/base"
import {
  ADDED_BY_KIT,
  activeDevices,
  areSlotKeys,
  HOLDER_RECOVERY,
  holderOf,
  newestSlot,
  REASON_LOST,
  REASON_REPLACED,
  REASON_RETIRED,
  REASON_UNKNOWN,
} from "@keyferry/chain"
import { deriveSlot, recoverySlotSecret } from "@keyferry/crypto"
import type { Failure } from "@keyferry/protocol"

import type { OnProgress, RotationEntry } from "./api.ts"
import type { Device } from "./device.ts"
import { parseKit } from "./kit-code.ts"
import { removeHolders, type Retired } from "./remove-holders.ts"
import { rememberRotation } from "./rotation.ts"
import { syncScope } from "./sync-exchange.ts"
import { syncNow } from "./sync.ts"
import { isFreshPassword } from "./open-time.ts"

/** Whether the kit code is this account's: derives the recovery slot and compares it with the chain. */
export const checkKit = async (device: Device, kitText: string): Promise<Result<void, Failure>> => {
  const code = parseKit(device, kitText)
  if (!code.ok) return code
  const { account } = device
  const slot = account === undefined ? undefined : newestSlot(account, HOLDER_RECOVERY)
  if (account === undefined || slot === undefined)
    return err({ code: "kit-code-wrong", detail: "This device has no account; a kit belongs to one." })
  const keys = await deriveSlot(
    device.ports.primitives,
    recoverySlotSecret(code.value),
    account.accountSalt,
    HOLDER_RECOVERY,
    slot.holder.id,
  )
  return areSlotKeys(slot, keys)
    ? ok(undefined)
    : err({ code: "kit-code-wrong", detail: "It may have been replaced by a newer one." })
}

export interface RemovalOutcome {
  readonly rotation: readonly RotationEntry[]
  readonly rotatedVaults: number
  readonly replaceKit: boolean
}

/**
 * Removes a device: one signed link takes it out and starts a new account key that it cannot open; the vaults that
 * this device may rotate follow in the same request. What it could read becomes the list of what to replace.
 */
export const removeDevice = async (
  device: Device,
  input: {
    readonly id: string
    readonly reason: "retired" | "lost" | "unknown"
    readonly kitCode?: string
    readonly retired?: readonly Retired[]
  },
  onProgress?: OnProgress,
): Promise<Result<RemovalOutcome, Failure>> => {
  const scope = syncScope(device)
  if (!scope.ok) return scope
  if (input.retired === undefined && !isFreshPassword(device))
    return err({
      code: "reauth-required",
      detail: "Removing a device needs the password of this device within five minutes.",
    })
  const id = parseId("dev", input.id)
  if (!id.ok) return err({ code: "not-found" })
  const { account, record } = scope.value
  const target = holderOf(account, id.value)
  if (target === undefined || target.removedAt !== undefined)
    return err({ code: "not-found", detail: "No active device has that name or id." })
  if (bytesToHex(id.value) === bytesToHex(record.deviceId))
    return err({ code: "not-allowed", detail: "A device does not remove itself; use kf logout." })
  if (activeDevices(account).length === 1) {
    if (input.kitCode === undefined) return err({ code: "device-is-last" })
    const kit = await checkKit(device, input.kitCode)
    if (!kit.ok) return kit
  }
  // *Retired* is the device's own word and carries its signature; a person who no longer uses it says *replaced*.
  const retired = input.retired === undefined ? REASON_REPLACED : REASON_RETIRED
  const reason = { retired, lost: REASON_LOST, unknown: REASON_UNKNOWN } as const
  const removed = await removeHolders(
    device,
    {
      ids: [id.value],
      reason: reason[input.reason],
      ...(input.retired === undefined ? {} : { retired: input.retired }),
    },
    onProgress,
  )
  if (!removed.ok) return removed
  const rotation = await rememberRotation(device, scope.value.keys)
  // Vaults that could not be rotated in the same request are rotated by the sync that follows.
  if (removed.value < device.vaults.size) await syncNow(device)
  device.changed()
  return ok({
    rotation,
    rotatedVaults: removed.value,
    replaceKit: target.how === ADDED_BY_KIT || input.reason === "lost",
  })
}
