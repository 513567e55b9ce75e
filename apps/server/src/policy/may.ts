import { type DeviceState, type Failure, failure, type Route } from "@keyferry/protocol"

/** How long a password or a second factor counts as fresh. */
export const FRESH_MS = 5 * 60_000

const LEVEL: Readonly<Record<Route["actor"], number>> = {
  public: 0,
  session1: 1,
  recovery: 0,
  session2: 2,
  session3: 3,
  reserved: 0,
  device: 0,
}

/** The session level that a route asks for; 0 where no session is involved. */
export const levelOf = (route: Route): number => LEVEL[route.actor]

/** Says why a session may not pass, or nothing. `level` is undefined when nobody is signed in. */
export const refuseSession = (route: Route, level: number | undefined): Failure | undefined => {
  const needed = levelOf(route)
  if (needed === 0) return undefined
  if (level === undefined) return failure("signed-out")
  if (level >= needed) return undefined
  return failure(level === 1 ? "second-factor-needed" : "device-not-verified")
}

const CODE_BY_STATE: Readonly<Record<DeviceState, Failure["code"]>> = {
  reserved: "device-not-enrolled",
  pending: "device-not-verified",
  "pending-first": "device-not-verified",
  confirmed: "device-not-verified",
  approved: "device-not-verified",
  active: "not-allowed",
  "lease-locked": "lease-locked",
  retired: "device-retired",
  removed: "device-removed",
  rejected: "device-rejected",
  expired: "device-expired",
}

export interface SignedDevice {
  readonly state: string
  readonly lastFactorMs: number
  readonly lastPasswordMs: number
}

/** Says why a device that signed well may still not pass a route of the server, or nothing. */
export const refuseDevice = (route: Route, device: SignedDevice, nowMs: number): Failure | undefined => {
  if (!(route.states as readonly string[]).includes(device.state))
    return failure(isState(device.state) ? CODE_BY_STATE[device.state] : "not-allowed")
  if (route.fresh === "none") return undefined
  if (route.fresh === "factor+password" && nowMs - device.lastPasswordMs > FRESH_MS) return failure("reauth-required")
  return nowMs - device.lastFactorMs > FRESH_MS ? failure("second-factor-needed") : undefined
}

const isState = (state: string): state is DeviceState => Object.hasOwn(CODE_BY_STATE, state)
