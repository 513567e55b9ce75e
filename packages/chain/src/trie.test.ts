import { bytesToHex, lp } from "@keyferry/base"
import { nodePrimitives as p } from "@keyferry/crypto/node"
import fc from "fast-check"
import { describe, expect, test } from "vitest"

import {
  createMemoryTree,
  createRowMap,
  createStoredTree,
  createTrie,
  emptyRoot,
  type Leaf,
  leafHash,
  liveCount,
  nodeHash,
  putIntoRows,
  rootOfLeaves,
  rootOfRows,
} from "./index.ts"

const leaf = (id: number[], rev = 1, tombstone = false): Leaf => ({
  itemId: Uint8Array.from({ length: 16 }, (_, i) => id[i] ?? 0),
  rev,
  epoch: 1,
  ctHash: new Uint8Array(32).fill(tombstone ? 0 : 7),
  tombstone,
})

/** Ids that share long prefixes as often as not, which random ones never would. */
const anyId = fc
  .tuple(fc.constantFrom(0, 8, 64, 124, 128), fc.uint8Array({ minLength: 16, maxLength: 16 }))
  .map(([shared, tail]) =>
    tail.map((byte, i) => (shared >= (i + 1) * 8 ? 0xaa : shared > i * 8 ? 0xa0 | (byte & 0x0f) : byte)),
  )
const anyLeaf: fc.Arbitrary<Leaf> = fc
  .record({
    itemId: anyId,
    rev: fc.integer({ min: 1, max: 9 }),
    epoch: fc.integer({ min: 1, max: 3 }),
    tombstone: fc.boolean(),
  })
  .map((l) => ({ ...l, ctHash: new Uint8Array(32).fill(l.tombstone ? 0 : l.rev) }))

const newestOf = (leaves: readonly Leaf[]): Leaf[] => [
  ...new Map(leaves.map((l) => [bytesToHex(l.itemId), l])).values(),
]

describe("the trie", () => {
  test("[CH35] empty, leaf and node are exactly these hashes", () => {
    const a = leaf([0x00], 3)
    const b = leaf([0x10], 1, true)
    expect(rootOfLeaves(p, [])).toEqual(p.sha256(lp("kf1/empty")))
    expect(leafHash(p, a)).toEqual(p.sha256(lp("kf1/leaf", a.itemId, 3, 1, a.ctHash, 0)))
    expect(leafHash(p, b)).toEqual(p.sha256(lp("kf1/leaf", b.itemId, 1, 1, new Uint8Array(32), 1)))
    expect(nodeHash(p, 3, a.ctHash, b.ctHash)).toEqual(p.sha256(lp("kf1/node", 3, a.ctHash, b.ctHash)))
  })

  test("[CH36] the root of one leaf is its hash; two leaves meet at the first bit that differs, most significant first", () => {
    const a = leaf([0x00])
    const b = leaf([0x10])
    const c = leaf([0x80])
    expect(rootOfLeaves(p, [a])).toEqual(leafHash(p, a))
    expect(rootOfLeaves(p, [b, a])).toEqual(nodeHash(p, 3, leafHash(p, a), leafHash(p, b)))
    expect(rootOfLeaves(p, [c, b, a])).toEqual(
      nodeHash(p, 0, nodeHash(p, 3, leafHash(p, a), leafHash(p, b)), leafHash(p, c)),
    )
  })

  test("[CH35] a leaf whose id or hash has another length is a defect: its bytes would stand where others belong", () => {
    const good = leaf([1])
    const lengths = (n: number): Uint8Array => new Uint8Array(n)
    for (const wrong of [
      { itemId: lengths(15) },
      { itemId: lengths(17) },
      { ctHash: lengths(31) },
      { ctHash: lengths(33) },
    ])
      expect(() => leafHash(p, { ...good, ...wrong })).toThrow("a leaf of other lengths")
    expect(() => leafHash(p, { ...good, itemId: lengths(15), ctHash: lengths(31) })).toThrow("a leaf of other lengths")
  })

  test("[CH36] two leaves with one id are a defect", () => {
    expect(() => rootOfLeaves(p, [leaf([1]), leaf([2]), leaf([1], 2)])).toThrow("two leaves with one id")
  })

  test("[CH37] a deleted item stays as a leaf, changes the root, and does not count", () => {
    const before = createTrie(p, [leaf([1]), leaf([2])])
    const after = before.put(leaf([2], 2, true))
    expect(before.size).toBe(2)
    expect(after.size).toBe(2)
    expect(after.put(leaf([3])).size).toBe(3)
    expect(after.get(leaf([2]).itemId)?.tombstone).toBe(true)
    expect(after.root()).not.toEqual(before.root())
    expect(after.root()).not.toEqual(createTrie(p, [leaf([1])]).root())
    expect(liveCount(after.leaves())).toBe(1)
  })

  test("[CH38] the definition, the incremental trie and the stored rows agree, in any order and in any batches", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.array(anyLeaf, { maxLength: 12 }), { maxLength: 6 }), async (batches) => {
        const all = newestOf(batches.flat())
        const expected = rootOfLeaves(p, all)
        let trie = createTrie(p)
        let rows = createRowMap()
        for (const batch of batches) {
          const old = trie.root()
          const before = trie
          for (const l of batch) trie = trie.put(l)
          expect(before.root()).toEqual(old)
          const change = await putIntoRows(p, rows, batch)
          expect(change.root).toEqual(trie.root())
          rows = rows.with(change.rows)
        }
        expect(trie.root()).toEqual(expected)
        expect(await rootOfRows(p, rows)).toEqual(expected)
        expect(createTrie(p, all.toReversed()).root()).toEqual(expected)
        expect([...trie.leaves()].map((l) => bytesToHex(l.itemId))).toEqual(all.map((l) => bytesToHex(l.itemId)).sort())
      }),
      { numRuns: 200 },
    )
  })

  test("[CH38] an uncommitted tree sees its own changes, and the store sees none", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(anyLeaf, { minLength: 1, maxLength: 8 }),
        fc.array(anyLeaf, { maxLength: 8 }),
        async (first, second) => {
          const rows = createRowMap()
          const stored = createStoredTree(p, {
            readRows: rows.readRows,
            readLeaves: async (ids) => ids.map(() => undefined),
          })
          const one = await stored.put(first)
          const two = await one.tree.put(second)
          const memory = await (await createMemoryTree(createTrie(p)).put(first)).tree.put(second)
          expect(two.root).toEqual(memory.root)
          const ids = [...first, ...second].map((l) => l.itemId)
          expect(await two.tree.leavesOf(ids)).toEqual(await memory.tree.leavesOf(ids))
          expect(await rootOfRows(p, rows)).toEqual(emptyRoot(p))
          expect(await rootOfRows(p, rows.with(two.tree.changedRows))).toEqual(two.root)
        },
      ),
      { numRuns: 100 },
    )
  })

  test("[CH39] one changed item reads and writes a handful of rows, in a vault of 20,000", async () => {
    const id = (i: number): Uint8Array => p.sha256(Uint8Array.of(i >> 16, i >> 8, i)).slice(0, 16)
    const many = Array.from({ length: 20_000 }, (_, i) => ({ ...leaf([]), itemId: id(i) }))
    const change = await putIntoRows(p, createRowMap(), many)
    const rows = createRowMap().with(change.rows)
    let read = 0
    let rounds = 0
    const counting = {
      readRows: (prefixes: readonly string[]) => {
        read += prefixes.length
        rounds += 1
        return rows.readRows(prefixes)
      },
    }
    const one = await putIntoRows(p, counting, [{ ...leaf([], 2), itemId: id(77) }])
    expect(rounds).toBeLessThanOrEqual(7)
    expect(read).toBeLessThanOrEqual(7)
    expect(one.rows.size).toBeLessThanOrEqual(7)
    const rest = many.filter((_, i) => i !== 77)
    expect(one.root).toEqual(rootOfLeaves(p, [...rest, { ...leaf([], 2), itemId: id(77) }]))
  })

  test("[CH39] a missing row is a broken store, not an empty vault", async () => {
    const change = await putIntoRows(p, createRowMap(), [leaf([0x11]), leaf([0x12]), leaf([0x22])])
    const broken = createRowMap().with(new Map([...change.rows].filter(([prefix]) => prefix === "")))
    await expect(putIntoRows(p, broken, [leaf([0x13])])).rejects.toThrow("trie row missing")
  })
})
