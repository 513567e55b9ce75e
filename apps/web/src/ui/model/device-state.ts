import type { DeviceInfo } from "@keyferry/sdk"

import type { MessageId } from "../../i18n/translate.ts"
import type { IconName } from "../kit/icon.tsx"
import type { StateTone } from "./sync-looks.ts"

export const STALE_AFTER_MS = 30 * 24 * 60 * 60 * 1000

/** How a device stands, as the list shows it: the states of the protocol, and `stale` for one not seen for 30 days. */
export const DEVICE_STATES = [
  "pending-first",
  "pending",
  "confirmed",
  "approved",
  "active",
  "stale",
  "lease-locked",
  "retired",
  "removed",
  "rejected",
  "expired",
] as const

export type DeviceState = (typeof DEVICE_STATES)[number]

export const deviceStateOf = (device: DeviceInfo, nowMs: number): DeviceState => {
  if (device.state === "active" && !device.isThis && nowMs - device.lastSeenMs > STALE_AFTER_MS) return "stale"
  return DEVICE_STATES.find((state) => state === device.state) ?? "expired"
}

export const isWaitingForApproval = (device: DeviceInfo): boolean =>
  !device.isThis && (device.state === "pending" || device.state === "confirmed")

export const isGone = (device: DeviceInfo): boolean =>
  ["removed", "retired", "rejected", "expired"].includes(device.state)

export const holdsKeys = (device: DeviceInfo): boolean => device.state === "active" || device.state === "lease-locked"

/**
 * Whether the account was there before this device, so that it may have synced what this device does not hold yet: also where no
 * other device is left, as after a recovery.
 */
export const joinedLater = (devices: readonly DeviceInfo[]): boolean =>
  devices.some((device) => (device.isThis ? device.how !== "first" : device.state === "active"))

export const DEVICE_LOOKS: Readonly<
  Record<
    DeviceState,
    { readonly icon: IconName; readonly tone: StateTone | "accent" | undefined; readonly label: MessageId }
  >
> = {
  "pending-first": { icon: "mail", tone: "warn", label: "device-state.pending-first" },
  pending: { icon: "mail", tone: "warn", label: "device-state.pending" },
  confirmed: { icon: "key", tone: "warn", label: "device-state.confirmed" },
  approved: { icon: "key", tone: "warn", label: "device-state.approved" },
  active: { icon: "check", tone: "ok", label: "device-state.active" },
  stale: { icon: "clock", tone: undefined, label: "device-state.stale" },
  "lease-locked": { icon: "lock", tone: "warn", label: "device-state.lease-locked" },
  retired: { icon: "out", tone: undefined, label: "device-state.retired" },
  removed: { icon: "slash", tone: undefined, label: "device-state.removed" },
  rejected: { icon: "close", tone: undefined, label: "device-state.rejected" },
  expired: { icon: "clock", tone: undefined, label: "device-state.expired" },
}

/**
 * Names of devices are sealed, so that a browser that joins cannot know which are taken: it may come with one that another has.
 * Answers the first free name after it for the one that was added later; `undefined` where the name is its own.
 */
export const betterNameFor = (device: DeviceInfo, all: readonly DeviceInfo[]): string | undefined => {
  const others = all.filter((other) => other.id !== device.id && holdsKeys(other))
  const same = others.filter((other) => isSameName(other.name, device.name))
  const isLater = same.some(
    (other) => other.addedAtMs < device.addedAtMs || (other.addedAtMs === device.addedAtMs && other.id < device.id),
  )
  if (!holdsKeys(device) || !isLater) return undefined
  for (let n = 2; ; n++) {
    const name = `${device.name} ${n}`
    if (!others.some((other) => isSameName(other.name, name))) return name
  }
}

const isSameName = (a: string, b: string): boolean => a.trim().toLowerCase() === b.trim().toLowerCase()
