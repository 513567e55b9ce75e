import { bytesToHex } from "@keyferry/base"
import { createStoredTree, type Leaf, type StoredTree, type TrieRow } from "@keyferry/chain"
import type { Primitives } from "@keyferry/crypto"

import { type Reader, readLeaves, readTrieRows, type StoredLeaf } from "./rows.ts"

/*
 * Trie rows and leaves of vaults that are being written to, in memory. What is kept belongs to one head hash, and a head
 * hash commits to exactly one content: a transaction that finds another head reads the tables, so that a rolled back
 * change, another process or a restored store can never make a wrong root.
 * Source: spec/chains.md CH39
 */
export interface HotVaults {
  /** The tree as of this head. */
  readonly open: (db: Reader, vaultId: Uint8Array, headHash: Uint8Array) => HotVault
}

export interface HotVault {
  readonly tree: StoredTree
  /** The leaf as stored, of items that were asked for before. */
  readonly storedLeaf: (itemId: Uint8Array) => StoredLeaf | undefined
  /** What is now written to the tables, under the new head. */
  readonly move: (headHash: Uint8Array, rows: ReadonlyMap<string, TrieRow>, leaves: readonly StoredLeaf[]) => void
}

interface Kept {
  readonly head: string
  readonly rows: Map<string, TrieRow>
  /** `undefined`: known not to be there. */
  readonly leaves: Map<string, StoredLeaf | undefined>
  readonly entries: number
}

/** Entries of all vaults together; a row takes about 1.6 KB, a leaf about 0.3. */
const MAX_ENTRIES = 20_000

export const createHotVaults = (p: Primitives, maxEntries = MAX_ENTRIES): HotVaults => {
  const kept = new Map<string, Kept>()
  let entries = 0

  const drop = (name: string): void => {
    entries -= kept.get(name)?.entries ?? 0
    kept.delete(name)
  }
  const keep = (name: string, vault: Omit<Kept, "entries">): void => {
    drop(name)
    const size = vault.rows.size + vault.leaves.size
    kept.set(name, { ...vault, entries: size })
    entries += size
    for (const oldest of kept.keys()) {
      if (entries <= maxEntries) break
      drop(oldest)
    }
  }

  return Object.freeze<HotVaults>({
    open: (db, vaultId, headHash) => {
      const name = bytesToHex(vaultId)
      const head = bytesToHex(headHash)
      const known = kept.get(name)
      const vault = known?.head === head ? known : { head, rows: new Map(), leaves: new Map() }

      const loadRows = async (prefixes: readonly string[]): Promise<readonly (TrieRow | undefined)[]> => {
        const missing = prefixes.filter((prefix) => !vault.rows.has(prefix))
        if (missing.length > 0)
          for (const [prefix, row] of await readTrieRows(db, vaultId, missing)) vault.rows.set(prefix, row)
        return prefixes.map((prefix) => vault.rows.get(prefix))
      }
      const loadLeaves = async (itemIds: readonly Uint8Array[]): Promise<readonly (Leaf | undefined)[]> => {
        const missing = itemIds.filter((id) => !vault.leaves.has(bytesToHex(id)))
        if (missing.length > 0) {
          for (const id of missing) vault.leaves.set(bytesToHex(id), undefined)
          for (const leaf of await readLeaves(db, vaultId, missing)) vault.leaves.set(bytesToHex(leaf.itemId), leaf)
        }
        return itemIds.map((id) => vault.leaves.get(bytesToHex(id)))
      }
      return {
        tree: createStoredTree(p, { readRows: loadRows, readLeaves: loadLeaves }),
        storedLeaf: (itemId) => vault.leaves.get(bytesToHex(itemId)),
        move: (next, rows, leaves) => {
          for (const [prefix, row] of rows) vault.rows.set(prefix, row)
          for (const leaf of leaves) vault.leaves.set(bytesToHex(leaf.itemId), leaf)
          keep(name, { head: bytesToHex(next), rows: vault.rows, leaves: vault.leaves })
        },
      }
    },
  })
}
