import { bytesToHex } from "@keyferry/base"
import { RECORD_KIND } from "@keyferry/crypto"
import { describe, expect, test } from "vitest"

import { type LocalItem, POLICY_LOCAL, POLICY_SYNCED } from "./formats.ts"
import { rememberCard } from "./item-card.ts"
import { summaryOf } from "./item-summary.ts"
import { ItemTable } from "./item-table.ts"
import type { PackedRow } from "./packed-row.ts"
import { decodePage, encodePage } from "./page-format.ts"

/** A generator of [0, n) that gives the same numbers each time. */
const dice = (seed: number) => {
  let state = seed
  return (n: number): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
    return (state >>> 8) % n
  }
}

const rowOf = (n: number, pick: (n: number) => number): readonly [string, LocalItem] => {
  const itemId = Uint8Array.from({ length: 16 }, (_, at) => (at === 15 ? n : 0))
  const tried = pick(5) === 0 ? { tried: new Uint8Array() } : {}
  const row = {
    itemId,
    vaultId: new Uint8Array(32),
    recordKind: pick(8) === 0 ? RECORD_KIND.deviceLabel : RECORD_KIND.item,
    rev: pick(3),
    epoch: 1,
    ctHash: new Uint8Array(32),
    by: new Uint8Array(16),
    prevHash: new Uint8Array(32),
    policy: pick(2) === 0 ? POLICY_SYNCED : POLICY_LOCAL,
    strict: false,
    waiting: pick(3) === 0,
    deletedAtMs: pick(6) === 0 ? 5 : 0,
    body: new Uint8Array(1),
    ...tried,
  } as unknown as LocalItem
  const title = ["Kraken", "kraken", "Zürich", "a", "item 10", "item 9"][pick(6)] ?? ""
  rememberCard(row, {
    kind: "note",
    title,
    summary: "",
    tags: [],
    updatedMs: pick(9),
    conflicts: pick(4) === 0 ? 1 : 0,
  })
  return [bytesToHex(itemId), row]
}

/** The same row as it lies in a page that was read. */
const packed = (row: LocalItem): PackedRow => {
  const read = decodePage(encodePage(1, [row]), false)
  const only = read.ok ? read.value.rows[0] : undefined
  if (only === undefined) throw new Error("a page of one row")
  return only
}

describe("the table of items", () => {
  test("knows after any changes what looking at every row would say", () => {
    const pick = dice(7)
    const table = new ItemTable()
    for (let step = 0; step < 3000; step++) {
      const [key, row] = rowOf(pick(120), pick)
      if (pick(4) === 0) table.delete(key)
      else table.set(key, pick(2) === 0 ? row : packed(row))
      if (step === 2500) table.clear()
      // Seldom and often, so that both few and many changes lie between two looks.
      if (pick(step % 1000 < 500 ? 2 : 200) > 0) continue
      const live = [...table.values()].filter((r) => r.recordKind === RECORD_KIND.item && r.deletedAtMs === 0)
      const byTitle = live.map(summaryOf).toSorted((a, b) => a.title.localeCompare(b.title) || a.id.localeCompare(b.id))
      expect(table.list()).toEqual(byTitle)
      expect(table.counts()).toEqual({
        conflicts: byTitle.filter((s) => s.conflicts > 0).length,
        synced: live.filter((r) => r.policy === POLICY_SYNCED && r.rev > 0).length,
        localOnly: live.filter((r) => r.policy === POLICY_LOCAL).length,
      })
      const unsettled = [...table].filter(([, r]) => r.waiting || r.tried !== undefined)
      expect(new Map(table.unsettled())).toEqual(new Map(unsettled))
    }
  })

  test("gives the same list until an item changes, and the same summaries for those that did not", () => {
    const pick = dice(3)
    const table = new ItemTable()
    for (let n = 0; n < 100; n++) table.set(...rowOf(n, pick))
    const before = table.list()
    expect(table.list()).toBe(before)
    const [key] = [...table].find(([, r]) => r.recordKind === RECORD_KIND.item && r.deletedAtMs === 0) ?? [""]
    table.delete(key)
    expect(table.list()).toHaveLength(before.length - 1)
    expect(table.list().every((summary) => before.includes(summary))).toBe(true)
  })

  test("a row that was listed in its page keeps its summary when it is asked for, and its place when it changes", () => {
    const pick = dice(5)
    const table = new ItemTable()
    const rows = Array.from({ length: 50 }, (_, n) => rowOf(n, pick))
    for (const [key, row] of rows) table.set(key, packed(row))
    const before = table.list()
    const [key] = [...table].find(([, r]) => r.recordKind === RECORD_KIND.item && r.deletedAtMs === 0) ?? [""]
    const row = table.get(key)
    if (row === undefined) throw new Error("a live row")
    expect(before).toContain(summaryOf(row))
    expect(table.list()).toBe(before)
    table.set(key, { ...row, rev: row.rev + 1 })
    expect(table.list()).toHaveLength(before.length)
    expect(table.list()).not.toContain(summaryOf(row))
  })

  test("the bin is what went there, in a page or not", () => {
    const pick = dice(9)
    const table = new ItemTable()
    for (let n = 0; n < 60; n++) {
      const [key, row] = rowOf(n, pick)
      table.set(key, n % 2 === 0 ? row : packed(row))
    }
    const wanted = table.heads().filter((row) => row.deletedAtMs !== 0).length
    expect(wanted).toBeGreaterThan(0)
    expect([...table.deleted()].every(([, row]) => row.deletedAtMs !== 0)).toBe(true)
    expect([...table.deleted()]).toHaveLength(wanted)
  })
})
