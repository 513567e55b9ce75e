import { bytesToHex, err, formatId, ok, type Result } from "@keyferry/base"
import { RECORD_KIND } from "@keyferry/crypto"
import type { Item } from "@keyferry/items"
import type { Failure } from "@keyferry/protocol"

import type { RotationEntry } from "./api.ts"
import { type Device, type LocalKeys, readState, stateRow } from "./device.ts"
import { POLICY_SYNCED, rotationRow } from "./formats.ts"
import { bodyOf } from "./items.ts"

/*
 * What a removed device could read stays read: this list says what to replace at the source, worst first.
 */
const RANK: Readonly<Record<RotationEntry["harm"], number>> = { withdraws: 0, trades: 1, "signs-in": 2, reads: 3, other: 4 }

/** How much harm an item can do in the wrong hands. An exchange key whose rights are not known counts as able to withdraw. */
export const harmOf = (item: Pick<Item, "kind" | "fields">): { readonly harm: RotationEntry["harm"]; readonly why: string } => {
  switch (item.kind) {
    case "exchange-key": {
      const rights = item.fields.get("permissions")?.value.toLowerCase() ?? ""
      if (rights === "" || rights.includes("withdraw")) return { harm: "withdraws", why: rights === "" ? "Its rights are not recorded; it may withdraw." : "It may withdraw." }
      if (rights.includes("trade")) return { harm: "trades", why: "It may trade." }
      return { harm: "reads", why: "It may read balances and orders." }
    }
    case "ssh-key":
    case "identity":
      return { harm: "signs-in", why: "It signs in to your hosts." }
    case "login":
      return { harm: "signs-in", why: "It signs in as you." }
    case "api-token":
    case "env-set":
      return { harm: "signs-in", why: "Programs sign in with it." }
    case "note":
      return { harm: "reads", why: "Its text was readable there." }
    default:
      return { harm: "other", why: "It holds no secret of its own." }
  }
}

/** Every synced credential that was readable at this time, kept until each is ticked off. */
export const rememberRotation = async (device: Device, keys: LocalKeys): Promise<readonly RotationEntry[]> => {
  const removedAtMs = device.ports.clock.nowMs()
  const entries: RotationEntry[] = []
  const rows = []
  for (const local of device.items.values()) {
    if (local.recordKind !== RECORD_KIND.item || local.policy !== POLICY_SYNCED || local.rev === 0) continue
    const item = bodyOf(local)
    if (!item.ok) continue
    const { harm, why } = harmOf(item.value)
    if (harm === "other") continue
    const itemId = formatId("itm", local.itemId)
    entries.push({ itemId, kind: item.value.kind, title: item.value.title, harm, why })
    const row = rotationRow.encode({ itemId: local.itemId, kind: item.value.kind, title: item.value.title, harm, why, doneAtMs: 0, removedAtMs })
    rows.push(await stateRow(device, keys, `rotation:${bytesToHex(local.itemId)}`, row))
  }
  if (rows.length > 0) await device.ports.store.write(rows)
  return sorted(entries)
}

export const rotationList = async (device: Device): Promise<Result<readonly RotationEntry[], Failure>> => {
  const { local } = device
  if (local === undefined) return err({ code: "locked" })
  const entries: RotationEntry[] = []
  for (const { key } of await device.ports.store.list("state")) {
    if (!key.startsWith("rotation:")) continue
    const bytes = await readState(device, local, key)
    const row = bytes === undefined ? undefined : rotationRow.decode(bytes, 80_000)
    if (row?.ok !== true) continue
    const { itemId, kind, title, harm, why, doneAtMs } = row.value
    entries.push({ itemId: formatId("itm", itemId), kind, title, harm: harm as RotationEntry["harm"], why, ...(doneAtMs === 0 ? {} : { doneAtMs }) })
  }
  return ok(sorted(entries))
}

export const rotationDone = async (device: Device, itemIdHex: string): Promise<Result<void, Failure>> => {
  const { local } = device
  if (local === undefined) return err({ code: "locked" })
  const key = `rotation:${itemIdHex}`
  const bytes = await readState(device, local, key)
  const row = bytes === undefined ? undefined : rotationRow.decode(bytes, 80_000)
  if (row?.ok !== true) return err({ code: "not-found" })
  await device.ports.store.write([await stateRow(device, local, key, rotationRow.encode({ ...row.value, doneAtMs: device.ports.clock.nowMs() }))])
  return ok(undefined)
}

const sorted = (entries: readonly RotationEntry[]): readonly RotationEntry[] =>
  entries.toSorted((a, b) => (a.doneAtMs === undefined ? 0 : 1) - (b.doneAtMs === undefined ? 0 : 1) || RANK[a.harm] - RANK[b.harm] || a.title.localeCompare(b.title))
