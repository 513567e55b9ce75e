import { bytesToHex, err, formatId, ok, parseId, type Result } from "@keyferry/base"
import { RECORD_KIND } from "@keyferry/crypto"
import { HARMS, type ReadableItem, rotationList as decideRotation } from "@keyferry/engine"
import type { Item } from "@keyferry/items"
import type { Failure } from "@keyferry/protocol"

import type { RotationEntry } from "./api.ts"
import { type Device, type LocalKeys, readState, stateRow } from "./device.ts"
import { type LocalItem, POLICY_SYNCED, rotationRow } from "./formats.ts"
import { bodyOf } from "./items.ts"

/*
 * What a removed device could read stays read: this list says what to replace at the source, worst first. Which and why is
 * decided by the engine; here it is kept until each is ticked off. Source: spec/sync.md, SY40–SY42
 */

/** Every synced item with secrets that was readable at this time. */
export const rememberRotation = async (device: Device, keys: LocalKeys): Promise<readonly RotationEntry[]> => {
  const removedAtMs = device.ports.clock.nowMs()
  const readable: ReadableItem[] = []
  for (const local of device.items.values()) {
    if (local.recordKind !== RECORD_KIND.item || local.policy !== POLICY_SYNCED || local.rev === 0) continue
    const item = bodyOf(local)
    if (item.ok) readable.push(readableItem(local, item.value))
  }
  const entries = decideRotation(readable)
  const rows = []
  for (const { itemId, kind, title, harm, why } of entries) {
    const id = parseId("itm", itemId)
    if (!id.ok) continue
    const row = rotationRow.encode({ itemId: id.value, kind, title, harm, why, doneAtMs: 0, removedAtMs })
    rows.push(await stateRow(device, keys, `rotation:${bytesToHex(id.value)}`, row))
  }
  if (rows.length > 0) await device.ports.store.write(rows)
  return entries
}

const readableItem = (local: LocalItem, item: Item): ReadableItem => {
  const present = [...item.fields].filter(([, f]) => f.value !== "")
  const permissions = item.fields.get("permissions")?.value
  return {
    itemId: formatId("itm", local.itemId),
    kind: item.kind,
    title: item.title,
    class: local.strict ? "strict" : "standard",
    fieldsPresent: present.map(([name]) => name),
    // Notes may hold anything a person wrote.
    secretsPresent: [
      ...present.filter(([, f]) => f.secret).map(([name]) => name),
      ...(item.notes === "" ? [] : ["notes"]),
    ],
    ...(permissions === undefined ? {} : { permissions }),
  }
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
    entries.push({
      itemId: formatId("itm", itemId),
      kind,
      title,
      harm: harm as RotationEntry["harm"],
      why,
      ...(doneAtMs === 0 ? {} : { doneAtMs }),
    })
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
  await device.ports.store.write([
    await stateRow(device, local, key, rotationRow.encode({ ...row.value, doneAtMs: device.ports.clock.nowMs() })),
  ])
  return ok(undefined)
}

const sorted = (entries: readonly RotationEntry[]): readonly RotationEntry[] =>
  entries.toSorted(
    (a, b) =>
      (a.doneAtMs === undefined ? 0 : 1) - (b.doneAtMs === undefined ? 0 : 1) ||
      HARMS.indexOf(a.harm) - HARMS.indexOf(b.harm) ||
      a.title.localeCompare(b.title),
  )
