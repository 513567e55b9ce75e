import { err, type Result } from "@keyferry/base"
import type { Failure } from "@keyferry/protocol"

import { registerNewPassword } from "./account-calls.ts"
import type { Keyferry } from "./api.ts"
import type { Device } from "./device.ts"
import { repairServer } from "./repair.ts"
import { setDevicePassword } from "./device-password.ts"
import { takeServerHistory } from "./take-server.ts"
import { isFreshPassword } from "./open-time.ts"

type Online = <T>(work: () => Promise<Result<T, Failure>>) => Promise<Result<T, Failure>>

/** What a person does about a server that was restored, or that contradicted itself. */
export const repairCalls = (
  device: Device,
  online: Online,
  report: (failure: Failure | undefined) => void,
): Pick<Keyferry, "repair" | "takeServerHistory" | "registerPassword"> => ({
  repair: () =>
    online(async () => {
      if (!device.settings.syncOn) return err({ code: "sync-not-enabled-here" })
      const done = await repairServer(device)
      report(done.ok ? undefined : done.error)
      return done
    }),
  takeServerHistory: () =>
    online(async () => {
      const done = await takeServerHistory(device)
      report(done.ok ? undefined : done.error)
      return done
    }),
  registerPassword: ({ newPassword }) =>
    online(async () => {
      if (!isFreshPassword(device))
        return err({ code: "reauth-required", detail: "This needs the password of this device within five minutes." })
      const registered = await registerNewPassword(device, newPassword)
      return registered.ok ? setDevicePassword(device, newPassword) : registered
    }),
})
