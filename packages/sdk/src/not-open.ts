import type { Failure } from "@keyferry/protocol"

import type { Device } from "./device.ts"

/** Why a closed store answers nothing. */
export const notOpen = (device: Device): Failure =>
  device.record === undefined
    ? { code: "not-found", detail: "There is no vault on this device yet." }
    : { code: "locked" }
