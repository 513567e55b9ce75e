import { err, ok, type Result, type Secret, secret } from "@keyferry/base"
import { type DeviceSecret, kOn, unlockFactor, type UnlockFactor } from "@keyferry/crypto"
import type { Failure } from "@keyferry/protocol"

import { type Device, deviceSecret, forget, type LocalKeys, readState, recordRow } from "./device.ts"
import { type AccountRecord, keyBundle, localBundle, MODE_LOCAL, settingsRow } from "./formats.ts"
import { openOffline } from "./grace.ts"
import { noItems, readSealedPages, type SealedPages } from "./item-pages.ts"
import { loadItems } from "./items.ts"
import { isChainOfBundle, setFull } from "./key-bundle.ts"
import { evaluateLease, leaseSigner, reportUnlocked, storeLease } from "./lease.ts"
import { placeOf } from "./lease-token.ts"
import { afterUnlock } from "./open-time.ts"
import { retryable, type Row } from "./ports.ts"
import { localKey, openRow, sealRow } from "./sealing.ts"
import type { RequestSigner } from "./transport.ts"
import { loadVaults } from "./vault.ts"

/** Makes the first vault of this folder: two local keys under password and device secret. No server, no account. */
export const createLocalStore = async (device: Device, password: string): Promise<Result<void, Failure>> => {
  if (device.record !== undefined) return err({ code: "account-exists-here" })
  const weak = passwordProblem(password)
  if (weak !== undefined) return err(weak)
  const { ports } = device
  const d = await deviceSecret(ports, true)
  if (d === undefined) throw new Error("the device secret was not kept")
  const record = {
    version: 1,
    mode: MODE_LOCAL,
    saltOn: ports.random.bytes(32),
    saltOff: ports.random.bytes(32),
  } as const
  const keys = newLocalKeys(device)
  const u = await unlockFactor(ports.primitives, password, record.saltOn)
  await ports.store.write([recordRow(record), await localBundleRow(device, u, d, record.saltOn, keys)])
  device.record = record
  device.local = keys
  device.pages = await noItems(ports)
  afterUnlock(device)
  return ok(undefined)
}

export const newLocalKeys = (device: Device): LocalKeys & { readonly strict: Secret<"StrictKey"> } => ({
  standard: secret<"StandardKey">(device.ports.random.bytes(32)),
  strict: secret<"StrictKey">(device.ports.random.bytes(32)),
})

const localBundleRow = async (
  device: Device,
  u: UnlockFactor,
  d: DeviceSecret,
  salt: Uint8Array,
  keys: LocalKeys & { readonly strict: Secret<"StrictKey"> },
): Promise<Row> => ({
  table: "bundle",
  key: "local",
  value: await sealRow(
    device.ports.primitives,
    device.ports.random,
    await localKey(device.ports.primitives, u, d, salt, "local"),
    "bundle",
    "local",
    localBundle.encode({ standardKey: keys.standard.reveal(), strictKey: keys.strict.reveal() }),
  ),
})

/** Twelve characters, or long enough to be words. The estimate is deliberately simple and said in one sentence. */
export const passwordProblem = (password: string): Failure | undefined =>
  [...password].length < 12 || new Set(password).size < 5 ? { code: "password-too-weak" } : undefined

export interface Unlocked {
  readonly lock: "unlocked" | "standard-only"
  readonly notice?: Failure
  /** Tells the server that its answer opened this device, and keeps the lease that came with it. Nothing that is open waits for it. */
  readonly keepLease?: () => Promise<void>
}

/** Opens the store. With an account it asks the server first and falls back to the grace bundle only when offline. */
export const unlock = async (device: Device, password: string): Promise<Result<Unlocked, Failure>> => {
  const { record } = device
  if (record === undefined) return err({ code: "not-found", detail: "There is no vault on this device yet." })
  if (record.removed !== undefined) return err({ code: "device-removed" })
  const d = await deviceSecret(device.ports, false)
  if (d === undefined) return err({ code: "store-corrupt", detail: "The device secret is missing." })
  const { account } = record
  // Both before the pages, behind which they would wait, and with them the question to the server.
  const signer = account === undefined ? undefined : await leaseSigner(device, account)
  const bundle = account === undefined ? undefined : await device.ports.store.read("bundle", "on")
  // Sealed, and nothing else: they come while the password is stretched and the server is asked.
  const reading = readSealedPages(device.ports)
  // Where it fails, whoever awaits it below is told.
  reading.catch(() => undefined)
  const opened =
    account === undefined || signer === undefined
      ? await openLocal(device, password, d)
      : await openWithAccount(device, password, d, account, signer, bundle)
  if (!opened.ok) return opened
  const loaded = await loadAll(device, await reading)
  if (!loaded.ok) {
    forget(device)
    return loaded
  }
  afterUnlock(device)
  return opened
}

/** Reads settings, vaults and items with the keys that are open now. */
const loadAll = async (device: Device, sealed: SealedPages | undefined): Promise<Result<void, Failure>> => {
  const keys = device.local
  if (keys === undefined) return err({ code: "locked" })
  const settings = await readState(device, keys, "settings")
  if (settings !== undefined) {
    const decoded = settingsRow.decode(settings, 4096)
    if (!decoded.ok) return err({ code: "store-corrupt" })
    device.settings = decoded.value
  }
  const items = await loadItems(device, keys, sealed)
  return items.ok ? loadVaults(device, keys) : items
}

const openLocal = async (device: Device, password: string, d: DeviceSecret): Promise<Result<Unlocked, Failure>> => {
  const { ports, record } = device
  const row = await ports.store.read("bundle", "local")
  if (row === undefined || record === undefined) return err({ code: "store-corrupt" })
  const u = await unlockFactor(ports.primitives, password, record.saltOn)
  const opened = await openRow(
    ports.primitives,
    await localKey(ports.primitives, u, d, record.saltOn, "local"),
    "bundle",
    "local",
    row,
  )
  if (!opened.ok) return err({ code: "wrong-password" })
  const bundle = localBundle.decode(opened.value, 1024)
  if (!bundle.ok) return err({ code: "store-corrupt" })
  device.local = {
    standard: secret<"StandardKey">(bundle.value.standardKey),
    strict: secret<"StrictKey">(bundle.value.strictKey),
  }
  return ok({ lock: "unlocked" })
}

/** Whether this password opens the vault that is here, which is open already and has no account. */
export const checkLocalPassword = async (device: Device, password: string): Promise<Result<unknown, Failure>> => {
  const d = await deviceSecret(device.ports, false)
  return d === undefined
    ? err({ code: "store-corrupt", detail: "The device secret is missing." })
    : openLocal(device, password, d)
}

const openWithAccount = async (
  device: Device,
  password: string,
  d: DeviceSecret,
  account: AccountRecord,
  signer: Result<RequestSigner, Failure>,
  row: Uint8Array | undefined,
): Promise<Result<Unlocked, Failure>> => {
  const record = device.record
  if (record === undefined) return err({ code: "store-corrupt" })
  if (!signer.ok) return signer
  const uOn = await unlockFactor(device.ports.primitives, password, record.saltOn)
  const answer = await evaluateLease(device, signer.value, account, uOn, d, record.saltOn)
  if (answer.ok) {
    if (row === undefined) return err({ code: "store-corrupt" })
    const onKey = await kOn(device.ports.primitives, answer.value.y, uOn, d, record.saltOn, placeOf(account))
    const opened = await openRow(device.ports.primitives, onKey, "bundle", "on", row)
    if (!opened.ok) return err({ code: "wrong-password", detail: "Ten in a row lock this device." })
    const bundle = keyBundle.decode(opened.value, 4 * 1024 * 1024)
    if (!bundle.ok) return err({ code: "store-corrupt" })
    if (!isChainOfBundle(device, bundle.value))
      return err({ code: "store-corrupt", detail: "The account's history on this device is older than its keys." })
    setFull(device, bundle.value, onKey)
    device.grace?.key.wipe()
    device.grace = undefined
    const { attempt, token, tokenBytes } = answer.value
    return ok({
      lock: "unlocked",
      keepLease: async () => {
        // A server that does not answer holds up nobody who has something to do.
        await device.turns.answerOrGiveWay(() => reportUnlocked(device, account, attempt))
        await storeLease(device, token, tokenBytes)
      },
    })
  }
  // A password that is typed once more, while all is open, closes nothing.
  if (!retryable(answer.error) || device.full !== undefined) return answer
  const offline = await openOffline(device, password, d, account, record.saltOff)
  return offline.ok ? ok({ lock: "standard-only", notice: answer.error }) : offline
}
