import { ok, type Result } from "@keyferry/base"
import type { Failure } from "@keyferry/protocol"

import { type Device, type LocalKeys, readState, settingsStateRow, stateRow } from "./device.ts"
import { DRAFT_ROWS, draftsUnderNewKeys } from "./drafts.ts"
import { itemRow } from "./items.ts"
import { keptUnderNewKeys } from "./kept.ts"
import type { Row } from "./ports.ts"
import { openRow, sealRow } from "./sealing.ts"
import { vaultStoreRow } from "./vault.ts"

/**
 * Every row of the store, sealed under new local keys. What was staged for joining an account and the old bundles are
 * left out: they belong to the keys that go.
 */
export const rowsUnderNewKeys = async (device: Device, fresh: LocalKeys): Promise<Result<readonly Row[], Failure>> => {
  const { local, ports } = device
  const rows: Row[] = []
  if (local === undefined) return ok(rows)
  for (const item of device.items.values()) {
    rows.push(itemRow(fresh, item))
  }
  for (const vault of device.vaults.values()) rows.push(await vaultStoreRow(device, fresh, vault.row))
  rows.push(...(await keptUnderNewKeys(device, local, fresh)))
  rows.push(...(await draftsUnderNewKeys(device, local, fresh)))
  rows.push(await settingsStateRow(device, fresh, device.settings))
  for (const { key } of await ports.store.list("state")) {
    if (key === "settings" || key === "staged" || key === "enrolment" || DRAFT_ROWS.has(key)) continue
    const plain = await readState(device, local, key)
    if (plain !== undefined) rows.push(await stateRow(device, fresh, key, plain))
  }
  for (const { key, value } of await ports.store.list("old")) {
    const opened = await openRow(ports.primitives, local.standard, "old", key, value)
    const strict =
      opened.ok || local.strict === undefined
        ? opened
        : await openRow(ports.primitives, local.strict, "old", key, value)
    if (!strict.ok) continue
    const under = opened.ok ? fresh.standard : (fresh.strict ?? fresh.standard)
    rows.push({
      table: "old",
      key,
      value: await sealRow(ports.primitives, ports.random, under, "old", key, strict.value),
    })
  }
  return ok(rows)
}
