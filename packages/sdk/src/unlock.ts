import { err, formatId, ok, type Result, type Secret, secret } from "@keyferry/base"
import { DEFAULT_POLICY } from "@keyferry/chain"
import {
  blind,
  type DeviceSecret,
  finalize,
  kOff,
  kOn,
  leaseInput,
  type LeaseOutput,
  signLabel,
  signUnlockOk,
  unlockFactor,
  type UnlockFactor,
  verifyLabel,
} from "@keyferry/crypto"
import { decideOfflineUnlock, type LeaseTerms, limitTerms, noteTime, startGrace } from "@keyferry/engine"
import { leaseTokenStruct, type Failure, type LeaseToken, signedLeaseTokenStruct } from "@keyferry/protocol"

import { b64, fromB64, keyIdOf } from "./wire.ts"
import {
  type Device,
  deviceSecret,
  forget,
  loadAuthSeed,
  type LocalKeys,
  readState,
  recordRow,
  requestSigner,
  transportOf,
} from "./device.ts"
import {
  type AccountRecord,
  type GraceBundle,
  graceBundle,
  keyBundle,
  localBundle,
  MODE_LOCAL,
  settingsRow,
} from "./formats.ts"
import { noItems, readSealedPages, type SealedPages } from "./item-pages.ts"
import { loadItems } from "./items.ts"
import { isChainOfBundle, setFull } from "./key-bundle.ts"
import { afterUnlock } from "./open-time.ts"
import { retryable, type Row } from "./ports.ts"
import { localKey, openRow, sealRow } from "./sealing.ts"
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
}

/** Opens the store. With an account it asks the server first and falls back to the grace bundle only when offline. */
export const unlock = async (device: Device, password: string): Promise<Result<Unlocked, Failure>> => {
  const { record } = device
  if (record === undefined) return err({ code: "not-found", detail: "There is no vault on this device yet." })
  if (record.removed !== undefined) return err({ code: "device-removed" })
  const d = await deviceSecret(device.ports, false)
  if (d === undefined) return err({ code: "store-corrupt", detail: "The device secret is missing." })
  // Sealed, and nothing else: they come while the password is stretched and the server is asked.
  const reading = readSealedPages(device.ports)
  // Where it fails, whoever awaits it below is told.
  reading.catch(() => undefined)
  const opened =
    record.account === undefined
      ? await openLocal(device, password, d)
      : await openWithAccount(device, password, d, record.account)
  if (!opened.ok) return opened
  const sealed = await reading
  // A store that becomes one of pages is copied whole: nothing else is written then.
  if (sealed === undefined) await opened.value.keepLease()
  const [loaded] = await Promise.all([
    loadAll(device, sealed),
    sealed === undefined ? undefined : opened.value.keepLease(),
  ])
  if (!loaded.ok) {
    forget(device)
    return loaded
  }
  afterUnlock(device)
  const { keepLease: _, ...unlocked } = opened.value
  return ok(unlocked)
}

interface Opened extends Unlocked {
  /** Tells the server that its answer opened this device, and keeps the lease that came with it. */
  readonly keepLease: () => Promise<void>
}
const NO_LEASE = { keepLease: () => Promise.resolve() } as const

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

const openLocal = async (device: Device, password: string, d: DeviceSecret): Promise<Result<Opened, Failure>> => {
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
  return ok({ lock: "unlocked", ...NO_LEASE })
}

const openWithAccount = async (
  device: Device,
  password: string,
  d: DeviceSecret,
  account: AccountRecord,
): Promise<Result<Opened, Failure>> => {
  const record = device.record
  if (record === undefined) return err({ code: "store-corrupt" })
  const uOn = await unlockFactor(device.ports.primitives, password, record.saltOn)
  const answer = await evaluateLease(device, account, uOn, d, record.saltOn)
  if (answer.ok) {
    const row = await device.ports.store.read("bundle", "on")
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
        await reportUnlocked(device, account, attempt)
        await storeLease(device, token, tokenBytes)
      },
    })
  }
  if (!retryable(answer.error)) return answer
  const offline = await openOffline(device, password, d, account, record.saltOff)
  return offline.ok ? ok({ lock: "standard-only", notice: answer.error, ...NO_LEASE }) : offline
}

export const placeOf = (account: AccountRecord): { uid: Uint8Array; deviceId: Uint8Array; leaseId: Uint8Array } => ({
  uid: account.accountId,
  deviceId: account.deviceId,
  leaseId: account.leaseId,
})

export interface LeaseAnswer {
  readonly y: LeaseOutput
  readonly attempt: number
  readonly token: LeaseToken
  readonly tokenBytes: Uint8Array
}

/** One evaluation at the strongroom, its proof and its token checked. Errors: lease-key-changed, and what the server says. */
export const evaluateLease = async (
  device: Device,
  account: Pick<AccountRecord, "server" | "accountId" | "deviceId" | "leaseId" | "leasePk">,
  uOn: UnlockFactor,
  d: DeviceSecret,
  saltOn: Uint8Array,
): Promise<Result<LeaseAnswer, Failure>> => {
  const { ports } = device
  const authSeed = await loadAuthSeed(ports)
  if (authSeed === undefined) return err({ code: "store-corrupt" })
  const x = await leaseInput(ports.primitives, uOn, d, saltOn, { uid: account.accountId, deviceId: account.deviceId })
  const blinded = blind(ports.random, x)
  const reply = await transportOf(device, account.server.origin).json(
    "lease.evaluate",
    { leaseId: formatId("lea", account.leaseId), blinded: b64(blinded.blinded) },
    { signer: requestSigner(ports, keyIdOf(account.deviceId), "kf1-lease", authSeed) },
  )
  if (!reply.ok) return reply
  const evaluated = fromB64(reply.value.evaluated)
  const proof = fromB64(reply.value.proof)
  const tokenBytes = fromB64(reply.value.token)
  if (evaluated === undefined || proof === undefined || tokenBytes === undefined) return err({ code: "malformed" })
  const y = finalize(blinded, account.leasePk, { evaluated, proof })
  if (!y.ok) return err({ code: "lease-key-changed" })
  const token = await readToken(device, account, tokenBytes)
  return token.ok ? ok({ y: y.value, attempt: reply.value.attempt, token: token.value, tokenBytes }) : token
}

/** Errors: lease-key-changed, for a token that the pinned key did not sign for this device. */
export const readToken = async (
  device: Device,
  account: Pick<AccountRecord, "server" | "deviceId" | "leaseId">,
  bytes: Uint8Array,
): Promise<Result<LeaseToken, Failure>> => {
  const refused = err({ code: "lease-key-changed" } as const)
  const signed = signedLeaseTokenStruct.decode(bytes, 2048)
  if (!signed.ok) return refused
  const { payload, signature } = signed.value
  if (!(await verifyLabel(device.ports.primitives, account.server.leaseTokenPk, signature, "kf1/lease-token", payload)))
    return refused
  const token = leaseTokenStruct.decode(payload, 2048)
  if (!token.ok) return refused
  const same = b64(token.value.deviceId) === b64(account.deviceId) && b64(token.value.leaseId) === b64(account.leaseId)
  return same ? token : refused
}

/** Tells the strongroom that the answer opened the bundle: the count of failures starts again. */
export const reportUnlocked = async (
  device: Device,
  account: AccountRecord,
  attempt: number,
): Promise<Result<string, Failure>> => {
  const authSeed = await loadAuthSeed(device.ports)
  if (authSeed === undefined || device.full === undefined) return err({ code: "locked" })
  const signature = await signUnlockOk(device.ports.primitives, device.full.sigSeed, {
    deviceId: account.deviceId,
    leaseId: account.leaseId,
    attempt,
  })
  const reply = await transportOf(device, account.server.origin).json(
    "lease.unlocked",
    { leaseId: formatId("lea", account.leaseId), attempt, signature: b64(signature) },
    { signer: requestSigner(device.ports, keyIdOf(account.deviceId), "kf1-lease", authSeed) },
  )
  return reply.ok ? ok(reply.value.state) : reply
}

/** Keeps a fresh lease: the grace bundle with its token, and the times that `status` shows while locked. */
export const storeLease = async (device: Device, token: LeaseToken, tokenBytes: Uint8Array): Promise<void> => {
  const { record, full, local } = device
  if (record?.account === undefined || full === undefined || local === undefined) return
  const terms = full.offlineKey === undefined ? undefined : termsOf(device, token)
  const account = {
    ...record.account,
    lastContactS: token.issuedAtS,
    graceUntilS: terms === undefined ? 0 : Math.floor(terms.expiresAtMs / 1000),
  }
  const next = { ...record, account }
  const rows: Row[] = [recordRow(next)]
  if (terms !== undefined && full.offlineKey !== undefined) {
    const clock = startGrace(terms, device.ports.clock.nowMs())
    const bundle: GraceBundle = {
      standardKey: local.standard.reveal(),
      token: tokenBytes,
      highWaterMs: clock.highWaterMs,
      unlocks: clock.unlocksLeft,
    }
    rows.push(await graceRow(device, full.offlineKey, bundle))
  } else {
    rows.push({ table: "bundle", key: "off" })
  }
  await device.ports.store.write(rows)
  device.record = next
}

/** What the token grants, cut to the account's signed policy; `undefined` where there is no grace. */
const termsOf = (device: Device, token: LeaseToken): LeaseTerms | undefined =>
  limitTerms(
    {
      issuedAtMs: token.issuedAtS * 1000,
      expiresAtMs: token.graceS === 0 ? 0 : token.expiresAtS * 1000,
      maxOfflineUnlocks: token.maxOfflineUnlocks,
    },
    device.account?.policy ?? DEFAULT_POLICY,
  )

const graceRow = async (device: Device, key: Secret<"OfflineKey">, bundle: GraceBundle): Promise<Row> => ({
  table: "bundle",
  key: "off",
  value: await sealRow(device.ports.primitives, device.ports.random, key, "bundle", "off", graceBundle.encode(bundle)),
})

/**
 * Opens the standard class without the server, inside the grace. The count is lowered before anything opens; an
 * expired bundle is taken out; a clock that went back closes it.
 */
const openOffline = async (
  device: Device,
  password: string,
  d: DeviceSecret,
  account: AccountRecord,
  saltOff: Uint8Array,
): Promise<Result<Unlocked, Failure>> => {
  const { ports } = device
  const row = await ports.store.read("bundle", "off")
  if (row === undefined) return err({ code: "lease-expired" })
  const uOff = await unlockFactor(ports.primitives, password, saltOff)
  const key = await kOff(ports.primitives, uOff, d, saltOff, placeOf(account))
  const opened = await openRow(ports.primitives, key, "bundle", "off", row)
  if (!opened.ok) return err({ code: "wrong-password" })
  const bundle = graceBundle.decode(opened.value, 4096)
  if (!bundle.ok) return err({ code: "store-corrupt" })
  const token = await readToken(device, account, bundle.value.token)
  if (!token.ok) return token
  const terms = termsOf(device, token.value)
  const clock = { highWaterMs: bundle.value.highWaterMs, unlocksLeft: bundle.value.unlocks }
  const decided =
    terms === undefined
      ? ({ decision: "wipe", code: "lease-expired" } as const)
      : decideOfflineUnlock(terms, clock, ports.clock.nowMs())
  if (decided.decision === "wipe") await ports.store.write([{ table: "bundle", key: "off" }])
  if (decided.decision !== "open" || terms === undefined)
    return err({ code: decided.decision === "open" ? "lease-expired" : decided.code })
  await ports.store.write([
    await graceRow(device, key, {
      ...bundle.value,
      highWaterMs: decided.clock.highWaterMs,
      unlocks: decided.clock.unlocksLeft,
    }),
  ])
  device.local = { standard: secret<"StandardKey">(bundle.value.standardKey) }
  device.grace = { key, untilMs: terms.expiresAtMs }
  return ok({ lock: "standard-only" })
}

/** Raises the mark in the grace bundle to now, so that a clock that is set back later is noticed. Only while open. */
export const noteGraceTime = async (device: Device): Promise<void> => {
  const { ports } = device
  const key = device.full?.offlineKey ?? device.grace?.key
  const row = key === undefined ? undefined : await ports.store.read("bundle", "off")
  if (key === undefined || row === undefined) return
  const opened = await openRow(ports.primitives, key, "bundle", "off", row)
  const bundle = opened.ok ? graceBundle.decode(opened.value, 4096) : opened
  if (!bundle.ok) return
  const before = { highWaterMs: bundle.value.highWaterMs, unlocksLeft: bundle.value.unlocks }
  const { highWaterMs } = noteTime(before, ports.clock.nowMs())
  if (highWaterMs !== before.highWaterMs)
    await ports.store.write([await graceRow(device, key, { ...bundle.value, highWaterMs })])
}

/** A fresh token without a factor: signed by the chain key, so only an opened device asks for it. */
export const renewLease = async (device: Device): Promise<Result<void, Failure>> => {
  const { record, full } = device
  if (record?.account === undefined || full === undefined) return ok(undefined)
  const { account } = record
  const authSeed = await loadAuthSeed(device.ports)
  if (authSeed === undefined) return err({ code: "store-corrupt" })
  const createdS = Math.floor(device.ports.clock.nowMs() / 1000)
  const signature = await signLabel(
    device.ports.primitives,
    full.sigSeed,
    "kf1/lease-renew",
    account.deviceId,
    account.leaseId,
    createdS,
  )
  const reply = await transportOf(device, account.server.origin).json(
    "lease.renew",
    { leaseId: formatId("lea", account.leaseId), createdS, signature: b64(signature) },
    { signer: requestSigner(device.ports, keyIdOf(account.deviceId), "kf1-lease", authSeed) },
  )
  if (!reply.ok) return reply
  const bytes = fromB64(reply.value.token)
  const token = bytes === undefined ? undefined : await readToken(device, account, bytes)
  if (bytes === undefined || token?.ok !== true) return err({ code: "lease-key-changed" })
  await storeLease(device, token.value, bytes)
  return ok(undefined)
}
