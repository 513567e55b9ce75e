import { err, ok, type Result, secret } from "@keyferry/base"
import { makeSigSeed } from "@keyferry/crypto"
import { type ErrorCode, type Failure, isErrorCode } from "@keyferry/protocol"

import { fetchAccountKeys } from "./account-keys.ts"
import type { EnrolmentState } from "./api.ts"
import { type Device, readState, requestSigner, stateRow } from "./device.ts"
import {
  type AccountRecord,
  type Enrolment,
  enrolmentStruct,
  PURPOSE_LOGIN,
  PURPOSE_RECOVERY,
  STEP_CONFIRM,
  STEP_FACTOR,
} from "./formats.ts"
import type { Credentials } from "./transport.ts"
import { afterUnlock } from "./open-time.ts"
import { reportUnlocked, storeLease } from "./lease.ts"
import { readToken } from "./lease-token.ts"
import { wipe } from "./wipe.ts"
import { keyIdOf } from "./wire.ts"
import { keysOf } from "./ports.ts"

type Done<T> = Promise<Result<T, Failure>>

/** The enrolment of this device, in memory and, where the store is open, on disk. */
export interface EnrolmentBox {
  current: Enrolment | undefined
}

export const loadEnrolment = async (device: Device, box: EnrolmentBox): Promise<void> => {
  if (device.local === undefined || box.current !== undefined) return
  const bytes = await readState(device, device.local, "enrolment")
  const decoded = bytes === undefined ? undefined : enrolmentStruct.decode(bytes, 64 * 1024)
  if (decoded?.ok === true) box.current = decoded.value
}

/** Whether this device was on its way into an account when it was locked. What stands there is sealed. */
export const isSealedEnrolment = async ({ record, local, ports }: Device): Promise<boolean> =>
  record !== undefined &&
  record.account === undefined &&
  local === undefined &&
  (await ports.store.read("state", "enrolment")) !== undefined

export const saveEnrolment = async (device: Device, box: EnrolmentBox, next: Enrolment): Promise<void> => {
  box.current = next
  if (device.local !== undefined)
    await device.ports.store.write([await stateRow(device, device.local, "enrolment", enrolmentStruct.encode(next))])
  device.changed()
}

export const clearEnrolment = async (device: Device, box: EnrolmentBox): Promise<void> => {
  box.current = undefined
  await device.ports.store.write([{ table: "state", key: "enrolment" }])
  device.changed()
}

export const describeEnrolment = (e: Enrolment): EnrolmentState => ({
  purpose: e.purpose === PURPOSE_LOGIN ? "login" : "recovery",
  step: e.step === STEP_FACTOR ? "second-factor" : e.step === STEP_CONFIRM ? "confirm" : "keys",
  address: e.address,
  server: e.server.origin,
  state: e.state,
  ...(e.purpose === PURPOSE_RECOVERY && e.password !== undefined ? { passwordChosen: true } : {}),
  approver: e.approver,
  factors: e.factors,
  ...(e.code === undefined ? {} : { code: e.code }),
  ...(e.mailedTo === undefined ? {} : { mailedTo: e.mailedTo }),
  ...(e.mail === undefined || e.mail === NO_MAIL ? {} : { mail: mailState(e.mail) }),
  ...(e.reason !== undefined && isErrorCode(e.reason) ? { reason: e.reason satisfies ErrorCode } : {}),
})

export const currentEnrolment = (box: EnrolmentBox): Result<EnrolmentState, Failure> =>
  box.current === undefined ? err({ code: "signed-out" }) : ok(describeEnrolment(box.current))

/** The server sent no link for this device, because it did not ask for one. */
export const NO_MAIL = "none"

/** A mail that has left is as good as one that waits to: asking for another would kill its link. */
export const mailState = (mail: string): "queued" | "off" | "failed" =>
  mail === "off" ? mail : mail === "queued" || mail === "sent" ? "queued" : "failed"

/** A device that saw its own removal holds nothing any more; what is left of it goes, and it may enrol with new keys. */
export const startOver = async (device: Device): Promise<void> => {
  if (device.record?.removed !== undefined) await wipe(device)
}

export const newDeviceKeys = async (device: Device) => {
  const { random } = device.ports
  const sigSeed = makeSigSeed(random)
  const keys = keysOf(device.ports)
  const authSeed = await keys.makeAuth()
  return {
    authPk: await keys.authPublicKey(authSeed),
    secret: {
      deviceId: random.bytes(16),
      sigSeed: sigSeed.reveal(),
      kemSeed: (await keys.makeKem()).reveal(),
      authSeed: authSeed.reveal(),
    },
  }
}

/** The public half of an enrolling device's keys. */
export const publicKeysOf = async (device: Device, e: Enrolment) => ({
  deviceId: e.deviceId,
  sigPk: await device.ports.primitives.ed25519PublicKey(e.sigSeed),
  kemPk: (await keysOf(device.ports).kemPair(secret<"KemSeed">(e.kemSeed.slice()))).publicKey,
  authPk: await keysOf(device.ports).authPublicKey(secret<"AuthKey">(e.authSeed.slice())),
})

export const originOf = (server: string): string | undefined => {
  try {
    const url = new URL(/^https?:\/\//.test(server) ? server : `https://${server}`)
    return url.protocol === "https:" || url.protocol === "http:" ? url.origin : undefined
  } catch {
    return undefined
  }
}

export const credentialsOf = (device: Device, e: Enrolment): Credentials => ({
  session: e.session,
  signer: requestSigner(device.ports, keyIdOf(e.deviceId), "kf1-dev", secret<"AuthKey">(e.authSeed)),
})

export const accountOf = (e: Enrolment, leaseId: Uint8Array, leasePk: Uint8Array): AccountRecord => ({
  server: e.server,
  accountUuid: e.accountUuid,
  accountId: e.accountId,
  address: e.address,
  deviceId: e.deviceId,
  deviceName: e.deviceName,
  leaseId,
  leasePk,
  lastContactS: 0,
  graceUntilS: 0,
})

/** The device is in the chain: reports the unlock (which makes it active), keeps the lease, fetches older keys. */
export const afterJoining = async (
  device: Device,
  box: EnrolmentBox,
  account: AccountRecord,
  lease: { readonly attempt: number; readonly tokenBytes: Uint8Array },
): Done<void> => {
  await clearEnrolment(device, box)
  const reported = await reportUnlocked(device, account, lease.attempt)
  if (!reported.ok) return reported
  const token = await readToken(device, account, lease.tokenBytes)
  if (token.ok) await storeLease(device, token.value, lease.tokenBytes)
  if (device.account !== undefined) {
    const keyed = await fetchAccountKeys(device, device.account)
    if (!keyed.ok) return keyed
  }
  afterUnlock(device)
  return ok(undefined)
}
