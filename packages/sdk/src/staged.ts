import {
  bytesOf,
  bytesUpTo,
  err,
  listOf,
  ok,
  optional,
  type Result,
  secret,
  struct,
  textUpTo,
  type TypeOf,
} from "@keyferry/base"
import { HOLDER_RECOVERY, newestSlot, verifyAccountChain } from "@keyferry/chain"
import { encodeRescue, kOff, kOn, sealRescue, unlockFactor } from "@keyferry/crypto"
import type { Failure } from "@keyferry/protocol"

import {
  authSeedRow,
  chainRows,
  decodeLinks,
  type Device,
  deviceSecret,
  type FullKeys,
  type LocalKeys,
  readState,
  recordRow,
  stateRow,
} from "./device.ts"
import { type AccountRecord, accountRecord, type DeviceRecord, keyBundle, MODE_ACCOUNT } from "./formats.ts"
import type { AuthKey } from "./device-keys.ts"
import type { Row } from "./ports.ts"
import { rowsUnderNewKeys } from "./rekey-store.ts"
import { bundleRow, setFull } from "./key-bundle.ts"
import { evaluateLease, leaseSigner } from "./lease.ts"
import { newLocalKeys } from "./unlock.ts"

/*
 * A device that joins an account is prepared whole before its first link is sent: keys, lease answer, sealed. The
 * preparation rests in the old store, sealed like any item, so that a stop between sending and settling goes on at
 * the next unlock. Settling makes new local keys, seals every row again into a new file and unlinks the old one.
 */
const stagedStruct = struct({
  account: [1, accountRecord],
  keys: [2, bytesUpTo(8 * 1024 * 1024)],
  links: [3, listOf(bytesUpTo(256 * 1024), 65_536)],
  saltOn: [4, bytesOf(32)],
  saltOff: [5, bytesOf(32)],
  onKey: [6, bytesOf(32)],
  authSeed: [7, bytesOf(32)],
  /** The request that makes it true, to be sent again after a stop. */
  route: [8, textUpTo(32)],
  body: [9, bytesUpTo(1024 * 1024)],
  session: [10, optional(textUpTo(64))],
})
export type Staged = TypeOf<typeof stagedStruct>

export interface LeaseStart {
  readonly saltOn: Uint8Array
  readonly saltOff: Uint8Array
  readonly onKey: Uint8Array
  readonly offlineKey?: Uint8Array
  readonly attempt: number
  readonly tokenBytes: Uint8Array
}

/** First evaluation of a device whose lease key is only reserved: gives the key that will seal its bundle. */
export const startLease = async (
  device: Device,
  account: Pick<AccountRecord, "server" | "accountId" | "deviceId" | "leaseId" | "leasePk">,
  password: string,
  authSeed: AuthKey,
): Promise<Result<LeaseStart, Failure>> => {
  const { primitives: p, random, store } = device.ports
  const d = await deviceSecret(device.ports, true)
  if (d === undefined) throw new Error("the device secret was not kept")
  const saltOn = random.bytes(32)
  const saltOff = random.bytes(32)
  const uOn = await unlockFactor(p, password, saltOn)
  await store.write([await authSeedRow(device.ports, d, authSeed)])
  device.auth = undefined
  const signer = await leaseSigner(device, account)
  if (!signer.ok) return signer
  const answer = await evaluateLease(device, signer.value, account, uOn, d, saltOn)
  if (!answer.ok) return answer
  const place = { uid: account.accountId, deviceId: account.deviceId, leaseId: account.leaseId }
  const onKey = (await kOn(p, answer.value.y, uOn, d, saltOn, place)).reveal()
  const base = { saltOn, saltOff, onKey, attempt: answer.value.attempt, tokenBytes: answer.value.tokenBytes }
  if (answer.value.token.graceS === 0) return ok(base)
  const offlineKey = (await kOff(p, await unlockFactor(p, password, saltOff), d, saltOff, place)).reveal()
  return ok({ ...base, offlineKey })
}

export interface JoiningKeys {
  readonly sigSeed: Uint8Array
  readonly kemSeed: Uint8Array
  readonly accountSeeds: readonly (readonly [number, Uint8Array])[]
}

/** Keeps the preparation durably. The device must be unlocked. */
export const stage = async (
  device: Device,
  input: {
    readonly account: AccountRecord
    readonly keys: JoiningKeys
    readonly links: readonly Uint8Array[]
    readonly lease: LeaseStart
    readonly authSeed: AuthKey
    readonly route: string
    readonly body: Uint8Array
    readonly session?: string
  },
): Promise<Result<Staged, Failure>> => {
  const { local } = device
  if (local === undefined) return err({ code: "locked" })
  const zero = new Uint8Array(32)
  const staged: Staged = {
    account: input.account,
    keys: keyBundle.encode({
      ...input.keys,
      vaultKeys: [],
      standardKey: zero,
      strictKey: zero,
      ...(input.lease.offlineKey === undefined ? {} : { offlineKey: input.lease.offlineKey }),
      accountHead: [0, zero],
    }),
    links: input.links,
    saltOn: input.lease.saltOn,
    saltOff: input.lease.saltOff,
    onKey: input.lease.onKey,
    authSeed: input.authSeed.reveal(),
    route: input.route,
    body: input.body,
    ...(input.session === undefined ? {} : { session: input.session }),
  }
  await device.ports.store.write([await stateRow(device, local, "staged", stagedStruct.encode(staged))])
  return ok(staged)
}

export const readStaged = async (device: Device, keys: LocalKeys): Promise<Staged | undefined> => {
  const bytes = await readState(device, keys, "staged")
  const staged = bytes === undefined ? undefined : stagedStruct.decode(bytes, 32 * 1024 * 1024)
  return staged?.ok === true ? staged.value : undefined
}

export const dropStaged = (device: Device): Promise<void> =>
  device.ports.store.write([{ table: "state", key: "staged" }])

/** The account knows this device: everything here moves under the lease, into a new file. */
export const settle = async (device: Device, staged: Staged): Promise<Result<void, Failure>> => {
  const bundle = keyBundle.decode(staged.keys, 8 * 1024 * 1024)
  const links = decodeLinks(staged.links)
  const state = links === undefined ? undefined : await verifyAccountChain(device.ports.primitives, links)
  const d = await deviceSecret(device.ports, false)
  if (!bundle.ok || state?.ok !== true || d === undefined) return err({ code: "store-corrupt" })
  const fresh = newLocalKeys(device)
  const rows = await rowsUnderNewKeys(device, fresh)
  if (!rows.ok) return rows
  const record: DeviceRecord = {
    version: 1,
    mode: MODE_ACCOUNT,
    saltOn: staged.saltOn,
    saltOff: staged.saltOff,
    account: staged.account,
  }
  const old = device.local
  setFull(
    device,
    { ...bundle.value, standardKey: fresh.standard.reveal(), strictKey: fresh.strict.reveal() },
    secret<"OnlineKey">(staged.onKey),
  )
  device.auth = undefined
  device.record = record
  device.account = state.value
  device.links = staged.links
  const { full, local } = device
  if (full === undefined || local === undefined) throw new Error("keys were not set")
  await device.ports.store.replace([
    ...rows.value,
    recordRow(record),
    await authSeedRow(device.ports, d, secret<"AuthKey">(staged.authSeed)),
    ...(await chainRows(device, staged.links)),
    await bundleRow(device, full, local),
    ...(await rescueRows(device, full, local)),
  ])
  old?.standard.wipe()
  old?.strict?.wipe()
  device.changed()
  return ok(undefined)
}

/** The local keys wrapped to the current recovery slot: opens this store with the kit and no server. */
export const rescueRows = async (device: Device, _full: FullKeys, local: LocalKeys): Promise<readonly Row[]> => {
  const { account, record } = device
  const slot = account === undefined ? undefined : newestSlot(account, HOLDER_RECOVERY)
  if (record?.account === undefined || account === undefined || slot === undefined || local.strict === undefined)
    return []
  const keys = new Uint8Array(64)
  keys.set(local.standard.reveal(), 0)
  keys.set(local.strict.reveal(), 32)
  const place = { uid: account.id, deviceId: record.account.deviceId, slotId: slot.holder.id }
  const box = await sealRescue(
    device.ports.primitives,
    device.ports.random,
    place,
    slot.holder.kemPk,
    secret<"LocalKeys">(keys),
  )
  return [{ table: "clear", key: "rescue", value: encodeRescue(box) }]
}
