import { bytesToHex } from "@keyferry/base"
import type { Primitives } from "@keyferry/crypto"

import type { Leaf, Trie } from "./trie.ts"
import type { TrieRow } from "./trie-row.ts"
import { overlayRows, putIntoRows, type TrieRowReader } from "./trie-rows.ts"

/**
 * What verification needs of a vault's leaves, wherever they live: the leaves of some items, and the root after a change.
 * `put` changes nothing; it answers with the tree that would be.
 */
export interface LeafTree<Self> {
  readonly leavesOf: (itemIds: readonly Uint8Array[]) => Promise<readonly (Leaf | undefined)[]>
  readonly put: (leaves: readonly Leaf[]) => Promise<{ readonly root: Uint8Array; readonly tree: Self }>
}

/** A device's form: the whole trie in memory. */
export interface MemoryTree extends LeafTree<MemoryTree> {
  readonly trie: Trie
}

export const createMemoryTree = (trie: Trie): MemoryTree =>
  Object.freeze({
    trie,
    leavesOf: async (ids: readonly Uint8Array[]) => ids.map((id) => trie.get(id)),
    put: async (leaves: readonly Leaf[]) => {
      const next = leaves.reduce((t, leaf) => t.put(leaf), trie)
      return { root: next.root(), tree: createMemoryTree(next) }
    },
  })

/** A strongroom's form: rows and leaves in tables, and on top what this transaction has changed so far. */
export interface StoredTree extends LeafTree<StoredTree> {
  /** To write: trie rows by prefix, and leaves by item id in hex. */
  readonly changedRows: ReadonlyMap<string, TrieRow>
  readonly changedLeaves: ReadonlyMap<string, Leaf>
}

export interface StoredTreePorts extends TrieRowReader {
  readonly readLeaves: (itemIds: readonly Uint8Array[]) => Promise<readonly (Leaf | undefined)[]>
}

export const createStoredTree = (p: Primitives, ports: StoredTreePorts): StoredTree =>
  storedTree(p, ports, new Map(), new Map())

const storedTree = (
  p: Primitives,
  ports: StoredTreePorts,
  changedRows: ReadonlyMap<string, TrieRow>,
  changedLeaves: ReadonlyMap<string, Leaf>,
): StoredTree =>
  Object.freeze({
    changedRows,
    changedLeaves,
    leavesOf: async (ids: readonly Uint8Array[]) => {
      const missing = ids.filter((id) => !changedLeaves.has(bytesToHex(id)))
      const stored = missing.length === 0 ? [] : await ports.readLeaves(missing)
      const byId = new Map(missing.map((id, i) => [bytesToHex(id), stored[i]]))
      return ids.map((id) => changedLeaves.get(bytesToHex(id)) ?? byId.get(bytesToHex(id)))
    },
    put: async (leaves: readonly Leaf[]) => {
      const { root, rows } = await putIntoRows(p, overlayRows(ports, changedRows), leaves)
      const nextLeaves = new Map([...changedLeaves, ...leaves.map((leaf) => [bytesToHex(leaf.itemId), leaf] as const)])
      return { root, tree: storedTree(p, ports, new Map([...changedRows, ...rows]), nextLeaves) }
    },
  })
