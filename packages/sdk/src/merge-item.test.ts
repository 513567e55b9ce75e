import { bytesToHex } from "@keyferry/base"
import { encodeItem, type Item, kindByName, makeItem } from "@keyferry/items"
import { describe, expect, test } from "vitest"

import { ItemTable } from "./item-table.ts"
import type { Device } from "./device.ts"
import { type LocalItem, POLICY_LOCAL, POLICY_SYNCED } from "./formats.ts"
import { newLocalItem } from "./items.ts"
import { mergeItems, mergeRows } from "./merge-item.ts"
import { committedOf, entryOf, outboxOf, withEdit, withEntry } from "./outbox-rows.ts"
import { encodeProfile, NEW_PROFILE } from "./profile.ts"

const itemId = new Uint8Array(16).fill(4)
const vaultId = new Uint8Array(32).fill(7)
const me = new Uint8Array(16).fill(1)
const other = new Uint8Array(16).fill(2)
const hex = "04".repeat(16)

const item = (values: Record<string, string>, over: Partial<Item> = {}): Item => ({
  ...makeItem({
    kind: "login",
    title: "t",
    fields: new Map(Object.entries(values).map(([name, value]) => [name, { value, secret: name === "password" }])),
    nowMs: 1,
    itemId,
    vaultId,
  }),
  ...over,
})
const bytes = (of: Item): Uint8Array => {
  const encoded = encodeItem(of)
  if (!encoded.ok) throw new Error(encoded.error)
  return encoded.value
}
const values = (of: Item) => Object.fromEntries([...of.fields].map(([name, f]) => [name, f.value]))
const BASE = item({ username: "u", password: "p" })

const row = (over: Partial<LocalItem> = {}): LocalItem => ({
  itemId,
  vaultId,
  rev: 3,
  epoch: 1,
  ctHash: new Uint8Array(32).fill(9),
  body: bytes(BASE),
  policy: POLICY_SYNCED,
  strict: false,
  deletedAtMs: 0,
  waiting: false,
  by: me,
  recordKind: 1,
  prevHash: new Uint8Array(32),
  ...over,
})
const deviceWith = (rows: readonly LocalItem[], over: Partial<Device> = {}): Device =>
  ({ items: tableOf(rows), ...over }) as unknown as Device
const tableOf = (rows: readonly LocalItem[]): ItemTable => {
  const table = new ItemTable()
  for (const one of rows) table.set(bytesToHex(one.itemId), one)
  return table
}

describe("bodies that meet", () => {
  test("[SY2] the committed value stays, mine is kept as an alternative with device and revision", () => {
    const result = mergeItems(
      BASE,
      item({ username: "u", password: "theirs" }),
      item({ username: "mine", password: "mine" }),
      me,
      5,
    )
    if (result.outcome !== "merged") throw new Error(result.outcome)
    expect(values(result.item)).toEqual({ username: "mine", password: "theirs" })
    expect(result.item.alternatives).toEqual([{ field: "password", value: "mine", deviceId: me, revision: 5 }])
  })

  test("[SY5] an edit wins over a deletion, what adds nothing is not sent", () => {
    expect(mergeItems(BASE, "deleted", item({ username: "u", password: "new" }), me, 5).outcome).toBe("merged")
    expect(mergeItems(BASE, "deleted", BASE, me, 5)).toEqual({ outcome: "committed" })
    expect(mergeItems(BASE, BASE, "deleted", me, 5)).toEqual({ outcome: "deleted" })
    expect(mergeItems(BASE, item({ username: "u", password: "new" }), "deleted", me, 5)).toEqual({
      outcome: "committed",
    })
    expect(mergeItems(BASE, item({ username: "u", password: "p" }, { updatedMs: 9 }), BASE, me, 5)).toEqual({
      outcome: "committed",
    })
  })

  test("[SY2] an alternative that a person chose about stays gone, one that the other side added stays", () => {
    const old = { field: "password", value: "old", deviceId: other, revision: 2 }
    const fresh = { field: "username", value: "v", deviceId: other, revision: 4 }
    const base = item({ username: "u", password: "p" }, { alternatives: [old] })
    const chosen = item({ username: "u", password: "p" }, { alternatives: [] })
    const theirs = item({ username: "u", password: "p" }, { alternatives: [old, fresh] })
    const mine = mergeItems(base, theirs, chosen, me, 5)
    expect(mine.outcome === "merged" && mine.item.alternatives).toEqual([fresh])
    const theyChose = mergeItems(base, chosen, item({ username: "w", password: "p" }, { alternatives: [old] }), me, 5)
    expect(theyChose.outcome === "merged" && theyChose.item.alternatives).toEqual([])
  })

  test("[SY30] what leaves the server by choice goes on leaving; a deletion gives way to an edit", () => {
    const theirs = bytes(item({ username: "u", password: "theirs" }))
    const input = { itemId: hex, rev: 4, base: bytes(BASE), committed: theirs, mine: "deleted" as const }
    expect(mergeRows(deviceWith([row({ policy: POLICY_LOCAL, waiting: true })]))(input)).toEqual({ outcome: "deleted" })
    expect(mergeRows(deviceWith([row({ deletedAtMs: 5, waiting: true })]))(input)).toEqual({ outcome: "committed" })
  })

  test("[SY33] profiles merge by their own rule", () => {
    const base = encodeProfile(NEW_PROFILE)
    const off = encodeProfile({ ...NEW_PROFILE, credentials: false })
    const left = encodeProfile({ ...NEW_PROFILE, left: [[itemId, 4, 1]] })
    const result = mergeRows(deviceWith([row({ recordKind: 2, body: off })]))({
      itemId: hex,
      rev: 4,
      base,
      committed: left,
      mine: off,
    })
    expect(
      result.outcome === "merged" &&
        Buffer.from(result.body).equals(encodeProfile({ ...NEW_PROFILE, credentials: false, left: [[itemId, 4, 1]] })),
    ).toBe(true)
  })
})

describe("the outbox in the rows", () => {
  const edit = bytes(item({ username: "u", password: "2" }))

  test("[SY8] an edit waits on what the server has; a second one keeps the base and the place of the first", () => {
    const first = withEdit(row(), edit)
    expect(first).toMatchObject({ waiting: true, base: bytes(BASE), body: edit })
    const placed = withEntry(first, entryOf(first, 7))
    const second = withEdit(placed, bytes(item({ username: "u", password: "3" })))
    expect(second).toMatchObject({ waiting: true, base: bytes(BASE), order: 7 })
    expect(withEdit(row({ policy: POLICY_LOCAL, rev: 0 }), edit).waiting).toBe(false)
  })

  test("[SY11] what was sent without an answer stays in the row, also after the item was taken back here", () => {
    const made = withEdit(row({ rev: 0, ctHash: new Uint8Array(32) }), edit)
    const entry = entryOf(made, 1)
    if (entry === undefined) throw new Error("nothing waits")
    const sent = withEntry(made, { ...entry, tried: { body: edit } })
    expect(sent.tried).toEqual(edit)
    const takenBack = { ...sent, deletedAtMs: 5, waiting: false }
    expect(entryOf(takenBack, 1)).toMatchObject({ mine: "deleted", tried: { body: edit } })
    expect(withEntry(takenBack, undefined)).toEqual({ ...made, deletedAtMs: 5, waiting: false })
    const deletion = withEntry(row({ deletedAtMs: 5 }), { ...entry, mine: "deleted", tried: { body: "deleted" } })
    expect(entryOf(deletion, 1)?.tried).toEqual({ body: "deleted" })
  })

  test("[SY9] [SY30] oldest first, and the profile before what leaves in the same link", () => {
    const id = (n: number) => new Uint8Array(16).fill(n)
    const rows = [
      row({ itemId: id(1), waiting: true }),
      row({ itemId: id(2), waiting: true, order: 4 }),
      row({ itemId: id(3), waiting: true, recordKind: 2 }),
      row({ itemId: id(5) }),
      row({ itemId: id(6), waiting: true, vaultId: new Uint8Array(32).fill(8) }),
    ]
    const outbox = [...outboxOf(deviceWith(rows), vaultId).values()].toSorted((a, b) => a.order - b.order)
    expect(outbox.map((e) => e.itemId.slice(0, 2))).toEqual(["03", "02", "01"])
  })

  test("[SY11] what the server has: nothing, a deletion, or the base of the edit", () => {
    expect(committedOf(row({ rev: 0 }))).toBeUndefined()
    expect(committedOf(row({ ctHash: new Uint8Array(32), base: edit, waiting: true }))).toEqual({
      rev: 3,
      body: "deleted",
    })
    expect(committedOf(row({ waiting: true, base: edit }))).toEqual({ rev: 3, body: edit })
    expect(committedOf(row({ base: edit }))).toEqual({ rev: 3, body: bytes(BASE) })
  })
})

test("[SY45] while a rotation is overdue no new strict item goes up; local ones and standard ones go on", () => {
  const ports = { random: { bytes: (n: number) => new Uint8Array(n).fill(3) }, clock: { nowMs: () => 1 } }
  const settings = { syncOn: true, autoNew: true, credentials: true, lastSyncMs: 0, commit: 0 }
  const vaults = new Map([["07".repeat(32), { row: { vaultId } }]])
  const device = deviceWith([], { ports, settings, vaults, overdue: ["07".repeat(32)] } as unknown as Partial<Device>)
  const strictKind = kindByName("exchange-key")
  const input = {
    kind: "exchange-key",
    title: "k",
    fields: Object.entries(strictKind?.example.fields ?? {}).map(([name, value]) => ({
      name,
      value,
      secret: name === "secret",
    })),
  }
  expect(newLocalItem(device, input)).toMatchObject({ ok: false, error: { code: "epoch-stale" } })
  expect(newLocalItem(device, { ...input, policy: "local-only" }).ok).toBe(true)
  expect(newLocalItem(device, { ...input, class: "standard" }).ok).toBe(true)
  device.overdue = []
  expect(newLocalItem(device, input).ok).toBe(true)
})
