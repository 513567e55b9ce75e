import { bytesToHex, type Result, type Secret, err, ok, secret } from "@keyferry/base"
import { type AccountState, decodeLink, type Link, verifyAccountChain } from "@keyferry/chain"
import { type AccountSeed, type DeviceSecret, type SigSeed, type VaultKey } from "@keyferry/crypto"
import type { Instant } from "@keyferry/engine"
import type { Failure } from "@keyferry/protocol"

import { chainRow, type DeviceRecord, deviceRecord, type Settings, settingsRow } from "./formats.ts"
import type { AuthKey, SignAuth } from "./device-keys.ts"
import { createPagedStore, type ItemPages } from "./item-pages.ts"
import { ItemTable } from "./item-table.ts"
import { keysOf, type Row, type SdkPorts } from "./ports.ts"
import { lockedKey, macOf, openRow, sealRow } from "./sealing.ts"
import { createTurns, type Turns } from "./turns.ts"
import { createTransport, type RequestSigner, type ServerClock, type Transport } from "./transport.ts"
import type { Vault } from "./vault.ts"
import { keyIdOf } from "./wire.ts"

/** The keys of the two local classes. Without `strict` the device was opened offline: strict items stay closed. */
export interface LocalKeys {
  readonly standard: Secret<"StandardKey">
  readonly strict?: Secret<"StrictKey">
}

/** Everything that only the server's lease answer opens. */
export interface FullKeys {
  readonly sigSeed: SigSeed
  readonly kemSeed: Secret<"KemSeed">
  readonly accountSeeds: ReadonlyMap<number, AccountSeed>
  /** By vault id in hex, then epoch. */
  readonly vaultKeys: ReadonlyMap<string, ReadonlyMap<number, VaultKey>>
  readonly onKey: Secret<"OnlineKey">
  readonly offlineKey?: Secret<"OfflineKey">
}

/** What is in memory of one device. One writer: every change goes through `serial`. */
export interface Retrieve {
  readonly done: number
  readonly total: number
  readonly paused: boolean
}

export interface Device {
  readonly ports: SdkPorts
  record: DeviceRecord | undefined
  local: LocalKeys | undefined
  /** What signs this device's requests, since it was needed first; never while locked. */
  auth: { readonly keyId: string; readonly sign: SignAuth } | undefined
  full: FullKeys | undefined
  account: AccountState | undefined
  /** Account links as served, oldest first. */
  links: readonly Uint8Array[]
  items: ItemTable
  /** Rows whose class is closed now. */
  closedItems: number
  /** The pages that the items lie in; "rows" where each still has a row of its own; `undefined` while locked. */
  pages: ItemPages | "rows" | undefined
  vaults: Map<string, Vault>
  settings: Settings
  /** When the password was typed last, by both clocks: for actions that want it fresh, and for the end of this unlock. */
  openedAt: Instant | undefined
  /** When the clocks lock this device, for people to read. */
  unlockedUntilMs: number
  /** Set while only a grace holds it open: the key of the grace bundle, to note the time in it, and its end. */
  grace: { readonly key: Secret<"OfflineKey">; readonly untilMs: number } | undefined
  /** Vaults, by id in hex, whose rotation is overdue: they take no new strict items. */
  overdue: readonly string[]
  /** A first read of a vault that is under way, or was stopped by the person; `done` records of it are here. */
  retrieve: Retrieve | undefined
  /** The person wants the first read to stop after the page that is under way. */
  pauseWanted: boolean
  readonly serverClock: ServerClock
  readonly serial: Turns["serial"]
  readonly turns: Turns
  readonly changed: () => void
}

export const DEFAULT_SETTINGS: Settings = { syncOn: false, autoNew: false, credentials: true, lastSyncMs: 0, commit: 0 }

export const createDevice = async (host: SdkPorts, changed: () => void): Promise<Result<Device, Failure>> => {
  const ports: SdkPorts = { ...host, store: createPagedStore(host, () => device) }
  const turns = createTurns(ports.schedule)
  const device: Device = {
    ports,
    record: undefined,
    local: undefined,
    auth: undefined,
    full: undefined,
    account: undefined,
    links: [],
    items: new ItemTable(),
    closedItems: 0,
    pages: undefined,
    vaults: new Map(),
    settings: DEFAULT_SETTINGS,
    openedAt: undefined,
    unlockedUntilMs: 0,
    grace: undefined,
    overdue: [],
    retrieve: undefined,
    pauseWanted: false,
    serverClock: { aheadMs: 0 },
    serial: turns.serial,
    turns,
    changed,
  }
  const bytes = await ports.store.read("clear", "device")
  if (bytes !== undefined) {
    const record = deviceRecord.decode(bytes, 64 * 1024)
    if (!record.ok) return err({ code: "store-corrupt" })
    device.record = record.value
    const loaded = await loadAccountChain(device)
    if (!loaded.ok) return loaded
  }
  return ok(device)
}

export const recordRow = (record: DeviceRecord): Row => ({
  table: "clear",
  key: "device",
  value: deviceRecord.encode(record),
})

/** The 32-byte secret outside the store; made once, with the first vault of this folder. */
export const deviceSecret = async (ports: SdkPorts, make: boolean): Promise<DeviceSecret | undefined> => {
  const stored = await ports.secrets.load()
  if (stored !== undefined) return secret<"DeviceSecret">(stored)
  if (!make) return undefined
  const fresh = ports.random.bytes(32)
  await ports.secrets.save(fresh)
  return secret<"DeviceSecret">(fresh)
}

/** The request-signing key, usable while locked. */
export const authSeedRow = async (ports: SdkPorts, d: DeviceSecret, key: AuthKey): Promise<Row> => ({
  table: "clear",
  key: "auth",
  value: await sealRow(
    ports.primitives,
    ports.random,
    await lockedKey(ports.primitives, d, "auth"),
    "clear",
    "auth",
    key.reveal(),
  ),
})

export const loadAuthSeed = async (ports: SdkPorts): Promise<AuthKey | undefined> => {
  const d = await deviceSecret(ports, false)
  const row = await ports.store.read("clear", "auth")
  if (d === undefined || row === undefined) return undefined
  const opened = await openRow(ports.primitives, await lockedKey(ports.primitives, d, "auth"), "clear", "auth", row)
  return opened.ok ? secret<"AuthKey">(opened.value) : undefined
}

/**
 * Signs requests of this device. Its key is found once while the device is open: reading and opening it, in a browser with six
 * turns of its databases, is a good part of what a small request costs. `undefined`: it is not there.
 */
export const deviceSigner = async (
  device: Device,
  deviceId: Uint8Array,
  tag: RequestSigner["tag"] = "kf1-dev",
): Promise<RequestSigner | undefined> => {
  const keyId = keyIdOf(deviceId)
  if (device.auth?.keyId === keyId) return { keyId, tag, sign: device.auth.sign }
  const key = await loadAuthSeed(device.ports)
  if (key === undefined) return undefined
  const sign = await keysOf(device.ports).authSigner(key)
  if (device.local !== undefined) device.auth = { keyId, sign }
  return { keyId, tag, sign }
}

export const requestSigner = (
  ports: SdkPorts,
  keyId: string,
  tag: RequestSigner["tag"],
  key: AuthKey,
): RequestSigner => ({ keyId, tag, sign: async (message) => (await keysOf(ports).authSigner(key))(message) })

/** Account links beside the store in clear, authenticated by the device secret. */
export const chainRows = async (device: Device, links: readonly Uint8Array[]): Promise<readonly Row[]> => {
  const d = await deviceSecret(device.ports, false)
  if (d === undefined) return []
  const mac = await macOf(device.ports.primitives, await lockedKey(device.ports.primitives, d, "chain-mac"), links)
  return [{ table: "clear", key: "chain", value: chainRow.encode({ links: [...links], mac }) }]
}

const loadAccountChain = async (device: Device): Promise<Result<void, Failure>> => {
  const bytes = await device.ports.store.read("clear", "chain")
  if (bytes === undefined) return ok(undefined)
  const row = chainRow.decode(bytes, 64 * 1024 * 1024)
  const d = await deviceSecret(device.ports, false)
  if (!row.ok || d === undefined)
    return err({ code: "store-corrupt", detail: "The account's history on this device cannot be read." })
  const mac = await macOf(
    device.ports.primitives,
    await lockedKey(device.ports.primitives, d, "chain-mac"),
    row.value.links,
  )
  if (bytesToHex(mac) !== bytesToHex(row.value.mac))
    return err({ code: "store-corrupt", detail: "The account's history on this device was changed." })
  const links = decodeLinks(row.value.links)
  if (links === undefined) return err({ code: "store-corrupt" })
  const verified = await verifyAccountChain(device.ports.primitives, links)
  if (!verified.ok) return err({ code: "store-corrupt" })
  device.account = verified.value
  device.links = row.value.links
  return ok(undefined)
}

export const decodeLinks = (bytes: readonly Uint8Array[]): readonly Link[] | undefined => {
  const links: Link[] = []
  for (const b of bytes) {
    const link = decodeLink(b)
    if (!link.ok) return undefined
    links.push(link.value)
  }
  return links
}

export const transportOf = (device: Device, origin: string): Transport =>
  createTransport(device.ports, origin, device.serverClock)

/** Sealed rows of table `state`, under the standard local key. */
export const stateRow = async (device: Device, keys: LocalKeys, key: string, plaintext: Uint8Array): Promise<Row> => ({
  table: "state",
  key,
  value: await sealRow(device.ports.primitives, device.ports.random, keys.standard, "state", key, plaintext),
})

export const readState = async (device: Device, keys: LocalKeys, key: string): Promise<Uint8Array | undefined> => {
  const bytes = await device.ports.store.read("state", key)
  if (bytes === undefined) return undefined
  const opened = await openRow(device.ports.primitives, keys.standard, "state", key, bytes)
  return opened.ok ? opened.value : undefined
}

export const settingsStateRow = (device: Device, keys: LocalKeys, settings: Settings): Promise<Row> =>
  stateRow(device, keys, "settings", settingsRow.encode(settings))

/** Saves changed settings durably. Only while unlocked. */
export const saveSettings = async (device: Device, change: Partial<Settings>): Promise<void> => {
  if (device.local === undefined) return
  const next: Settings = { ...device.settings, ...change }
  await device.ports.store.write([await settingsStateRow(device, device.local, next)])
  device.settings = next
  device.changed()
}

/** Forgets every key and plaintext in memory. */
export const forget = (device: Device): void => {
  device.local?.standard.wipe()
  device.local?.strict?.wipe()
  const full = device.full
  if (full !== undefined) {
    full.sigSeed.wipe()
    full.kemSeed.wipe()
    full.onKey.wipe()
    full.offlineKey?.wipe()
    for (const seed of full.accountSeeds.values()) seed.wipe()
    for (const epochs of full.vaultKeys.values()) for (const key of epochs.values()) key.wipe()
  }
  device.local = undefined
  device.auth = undefined
  device.full = undefined
  device.items = new ItemTable()
  device.vaults = new Map()
  device.closedItems = 0
  device.pages = undefined
  device.settings = DEFAULT_SETTINGS
  device.unlockedUntilMs = 0
  device.openedAt = undefined
  device.grace?.key.wipe()
  device.grace = undefined
  device.overdue = []
  device.retrieve = undefined
  device.pauseWanted = false
  device.changed()
}
