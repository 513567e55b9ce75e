import { ok, type Result } from "@keyferry/base"
import type { Failure } from "@keyferry/protocol"

import { deviceCalls } from "./device-calls.ts"
import { type Device, recordRow } from "./device.ts"

type Done<T> = Promise<Result<T, Failure>>

/** The address as the server has it, which this device then knows as well. `waiting`: a new one waits for its mail. */
export const readAddress = async (device: Device): Done<{ readonly address: string; readonly waiting: boolean }> => {
  const calls = await deviceCalls(device)
  if (!calls.ok) return calls
  const shown = await calls.value.transport.json("address.show", {}, calls.value.as)
  if (!shown.ok) return shown
  const { record } = device
  // A recovery by the kit knows the address only in part until here.
  if (record?.account !== undefined && record.account.address !== shown.value.address) {
    const next = { ...record, account: { ...record.account, address: shown.value.address } }
    await device.ports.store.write([recordRow(next)])
    device.record = next
    device.changed()
  }
  return shown
}

/**
 * Mails a link to the new address and a notice to the old one; the address changes when the link's page is answered.
 * Errors: second-factor-needed, malformed, mail-not-deliverable, rate-limited
 */
export const changeAddress = async (device: Device, address: string): Done<void> => {
  const calls = await deviceCalls(device)
  if (!calls.ok) return calls
  const asked = await calls.value.transport.json("address.start", { address }, calls.value.as)
  return asked.ok ? ok(undefined) : asked
}
