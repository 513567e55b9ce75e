import { createAuthenticator } from "../devices/world.ts"
import type { DeviceTab } from "./device-tab.ts"
import { ADDRESS, PASSWORD } from "./sitting.ts"
import type { World } from "./world.ts"

export interface MadeAccount {
  /** The code of the recovery kit. */
  readonly kit: string
  /** The next code of the authenticator; where one step would give a code twice, the clocks of the servers go on. */
  readonly code: () => Promise<string>
}

/** An account by the world's first link, made through the bridge: with a second factor, and everything that is here synced. */
export const makeAccount = async (world: World, device: DeviceTab): Promise<MadeAccount> => {
  const { code: kit } = await device.must<{ readonly code: string }>("signUp", {
    link: world.firstLink(),
    address: ADDRESS,
    password: PASSWORD,
    deviceName: "First browser",
  })
  const { otpauth } = await device.must<{ readonly otpauth: string }>("twoFactorStart")
  const nextStep = (): Promise<void> => Promise.resolve(world.moveBy(30_000))
  const code = createAuthenticator(otpauth, { nowMs: world.nowMs, nextStep })
  await device.must("twoFactorConfirm", await code())
  await device.must("syncOn", { items: "all", autoNew: true })
  return { kit, code }
}
