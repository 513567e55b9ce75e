import { bytesToHex, err, ok, parseId, type Result } from "@keyferry/base"
import {
  ACCOUNT_HOLDER_REMOVE,
  accountPayload,
  activeDevices,
  encodeLink,
  HOLDER_RECOVERY,
  holderOf,
  holderRemoveStruct,
  newestAccountKey,
  newestSlot,
  areSlotKeys,
  REASON_LOST,
  REASON_RETIRED,
  REASON_UNKNOWN,
  ROTATE_REMOVAL,
  signPayload,
  verifyAccountLink,
  ADDED_BY_KIT,
} from "@keyferry/chain"
import { deriveSlot, recoverySlotSecret } from "@keyferry/crypto"
import {
  accountAppendReplyStruct,
  accountAppendStruct,
  type Failure,
  isErrorCode,
  PUSH_ACCEPTED,
} from "@keyferry/protocol"

import { encodeWraps, holdersAfter, makeAccountKey, nextPlace, openAccountSk } from "./account-keys.ts"
import type { OnProgress, RotationEntry } from "./api.ts"
import { type Device, type FullKeys, loadAuthSeed, requestSigner, transportOf } from "./device.ts"
import { parseKit } from "./kit-code.ts"
import type { Row } from "./ports.ts"
import { rememberRotation } from "./rotation.ts"
import { acceptAccount } from "./sync-account.ts"
import { syncScope } from "./sync-exchange.ts"
import { syncNow } from "./sync.ts"
import { bundleRow, isFreshPassword } from "./unlock.ts"
import { linkSigner, makeRotation, vaultStoreRow } from "./vault.ts"
import { keyIdOf } from "./wire.ts"

export type Retired = readonly [Uint8Array, number, Uint8Array, Uint8Array]

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
  const { account, record, full } = scope.value
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
  const p = device.ports.primitives
  const newest = newestAccountKey(account)
  const previous = full.accountSeeds.get(newest.epoch)
  if (previous === undefined) return err({ code: "key-not-trusted" })
  const sk = await openAccountSk(device, account, previous)
  if (!sk.ok) return sk
  const epoch = newest.epoch + 1
  const made = await makeAccountKey(device, {
    epoch,
    accountSalt: account.accountSalt,
    sk: sk.value,
    holders: holdersAfter(account, [id.value], []),
    place: nextPlace(account, record.deviceId),
    previous,
  })
  const reason = { retired: REASON_RETIRED, lost: REASON_LOST, unknown: REASON_UNKNOWN } as const
  const payload = accountPayload(
    account,
    ACCOUNT_HOLDER_REMOVE,
    holderRemoveStruct,
    {
      ids: [id.value],
      reason: reason[input.reason],
      key: made.epoch,
      skSealed: made.skSealed,
      retired: [...(input.retired ?? [])],
    },
    { byHolder: record.deviceId, ts: device.ports.clock.nowMs() },
  )
  const link = await signPayload(linkSigner(device, full, record.deviceId), payload)
  const next = await verifyAccountLink(p, account, link)
  if (!next.ok) return err({ code: "not-allowed", detail: `Reason: ${next.error.code}.` })

  const accountSeeds = new Map(full.accountSeeds)
  accountSeeds.set(epoch, made.seed)
  let after: FullKeys = { ...full, accountSeeds }
  const rotated = []
  for (const vault of device.vaults.values()) {
    if (vault.row.frozen !== undefined || vault.row.resumeAfter !== undefined) continue
    const rotation = await makeRotation(device, next.value, after, vault, record.deviceId, ROTATE_REMOVAL)
    after = rotation.full
    rotated.push(rotation)
    onProgress?.({ step: "rotating", done: rotated.length, total: device.vaults.size })
  }
  const authSeed = await loadAuthSeed(device.ports)
  if (authSeed === undefined) return err({ code: "store-corrupt" })
  const body = accountAppendStruct.encode({
    link: encodeLink(link),
    wraps: [...encodeWraps(made.wraps)],
    rotations: rotated.map((r) => r.push),
    ...(made.prevSealed === undefined ? {} : { prevSealed: made.prevSealed }),
  })
  const sent = await transportOf(device, record.server.origin).cbor("account.append", body, {
    signer: requestSigner(device.ports, keyIdOf(record.deviceId), "kf1-dev", authSeed),
  })
  if (!sent.ok) return sent
  const reply = accountAppendReplyStruct.decode(sent.value, 16 * 1024 * 1024)
  if (!reply.ok) return err({ code: "malformed" })
  if (reply.value.outcome !== PUSH_ACCEPTED) {
    await syncNow(device)
    return err({
      code: reply.value.code !== undefined && isErrorCode(reply.value.code) ? reply.value.code : "revision-conflict",
    })
  }
  device.full = after
  const accepted = await acceptAccount(device, next.value, [...device.links, encodeLink(link)])
  if (!accepted.ok) return accepted
  const rows: Row[] = []
  let done = 0
  for (const rotation of rotated) {
    const result = reply.value.results.find((r) => bytesToHex(r.vaultId) === bytesToHex(rotation.vault.state.id))
    if (result?.outcome !== PUSH_ACCEPTED) continue
    rows.push(await vaultStoreRow(device, scope.value.keys, rotation.vault.row))
    device.vaults.set(bytesToHex(rotation.vault.state.id), rotation.vault)
    done++
  }
  rows.push(await bundleRow(device, after, scope.value.keys))
  await device.ports.store.write(rows)
  const rotation = await rememberRotation(device, scope.value.keys)
  // Vaults that could not be rotated in the same request are rotated by the sync that follows.
  if (done < device.vaults.size) await syncNow(device)
  device.changed()
  return ok({ rotation, rotatedVaults: done, replaceKit: target.how === ADDED_BY_KIT || input.reason === "lost" })
}
