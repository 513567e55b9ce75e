import { bytesToHex } from "@keyferry/base"

import type { Device } from "./device.ts"
import { KEPT_MS, staleKept } from "./kept.ts"
import type { Row } from "./ports.ts"

/** Takes out earlier bodies and bodies of the bin that are older than thirty days; what the server knows of them stays. */
export const purgeOld = async (device: Device): Promise<void> => {
  const { local, ports } = device
  if (local?.strict === undefined) return
  const before = ports.clock.nowMs() - KEPT_MS
  const rows: Row[] = []
  for (const { key } of await ports.store.list("old")) {
    const atMs = Number(key.split(":")[1])
    if (Number.isFinite(atMs) && atMs < before) rows.push({ table: "old", key })
  }
  rows.push(...(await staleKept(device)))
  const { itemRow, removedItemRow } = await import("./items.ts")
  for (const [key, item] of device.items.deleted()) {
    if (item.deletedAtMs >= before || item.waiting || item.body.length === 0) continue
    if (item.rev === 0) {
      rows.push(removedItemRow(item))
      device.items.delete(key)
      continue
    }
    const emptied = { ...item, body: new Uint8Array() }
    rows.push(itemRow(local, emptied))
    device.items.set(bytesToHex(item.itemId), emptied)
  }
  if (rows.length > 0) await ports.store.write(rows)
}
