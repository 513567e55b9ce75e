import { err, formatId, ok, parseId, type Result } from "@keyferry/base"
import { areSlotKeys, HOLDER_RECOVERY, newestSlot } from "@keyferry/chain"
import { deriveSlot, recoverySlotSecret, signLeaseReset } from "@keyferry/crypto"
import type { Failure } from "@keyferry/protocol"

import { deviceCalls } from "./device-calls.ts"
import { keysOf } from "./ports.ts"
import { type Device, loadAuthSeed } from "./device.ts"
import { parseKit } from "./kit-code.ts"
import { servedOwnChain } from "./leaving.ts"
import { signIn } from "./sign-in.ts"
import { syncScope } from "./sync-exchange.ts"
import { isFreshPassword } from "./open-time.ts"
import { b64 } from "./wire.ts"

type Done<T> = Promise<Result<T, Failure>>

/*
 * A device that ten failed unlocks locked: it signs in again with password and second factor, and then opens by the kit,
 * by another device, or after 72 hours. Source: spec/devices.md DV20, DV25
 */

/**
 * On the locked device. Without `kitCode` the first call begins the 72 hours, and a call after them opens.
 * Errors: recovery-waiting with the time, wrong-credentials, second-factor-wrong, kit-code-wrong, kit-replaced
 */
export const resetLease = async (
  device: Device,
  input: {
    readonly password: string
    readonly factor: { readonly kind: "totp" | "recovery-code"; readonly code: string }
    readonly kitCode?: string
  },
): Done<void> => {
  const calls = await deviceCalls(device)
  if (!calls.ok) return calls
  const { transport, as, account } = calls.value
  const status = await transport.json("account.status", {}, as)
  if (!status.ok) return status
  // Nothing is locked; the password of this device opens it.
  if (status.value.state !== "lease-locked") return ok(undefined)
  const authSeed = await loadAuthSeed(device.ports)
  if (authSeed === undefined) return err({ code: "store-corrupt" })
  // The code is judged before the person's code of the moment is used up.
  const kit = input.kitCode === undefined ? undefined : parseKit(device, input.kitCode)
  if (kit?.ok === false) return kit
  const signedIn = await signIn(device, transport, account.server, {
    address: account.address,
    password: input.password,
    authPk: await keysOf(device.ports).authPublicKey(authSeed),
  })
  if (!signedIn.ok) return signedIn
  const { kind, code } = input.factor
  const passed = await transport.json(
    "login.second-factor",
    { kind, code: code.replace(/\s/g, "") },
    { session: signedIn.value.session },
  )
  if (!passed.ok) return passed
  const session = { session: passed.value.session.token }
  const deviceId = formatId("dev", account.deviceId)
  if (kit === undefined) {
    const waiting = await transport.json("lease.reset-wait", { deviceId }, session)
    if (!waiting.ok) return waiting
    if (waiting.value.state !== "lease-locked") return ok(undefined)
    const { readyAtMs } = waiting.value
    return err({
      code: "recovery-waiting",
      detail: `It opens at ${new Date(readyAtMs).toISOString()}, or when another device lets it: kf device approve`,
      retryAfterS: Math.max(1, Math.ceil((readyAtMs - device.ports.clock.nowMs()) / 1000)),
    })
  }
  const chain = await servedOwnChain(device)
  if (!chain.ok) return chain
  const entry = newestSlot(chain.value, HOLDER_RECOVERY)
  const attempt = status.value.leaseAttempt
  if (entry === undefined || attempt === undefined) return err({ code: "chain-invalid" })
  const { primitives } = device.ports
  const { id } = entry.holder
  const slot = await deriveSlot(primitives, recoverySlotSecret(kit.value), chain.value.accountSalt, HOLDER_RECOVERY, id)
  if (!areSlotKeys(entry, slot)) return err({ code: "kit-replaced" })
  const about = { deviceId: account.deviceId, leaseId: account.leaseId, attempt }
  const opened = await transport.json(
    "lease.reset",
    {
      deviceId,
      leaseId: formatId("lea", account.leaseId),
      attempt,
      slotId: formatId("slt", id),
      signature: b64(await signLeaseReset(primitives, slot.sigSeed, about)),
    },
    session,
  )
  return opened.ok ? ok(undefined) : opened
}

/** On another, open device. Errors: reauth-required, second-factor-needed, not-found (it does not wait) */
export const approveLeaseReset = async (device: Device, id: string): Done<void> => {
  const scope = syncScope(device)
  if (!scope.ok) return scope
  if (!isFreshPassword(device))
    return err({ code: "reauth-required", detail: "This needs the password of this device within five minutes." })
  const calls = await deviceCalls(device)
  if (!calls.ok) return calls
  const { transport, as } = calls.value
  const listed = await transport.json("devices.list", {}, as)
  if (!listed.ok) return listed
  const row = listed.value.devices.find((d) => d.deviceId === id)
  const deviceId = parseId("dev", id)
  const leaseId = row === undefined ? undefined : parseId("lea", row.leaseId)
  if (row?.leaseReset === undefined || !deviceId.ok || leaseId?.ok !== true)
    return err({ code: "not-found", detail: "This device does not wait to be opened." })
  const { attempt } = row.leaseReset
  const about = { deviceId: deviceId.value, leaseId: leaseId.value, attempt }
  const signature = await signLeaseReset(device.ports.primitives, scope.value.full.sigSeed, about)
  const opened = await transport.json("devices.lease-reset", { deviceId: id, attempt, signature: b64(signature) }, as)
  return opened.ok ? ok(undefined) : opened
}

/** Stops the 72 hours of a locked device. */
export const denyLeaseReset = async (device: Device, id: string): Done<{ readonly cancelled: boolean }> => {
  const calls = await deviceCalls(device)
  if (!calls.ok) return calls
  return calls.value.transport.json("devices.lease-reset-cancel", { deviceId: id }, calls.value.as)
}
