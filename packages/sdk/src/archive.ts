import { bytesToHex, equalBytes, err, formatId, ok, type Result } from "@keyferry/base"
import { RECORD_KIND } from "@keyferry/crypto"
import {
  type ArchiveRevision,
  assignIds,
  exportArchive,
  type ImportError,
  keyferryArchive,
  planImport,
} from "@keyferry/importers"
import type { Item } from "@keyferry/items"
import type { Failure } from "@keyferry/protocol"

import type { ImportReport } from "./api.ts"
import type { Device } from "./device.ts"
import type { LocalItem } from "./formats.ts"
import { bodyOf, classOf, encodeBody, homeVault, itemRow, policyForNew } from "./items.ts"
import type { Row } from "./ports.ts"
import { profileItemIds } from "./profile-rows.ts"

type Done<T> = Promise<Result<T, Failure>>

/** Everything readable here in one age file: items, the bin as history. Opens with the stock age and tar. */
export const archiveOf = async (
  device: Device,
  input: { readonly passphrase?: string; readonly recipients?: readonly string[] },
): Done<Uint8Array> => {
  if (device.local === undefined) return err({ code: "locked" })
  if (device.local.strict === undefined)
    return err({ code: "lease-needs-server", detail: "An export without the strict items would not be whole." })
  const items: Item[] = []
  const history: ArchiveRevision[] = []
  for (const local of device.items.values()) {
    if (local.recordKind !== RECORD_KIND.item || local.body.length === 0) continue
    const item = bodyOf(local)
    if (!item.ok) return item
    if (local.deletedAtMs === 0) items.push(item.value)
    else history.push({ revision: local.rev, savedMs: local.deletedAtMs, item: item.value })
  }
  const reader =
    input.passphrase === undefined
      ? { recipients: input.recipients ?? [] }
      : { passphrase: input.passphrase, scrypt: device.ports.primitives.scrypt }
  const sealed = await exportArchive(
    {
      vaults: [{ vaultId: homeVault(device), name: "Personal" }],
      items,
      history,
      createdMs: device.ports.clock.nowMs(),
    },
    reader,
  )
  if (sealed.ok) return sealed
  return err({
    code: "usage-wrong",
    detail:
      sealed.error.code === "bad-recipient"
        ? `Recipient ${sealed.error.index + 1} is not an age recipient.`
        : "Give a passphrase or a recipient.",
  })
}

export const restoreArchive = async (
  device: Device,
  bytes: Uint8Array,
  key: { readonly passphrase?: string; readonly identity?: string },
  mode: "skip" | "keep-both",
): Done<ImportReport> => {
  if (device.local === undefined) return err({ code: "locked" })
  const opener =
    key.passphrase === undefined
      ? { identities: key.identity === undefined ? [] : [key.identity] }
      : { passphrase: key.passphrase, scrypt: device.ports.primitives.scrypt }
  const parsed = await keyferryArchive.parse(bytes, { nowMs: device.ports.clock.nowMs(), key: opener })
  if (!parsed.ok) return err(importFailure(parsed.error))
  return device.serial(async () => {
    const { local } = device
    if (local === undefined) return err({ code: "locked" } as const)
    const existing: Item[] = []
    for (const row of device.items.values()) {
      const item = row.recordKind === RECORD_KIND.item && row.deletedAtMs === 0 ? bodyOf(row) : undefined
      if (item?.ok === true) existing.push(item.value)
    }
    const plan = await planImport(parsed.value.items, existing, mode)
    const wanted = plan.flatMap((p) => (p.action === "skip" ? [] : [p.imported]))
    const items = assignIds(wanted, homeVault(device), (id) => isTaken(device, id), device.ports.random)
    const rows: Row[] = []
    const added: LocalItem[] = []
    const refused: string[] = []
    for (const item of items) {
      const body = encodeBody(item)
      const strict = classOf(item) === "strict"
      if (!body.ok || (strict && local.strict === undefined)) {
        refused.push(named(item))
        continue
      }
      const choice = policyForNew(device, item.kind)
      if (!choice.ok) return choice
      const row: LocalItem = {
        itemId: item.itemId,
        vaultId: item.vaultId,
        rev: 0,
        epoch: 0,
        ctHash: new Uint8Array(32),
        body: body.value,
        ...choice.value,
        strict,
        deletedAtMs: 0,
        by: new Uint8Array(16),
        recordKind: RECORD_KIND.item,
        prevHash: new Uint8Array(32),
      }
      added.push(row)
      rows.push(itemRow(local, row))
    }
    await device.ports.store.write(rows)
    for (const row of added) device.items.set(bytesToHex(row.itemId), row)
    device.changed()
    const different = plan.flatMap((p) => (p.action === "skip" && !p.identical ? [named(p.existing)] : []))
    return ok({ added: added.length, skipped: plan.length - wanted.length, different, refused })
  })
}

/**
 * An id is never used twice in a vault, not even of an item that was deleted elsewhere; and those of the vault's own records
 * (its settings, the names of devices) are no item's, whatever an archive says.
 */
const isTaken = (device: Device, itemId: Uint8Array): boolean =>
  device.items.has(bytesToHex(itemId)) ||
  device.account?.holders.has(bytesToHex(itemId)) === true ||
  [...device.vaults.values()].some(
    (v) =>
      v.tree.trie.get(itemId) !== undefined ||
      profileItemIds(device, v.state.id).some((own) => equalBytes(itemId, own)),
  )

const importFailure = (error: ImportError): Failure => {
  switch (error.code) {
    case "archive-key-needed":
    case "archive-key-wrong":
      return { code: "wrong-encryption-password" }
    case "archive-newer":
      return { code: "unsupported-version", detail: `The archive has version ${error.version}.` }
    default:
      return { code: "import-failed", detail: `Reason: ${error.code}${"at" in error ? ` at ${error.at}` : ""}.` }
  }
}

const named = ({ title, itemId }: Item): string => `${title} (${formatId("itm", itemId)})`
