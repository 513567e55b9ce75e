import { err, ok, type Result } from "@keyferry/base"
import type { Failure, JsonReply } from "@keyferry/protocol"

import { deviceCalls } from "./device-calls.ts"
import { type Device, transportOf } from "./device.ts"
import type { EnrolmentBox } from "./enrolment.ts"

type Done<T> = Promise<Result<T, Failure>>

/*
 * Freezing the account, and the two ways back. All of it works while this device is locked: its request key is enough,
 * because a frozen account opens nothing. Source: spec/devices.md DV22–DV24
 */
export const freezeAccount = async (device: Device): Done<void> => {
  const calls = await deviceCalls(device)
  if (!calls.ok) return calls
  const frozen = await calls.value.transport.json("account.freeze", {}, calls.value.as)
  return frozen.ok ? ok(undefined) : frozen
}

/** Errors: second-factor-needed, where this device's second factor is older than five minutes */
export const thawAccount = async (device: Device): Done<void> => {
  const calls = await deviceCalls(device)
  if (!calls.ok) return calls
  const thawed = await calls.value.transport.json("account.thaw", {}, calls.value.as)
  return thawed.ok ? ok(undefined) : thawed
}

/**
 * Without the factor on this device, or with a sign-in that has no device yet: the first call begins 72 hours, a call after
 * them thaws. Errors: recovery-waiting with the time, signed-out
 */
export const waitForThaw = async (device: Device, box: EnrolmentBox): Done<void> => {
  const asked = await askForThaw(device, box)
  if (!asked.ok) return asked
  const { frozen, readyAtMs } = asked.value
  if (!frozen) return ok(undefined)
  return err({
    code: "recovery-waiting",
    detail: `It can be thawed at ${new Date(readyAtMs).toISOString()}.`,
    retryAfterS: Math.max(1, Math.ceil((readyAtMs - device.ports.clock.nowMs()) / 1000)),
  })
}

const askForThaw = async (device: Device, box: EnrolmentBox): Done<JsonReply<"account.thaw-wait">> => {
  const waiting = box.current
  if (waiting !== undefined)
    return transportOf(device, waiting.server.origin).json("login.thaw-wait", {}, { session: waiting.session })
  const calls = await deviceCalls(device)
  if (!calls.ok) return device.record?.account === undefined ? err({ code: "signed-out" }) : calls
  return calls.value.transport.json("account.thaw-wait", {}, calls.value.as)
}
