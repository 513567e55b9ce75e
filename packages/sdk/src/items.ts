import { bytesToHex, err, formatId, ok, parseId, type Result } from "@keyferry/base"
import { RECORD_KIND } from "@keyferry/crypto"
import {
  buildFields,
  decodeItem,
  encodeItem,
  type FieldProblem,
  type Fields,
  isCredential,
  type Item,
  kindByName,
  leaseClassOf,
  makeItem,
} from "@keyferry/items"
import {
  choiceForNew,
  classAfterMove,
  effectiveClass,
  type LeaseClass,
  type LocalReason,
  type SyncSettings,
} from "@keyferry/engine"
import type { Failure } from "@keyferry/protocol"

import type { ItemChange, ItemInput, ItemView, SyncPolicy } from "./api.ts"
import type { Device, LocalKeys } from "./device.ts"
import { HELD_BY_CHOICE, HELD_BY_SWITCH, type LocalItem, POLICY_LOCAL, POLICY_SYNCED } from "./formats.ts"
import { summaryOf } from "./item-summary.ts"
import { type ItemRow, moveIntoPages, readItems, type SealedPages } from "./item-pages.ts"
import { withEdit } from "./outbox-rows.ts"

/** Items that belong to no vault of an account yet. */
export const NO_VAULT = new Uint8Array(32)
const ZERO_HASH = new Uint8Array(32)
const NOBODY = new Uint8Array(16)
/** The item as a row, which the store puts into a page of its class; a page of the other class loses it. */
export const itemRow = (keys: LocalKeys, item: LocalItem): ItemRow => ({
  table: "item",
  key: bytesToHex(item.itemId),
  item,
  keys,
})

export const removedItemRow = (item: LocalItem): ItemRow => ({ table: "item", key: bytesToHex(item.itemId) })

/** Reads every item that the keys open; with both classes open, a store of the older format becomes one of pages. */
export const loadItems = async (
  device: Device,
  keys: LocalKeys,
  sealed: SealedPages | undefined,
): Promise<Result<void, Failure>> => {
  const read = await readItems(device.ports, keys, sealed)
  if (!read.ok) return read
  device.items = read.value.items
  device.closedItems = read.value.closed
  device.pages = read.value.pages
  if (device.pages !== "rows" || keys.strict === undefined) return ok(undefined)
  try {
    return await moveIntoPages(device.ports, device, device.items)
  } catch (error) {
    // A disk that is full or takes no writing: the older format is read and written as before, and the next time is tried again.
    if (device.ports.failureOf(error) === undefined) throw error
    return ok(undefined)
  }
}

export const bodyOf = (item: LocalItem): Result<Item, Failure> => {
  const decoded = decodeItem(item.body, { itemId: item.itemId, vaultId: item.vaultId })
  if (decoded.ok) return decoded
  return err(decoded.error === "unknown-version" ? { code: "unsupported-version" } : { code: "cannot-open" })
}

export const encodeBody = (item: Item): Result<Uint8Array, Failure> => {
  const bytes = encodeItem(item)
  if (bytes.ok) return bytes
  return err(
    bytes.error === "too-large"
      ? { code: "too-large", detail: "An item holds at most 64 KB." }
      : { code: "credential-malformed", detail: "The text is not valid Unicode." },
  )
}

export const findItem = (device: Device, id: string): Result<LocalItem, Failure> => {
  if (device.local === undefined) return err({ code: "locked" })
  const bytes = parseId("itm", id)
  if (!bytes.ok) return err({ code: "not-found" })
  const item = device.items.get(bytesToHex(bytes.value))
  if (item !== undefined) return ok(item)
  return err(device.local.strict === undefined ? { code: "lease-needs-server" } : { code: "not-found" })
}

/** Personal vault of the account on this device, or no vault. */
export const homeVault = (device: Device): Uint8Array => [...device.vaults.values()][0]?.row.vaultId ?? NO_VAULT

/** The class of an item: chosen by hand for it, else by its kind. */
export const classOf = (item: Pick<Item, "kind" | "leaseClass">): LeaseClass =>
  effectiveClass({ kindDefault: leaseClassOf({ kind: item.kind }), byHand: item.leaseClass })

const described = (problem: FieldProblem): Failure => ({
  code: "credential-malformed",
  detail: `Field “${problem.field}”: ${problem.reason.replaceAll("-", " ")}.`,
})

/** A new item as a row in memory; nothing is written yet. */
export const newLocalItem = (device: Device, input: ItemInput): Result<LocalItem, Failure> => {
  const kind = kindByName(input.kind)
  if (kind === undefined) return err({ code: "not-found", detail: `There is no kind “${input.kind}”.` })
  const built = buildFields(
    kind,
    input.fields.map((f) => [f.name, f.value] as const),
  )
  if (!built.ok) return err(described(built.error))
  const secretByName = new Map(input.fields.map((f) => [f.name, f.secret]))
  const fields: Fields = new Map(
    [...built.value.fields].map(([name, f]) => [
      name,
      { value: f.value, secret: f.secret || (kind.credential && secretByName.get(name) === true) },
    ]),
  )
  const itemId = device.ports.random.bytes(16)
  const vaultId = homeVault(device)
  const item = makeItem({
    kind: input.kind,
    title: input.title,
    fields,
    nowMs: device.ports.clock.nowMs(),
    itemId,
    vaultId,
    tags: input.tags ?? [],
    ...(input.class === undefined ? {} : { leaseClass: input.class }),
  })
  const body = encodeBody(item)
  if (!body.ok) return body
  const choice = policyForNew(device, item.kind, input.policy)
  if (!choice.ok) return choice
  // A removed device may still hold the vault's key: what is strict does not go up under it (SY45).
  if (choice.value.waiting && classOf(item) === "strict" && device.overdue.includes(bytesToHex(vaultId)))
    return err({ code: "epoch-stale" })
  return ok({
    itemId,
    vaultId,
    rev: 0,
    epoch: 0,
    ctHash: ZERO_HASH,
    body: body.value,
    ...choice.value,
    strict: classOf(item) === "strict",
    deletedAtMs: 0,
    by: NOBODY,
    recordKind: RECORD_KIND.item,
    prevHash: ZERO_HASH,
  })
}

/** What is in force here. No policy of this version keeps kinds off the server. */
export const syncSettings = (device: Device): SyncSettings => {
  const { syncOn, autoNew, credentials } = device.settings
  return { syncOn, autoNew, credentials, neverSync: [] }
}

/** Whether a new item syncs, as fields of its row. Errors: credential-sync-disabled, where a person asked for it by name. */
export const policyForNew = (
  device: Device,
  kind: string,
  asked?: SyncPolicy,
): Result<Pick<LocalItem, "policy" | "waiting" | "heldBy">, Failure> => {
  const { choice, localBecause, refusal } = choiceForNew(
    { credential: isCredential(kind), kind },
    syncSettings(device),
    asked,
  )
  if (refusal !== undefined) return err({ code: refusal })
  if (choice === "synced") return ok({ policy: POLICY_SYNCED, waiting: true })
  return ok({ policy: POLICY_LOCAL, waiting: false, ...heldBecause(localBecause) })
}

export const heldBecause = (reason: LocalReason | undefined): Pick<LocalItem, "heldBy"> =>
  reason === undefined ? {} : { heldBy: reason === "choice" ? HELD_BY_CHOICE : HELD_BY_SWITCH }

/** Applies a person's change to an item's body. */
export const changedBody = (device: Device, local: LocalItem, change: ItemChange): Result<Item, Failure> => {
  const before = bodyOf(local)
  if (!before.ok) return before
  const item = before.value
  const fields = new Map(item.fields)
  const kind = kindByName(item.kind)
  for (const { name, value, secret } of change.fields ?? []) {
    if (value === null || value === "") {
      fields.delete(name)
      continue
    }
    fields.set(name, { value, secret: secret ?? fields.get(name)?.secret ?? false })
  }
  let built: Fields = fields
  if (kind !== undefined) {
    const checked = buildFields(
      kind,
      [...fields].map(([name, f]) => [name, f.value] as const),
    )
    if (!checked.ok) return err(described(checked.error))
    built = new Map(
      [...checked.value.fields].map(([name, f]) => [
        name,
        { value: f.value, secret: f.secret || (kind.credential && fields.get(name)?.secret === true) },
      ]),
    )
  }
  return ok({
    ...item,
    title: change.title ?? item.title,
    tags: change.tags ?? item.tags,
    fields: built,
    updatedMs: device.ports.clock.nowMs(),
    ...(change.class === undefined ? {} : { leaseClass: change.class }),
  })
}

/** The row after an edit here. A class is never lowered by anything but a person's own choice of class. */
export const editedLocal = (local: LocalItem, item: Item, chosenClass: boolean): Result<LocalItem, Failure> => {
  const body = encodeBody({ ...item, itemId: local.itemId, vaultId: local.vaultId })
  if (!body.ok) return body
  const strict =
    (chosenClass ? classOf(item) : classAfterMove(local.strict ? "strict" : "standard", classOf(item))) === "strict"
  return ok({ ...withEdit(local, body.value), strict })
}

export const viewOf = (device: Device, local: LocalItem): Result<ItemView, Failure> => {
  const body = bodyOf(local)
  if (!body.ok) return body
  const item = body.value
  return ok({
    ...summaryOf(local),
    fields: [...item.fields].map(([name, f]) => ({ name, value: f.value, secret: f.secret })),
    createdAtMs: item.createdMs,
    alternatives: item.alternatives.map((a) => ({
      field: a.field,
      value: a.value,
      deviceId: formatId("dev", a.deviceId),
      rev: a.revision,
    })),
  })
}
