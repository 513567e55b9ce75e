import { ok, type Result } from "@keyferry/base"
import type { Failure } from "@keyferry/protocol"

import type { Device } from "./device.ts"
import { isRescueStale, renewLocalKeys } from "./renew-local-keys.ts"
import { purgeOld } from "./retention.ts"
import { finishStaged } from "./signup.ts"
import { dropStaged, readStaged } from "./staged.ts"
import { tellKit } from "./sync-chores.ts"

/** What an open store is due: thirty days are over, or a kit was replaced. `true`: the others are to hear of it. */
export const tidy = async (device: Device): Promise<Result<boolean, Failure>> => {
  await purgeOld(device)
  if (device.full === undefined) return ok(false)
  const renewed = (await isRescueStale(device)) ? await renewLocalKeys(device) : ok(undefined)
  return renewed.ok ? tellKit(device) : renewed
}

/** A stop between sending and settling is finished at the next unlock. */
export const finishWhatWasStaged = async (device: Device): Promise<Failure["code"] | undefined> => {
  if (device.local === undefined || device.record?.account !== undefined) return undefined
  const staged = await readStaged(device, device.local)
  if (staged === undefined) return undefined
  if (staged.route === "none") {
    await dropStaged(device)
    return undefined
  }
  const done = await finishStaged(device, staged)
  return done.ok ? undefined : done.error.code
}
