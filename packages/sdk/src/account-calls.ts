import { equalBytes, err, formatId, ok, type Result } from "@keyferry/base"
import {
  ACCOUNT_SLOT_REPLACE,
  accountPayload,
  countersignPayload,
  HOLDER_PASSWORD,
  HOLDER_RECOVERY,
  newestAccountKey,
  newestSlot,
  signPayload,
  slotReplaceStruct,
  verifyAccountLink,
} from "@keyferry/chain"
import {
  deriveSecretKey,
  fingerprintDigits,
  formatKitCode,
  makeRecoveryCode,
  serverWords,
  startOpaqueLogin,
  startOpaqueRegistration,
} from "@keyferry/crypto"
import type { Failure } from "@keyferry/protocol"

import { appendEpoch } from "./account-epoch.ts"
import {
  holdersAfter,
  type MadeSlot,
  makeAccountKey,
  makePasswordSlot,
  makeRecoverySlot,
  nextPlace,
  openAccountSk,
  slotSigner,
} from "./account-keys.ts"
import type { Kit } from "./api.ts"
import { deviceCalls } from "./device-calls.ts"
import type { Device } from "./device.ts"
import type { AccountRecord } from "./formats.ts"
import { syncScope } from "./sync-exchange.ts"
import { passwordProblem } from "./unlock.ts"
import { b64, fromB64 } from "./wire.ts"

type Done<T> = Promise<Result<T, Failure>>

/** The account's password, checked at the server by OPAQUE: fresh for five minutes. */
export const checkAccountPassword = async (device: Device, password: string): Done<void> => {
  const calls = await deviceCalls(device)
  if (!calls.ok) return calls
  const { transport, as, account } = calls.value
  const login = await startOpaqueLogin(password)
  const started = await transport.json("password.check-start", { startLoginRequest: b64(login.request) }, as)
  if (!started.ok) return started
  const response = fromB64(started.value.loginResponse)
  if (response === undefined) return err({ code: "malformed" })
  const finished = await login.finish(response, {
    account: account.accountUuid,
    deployment: account.server.deploymentId,
  })
  if (!finished.ok) return err({ code: "wrong-credentials" })
  if (!equalBytes(finished.value.serverStaticPk, account.server.opaquePk))
    return err({ code: "server-identity-changed" })
  const done = await transport.json(
    "password.check-finish",
    { loginId: started.value.loginId, finishLoginRequest: b64(finished.value.finish) },
    as,
  )
  return done.ok ? ok(undefined) : done
}

/** A new account password: one link replaces the slot and starts a new account key; the record commits with it. */
export const changePassword = async (
  device: Device,
  input: { readonly password: string; readonly newPassword: string },
): Done<void> => {
  const weak = passwordProblem(input.newPassword)
  if (weak !== undefined) return err(weak)
  const checked = await checkAccountPassword(device, input.password)
  return checked.ok ? registerNewPassword(device, input.newPassword) : checked
}

/** Registers a password and makes it the account's. The server asks for a fresh login first, where there is one to ask for. */
export const registerNewPassword = async (device: Device, newPassword: string): Done<void> => {
  const weak = passwordProblem(newPassword)
  if (weak !== undefined) return err(weak)
  const scope = syncScope(device)
  if (!scope.ok) return scope
  const registered = await registerPassword(device, newPassword)
  if (!registered.ok) return registered
  const { account, full } = scope.value
  const seed = full.accountSeeds.get(newestAccountKey(account).epoch)
  const sk = seed === undefined ? undefined : await openAccountSk(device, account, seed)
  const old = newestSlot(account, HOLDER_PASSWORD)
  if (sk?.ok !== true || old === undefined) return err({ code: "key-not-trusted" })
  const slot = await makePasswordSlot(device, registered.value.exportKey, sk.value, account.accountSalt)
  return replaceSlots(device, {
    removed: [old.holder.id],
    added: [slot],
    sk: sk.value,
    registrationRecord: registered.value.record,
  })
}

/** A fresh OPAQUE registration of a password; its record commits with the link that names the new password slot. */
const registerPassword = async (
  device: Device,
  password: string,
): Done<{ readonly exportKey: Parameters<typeof makePasswordSlot>[1]; readonly record: Uint8Array }> => {
  const calls = await deviceCalls(device)
  if (!calls.ok) return calls
  const { transport, as, account } = calls.value
  const registration = await startOpaqueRegistration(password)
  const started = await transport.json("password.start", { registrationRequest: b64(registration.request) }, as)
  if (!started.ok) return started
  const response = fromB64(started.value.registrationResponse)
  if (response === undefined) return err({ code: "malformed" })
  const registered = await registration.finish(response, {
    account: account.accountUuid,
    deployment: account.server.deploymentId,
  })
  if (!registered.ok || !equalBytes(registered.value.serverStaticPk, account.server.opaquePk))
    return err({ code: "server-identity-changed" })
  return ok({ exportKey: registered.value.exportKey, record: registered.value.record })
}

/** A new kit: both slots in one link, because the old kit's secret is part of the password slot. */
export const replaceKit = async (device: Device, password: string): Done<Kit> => {
  const scope = syncScope(device)
  if (!scope.ok) return scope
  const checked = await checkAccountPassword(device, password)
  if (!checked.ok) return checked
  const registered = await registerPassword(device, password)
  if (!registered.ok) return registered
  const { account, record } = scope.value
  const oldPassword = newestSlot(account, HOLDER_PASSWORD)
  const oldRecovery = newestSlot(account, HOLDER_RECOVERY)
  if (oldPassword === undefined || oldRecovery === undefined) return err({ code: "chain-invalid" })
  const p = device.ports.primitives
  const code = makeRecoveryCode(device.ports.random)
  const sk = await deriveSecretKey(p, code, account.accountSalt)
  const passwordSlot = await makePasswordSlot(device, registered.value.exportKey, sk, account.accountSalt)
  const recoverySlot = await makeRecoverySlot(device, code, account.accountSalt)
  const replaced = await replaceSlots(device, {
    removed: [oldPassword.holder.id, oldRecovery.holder.id],
    added: [passwordSlot, recoverySlot],
    sk,
    registrationRecord: registered.value.record,
  })
  if (!replaced.ok) return replaced
  return ok({
    code: formatKitCode(p, code),
    accountDigits: fingerprintDigits(account.id),
    serverWords: serverWords(p, record.server.opaquePk).join(" "),
    address: record.address,
    server: record.server.origin,
  })
}

/** Always with a new account key and the rotations of the vaults: what the old slot could open ends here. */
const replaceSlots = async (
  device: Device,
  input: {
    readonly removed: readonly Uint8Array[]
    readonly added: readonly MadeSlot[]
    readonly sk: Parameters<typeof makeAccountKey>[1]["sk"]
    readonly registrationRecord: Uint8Array
  },
): Done<void> => {
  const scope = syncScope(device)
  if (!scope.ok) return scope
  const { account, record, full } = scope.value
  const newest = newestAccountKey(account)
  const previous = full.accountSeeds.get(newest.epoch)
  if (previous === undefined) return err({ code: "key-not-trusted" })
  const epoch = newest.epoch + 1
  const made = await makeAccountKey(device, {
    epoch,
    accountSalt: account.accountSalt,
    sk: input.sk,
    holders: holdersAfter(
      account,
      input.removed,
      input.added.map((s) => s.holder),
    ),
    place: nextPlace(account, record.deviceId),
    previous,
  })
  const payload = accountPayload(
    account,
    ACCOUNT_SLOT_REPLACE,
    slotReplaceStruct,
    { removed: [...input.removed], added: input.added.map((s) => s.holder), key: made.epoch, skSealed: made.skSealed },
    { byHolder: record.deviceId, ts: device.ports.clock.nowMs() },
  )
  const countersignatures = []
  for (const slot of input.added) {
    countersignatures.push(
      await countersignPayload(slotSigner(device, { id: slot.holder.id, sigSeed: slot.keys.sigSeed }), payload),
    )
  }
  const link = await signPayload(
    slotSigner(device, { id: record.deviceId, sigSeed: full.sigSeed }),
    payload,
    countersignatures,
  )
  const next = await verifyAccountLink(device.ports.primitives, account, link)
  if (!next.ok) return err({ code: "not-allowed", detail: `Reason: ${next.error.code}.` })
  return appendEpoch(device, { link, next: next.value, made, registrationRecord: input.registrationRecord })
}

export const deviceIdText = (record: AccountRecord): string => formatId("dev", record.deviceId)
