import { bytesToHex, formatId, type Result } from "@keyferry/base"
import { fingerprintDigits, RECORD_KIND, serverWords } from "@keyferry/crypto"
import { type Failure, isErrorCode, type JsonReply } from "@keyferry/protocol"

import { deviceCalls } from "./device-calls.ts"
import type { Status } from "./api.ts"
import type { Device } from "./device.ts"
import { describeEnrolment, type EnrolmentBox } from "./enrolment.ts"
import { isKitUnchecked } from "./kit-check.ts"
import type { createLive } from "./live.ts"
import { decodeLabel, type DeviceLabel } from "./profile.ts"
import { waitingItems } from "./sync.ts"

export const labelOf = (device: Device, deviceId: Uint8Array): DeviceLabel | undefined => {
  const row = device.items.get(bytesToHex(deviceId))
  return row?.recordKind === RECORD_KIND.deviceLabel ? decodeLabel(row.body) : undefined
}

/** The name people gave a device, from its label in the vault. */
export const nameOf = (device: Device, deviceId: Uint8Array): string | undefined => {
  const label = labelOf(device, deviceId)
  if (label !== undefined) return label.name
  const own = device.record?.account
  return own !== undefined && bytesToHex(own.deviceId) === bytesToHex(deviceId) ? own.deviceName : undefined
}

/** What this device knows of itself; nothing here asks the server. */
export const statusOf = (
  device: Device,
  box: EnrolmentBox,
  state: ReturnType<ReturnType<typeof createLive>["state"]>,
  remote: RemoteAccount | undefined,
  joins: boolean,
): Status => {
  const { record, local } = device
  const mode = record === undefined ? "none" : record.account === undefined ? "local" : "account"
  const lock: Status["lock"] =
    record === undefined
      ? "no-vault"
      : local === undefined
        ? "locked"
        : local.strict === undefined
          ? "standard-only"
          : "unlocked"
  const lockCode = record?.removed !== undefined && isErrorCode(record.removed) ? record.removed : undefined
  return {
    mode,
    lock,
    ...(lockCode === undefined ? {} : { lockCode }),
    ...(local === undefined ? {} : { unlockedUntilMs: device.unlockedUntilMs }),
    ...(record?.account === undefined
      ? {}
      : {
          account: {
            id: formatId("acc", record.account.accountId),
            digits: fingerprintDigits(record.account.accountId),
            address: record.account.address,
            server: record.account.server.origin,
            serverWords: serverWords(device.ports.primitives, record.account.server.opaquePk).join(" "),
            deviceId: formatId("dev", record.account.deviceId),
            deviceName: nameOf(device, record.account.deviceId) ?? record.account.deviceName,
            deviceState: remote?.state ?? "unknown",
            factors: remote?.factors ?? [],
            frozen: remote?.frozen ?? false,
            ...(remote?.thawAtMs === undefined ? {} : { thawAtMs: remote.thawAtMs }),
            ...(remote?.factorResetAtMs === undefined ? {} : { factorResetAtMs: remote.factorResetAtMs }),
            syncSuspended: remote?.syncSuspended ?? false,
            ...(isKitUnchecked(device) ? { kitUnchecked: true as const } : {}),
          },
          lastContactMs: record.account.lastContactS * 1000,
          graceUntilMs: record.account.graceUntilS * 1000,
        }),
    ...(box.current === undefined ? {} : { enrolment: describeEnrolment(box.current) }),
    ...(joins ? { joining: true as const } : {}),
    sync: {
      on: device.settings.syncOn,
      state: state.state,
      ...(state.failure === undefined
        ? {}
        : {
            code: state.failure.code,
            ...(state.failure.detail === undefined ? {} : { detail: state.failure.detail }),
          }),
      ...(device.settings.lastSyncMs === 0 ? {} : { lastSyncMs: device.settings.lastSyncMs }),
      waiting: waitingItems(device).length,
      ...device.items.counts(),
      ...(device.retrieve === undefined ? {} : { retrieve: device.retrieve }),
      autoNew: device.settings.autoNew,
      credentials: device.settings.credentials,
      ...(device.overdue.length === 0 ? {} : { rotationOverdue: device.overdue.length }),
    },
  }
}

/** What only the server knows. */
export type RemoteAccount = JsonReply<"account.status">

export const liveAccount = async (device: Device): Promise<Result<RemoteAccount, Failure>> => {
  const calls = await deviceCalls(device)
  return calls.ok ? calls.value.transport.json("account.status", {}, calls.value.as) : calls
}
