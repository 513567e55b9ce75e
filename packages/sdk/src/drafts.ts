import { err, listOf, ok, optional, type Result, struct, textUpTo, tuple, type TypeOf, uint } from "@keyferry/base"
import { kindByName, leaseClassOf } from "@keyferry/items"
import type { Failure } from "@keyferry/protocol"

import type { ItemDraft } from "./api.ts"
import { type Device, type LocalKeys } from "./device.ts"
import { findItem } from "./items.ts"
import { notOpen } from "./not-open.ts"
import type { Row } from "./ports.ts"
import { openRow, sealRow } from "./sealing.ts"

/*
 * What was typed into an editor and not saved yet. One row for each local class, sealed under the key of that class, so that
 * a draft of a strict item is closed where the item is. Nothing of it leaves this device. Source: spec/device-store.md
 */
const TABLE = "state"
const ROWS = { standard: "drafts", strict: "drafts-strict" } as const
type Class = keyof typeof ROWS
const CLASSES = ["standard", "strict"] as const

/** Rows of `state` that are not all under the standard key: whoever seals the table again leaves them to `draftsUnderNewKeys`. */
export const DRAFT_ROWS: ReadonlySet<string> = new Set(Object.values(ROWS))

const MAX_DRAFTS = 50
const MAX_CHARACTERS = 256 * 1024
const KEPT_MS = 30 * 24 * 3_600_000

const text = textUpTo(MAX_CHARACTERS)
const draftsRow = struct({
  drafts: [
    1,
    listOf(
      struct({
        of: [1, textUpTo(200)],
        atMs: [2, uint],
        title: [3, optional(text)],
        tags: [4, optional(text)],
        values: [5, listOf(tuple(text, text), 1000)],
        gone: [6, listOf(text, 1000)],
      }),
      MAX_DRAFTS,
    ),
  ],
})
type Drafts = TypeOf<typeof draftsRow>["drafts"]
type StoredDraft = Drafts[number]

/** Whose draft: an item of this device, or a new one of a kind. Errors: locked, lease-needs-server, not-found */
const classOfDraft = (device: Device, of: string): Result<Class, Failure> => {
  if (device.local === undefined) return err(notOpen(device))
  if (of.startsWith("new:")) {
    const kind = kindByName(of.slice(4))
    return kind === undefined ? err({ code: "not-found" }) : ok(leaseClassOf({ kind: kind.kind }))
  }
  const item = findItem(device, of)
  return item.ok ? ok(item.value.strict ? "strict" : "standard") : item
}

const keyFor = (keys: LocalKeys, of: Class) => (of === "strict" ? keys.strict : keys.standard)

const readDrafts = async (device: Device, keys: LocalKeys, of: Class): Promise<Drafts> => {
  const key = keyFor(keys, of)
  const bytes = key === undefined ? undefined : await device.ports.store.read(TABLE, ROWS[of])
  if (key === undefined || bytes === undefined) return []
  const opened = await openRow(device.ports.primitives, key, TABLE, ROWS[of], bytes)
  const row = opened.ok ? draftsRow.decode(opened.value, 80 * 1024 * 1024) : opened
  return row.ok ? row.value.drafts : []
}

const rowOf = async (device: Device, keys: LocalKeys, of: Class, drafts: Drafts): Promise<Row> => {
  const key = keyFor(keys, of)
  if (key === undefined || drafts.length === 0) return { table: TABLE, key: ROWS[of] }
  const { primitives, random } = device.ports
  const value = await sealRow(primitives, random, key, TABLE, ROWS[of], draftsRow.encode({ drafts }))
  return { table: TABLE, key: ROWS[of], value }
}

export const readDraft = async (device: Device, of: string): Promise<Result<ItemDraft | undefined, Failure>> => {
  const found = classOfDraft(device, of)
  if (!found.ok) return found
  if (device.local === undefined) return err(notOpen(device))
  // An item whose class changed may have its draft in the other row.
  for (const one of [found.value, ...CLASSES]) {
    const stored = (await readDrafts(device, device.local, one)).find((draft) => draft.of === of)
    if (stored !== undefined) return ok(fromStored(stored))
  }
  return ok(undefined)
}

/** `null` forgets it. Errors: as above, too-large, credential-malformed */
export const keepDraft = async (
  device: Device,
  of: string,
  draft: ItemDraft | null,
): Promise<Result<void, Failure>> => {
  const found = classOfDraft(device, of)
  if (!found.ok) return found
  const { local, ports } = device
  if (local === undefined) return err(notOpen(device))
  if (keyFor(local, found.value) === undefined) return err({ code: "lease-needs-server" })
  const nowMs = ports.clock.nowMs()
  const stored = draft === null ? undefined : toStored(of, nowMs, draft)
  if (stored !== undefined) {
    const all = [of, stored.title ?? "", stored.tags ?? "", ...stored.values.flat(), ...stored.gone]
    if (all.reduce((sum, part) => sum + part.length, 0) > MAX_CHARACTERS || stored.values.length > 1000)
      return err({ code: "too-large" })
    if (!all.every((part) => part.isWellFormed()))
      return err({ code: "credential-malformed", detail: "The text is not valid Unicode." })
  }
  const rows: Row[] = []
  for (const one of CLASSES) {
    const before = await readDrafts(device, local, one)
    const others = before.filter((draft) => draft.of !== of && draft.atMs > nowMs - KEPT_MS)
    const isHere = stored !== undefined && one === found.value
    if (!isHere && others.length === before.length) continue
    // The oldest goes when there are too many.
    const drafts = isHere ? [...others.slice(-(MAX_DRAFTS - 1)), stored] : others
    rows.push(await rowOf(device, local, one, drafts))
  }
  if (rows.length > 0) await ports.store.write(rows)
  return ok(undefined)
}

/** The same drafts under new local keys, each under the class that its item has now; those of items that are gone are left out. */
export const draftsUnderNewKeys = async (
  device: Device,
  before: LocalKeys,
  fresh: LocalKeys,
): Promise<readonly Row[]> => {
  const all = [...(await readDrafts(device, before, "standard")), ...(await readDrafts(device, before, "strict"))]
  const of = (wanted: Class): Drafts =>
    all
      .filter((draft) => {
        const found = classOfDraft(device, draft.of)
        return found.ok && found.value === wanted
      })
      .slice(-MAX_DRAFTS)
  return (await Promise.all(CLASSES.map((one) => rowOf(device, fresh, one, of(one))))).filter(
    (row) => row.value !== undefined,
  )
}

const toStored = (of: string, atMs: number, { title, tags, values }: ItemDraft): StoredDraft => ({
  of,
  atMs,
  ...(title === undefined ? {} : { title }),
  ...(tags === undefined ? {} : { tags }),
  values: Object.entries(values).flatMap(([name, value]) => (value === null ? [] : [[name, value] as const])),
  gone: Object.entries(values).flatMap(([name, value]) => (value === null ? [name] : [])),
})

const fromStored = ({ title, tags, values, gone }: StoredDraft): ItemDraft => ({
  ...(title === undefined ? {} : { title }),
  ...(tags === undefined ? {} : { tags }),
  values: Object.fromEntries([...values, ...gone.map((name) => [name, null] as const)]),
})
