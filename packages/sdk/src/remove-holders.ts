import { bytesToHex, err, ok, type Result } from "@keyferry/base"
import {
  ACCOUNT_HOLDER_REMOVE,
  accountPayload,
  encodeLink,
  holderRemoveStruct,
  newestAccountKey,
  ROTATE_REMOVAL,
  signPayload,
  verifyAccountLink,
} from "@keyferry/chain"
import {
  accountAppendReplyStruct,
  accountAppendStruct,
  type Failure,
  isErrorCode,
  PUSH_ACCEPTED,
} from "@keyferry/protocol"

import { encodeWraps, holdersAfter, makeAccountKey, nextPlace, openAccountSk } from "./account-keys.ts"
import type { OnProgress } from "./api.ts"
import { type Device, deviceSigner, type FullKeys, transportOf } from "./device.ts"
import { keptOfPush, keptRows } from "./kept.ts"
import type { Row } from "./ports.ts"
import { acceptAccount } from "./sync-account.ts"
import { syncScope } from "./sync-exchange.ts"
import { syncNow } from "./sync.ts"
import { bundleRow } from "./key-bundle.ts"
import { linkSigner, makeRotation, vaultStoreRow } from "./vault.ts"

export type Retired = readonly [Uint8Array, number, Uint8Array, Uint8Array]

/**
 * One signed link takes holders out and starts a new account key that they cannot open; the vaults that this device may
 * rotate follow in the same request. Answers how many were rotated.
 * Errors: key-not-trusted, not-allowed, revision-conflict, what the server says
 */
export const removeHolders = async (
  device: Device,
  input: {
    readonly ids: readonly Uint8Array[]
    readonly reason: 1 | 2 | 3 | 4
    readonly retired?: readonly Retired[]
  },
  onProgress?: OnProgress,
): Promise<Result<number, Failure>> => {
  const scope = syncScope(device)
  if (!scope.ok) return scope
  const { account, record, full } = scope.value
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
    holders: holdersAfter(account, input.ids, []),
    place: nextPlace(account, record.deviceId),
    previous,
  })
  const payload = accountPayload(
    account,
    ACCOUNT_HOLDER_REMOVE,
    holderRemoveStruct,
    {
      ids: [...input.ids],
      reason: input.reason,
      key: made.epoch,
      skSealed: made.skSealed,
      retired: [...(input.retired ?? [])],
    },
    { byHolder: record.deviceId, ts: device.ports.clock.nowMs() },
  )
  const link = await signPayload(linkSigner(device, full, record.deviceId), payload)
  const next = await verifyAccountLink(device.ports.primitives, account, link)
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
  const signer = await deviceSigner(device, record.deviceId)
  if (signer === undefined) return err({ code: "store-corrupt" })
  const body = accountAppendStruct.encode({
    link: encodeLink(link),
    wraps: [...encodeWraps(made.wraps)],
    rotations: rotated.map((r) => r.push),
    ...(made.prevSealed === undefined ? {} : { prevSealed: made.prevSealed }),
  })
  const sent = await transportOf(device, record.server.origin).cbor("account.append", body, {
    signer,
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
    rows.push(...(await keptRows(device, scope.value.keys, keptOfPush(rotation.push))))
    device.vaults.set(bytesToHex(rotation.vault.state.id), rotation.vault)
    done++
  }
  rows.push(await bundleRow(device, after, scope.value.keys))
  await device.ports.store.write(rows)
  return ok(done)
}
