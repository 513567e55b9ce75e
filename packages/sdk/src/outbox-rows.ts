import { bytesToHex, equalBytes, isZero } from "@keyferry/base"
import { RECORD_KIND } from "@keyferry/crypto"
import { addEdit, type Committed, type Outbox, type OutboxEntry, type Side } from "@keyferry/engine"

import type { Device } from "./device.ts"
import { type LocalItem, POLICY_LOCAL } from "./formats.ts"

/*
 * The outbox is no table of its own: what waits is part of the item's row, so that both are always of the same instant. Here the
 * engine's entries are read out of rows and put back into them. Source: spec/sync.md, SY7–SY12
 */
export type Body = Uint8Array

/** About what an op takes in a request beside its body: header, seal, leaf. */
const OP_BYTES = 400
const TRIED_DELETION = new Uint8Array()

/** What this row wants the server to hold. An item of this device alone, or one in the bin, is not to be there. */
export const mineOf = (row: LocalItem): Side<Body> =>
  row.policy === POLICY_LOCAL || row.deletedAtMs > 0 ? "deleted" : row.body

/** What the server holds of it, `undefined` if it never had it. */
export const committedOf = (row: LocalItem): Committed<Body> | undefined => {
  if (row.rev === 0) return undefined
  if (isZero(row.ctHash)) return { rev: row.rev, body: "deleted" }
  return { rev: row.rev, body: row.waiting && row.base !== undefined ? row.base : row.body }
}

const sizeOf = (mine: Side<Body>): number => OP_BYTES + (mine === "deleted" ? 0 : mine.length)

/**
 * The entry of a row, `undefined` where nothing waits. A row that does not wait and yet was tried is one whose item was taken back
 * here while a request may have brought it there.
 */
export const entryOf = (row: LocalItem, order: number): OutboxEntry<Body> | undefined => {
  if (!row.waiting && row.tried === undefined) return undefined
  const base = committedOf(row)
  const mine = mineOf(row)
  return {
    itemId: bytesToHex(row.itemId),
    // The profile goes first: it says what happens to items that leave in the same link (SY30).
    order: row.recordKind === RECORD_KIND.vaultProfile ? 0 : (row.order ?? order),
    mine,
    edits: 1,
    sizeBytes: sizeOf(mine),
    ...(base === undefined ? {} : { base }),
    ...(row.tried === undefined ? {} : { tried: { body: row.tried.length === 0 ? "deleted" : row.tried } }),
  }
}

/** The row with what its entry says; without an entry nothing waits. Where the server's leaf stands is not touched. */
export const withEntry = (row: LocalItem, entry: OutboxEntry<Body> | undefined): LocalItem => {
  const { order: _order, tried: _tried, ...rest } = row
  if (entry === undefined) {
    const { base: _base, ...plain } = rest
    // What is only here, or in the bin, keeps its last common body: if it comes back, copies merge from there.
    return { ...(mineOf(row) === "deleted" ? rest : plain), waiting: false }
  }
  const { base, mine, tried } = entry
  return {
    ...rest,
    waiting: true,
    order: entry.order,
    ...(mine === "deleted" ? {} : { body: mine }),
    ...(base === undefined || base.body === "deleted" ? {} : { base: base.body }),
    ...(tried === undefined ? {} : { tried: tried.body === "deleted" ? TRIED_DELETION : tried.body }),
  }
}

/** The row after somebody changed its body here: synced, it waits; local-only, what it waits for stays. */
export const withEdit = (row: LocalItem, body: Body): LocalItem => {
  const edited: LocalItem = { ...row, body, deletedAtMs: 0 }
  if (row.policy === POLICY_LOCAL) return edited
  const before = entryOf(row, 0)
  const itemId = bytesToHex(row.itemId)
  const base = committedOf(row)
  const edit = { itemId, mine: body, sizeBytes: sizeOf(body), ...(base === undefined ? {} : { base }) }
  const { order: _order, ...next } = withEntry(
    edited,
    addEdit(new Map(before === undefined ? [] : [[itemId, before]]), edit).get(itemId),
  )
  // Its place in line is that of the first edit, or is given when the next exchange starts.
  return row.order === undefined ? next : { ...next, order: row.order }
}

/** Everything of one vault that waits. */
export const outboxOf = (device: Device, vaultId: Uint8Array): Outbox<Body> => {
  const rows = [...device.items.unsettled()].map(([, row]) => row).filter((row) => equalBytes(row.vaultId, vaultId))
  let next = rows.reduce((highest, row) => Math.max(highest, row.order ?? 0), 0)
  const outbox = new Map<string, OutboxEntry<Body>>()
  for (const row of rows) {
    const entry = entryOf(row, row.order ?? ++next)
    if (entry !== undefined) outbox.set(entry.itemId, entry)
  }
  return outbox
}
