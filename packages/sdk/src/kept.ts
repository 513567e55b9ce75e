import { bytesToHex, compareBytes, equalBytes, ok, type Result } from "@keyferry/base"
import {
  decodeLink,
  epochRotateStruct,
  itemsStruct,
  OP_PUT,
  openLink,
  parseBody,
  VAULT_EPOCH_ROTATE,
  VAULT_GENESIS,
  VAULT_ITEMS,
  vaultGenesisStruct,
} from "@keyferry/chain"
import { ctHash, decodeRecord, decodeWrapEntry } from "@keyferry/crypto"
import { accountKeysReplyStruct, type Failure, type VaultPush } from "@keyferry/protocol"

import { deviceCalls } from "./device-calls.ts"
import type { ServedKeys } from "./account-keys.ts"
import { type Device, type LocalKeys, readState, stateRow } from "./device.ts"
import { type KeptLink, keptAccountKeys, keptLink } from "./formats.ts"
import type { Row } from "./ports.ts"
import { openRow, sealRow } from "./sealing.ts"

/*
 * What a device keeps for a server that was restored to an older copy: the signed links of each vault with what they speak of,
 * for thirty days and in any case the newest; and the wraps of the account's key, whole. Source: spec/feed.md SY94
 */
/** What is kept for a while, here and at the server, is kept this long. */
export const KEPT_MS = 30 * 24 * 3_600_000
const TABLE = "kept"
const ACCOUNT_KEYS = "account-keys"

/** Links of one vault and everything that came with them, of a push or of a pull. */
export interface LinksToKeep {
  readonly vaultId: Uint8Array
  readonly links: readonly Uint8Array[]
  readonly records: readonly Uint8Array[]
  /** Entries of the epochs that these links start. */
  readonly wraps?: readonly Uint8Array[]
  /** By epoch, or of the one epoch that these links start. */
  readonly prevSealed?: ReadonlyMap<number, Uint8Array> | Uint8Array
}

/** A push starts one epoch at most. */
export const keptOfPush = ({ prevSealed, wraps, ...push }: VaultPush): LinksToKeep => ({
  ...push,
  ...(wraps === undefined ? {} : { wraps }),
  ...(prevSealed === undefined ? {} : { prevSealed }),
})

export interface Kept extends KeptLink {
  readonly seq: number
  readonly hash: Uint8Array
  /** What it puts, [item id, revision]; without a record among `records` where this device has none. */
  readonly puts: readonly (readonly [itemId: Uint8Array, rev: number, hash: Uint8Array])[]
  readonly ops: number
  readonly startsEpoch: boolean
}

/** The time is in the name, so that what is old is found without opening it. */
const keyOf = (vaultId: Uint8Array, seq: number, atMs: number): string =>
  `${bytesToHex(vaultId)}:${String(seq).padStart(12, "0")}:${atMs}`

/** Rows for verified links; what belongs to a link is found by the hashes that the link itself names. */
export const keptRows = async (device: Device, keys: LocalKeys, given: LinksToKeep): Promise<readonly Row[]> => {
  const { primitives: p, random, clock } = device.ports
  const records = new Map<string, Uint8Array>()
  for (const bytes of given.records) {
    const record = decodeRecord(bytes)
    if (record.ok) records.set(bytesToHex(ctHash(p, record.value)), bytes)
  }
  const rows: Row[] = []
  for (const bytes of given.links) {
    const link = decodeLink(bytes)
    const open = link.ok ? openLink(p, link.value) : link
    if (!open.ok) continue
    const { seq, type, body } = open.value.payload
    const value: KeptLink = { link: bytes, records: [] }
    const items = type === VAULT_ITEMS ? parseBody(itemsStruct, body) : undefined
    const epoch = epochOf(type, body)
    const kept: KeptLink =
      items?.ok === true
        ? { ...value, records: items.value.ops.flatMap(([, , , , hash]) => records.get(bytesToHex(hash)) ?? []) }
        : epoch === undefined
          ? value
          : { ...value, ...keysOfEpoch(epoch, given) }
    const key = keyOf(given.vaultId, seq, clock.nowMs())
    rows.push({
      table: TABLE,
      key,
      value: await sealRow(p, random, keys.standard, TABLE, key, keptLink.encode(kept)),
    })
  }
  return rows
}

const epochOf = (type: number, body: Parameters<typeof parseBody>[1]) => {
  const parsed =
    type === VAULT_GENESIS
      ? parseBody(vaultGenesisStruct, body)
      : type === VAULT_EPOCH_ROTATE
        ? parseBody(epochRotateStruct, body)
        : undefined
  return parsed?.ok === true ? parsed.value.epoch : undefined
}

const keysOfEpoch = (
  epoch: NonNullable<ReturnType<typeof epochOf>>,
  { wraps = [], prevSealed }: LinksToKeep,
): Pick<KeptLink, "wraps" | "prevSealed"> => {
  const own = wraps.filter((bytes) => {
    const entry = decodeWrapEntry(bytes)
    return (
      entry.ok &&
      epoch.recipients.some(
        ([id, , kemPkHash]) => equalBytes(id, entry.value.recipient) && equalBytes(kemPkHash, entry.value.kemPkHash),
      )
    )
  })
  const older = prevSealed instanceof Uint8Array ? prevSealed : prevSealed?.get(epoch.epoch)
  return {
    ...(own.length === 0 ? {} : { wraps: own }),
    ...(older === undefined ? {} : { prevSealed: older }),
  }
}

/** Everything kept of one vault, in the order of its chain. */
export const keptLinks = async (device: Device, keys: LocalKeys, vaultId: Uint8Array): Promise<readonly Kept[]> => {
  const { primitives: p, store } = device.ports
  const prefix = `${bytesToHex(vaultId)}:`
  const out: Kept[] = []
  for (const { key, value } of await store.list(TABLE)) {
    if (!key.startsWith(prefix)) continue
    const opened = await openRow(p, keys.standard, TABLE, key, value)
    const kept = opened.ok ? keptLink.decode(opened.value, 80 * 1024 * 1024) : opened
    const link = kept.ok ? decodeLink(kept.value.link) : kept
    const open = link.ok ? openLink(p, link.value) : link
    if (!kept.ok || !open.ok) continue
    const { seq, type, body } = open.value.payload
    const items = type === VAULT_ITEMS ? parseBody(itemsStruct, body) : undefined
    const ops = items?.ok === true ? items.value.ops : []
    out.push({
      ...kept.value,
      seq,
      hash: open.value.hash,
      puts: ops.flatMap(([op, itemId, rev, , hash]) => (op === OP_PUT ? [[itemId, rev, hash] as const] : [])),
      ops: ops.length,
      startsEpoch: epochOf(type, body) !== undefined,
    })
  }
  // Kept twice, after a first read that was made again: the later one counts.
  return [...new Map(out.map((one) => [one.seq, one])).values()].toSorted((a, b) => a.seq - b.seq)
}

/** Rows that take out what was kept of a vault. */
export const forgetKept = async (device: Device, vaultId: Uint8Array): Promise<readonly Row[]> =>
  (await device.ports.store.list(TABLE))
    .filter(({ key }) => key.startsWith(`${bytesToHex(vaultId)}:`))
    .map(({ key }) => ({ table: TABLE, key }))

const LOOK_AGAIN_MS = 24 * 3_600_000
const lastLook = new WeakMap<Device, number>()

/** Once a day: rows that take out links older than thirty days; the newest of each vault stays, however old. */
export const staleKept = async (device: Device): Promise<readonly Row[]> => {
  const nowMs = device.ports.clock.nowMs()
  if (nowMs - (lastLook.get(device) ?? -LOOK_AGAIN_MS) < LOOK_AGAIN_MS) return []
  lastLook.set(device, nowMs)
  const keys = (await device.ports.store.list(TABLE)).map(({ key }) => key).toSorted()
  return keys
    .filter((key, i) => {
      const [vault = "", , atMs] = key.split(":")
      return keys[i + 1]?.startsWith(vault) === true && Number(atMs) < nowMs - KEPT_MS
    })
    .map((key) => ({ table: TABLE, key }))
}

/** The same rows under new local keys. */
export const keptUnderNewKeys = async (
  device: Device,
  before: LocalKeys,
  fresh: LocalKeys,
): Promise<readonly Row[]> => {
  const { primitives: p, random, store } = device.ports
  const rows: Row[] = []
  for (const { key, value } of await store.list(TABLE)) {
    const opened = await openRow(p, before.standard, TABLE, key, value)
    if (!opened.ok) continue
    rows.push({ table: TABLE, key, value: await sealRow(p, random, fresh.standard, TABLE, key, opened.value) })
  }
  return rows
}

/** The account's wraps and sealed older keys, as they were when the account last changed. */
export const readKeptKeys = async (device: Device, keys: LocalKeys): Promise<ServedKeys> => {
  const bytes = await readState(device, keys, ACCOUNT_KEYS)
  const row = bytes === undefined ? undefined : keptAccountKeys.decode(bytes, 80 * 1024 * 1024)
  return row?.ok === true ? row.value : { wraps: [], prevSealed: [] }
}

/** Asks for the account's wraps once after each change of the account, and adds what is new to what is kept. */
export const keepAccountKeys = async (device: Device): Promise<Result<void, Failure>> => {
  const { local, account } = device
  if (local === undefined || account === undefined) return ok(undefined)
  const stored = await readState(device, local, ACCOUNT_KEYS)
  const known = stored === undefined ? undefined : keptAccountKeys.decode(stored, 80 * 1024 * 1024)
  if (known?.ok === true && known.value.seq === account.head.seq) return ok(undefined)
  const served = await servedAccountKeys(device)
  if (!served.ok) return served
  const before: ServedKeys = known?.ok === true ? known.value : { wraps: [], prevSealed: [] }
  const row = keptAccountKeys.encode({
    seq: account.head.seq,
    wraps: union(before.wraps, served.value.wraps),
    prevSealed: union(before.prevSealed, served.value.prevSealed),
  })
  await device.ports.store.write([await stateRow(device, local, ACCOUNT_KEYS, row)])
  return ok(undefined)
}

type Pairs = readonly (readonly [number, Uint8Array])[]
const union = (known: Pairs, served: Pairs): Pairs => {
  const byBytes = new Map([...known, ...served].map((pair) => [`${pair[0]} ${bytesToHex(pair[1])}`, pair]))
  return [...byBytes.values()].toSorted(([a, x], [b, y]) => a - b || compareBytes(x, y))
}

/** Errors: what the server says, malformed */
export const servedAccountKeys = async (device: Device): Promise<Result<ServedKeys, Failure>> => {
  const calls = await deviceCalls(device)
  if (!calls.ok) return calls
  const reply = await calls.value.transport.cbor("account.keys", undefined, calls.value.as)
  if (!reply.ok) return reply
  const keys = accountKeysReplyStruct.decode(reply.value, 80 * 1024 * 1024)
  return keys.ok ? keys : { ok: false, error: { code: "malformed" } }
}
