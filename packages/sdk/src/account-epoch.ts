import { bytesToHex, equalBytes, err, ok, type Result } from "@keyferry/base"
import {
  ACCOUNT_KEY_ROTATE,
  accountPayload,
  type AccountState,
  encodeLink,
  keyRotateStruct,
  type Link,
  newestAccountKey,
  ROTATE_DEMAND,
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

import { deviceCalls } from "./device-calls.ts"
import {
  encodeWraps,
  holdersAfter,
  type MadeAccountKey,
  makeAccountKey,
  nextPlace,
  openAccountSk,
} from "./account-keys.ts"
import type { Device, FullKeys } from "./device.ts"
import { keptOfPush, keptRows } from "./kept.ts"
import type { Row } from "./ports.ts"
import { rescueRows } from "./staged.ts"
import { acceptAccount } from "./sync-account.ts"
import { syncScope } from "./sync-exchange.ts"
import { bundleRow } from "./key-bundle.ts"
import { linkSigner, makeRotation, vaultStoreRow } from "./vault.ts"

/** A verified link that starts an epoch of the account's key. */
export interface EpochLink {
  readonly link: Link
  readonly next: AccountState
  readonly made: MadeAccountKey
  /** A new OPAQUE record, where the link replaces the password slot. */
  readonly registrationRecord?: Uint8Array
}

/** Sends the link with the rotations of all vaults that are whole here, and makes both this device's own. */
export const appendEpoch = async (device: Device, input: EpochLink): Promise<Result<void, Failure>> => {
  const scope = syncScope(device)
  if (!scope.ok) return scope
  const calls = await deviceCalls(device)
  if (!calls.ok) return calls
  const { record, full, keys } = scope.value
  const { link, next, made, registrationRecord } = input
  const accountSeeds = new Map(full.accountSeeds)
  accountSeeds.set(made.epoch.epoch, made.seed)
  let after: FullKeys = { ...full, accountSeeds }
  const rotated = []
  for (const vault of device.vaults.values()) {
    if (vault.row.frozen !== undefined || vault.row.resumeAfter !== undefined) continue
    const rotation = await makeRotation(device, next, after, vault, record.deviceId, ROTATE_DEMAND)
    after = rotation.full
    rotated.push(rotation)
  }
  const body = accountAppendStruct.encode({
    link: encodeLink(link),
    wraps: [...encodeWraps(made.wraps)],
    rotations: rotated.map((r) => r.push),
    ...(made.prevSealed === undefined ? {} : { prevSealed: made.prevSealed }),
    ...(registrationRecord === undefined ? {} : { registrationRecord }),
  })
  const sent = await calls.value.transport.cbor("account.append", body, calls.value.as)
  if (!sent.ok) return sent
  const reply = accountAppendReplyStruct.decode(sent.value, 16 * 1024 * 1024)
  if (!reply.ok) return err({ code: "malformed" })
  const { outcome, code, results } = reply.value
  if (outcome !== PUSH_ACCEPTED)
    return err({ code: code !== undefined && isErrorCode(code) ? code : "revision-conflict" })
  device.full = after
  const accepted = await acceptAccount(device, next, [...device.links, encodeLink(link)])
  if (!accepted.ok) return accepted
  const rows: Row[] = [await bundleRow(device, after, keys), ...(await rescueRows(device, after, keys))]
  for (const rotation of rotated) {
    const result = results.find((r) => equalBytes(r.vaultId, rotation.vault.state.id))
    if (result?.outcome !== PUSH_ACCEPTED) continue
    rows.push(await vaultStoreRow(device, keys, rotation.vault.row))
    rows.push(...(await keptRows(device, keys, keptOfPush(rotation.push))))
    device.vaults.set(bytesToHex(rotation.vault.state.id), rotation.vault)
  }
  await device.ports.store.write(rows)
  device.changed()
  return ok(undefined)
}

/** A new epoch of the account's key for the holders that there are, and new epochs of the vaults. */
export const rotateAccountKey = async (device: Device): Promise<Result<void, Failure>> => {
  const scope = syncScope(device)
  if (!scope.ok) return scope
  const { account, full, record } = scope.value
  const newest = newestAccountKey(account)
  const previous = full.accountSeeds.get(newest.epoch)
  if (previous === undefined) return err({ code: "key-not-trusted" })
  const sk = await openAccountSk(device, account, previous)
  if (!sk.ok) return sk
  const made = await makeAccountKey(device, {
    epoch: newest.epoch + 1,
    accountSalt: account.accountSalt,
    sk: sk.value,
    holders: holdersAfter(account, [], []),
    place: nextPlace(account, record.deviceId),
    previous,
  })
  const payload = accountPayload(
    account,
    ACCOUNT_KEY_ROTATE,
    keyRotateStruct,
    { key: made.epoch, skSealed: made.skSealed },
    { byHolder: record.deviceId, ts: device.ports.clock.nowMs() },
  )
  const link = await signPayload(linkSigner(device, full, record.deviceId), payload)
  const next = await verifyAccountLink(device.ports.primitives, account, link)
  if (!next.ok) return err({ code: "not-allowed", detail: `Reason: ${next.error.code}.` })
  return appendEpoch(device, { link, next: next.value, made })
}
