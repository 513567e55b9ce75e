import { err, ok, type Result } from "@keyferry/base"
import { kOff, kOn, unlockFactor } from "@keyferry/crypto"
import type { Failure } from "@keyferry/protocol"

import { type Device, deviceSecret, recordRow } from "./device.ts"
import { localBundle, MODE_LOCAL } from "./formats.ts"
import { localKey, sealRow } from "./sealing.ts"
import { bundleRow } from "./key-bundle.ts"
import { evaluateLease, leaseSigner, reportUnlocked, storeLease } from "./lease.ts"
import { placeOf } from "./lease-token.ts"
import { passwordProblem } from "./unlock.ts"

/**
 * The password that opens this device: new salts, and the bundles sealed under what the new password gives. The store must be
 * open. With an account it needs the server's answer, because the new factor goes through the lease as well.
 * Errors: locked, password-too-weak, lease-needs-server, and what the lease answers
 */
export const setDevicePassword = async (device: Device, password: string): Promise<Result<void, Failure>> => {
  const weak = passwordProblem(password)
  if (weak !== undefined) return err(weak)
  const { record, local, full, ports } = device
  const d = await deviceSecret(ports, false)
  if (record === undefined || local?.strict === undefined || d === undefined)
    return err({ code: local === undefined ? "locked" : "lease-needs-server" })
  const p = ports.primitives
  const [saltOn, saltOff] = [ports.random.bytes(32), ports.random.bytes(32)]
  const uOn = await unlockFactor(p, password, saltOn)
  if (record.account === undefined || full === undefined) {
    const next = { ...record, mode: MODE_LOCAL, saltOn, saltOff } as const
    const bundle = localBundle.encode({ standardKey: local.standard.reveal(), strictKey: local.strict.reveal() })
    const value = await sealRow(p, ports.random, await localKey(p, uOn, d, saltOn, "local"), "bundle", "local", bundle)
    await ports.store.write([recordRow(next), { table: "bundle", key: "local", value }])
    device.record = next
    return ok(undefined)
  }
  const { account } = record
  const signer = await leaseSigner(device, account)
  if (!signer.ok) return signer
  const answer = await evaluateLease(device, signer.value, account, uOn, d, saltOn)
  if (!answer.ok) return answer
  const onKey = await kOn(p, answer.value.y, uOn, d, saltOn, placeOf(account))
  const offlineKey =
    answer.value.token.graceS === 0
      ? undefined
      : await kOff(p, await unlockFactor(p, password, saltOff), d, saltOff, placeOf(account))
  const { offlineKey: _old, ...rest } = full
  const next = { ...record, saltOn, saltOff }
  const keys = { ...rest, onKey: onKey, ...(offlineKey === undefined ? {} : { offlineKey }) }
  await ports.store.write([recordRow(next), await bundleRow(device, keys, local), { table: "bundle", key: "off" }])
  device.record = next
  device.full = keys
  await reportUnlocked(device, account, answer.value.attempt)
  await storeLease(device, answer.value.token, answer.value.tokenBytes)
  return ok(undefined)
}
