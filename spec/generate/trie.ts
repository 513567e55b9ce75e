import { concatBytes } from "@keyferry/base"
import { createTrie, type Leaf, leafHash, liveCount } from "@keyferry/chain"
import { nodePrimitives as p } from "@keyferry/crypto/node"

import { compare, fixedRandom, flip, spoiled, type Topic, type Vector, vector } from "./vector.ts"

/** item id(16) ‖ rev(8) ‖ epoch(8) ‖ ct_hash(32) ‖ tombstone(1), for each leaf. */
const LEAF_LENGTH = 65

const encodeLeaf = (leaf: Leaf): Uint8Array => {
  const numbers = new Uint8Array(16)
  const view = new DataView(numbers.buffer)
  view.setBigUint64(0, BigInt(leaf.rev))
  view.setBigUint64(8, BigInt(leaf.epoch))
  return concatBytes(leaf.itemId, numbers, leaf.ctHash, Uint8Array.of(leaf.tombstone ? 1 : 0))
}

const decodeLeaves = (bytes: Uint8Array): Leaf[] => {
  const leaves: Leaf[] = []
  for (let at = 0; at < bytes.length; at += LEAF_LENGTH) {
    const one = bytes.slice(at, at + LEAF_LENGTH)
    const view = new DataView(one.buffer)
    leaves.push({
      itemId: one.slice(0, 16),
      rev: Number(view.getBigUint64(16)),
      epoch: Number(view.getBigUint64(24)),
      ctHash: one.slice(32, 64),
      tombstone: one[64] === 1,
    })
  }
  return leaves
}

/** Source   spec/chains.md CH35–CH38 */
export const trie: Topic = {
  name: "trie",
  generate: async () => {
    const random = fixedRandom("trie")
    const leaf = (itemId: Uint8Array): Leaf => ({
      itemId,
      rev: 1,
      epoch: 1,
      ctHash: random.bytes(32),
      tombstone: false,
    })
    const deleted = (itemId: Uint8Array): Leaf => ({
      itemId,
      rev: 2,
      epoch: 1,
      ctHash: new Uint8Array(32),
      tombstone: true,
    })
    const file = (comment: string, leaves: readonly Leaf[]): Vector =>
      vector(comment, {
        leaves: concatBytes(...leaves.map(encodeLeaf)),
        root: createTrie(p, leaves).root(),
        count: liveCount(leaves),
      })
    const some = (n: number): Leaf[] => Array.from({ length: n }, () => leaf(random.bytes(16)))
    const id = random.bytes(16)
    const three = some(3)
    const first = three[0]
    if (first === undefined || leafHash(p, first).length !== 32) throw new Error("no leaf")
    const good = file("[CH36] three leaves", three)
    return new Map([
      ["empty", file("[CH36] no leaf", [])],
      ["one", file("[CH36] one leaf: its hash is the root", some(1))],
      ["two", file("[CH36] two leaves", some(2))],
      ["three", good],
      ["hundred", file("[CH36] a hundred leaves, unsorted", some(100))],
      ["first-bit", file("[CH36] two ids that differ in bit 0", [leaf(id.with(0, 0x7f)), leaf(id.with(0, 0xff))])],
      ["last-bit", file("[CH36] two ids that differ in bit 127", [leaf(id.with(15, 6)), leaf(id.with(15, 7))])],
      ["deleted", file("[CH37] a deleted leaf stays and does not count", [...three, deleted(random.bytes(16))])],
      [
        "all-deleted",
        file("[CH37] nothing but deleted leaves", [deleted(random.bytes(16)), deleted(random.bytes(16))]),
      ],
      [
        "reversed",
        spoiled(
          file("", three),
          "[CH38] the same leaves in another order",
          {
            leaves: concatBytes(...three.toReversed().map(encodeLeaf)),
          },
          "ok",
        ),
      ],
      [
        "bad-leaf",
        spoiled(
          good,
          "[CH35] a changed ct_hash",
          {
            leaves: flip(good.fields.get("leaves") ?? new Uint8Array(), 40),
          },
          "differs: root",
        ),
      ],
      [
        "bad-missing",
        spoiled(
          good,
          "[CH36] a missing leaf",
          {
            leaves: (good.fields.get("leaves") ?? new Uint8Array()).slice(LEAF_LENGTH),
          },
          "differs: root",
        ),
      ],
      [
        "bad-revived",
        spoiled(
          file("", [...three, deleted(id)]),
          "[CH37] a tombstone taken away",
          {
            leaves: flip(file("", [...three, deleted(id)]).fields.get("leaves") ?? new Uint8Array(), -1),
          },
          "differs: root",
        ),
      ],
    ])
  },
  check: async (fields) => {
    const leaves = decodeLeaves(fields.bytes("leaves"))
    return compare(fields, { root: createTrie(p, leaves).root(), count: liveCount(leaves) })
  },
}
