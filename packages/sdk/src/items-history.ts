import { bytesToHex, err, formatId, ok, type Result } from "@keyferry/base"
import { decodeRecord, openRecord, readRecordHeader } from "@keyferry/crypto"
import { decodeItem, type Item } from "@keyferry/items"
import { type Failure, historyReplyStruct, historyRequestStruct } from "@keyferry/protocol"

import { deviceCalls } from "./device-calls.ts"
import type { Revision } from "./api.ts"
import type { Device, LocalKeys } from "./device.ts"
import type { LocalItem } from "./formats.ts"
import type { Row } from "./ports.ts"
import { openRow, sealRow } from "./sealing.ts"
import { vaultKeyOf } from "./vault.ts"

/*
 * Earlier revisions: of synced items from the server's superseded records, walked back from the signed leaf over the
 * hash that each header names; of items that are only here from their own rows.
 */

/** Keeps the body that an edit replaces, for an item that has no history at the server. */
export const oldBodyRow = async (device: Device, keys: LocalKeys, item: LocalItem): Promise<Row | undefined> => {
  if (item.rev > 0 && !item.waiting) return undefined
  const secret = item.strict ? keys.strict : keys.standard
  if (secret === undefined) return undefined
  const key = `${bytesToHex(item.itemId)}:${String(device.ports.clock.nowMs()).padStart(15, "0")}:${bytesToHex(device.ports.random.bytes(2))}`
  return {
    table: "old",
    key,
    value: await sealRow(device.ports.primitives, device.ports.random, secret, "old", key, item.body),
  }
}

const revisionOf = (item: Item, rev: number, deviceId: Uint8Array): Revision => ({
  rev,
  atMs: item.updatedMs,
  deviceId: formatId("dev", deviceId),
  title: item.title,
  fields: [...item.fields].map(([name, f]) => ({ name, value: f.value, secret: f.secret })),
  ...(item.alternatives.length === 0
    ? {}
    : { alternatives: item.alternatives.map(({ field, value }) => ({ field, value })) }),
})

/** Newest first, without the current one. Each with the body to restore. */
export const historyOf = async (
  device: Device,
  local: LocalItem,
): Promise<Result<readonly { readonly revision: Revision; readonly item: Item }[], Failure>> => {
  const here = await localHistory(device, local)
  if (local.rev === 0 || device.full === undefined) return ok(here)
  const served = await servedHistory(device, local)
  return served.ok ? ok([...here, ...served.value]) : served
}

const localHistory = async (device: Device, local: LocalItem) => {
  const { local: keys } = device
  if (keys === undefined) return []
  const prefix = `${bytesToHex(local.itemId)}:`
  const out: { revision: Revision; item: Item }[] = []
  for (const { key, value } of await device.ports.store.list("old")) {
    if (!key.startsWith(prefix)) continue
    for (const secret of [keys.standard, keys.strict]) {
      if (secret === undefined) continue
      const opened = await openRow(device.ports.primitives, secret, "old", key, value)
      if (!opened.ok) continue
      for (const vaultId of [local.vaultId, new Uint8Array(32)]) {
        const item = decodeItem(opened.value, { itemId: local.itemId, vaultId })
        if (!item.ok) continue
        out.push({
          revision: revisionOf(item.value, 0, device.record?.account?.deviceId ?? new Uint8Array(16)),
          item: { ...item.value, vaultId: local.vaultId },
        })
        break
      }
    }
  }
  return out.toReversed().map((entry, i) => ({ ...entry, revision: { ...entry.revision, rev: -(i + 1) } }))
}

const servedHistory = async (
  device: Device,
  local: LocalItem,
): Promise<Result<readonly { readonly revision: Revision; readonly item: Item }[], Failure>> => {
  const calls = await deviceCalls(device)
  if (!calls.ok) return calls
  const { full } = device
  if (full === undefined) return err({ code: "locked" })
  const body = historyRequestStruct.encode({ vaultId: local.vaultId, itemId: local.itemId })
  const reply = await calls.value.transport.cbor("history", body, calls.value.as)
  if (!reply.ok) return reply
  const decoded = historyReplyStruct.decode(reply.value, 80 * 1024 * 1024)
  if (!decoded.ok) return err({ code: "malformed" })
  const out: { revision: Revision; item: Item }[] = []
  const { ctHash } = await import("@keyferry/crypto")
  const byHash = new Map(
    decoded.value.records.flatMap((bytes) => {
      const record = decodeRecord(bytes)
      return record.ok ? [[bytesToHex(ctHash(device.ports.primitives, record.value)), record.value] as const] : []
    }),
  )
  // From the signed leaf backwards: a record is genuine if its successor's header names it (the leaf's own header, which
  // was opened when it arrived, names the first).
  let next = bytesToHex(local.prevHash)
  // Each record is met once, so that it ends whatever the headers name.
  for (let record = byHash.get(next); record !== undefined; record = byHash.get(next)) {
    const header = readRecordHeader(record)
    if (!header.ok) break
    const key = vaultKeyOf(full, local.vaultId, header.value.epoch)
    const opened =
      key === undefined
        ? undefined
        : await openRecord(device.ports.primitives, { key, vid: local.vaultId, itemId: local.itemId, record })
    if (opened?.ok !== true) break
    const item = decodeItem(opened.value.plaintext, { itemId: local.itemId, vaultId: local.vaultId })
    if (item.ok) out.push({ revision: revisionOf(item.value, header.value.rev, header.value.by), item: item.value })
    byHash.delete(next)
    next = bytesToHex(header.value.prevCtHash)
  }
  return ok(out)
}
