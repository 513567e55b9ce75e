import { type Device, forget } from "./device.ts"

/** Takes everything of Keyferry off this device: store, device secret, rescue file. */
export const wipe = async (device: Device): Promise<void> => {
  forget(device)
  device.record = undefined
  device.account = undefined
  device.links = []
  await device.ports.secrets.destroy()
  await device.ports.store.erase()
  device.changed()
}
