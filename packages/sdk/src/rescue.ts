import { err, ok, type Result, secret } from "@keyferry/base"
import { HOLDER_RECOVERY, newestSlot } from "@keyferry/chain"
import { decodeRescue, deriveSlot, openRescue, recoverySlotSecret, unlockFactor } from "@keyferry/crypto"
import type { Failure } from "@keyferry/protocol"

import { type Device, deviceSecret, recordRow } from "./device.ts"
import { type DeviceRecord, localBundle, MODE_LOCAL, POLICY_LOCAL } from "./formats.ts"
import { parseKit } from "./kit-code.ts"
import { readSealedPages } from "./item-pages.ts"
import { loadItems, NO_VAULT } from "./items.ts"
import { moveToVault } from "./merge-item.ts"
import type { Row } from "./ports.ts"
import { rowsUnderNewKeys } from "./rekey-store.ts"
import { localKey, sealRow } from "./sealing.ts"
import { afterUnlock } from "./open-time.ts"
import { newLocalKeys, passwordProblem } from "./unlock.ts"

/**
 * Opens this device's store with the kit code and no server, and makes it a store of this device alone under a new
 * password. Nothing leaves the device. The account's keys are not in the store, so it does not sync any more.
 */
export const rescue = async (
  device: Device,
  kitText: string,
  newPassword: string,
): Promise<Result<{ readonly items: number }, Failure>> => {
  const weak = passwordProblem(newPassword)
  if (weak !== undefined) return err(weak)
  const code = parseKit(device, kitText)
  if (!code.ok) return code
  const { account, record, ports } = device
  const bytes = await ports.store.read("clear", "rescue")
  if (record?.account === undefined || account === undefined || bytes === undefined)
    return err({ code: "not-found", detail: "There is nothing to rescue on this device." })
  const box = decodeRescue(bytes)
  const slot = newestSlot(account, HOLDER_RECOVERY)
  if (!box.ok || slot === undefined) return err({ code: "store-corrupt" })
  const p = ports.primitives
  const slotId = box.value.slotId
  const keys = await deriveSlot(p, recoverySlotSecret(code.value), account.accountSalt, HOLDER_RECOVERY, slotId)
  const place = { uid: account.id, deviceId: record.account.deviceId, slotId }
  const opened = await openRescue(p, place, { seed: keys.kemSeed, publicKey: keys.kemPk }, box.value)
  if (!opened.ok)
    return err({
      code: "kit-code-wrong",
      detail: "The kit that was current when this device was last unlocked opens it.",
    })
  const local = opened.value.reveal()
  device.local = {
    standard: secret<"StandardKey">(local.slice(0, 32)),
    strict: secret<"StrictKey">(local.slice(32, 64)),
  }
  const loaded = await loadItems(device, device.local, await readSealedPages(device.ports))
  if (!loaded.ok) return loaded

  const d = await deviceSecret(ports, true)
  if (d === undefined) return err({ code: "store-corrupt" })
  const fresh = newLocalKeys(device)
  for (const [key, item] of device.items)
    device.items.set(key, {
      ...moveToVault(item, NO_VAULT),
      policy: POLICY_LOCAL,
      waiting: false,
      rev: 0,
      epoch: 0,
      ctHash: new Uint8Array(32),
      prevHash: new Uint8Array(32),
    })
  device.vaults = new Map()
  const rows = await rowsUnderNewKeys(device, fresh)
  if (!rows.ok) return rows
  const next: DeviceRecord = {
    version: 1,
    mode: MODE_LOCAL,
    saltOn: ports.random.bytes(32),
    saltOff: ports.random.bytes(32),
  }
  const u = await unlockFactor(p, newPassword, next.saltOn)
  const bundle: Row = {
    table: "bundle",
    key: "local",
    value: await sealRow(
      p,
      ports.random,
      await localKey(p, u, d, next.saltOn, "local"),
      "bundle",
      "local",
      localBundle.encode({ standardKey: fresh.standard.reveal(), strictKey: fresh.strict.reveal() }),
    ),
  }
  await ports.store.replace([...rows.value, recordRow(next), bundle])
  device.record = next
  device.local = fresh
  device.account = undefined
  device.links = []
  device.settings = { ...device.settings, syncOn: false }
  afterUnlock(device)
  return ok({ items: [...device.items.values()].filter((i) => i.recordKind === 1 && i.deletedAtMs === 0).length })
}
