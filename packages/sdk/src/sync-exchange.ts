import { compareBytes, err, ok, type Result } from "@keyferry/base"
import type { AccountState } from "@keyferry/chain"
import { type Failure, type SyncReply, syncReplyStruct, syncRequestStruct, type VaultPush } from "@keyferry/protocol"

import { type Device, deviceSigner, type FullKeys, type LocalKeys, transportOf } from "./device.ts"
import type { AccountRecord } from "./formats.ts"

/*
 * The one request that pushes and pulls, and what a device needs to make it.
 */
export const ANSWER_BYTES = 4 * 1024 * 1024
const ZERO32 = new Uint8Array(32)

/** What an exchange needs; `undefined` where this device may not sync now. */
export interface SyncScope {
  readonly account: AccountState
  readonly record: AccountRecord
  readonly full: FullKeys
  readonly keys: LocalKeys
}

export const syncScope = (device: Device): Result<SyncScope, Failure> => {
  const { account, full, local, record } = device
  if (local === undefined) return err({ code: "locked" })
  if (record?.account === undefined || account === undefined) return err({ code: "sync-not-enabled-here" })
  if (full === undefined || local.strict === undefined)
    return err({ code: "network-unreachable", detail: "Opened offline; unlock again while the server answers." })
  return ok({ account, record: record.account, full, keys: local })
}

/** How this device signs its requests. */
export const credentials = async (device: Device, record: AccountRecord) => {
  const signer = await deviceSigner(device, record.deviceId)
  return signer === undefined ? undefined : { signer }
}

export const cursorsOf = (
  device: Device,
): { account: readonly [number, Uint8Array]; cursors: readonly (readonly [Uint8Array, number, Uint8Array])[] } => ({
  account: [device.account?.head.seq ?? 0, device.account?.head.hash ?? ZERO32],
  cursors: [...device.vaults.values()]
    .map((v) => [v.state.id, v.state.head.seq, v.state.head.hash] as const)
    .sort(([a], [b]) => compareBytes(a, b)),
})

/** Pushes and pulls in one request. Errors: what the server says, network-unreachable */
export const exchange = async (
  device: Device,
  scope: SyncScope,
  pushes: readonly VaultPush[],
): Promise<Result<SyncReply, Failure>> => {
  const as = await credentials(device, scope.record)
  if (as === undefined) return err({ code: "store-corrupt" })
  const body = syncRequestStruct.encode({ ...cursorsOf(device), pushes, maxBytes: ANSWER_BYTES })
  const transport = transportOf(device, scope.record.server.origin)
  const reply = await device.turns.answerOrGiveWay(() => transport.cbor("sync", body, as))
  if (reply === undefined) return err({ code: "network-unreachable" })
  if (!reply.ok) return reply
  const decoded = syncReplyStruct.decode(reply.value, 80 * 1024 * 1024)
  return decoded.ok ? decoded : err({ code: "malformed" })
}
