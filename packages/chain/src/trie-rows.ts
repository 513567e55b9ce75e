import { bytesToHex, Defect, equalBytes } from "@keyferry/base"
import type { Primitives } from "@keyferry/crypto"

import {
  childAt,
  copyRow,
  decodeRow,
  emptyRow,
  encodeRow,
  hashAtDigit,
  idAt,
  rowHash,
  setChild,
  type TrieRow,
} from "./trie-row.ts"
import { emptyRoot, type Leaf, leafHash } from "./trie.ts"

/*
 * The same trie as rows of a table, for a store that must not read a whole vault to accept one change. A row belongs to a
 * prefix of n hex digits of item ids. Path compression passes an only child through, so the hash of a row is a function of
 * its children's hashes alone.
 * Source: spec/chains.md, CH39
 */

export interface TrieRowReader {
  /** The stored rows of these prefixes (lower-case hex digits, "" for the root), `undefined` where there is none. */
  readonly readRows: (prefixes: readonly string[]) => Promise<readonly (TrieRow | undefined)[]>
}

export interface TrieRowChange {
  readonly root: Uint8Array
  /** Rows to write, by prefix. Nothing is ever deleted. */
  readonly rows: ReadonlyMap<string, TrieRow>
}

/** Reads O(log n) rows in O(log n) rounds, whatever the number of leaves put. Doubled ids: the last one counts. */
export const putIntoRows = async (
  p: Primitives,
  reader: TrieRowReader,
  leaves: readonly Leaf[],
): Promise<TrieRowChange> => {
  const placed = leaves.map((leaf) => ({ leaf, id: bytesToHex(leaf.itemId) }))
  const rows = await loadRows(reader, placed)
  const changed = new Map<string, TrieRow>()
  for (const { leaf, id } of placed) putLeaf(rows, changed, leaf.itemId, id, leafHash(p, leaf))
  // Deepest first, so that every parent sees its children's new hashes.
  for (const prefix of [...changed.keys()].sort((a, b) => b.length - a.length)) {
    if (prefix === "") continue
    const hash = rowHash(p, rowAt(changed, prefix), prefix.length)
    if (hash === undefined) throw new Defect("empty trie row")
    setChild(rowAt(changed, prefix.slice(0, -1)), digitAt(prefix, prefix.length - 1), hash)
  }
  return { root: rootOfRow(p, changed.get("") ?? rows.get("")), rows: changed }
}

/** The root as the stored rows have it. */
export const rootOfRows = async (p: Primitives, reader: TrieRowReader): Promise<Uint8Array> => {
  const [row] = await reader.readRows([""])
  return rootOfRow(p, row)
}

// ── inside ───────────────────────────────────────────────────────────────────────────────────────────────────────

const digitAt = (hex: string, index: number): number => Number.parseInt(hex.charAt(index), 16)

const rowAt = (rows: ReadonlyMap<string, TrieRow>, prefix: string): TrieRow => {
  const known = rows.get(prefix)
  if (known === undefined) throw new Defect("trie row that was not read")
  return known
}

/** Follows every leaf down, one round of reads for each level. */
const loadRows = async (
  reader: TrieRowReader,
  placed: readonly { readonly id: string }[],
): Promise<Map<string, TrieRow>> => {
  const rows = new Map<string, TrieRow>()
  let wanted = new Map([["", placed.map(({ id }) => id)]])
  while (wanted.size > 0) {
    const stored = await reader.readRows([...wanted.keys()])
    const deeper = new Map<string, string[]>()
    for (const [i, [prefix, ids]] of [...wanted].entries()) {
      const row = stored[i]
      if (row === undefined && prefix !== "") throw new Defect("trie row missing")
      rows.set(prefix, row ?? emptyRow())
      if (row === undefined) continue
      for (const id of ids) {
        if (childAt(row, digitAt(id, prefix.length)) !== "row") continue
        const next = id.slice(0, prefix.length + 1)
        const below = deeper.get(next)
        if (below === undefined) deeper.set(next, [id])
        else below.push(id)
      }
    }
    wanted = deeper
  }
  return rows
}

/** Rows that were read stay as they are; `changed` gets copies. */
const putLeaf = (
  rows: ReadonlyMap<string, TrieRow>,
  changed: Map<string, TrieRow>,
  itemId: Uint8Array,
  id: string,
  hash: Uint8Array,
): void => {
  for (let prefix = ""; ; prefix = id.slice(0, prefix.length + 1)) {
    const row = changed.get(prefix) ?? copyRow(rowAt(rows, prefix))
    changed.set(prefix, row)
    const digit = digitAt(id, prefix.length)
    const child = childAt(row, digit)
    if (child === "none" || (child === "leaf" && equalBytes(idAt(row, digit), itemId))) {
      setChild(row, digit, hash, itemId)
      return
    }
    if (child === "row") continue
    // Two leaves meet: the one that was alone moves one row down, and the walk goes on from there. The hash of the new row
    // is filled in once all leaves are placed.
    const alone = idAt(row, digit)
    const below = emptyRow()
    setChild(below, digitAt(bytesToHex(alone), prefix.length + 1), hashAtDigit(row, digit), alone)
    changed.set(id.slice(0, prefix.length + 1), below)
    setChild(row, digit, hash)
  }
}

const rootOfRow = (p: Primitives, row: TrieRow | undefined): Uint8Array =>
  (row === undefined ? undefined : rowHash(p, row, 0)?.slice()) ?? emptyRoot(p)

/** Rows in memory as a store keeps them: for tests. */
export interface RowMap extends TrieRowReader {
  readonly rows: ReadonlyMap<string, Uint8Array>
  readonly with: (changed: ReadonlyMap<string, TrieRow>) => RowMap
}

export const createRowMap = (rows: ReadonlyMap<string, Uint8Array> = new Map()): RowMap => ({
  rows,
  readRows: async (prefixes) =>
    prefixes.map((prefix) => {
      const bytes = rows.get(prefix)
      return bytes === undefined ? undefined : decodeRow(bytes)
    }),
  with: (changed) =>
    createRowMap(new Map([...rows, ...[...changed].map(([at, row]) => [at, encodeRow(row)] as const)])),
})

/** A reader that sees `rows` first: what an open transaction has changed but not yet written. */
export const overlayRows = (reader: TrieRowReader, rows: ReadonlyMap<string, TrieRow>): TrieRowReader => ({
  readRows: async (prefixes) => {
    const missing = prefixes.filter((prefix) => !rows.has(prefix))
    const stored = missing.length === 0 ? [] : await reader.readRows(missing)
    const byPrefix = new Map(missing.map((prefix, i) => [prefix, stored[i]]))
    return prefixes.map((prefix) => rows.get(prefix) ?? byPrefix.get(prefix))
  },
})
