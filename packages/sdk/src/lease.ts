import { err, formatId, ok, type Result } from "@keyferry/base"
import {
  blind,
  type DeviceSecret,
  finalize,
  leaseInput,
  type LeaseOutput,
  signLabel,
  signUnlockOk,
  type UnlockFactor,
} from "@keyferry/crypto"
import { startGrace } from "@keyferry/engine"
import type { Failure, LeaseToken } from "@keyferry/protocol"

import { b64, fromB64 } from "./wire.ts"
import { type Device, deviceSigner, recordRow, transportOf } from "./device.ts"
import type { AccountRecord, GraceBundle } from "./formats.ts"
import { graceRow, termsOf } from "./grace.ts"
import { readToken } from "./lease-token.ts"
import type { Row } from "./ports.ts"
import type { RequestSigner } from "./transport.ts"

export interface LeaseAnswer {
  readonly y: LeaseOutput
  readonly attempt: number
  readonly token: LeaseToken
  readonly tokenBytes: Uint8Array
}

/** Signs the requests of a lease. Its key is found now, and not between stretching a password and asking. Errors: store-corrupt */
export const leaseSigner = async (
  device: Device,
  { deviceId }: Pick<AccountRecord, "deviceId">,
): Promise<Result<RequestSigner, Failure>> => {
  const signer = await deviceSigner(device, deviceId, "kf1-lease")
  return signer === undefined ? err({ code: "store-corrupt" }) : ok(signer)
}

/** One evaluation at the strongroom, its proof and its token checked. Errors: lease-key-changed, and what the server says. */
export const evaluateLease = async (
  device: Device,
  signer: RequestSigner,
  account: Pick<AccountRecord, "server" | "accountId" | "deviceId" | "leaseId" | "leasePk">,
  uOn: UnlockFactor,
  d: DeviceSecret,
  saltOn: Uint8Array,
): Promise<Result<LeaseAnswer, Failure>> => {
  const { ports } = device
  const x = await leaseInput(ports.primitives, uOn, d, saltOn, { uid: account.accountId, deviceId: account.deviceId })
  const blinded = blind(ports.random, x)
  const reply = await transportOf(device, account.server.origin).json(
    "lease.evaluate",
    { leaseId: formatId("lea", account.leaseId), blinded: b64(blinded.blinded) },
    { signer },
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

/** Tells the strongroom that the answer opened the bundle: the count of failures starts again. */
export const reportUnlocked = async (
  device: Device,
  account: AccountRecord,
  attempt: number,
): Promise<Result<string, Failure>> => {
  if (device.full === undefined) return err({ code: "locked" })
  const signer = await leaseSigner(device, account)
  if (!signer.ok) return signer
  const signature = await signUnlockOk(device.ports.primitives, device.full.sigSeed, {
    deviceId: account.deviceId,
    leaseId: account.leaseId,
    attempt,
  })
  const reply = await transportOf(device, account.server.origin).json(
    "lease.unlocked",
    { leaseId: formatId("lea", account.leaseId), attempt, signature: b64(signature) },
    { signer: signer.value },
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

/** A fresh token without a factor: signed by the chain key, so only an opened device asks for it. */
export const renewLease = async (device: Device): Promise<Result<void, Failure>> => {
  const { record, full } = device
  if (record?.account === undefined || full === undefined) return ok(undefined)
  const { account } = record
  const signer = await leaseSigner(device, account)
  if (!signer.ok) return signer
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
    { signer: signer.value },
  )
  if (!reply.ok) return reply
  const bytes = fromB64(reply.value.token)
  const token = bytes === undefined ? undefined : await readToken(device, account, bytes)
  if (bytes === undefined || token?.ok !== true) return err({ code: "lease-key-changed" })
  await storeLease(device, token.value, bytes)
  return ok(undefined)
}
