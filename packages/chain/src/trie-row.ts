import { Defect } from "@keyferry/base"
import type { Primitives } from "@keyferry/crypto"

import { ITEM_ID_BITS, nodeHash } from "./trie.ts"

/*
 * One row of the stored trie: what hangs below each next hex digit of a prefix.
 *
 *   bytes = present(2, big-endian, bit 15 = digit 0) ‖ single(2, likewise) ‖ entry of each present digit
 *   entry = hash(32)                  a row of its own exists at prefix ‖ digit
 *         | hash(32) ‖ item id(16)    exactly one leaf hangs here (digit set in `single`)
 *
 * In memory a row is a heap of 32 slots: slot 16 + digit is a child, slot i what the slots 2i and 2i + 1 combine to, filled
 * when first asked for. So a changed child costs four hashes, whatever the row holds.
 * Source: spec/chains.md, CH39
 */
export interface TrieRow {
  /** Bit 15 - digit: something hangs there. */
  present: number
  /** Bit 15 - digit: it is one leaf. */
  single: number
  /** Bit i: slot i, one of the inner ones, holds the hash of what is below it now. */
  filled: number
  /** 32 slots of 32 bytes. */
  readonly hashes: Uint8Array
  /** 16 item ids of 16 bytes, by digit. */
  readonly ids: Uint8Array
}

const DIGITS = 16
const HASH_LENGTH = 32
const ID_LENGTH = ITEM_ID_BITS / 8
const LEVELS = 4

const HASHES_LENGTH = 2 * DIGITS * HASH_LENGTH
const IDS_LENGTH = DIGITS * ID_LENGTH

/** Hashes and ids lie in one piece of memory: thousands of rows come and go with one push. */
const rowIn = (memory: ArrayBuffer, present: number, single: number, filled: number): TrieRow => ({
  present,
  single,
  filled,
  hashes: new Uint8Array(memory, 0, HASHES_LENGTH),
  ids: new Uint8Array(memory, HASHES_LENGTH, IDS_LENGTH),
})

export const emptyRow = (): TrieRow => rowIn(new ArrayBuffer(HASHES_LENGTH + IDS_LENGTH), 0, 0, 0)

export const copyRow = (row: TrieRow): TrieRow => {
  const copy = rowIn(new ArrayBuffer(HASHES_LENGTH + IDS_LENGTH), row.present, row.single, row.filled)
  copy.hashes.set(row.hashes)
  copy.ids.set(row.ids)
  return copy
}

export type Child = "none" | "leaf" | "row"

export const childAt = (row: TrieRow, digit: number): Child => {
  const bit = bitOf(digit)
  if ((row.present & bit) === 0) return "none"
  return (row.single & bit) === 0 ? "row" : "leaf"
}

/** The id of the one leaf below a digit; a view. */
export const idAt = (row: TrieRow, digit: number): Uint8Array =>
  row.ids.subarray(digit * ID_LENGTH, (digit + 1) * ID_LENGTH)

/** The hash below a digit; a view. */
export const hashAtDigit = (row: TrieRow, digit: number): Uint8Array => slot(row, DIGITS + digit)

/** Changes the row. With an id, exactly that leaf hangs there; without, a row of its own. */
export const setChild = (row: TrieRow, digit: number, hash: Uint8Array, itemId?: Uint8Array): void => {
  const bit = bitOf(digit)
  row.present |= bit
  row.hashes.set(hash, (DIGITS + digit) * HASH_LENGTH)
  if (itemId === undefined) row.single &= ~bit
  else {
    row.single |= bit
    row.ids.set(itemId, digit * ID_LENGTH)
  }
  for (let i = (DIGITS + digit) >> 1; i > 0; i >>= 1) row.filled &= ~(1 << i)
}

/** The hash of everything below a row of this depth in digits; `undefined` where nothing is. A view. */
export const rowHash = (p: Primitives, row: TrieRow, depth: number): Uint8Array | undefined => {
  const found = combine(p, row, 1, depth * LEVELS)
  return found === 0 ? undefined : slot(row, found)
}

/** The slot that holds the hash below slot `i`, which decides over `bit`; 0 for none. An only child is passed through. */
const combine = (p: Primitives, row: TrieRow, i: number, bit: number): number => {
  if (i >= DIGITS) return (row.present & bitOf(i - DIGITS)) === 0 ? 0 : i
  if ((row.filled & (1 << i)) !== 0) return i
  const left = combine(p, row, 2 * i, bit + 1)
  const right = combine(p, row, 2 * i + 1, bit + 1)
  if (left === 0 || right === 0) return left + right
  row.hashes.set(nodeHash(p, bit, slot(row, left), slot(row, right)), i * HASH_LENGTH)
  row.filled |= 1 << i
  return i
}

export const encodeRow = (row: TrieRow): Uint8Array => {
  const out = new Uint8Array(4 + count(row.present) * HASH_LENGTH + count(row.single) * ID_LENGTH)
  out.set([row.present >> 8, row.present & 255, row.single >> 8, row.single & 255])
  let at = 4
  for (let digit = 0; digit < DIGITS; digit++) {
    const child = childAt(row, digit)
    if (child === "none") continue
    out.set(hashAtDigit(row, digit), at)
    at += HASH_LENGTH
    if (child === "row") continue
    out.set(idAt(row, digit), at)
    at += ID_LENGTH
  }
  return out
}

/** Throws for bytes that `encodeRow` did not make: a broken store. */
export const decodeRow = (bytes: Uint8Array): TrieRow => {
  const present = ((bytes[0] ?? 0) << 8) | (bytes[1] ?? 0)
  const single = ((bytes[2] ?? 0) << 8) | (bytes[3] ?? 0)
  if (bytes.length !== 4 + count(present) * HASH_LENGTH + count(single) * ID_LENGTH || (single & ~present) !== 0)
    throw new Defect("trie row of a wrong length")
  const row = emptyRow()
  row.present = present
  row.single = single
  let at = 4
  const take = (length: number): Uint8Array => bytes.subarray(at, (at += length))
  for (let digit = 0; digit < DIGITS; digit++) {
    const child = childAt(row, digit)
    if (child === "none") continue
    row.hashes.set(take(HASH_LENGTH), (DIGITS + digit) * HASH_LENGTH)
    if (child === "leaf") row.ids.set(take(ID_LENGTH), digit * ID_LENGTH)
  }
  return row
}

const bitOf = (digit: number): number => 1 << (DIGITS - 1 - digit)
const slot = (row: TrieRow, i: number): Uint8Array => row.hashes.subarray(i * HASH_LENGTH, (i + 1) * HASH_LENGTH)
const count = (bits: number): number => {
  let n = 0
  for (let rest = bits; rest !== 0; rest &= rest - 1) n++
  return n
}
