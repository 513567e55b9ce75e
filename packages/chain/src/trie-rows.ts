import { bytesToHex, concatBytes, Defect, equalBytes } from "@keyferry/base"
import type { Primitives } from "@keyferry/crypto"

import { emptyRoot, ITEM_ID_BITS, type Leaf, leafHash, nodeHash } from "./trie.ts"

/*
 * The same trie as rows of a table, for a store that must not read a whole vault to accept one change. A row belongs to a
 * prefix of n hex digits of item ids and holds what hangs below each next digit:
 *
 *   row   = present(2, big-endian, bit 15 = digit 0) ‖ single(2, likewise) ‖ entry of each present digit
 *   entry = hash(32)                  a row of its own exists at prefix ‖ digit
 *         | hash(32) ‖ item id(16)    exactly one leaf hangs here (digit set in `single`)
 *
 * Path compression passes an only child through, so the hash of a row is a function of its children's hashes alone.
 * Source: spec/chains.md, CH39
 */

export interface TrieRowReader {
  /** The stored rows of these prefixes (lower-case hex digits, "" for the root), `undefined` where there is none. */
  readonly readRows: (prefixes: readonly string[]) => Promise<readonly (Uint8Array | undefined)[]>
}

export interface TrieRowChange {
  readonly root: Uint8Array
  /** Rows to write, by prefix. Nothing is ever deleted. */
  readonly rows: ReadonlyMap<string, Uint8Array>
}

/** Reads O(log n) rows in O(log n) rounds, whatever the number of leaves put. Doubled ids: the last one counts. */
export const putIntoRows = async (
  p: Primitives,
  reader: TrieRowReader,
  leaves: readonly Leaf[],
): Promise<TrieRowChange> => {
  const rows = await loadRows(reader, leaves)
  const changed = new Set<string>()
  for (const leaf of leaves) putLeaf(rows, changed, leaf, leafHash(p, leaf))
  // Deepest first, so that every parent sees its children's new hashes.
  for (const prefix of [...changed].sort((a, b) => b.length - a.length)) {
    if (prefix === "") continue
    rowAt(rows, prefix.slice(0, -1))[digitAt(prefix, prefix.length - 1)] = {
      hash: rowHash(p, rowAt(rows, prefix), prefix.length),
    }
  }
  return {
    root: rootOfRow(p, rows.get("")),
    rows: new Map([...changed].map((prefix) => [prefix, encodeRow(rowAt(rows, prefix))])),
  }
}

/** The root as the stored rows have it. */
export const rootOfRows = async (p: Primitives, reader: TrieRowReader): Promise<Uint8Array> => {
  const [bytes] = await reader.readRows([""])
  return rootOfRow(p, bytes === undefined ? undefined : decodeRow(bytes))
}

// ── inside ───────────────────────────────────────────────────────────────────────────────────────────────────────

interface Entry {
  readonly hash: Uint8Array
  /** Present if one leaf hangs here. */
  readonly itemId?: Uint8Array
}
type Row = (Entry | undefined)[]

const DIGITS = 16
const HASH_LENGTH = 32
const ID_LENGTH = ITEM_ID_BITS / 8

const emptyRow = (): Row => Array.from({ length: DIGITS }, () => undefined)
const digitAt = (hex: string, index: number): number => Number.parseInt(hex.charAt(index), 16)

const rowAt = (rows: ReadonlyMap<string, Row>, prefix: string): Row => {
  const row = rows.get(prefix)
  if (row === undefined) throw new Defect("trie row missing")
  return row
}

/** Follows every leaf down, one round of reads for each level. */
const loadRows = async (reader: TrieRowReader, leaves: readonly Leaf[]): Promise<Map<string, Row>> => {
  const rows = new Map<string, Row>()
  const ids = leaves.map((leaf) => bytesToHex(leaf.itemId))
  let wanted = new Map([["", ids]])
  while (wanted.size > 0) {
    const prefixes = [...wanted.keys()]
    const stored = await reader.readRows(prefixes)
    const deeper = new Map<string, string[]>()
    for (const [i, prefix] of prefixes.entries()) {
      const bytes = stored[i]
      if (bytes === undefined && prefix !== "") throw new Defect("trie row missing")
      const row = bytes === undefined ? emptyRow() : decodeRow(bytes)
      rows.set(prefix, row)
      for (const id of wanted.get(prefix) ?? []) {
        const entry = row[digitAt(id, prefix.length)]
        if (entry === undefined || entry.itemId !== undefined) continue
        const next = id.slice(0, prefix.length + 1)
        deeper.set(next, [...(deeper.get(next) ?? []), id])
      }
    }
    wanted = deeper
  }
  return rows
}

const putLeaf = (rows: Map<string, Row>, changed: Set<string>, leaf: Leaf, hash: Uint8Array): void => {
  const id = bytesToHex(leaf.itemId)
  for (let prefix = ""; ; prefix = id.slice(0, prefix.length + 1)) {
    const row = rowAt(rows, prefix)
    const digit = digitAt(id, prefix.length)
    const entry = row[digit]
    changed.add(prefix)
    if (entry === undefined || (entry.itemId !== undefined && equalBytes(entry.itemId, leaf.itemId))) {
      row[digit] = { hash, itemId: leaf.itemId }
      return
    }
    if (entry.itemId === undefined) continue
    // Two leaves meet: the one that was alone moves one row down, and the walk goes on from there. The hash of the new row is
    // filled in once all leaves are placed.
    row[digit] = { hash: entry.hash }
    const below = emptyRow()
    below[digitAt(bytesToHex(entry.itemId), prefix.length + 1)] = entry
    rows.set(id.slice(0, prefix.length + 1), below)
  }
}

const rootOfRow = (p: Primitives, row: Row | undefined): Uint8Array =>
  row === undefined || row.every((entry) => entry === undefined) ? emptyRoot(p) : rowHash(p, row, 0)

/** Combines up to 16 children over the four bits that this row stands for. */
const rowHash = (p: Primitives, row: Row, depth: number): Uint8Array => {
  const combine = (from: number, width: number, bit: number): Uint8Array | undefined => {
    if (width === 1) return row[from]?.hash
    const half = width / 2
    const left = combine(from, half, bit + 1)
    const right = combine(from + half, half, bit + 1)
    return left !== undefined && right !== undefined ? nodeHash(p, bit, left, right) : (left ?? right)
  }
  const hash = combine(0, DIGITS, depth * 4)
  if (hash === undefined) throw new Defect("empty trie row")
  return hash
}

const encodeRow = (row: Row): Uint8Array => {
  let present = 0
  let single = 0
  const parts: Uint8Array[] = []
  for (const [digit, entry] of row.entries()) {
    if (entry === undefined) continue
    const bit = 1 << (DIGITS - 1 - digit)
    present |= bit
    parts.push(entry.hash)
    if (entry.itemId === undefined) continue
    single |= bit
    parts.push(entry.itemId)
  }
  return concatBytes(Uint8Array.of(present >> 8, present & 255, single >> 8, single & 255), ...parts)
}

const decodeRow = (bytes: Uint8Array): Row => {
  const present = ((bytes[0] ?? 0) << 8) | (bytes[1] ?? 0)
  const single = ((bytes[2] ?? 0) << 8) | (bytes[3] ?? 0)
  const row = emptyRow()
  let at = 4
  const take = (length: number): Uint8Array => bytes.slice(at, (at += length))
  for (let digit = 0; digit < DIGITS; digit++) {
    const bit = 1 << (DIGITS - 1 - digit)
    if ((present & bit) === 0) continue
    const hash = take(HASH_LENGTH)
    row[digit] = (single & bit) === 0 ? { hash } : { hash, itemId: take(ID_LENGTH) }
  }
  if (at !== bytes.length) throw new Defect("trie row of a wrong length")
  return row
}

/** Rows in memory: for tests, and for a store's cache of hot vaults. */
export interface RowMap extends TrieRowReader {
  readonly rows: ReadonlyMap<string, Uint8Array>
  readonly with: (changed: ReadonlyMap<string, Uint8Array>) => RowMap
}

export const createRowMap = (rows: ReadonlyMap<string, Uint8Array> = new Map()): RowMap => ({
  rows,
  readRows: async (prefixes) => prefixes.map((prefix) => rows.get(prefix)),
  with: (changed) => createRowMap(new Map([...rows, ...changed])),
})

/** A reader that sees `rows` first: what an open transaction has changed but not yet written. */
export const overlayRows = (reader: TrieRowReader, rows: ReadonlyMap<string, Uint8Array>): TrieRowReader => ({
  readRows: async (prefixes) => {
    const missing = prefixes.filter((prefix) => !rows.has(prefix))
    const stored = missing.length === 0 ? [] : await reader.readRows(missing)
    const byPrefix = new Map(missing.map((prefix, i) => [prefix, stored[i]]))
    return prefixes.map((prefix) => rows.get(prefix) ?? byPrefix.get(prefix))
  },
})
