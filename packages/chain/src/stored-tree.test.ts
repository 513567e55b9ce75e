import { bytesToHex } from "@keyferry/base"
import { nodePrimitives as p } from "@keyferry/crypto/node"
import { describe, expect, test } from "vitest"

import {
  createRowMap,
  createStoredTree,
  decodeTrieRow,
  encodeTrieRow,
  type Leaf,
  putIntoRows,
  rootOfLeaves,
  type StoredTreePorts,
} from "./index.ts"

const leaf = (id: number[], rev = 1): Leaf => ({
  itemId: Uint8Array.from({ length: 16 }, (_, i) => id[i] ?? 0),
  rev,
  epoch: 1,
  ctHash: new Uint8Array(32).fill(rev),
  tombstone: false,
})

interface Store extends StoredTreePorts {
  readonly reads: { rows: string[][]; leaves: string[][] }
}
/** A store that has some leaves already, and writes down what it is asked for. */
const storeWith = async (leaves: readonly Leaf[]): Promise<Store> => {
  const { rows } = await putIntoRows(p, createRowMap(), leaves)
  const stored = createRowMap().with(rows)
  const byId = new Map(leaves.map((one) => [bytesToHex(one.itemId), one]))
  const reads: Store["reads"] = { rows: [], leaves: [] }
  return {
    reads,
    readRows: (prefixes) => {
      reads.rows.push([...prefixes])
      return stored.readRows(prefixes)
    },
    readLeaves: async (ids) => {
      reads.leaves.push(ids.map(bytesToHex))
      return ids.map((id) => byId.get(bytesToHex(id)))
    },
  }
}

describe("a stored tree", () => {
  const first = [leaf([0x11]), leaf([0x12]), leaf([0x55])]

  test("[CH39] what a transaction has changed lies over what is stored, row by row and leaf by leaf", async () => {
    const store = await storeWith(first)
    const one = await createStoredTree(p, store).put([leaf([0x13]), leaf([0x55], 2)])
    const two = await one.tree.put([leaf([0x56]), leaf([0x11], 2)])
    const all = [leaf([0x11], 2), leaf([0x12]), leaf([0x13]), leaf([0x55], 2), leaf([0x56])]
    expect(two.root).toEqual(rootOfLeaves(p, all))
    const ids = [...all.map((l) => l.itemId), leaf([0x99]).itemId]
    expect(await two.tree.leavesOf(ids)).toEqual([...all, undefined])
  })

  test("[CH39] a row or leaf that the transaction has changed is not read again, and nothing is asked for nothing", async () => {
    const store = await storeWith(first)
    const one = await createStoredTree(p, store).put([leaf([0x13])])
    store.reads.rows.length = 0
    await one.tree.put([leaf([0x14])])
    expect(store.reads.rows).toEqual([])
    await one.tree.put([leaf([0x55], 2)])
    expect(store.reads.rows).toEqual([])
    const known = leaf([0x13])
    expect(await one.tree.leavesOf([known.itemId])).toEqual([known])
    expect(store.reads.leaves).toEqual([])
    await one.tree.leavesOf([known.itemId, leaf([0x12]).itemId])
    expect(store.reads.leaves).toEqual([[bytesToHex(leaf([0x12]).itemId)]])
    const deep = await createStoredTree(p, store).put([leaf([0x55], 2)])
    store.reads.rows.length = 0
    await deep.tree.put([leaf([0x13])])
    expect(store.reads.rows).toEqual([["1"]])
  })
})

describe("a stored row", () => {
  test("[CH39] survives its bytes; bytes of another length, or with an id where nothing hangs, are a broken store", async () => {
    const { rows } = await putIntoRows(p, createRowMap(), [leaf([0x11]), leaf([0x12]), leaf([0xf0])])
    const root = rows.get("")
    if (root === undefined) throw new Error("no row")
    const bytes = encodeTrieRow(root)
    expect(encodeTrieRow(decodeTrieRow(bytes))).toEqual(bytes)
    // One row of its own below digit 1, one leaf below digit 15.
    expect([...bytes.subarray(0, 4)]).toEqual([0x40, 0x01, 0x00, 0x01])
    expect(bytes.length).toBe(4 + 2 * 32 + 16)
    const broken = (change: (copy: Uint8Array) => void, length = bytes.length): Uint8Array => {
      const copy = new Uint8Array(length)
      copy.set(bytes.subarray(0, length))
      change(copy)
      return copy
    }
    for (const wrong of [
      new Uint8Array(),
      broken(() => undefined, bytes.length - 1),
      broken(() => undefined, bytes.length + 1),
      // The same length, but the leaf is said to hang below digit 14, where nothing is.
      broken((copy) => copy.set([0x00, 0x02], 2)),
    ])
      expect(() => decodeTrieRow(wrong)).toThrow("trie row of a wrong length")
  })
})
