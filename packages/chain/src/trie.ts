import { compareBytes, Defect, equalBytes, lp, putU64 } from "@keyferry/base"
import type { Primitives } from "@keyferry/crypto"

/*
 * The Merkle trie over a vault's items: binary, path-compressed, over the bits of the item id, most significant bit of byte 0
 * first (bit index 0).
 *
 *   empty = H(LP("kf1/empty"))
 *   leaf  = H(LP("kf1/leaf", item id(16), rev, epoch, ct_hash(32), tombstone 0|1))
 *   node  = H(LP("kf1/node", bit index, left, right))     at the first bit in which the leaves below differ
 *
 * The root of one leaf is its hash. Deleted items stay as leaves with tombstone 1 and a zero ct_hash.
 * Source: spec/chains.md, CH35–CH38
 */

export interface Leaf {
  readonly itemId: Uint8Array
  readonly rev: number
  readonly epoch: number
  readonly ctHash: Uint8Array
  readonly tombstone: boolean
}

export const ITEM_ID_BITS = 128

export const emptyRoot = (p: Primitives): Uint8Array => p.sha256(lp("kf1/empty"))

// Nothing is hashed more often than leaves and nodes, and both are always of one length: only what differs is written anew.
const LEAF = lp("kf1/leaf", new Uint8Array(16), 0, 0, new Uint8Array(32), 0)
const LEAF_TOMBSTONE = LEAF.length - 1
const LEAF_HASH = LEAF_TOMBSTONE - 11 - 32
const LEAF_EPOCH = LEAF_HASH - 4 - 8
const LEAF_REV = LEAF_EPOCH - 4 - 8
const LEAF_ID = LEAF_REV - 4 - 16

export const leafHash = (p: Primitives, leaf: Leaf): Uint8Array => {
  if (leaf.itemId.length !== 16 || leaf.ctHash.length !== 32) throw new Defect("a leaf of other lengths")
  LEAF.set(leaf.itemId, LEAF_ID)
  putU64(LEAF, LEAF_REV, leaf.rev)
  putU64(LEAF, LEAF_EPOCH, leaf.epoch)
  LEAF.set(leaf.ctHash, LEAF_HASH)
  LEAF[LEAF_TOMBSTONE] = leaf.tombstone ? 1 : 0
  return p.sha256(LEAF)
}

const NODE = lp("kf1/node", 0, new Uint8Array(32), new Uint8Array(32))
const NODE_BIT = NODE.length - 73
const NODE_LEFT = NODE.length - 68
const NODE_RIGHT = NODE.length - 32

export const nodeHash = (p: Primitives, bit: number, left: Uint8Array, right: Uint8Array): Uint8Array => {
  NODE[NODE_BIT] = bit
  NODE.set(left, NODE_LEFT)
  NODE.set(right, NODE_RIGHT)
  return p.sha256(NODE)
}

/** Bit `index` of an item id, the most significant of byte 0 first. */
export const bitAt = (id: Uint8Array, index: number): 0 | 1 =>
  (((id[index >> 3] ?? 0) >> (7 - (index & 7))) & 1) === 1 ? 1 : 0

/** The first bit in which two ids differ, 128 if they are the same. */
export const firstDifference = (a: Uint8Array, b: Uint8Array): number => {
  for (let i = 0; i < a.length; i++) {
    const x = (a[i] ?? 0) ^ (b[i] ?? 0)
    if (x !== 0) return i * 8 + Math.clz32(x) - 24
  }
  return ITEM_ID_BITS
}

/** The definition, written down once: sort, split at the first differing bit, hash. Doubled ids are a defect. */
export const rootOfLeaves = (p: Primitives, leaves: readonly Leaf[]): Uint8Array => {
  const sorted = [...leaves].sort((a, b) => compareBytes(a.itemId, b.itemId))
  const hashOf = (from: number, to: number): Uint8Array => {
    const first = sorted[from]
    const last = sorted[to - 1]
    if (first === undefined || last === undefined) return emptyRoot(p)
    if (to - from === 1) return leafHash(p, first)
    // Sorted, so what the outermost two share, all share.
    const bit = firstDifference(first.itemId, last.itemId)
    if (bit === ITEM_ID_BITS) throw new Defect("two leaves with one id")
    let middle = from
    while (bitAt((sorted[middle] ?? last).itemId, bit) === 0) middle++
    return nodeHash(p, bit, hashOf(from, middle), hashOf(middle, to))
  }
  return hashOf(0, sorted.length)
}

export const liveCount = (leaves: Iterable<Leaf>): number => {
  let count = 0
  for (const leaf of leaves) if (!leaf.tombstone) count++
  return count
}

/** A persistent trie: `put` leaves the old one as it was, and hashes only the paths that changed, when the root is asked for. */
export interface Trie {
  /** Leaves, deleted ones too. */
  readonly size: number
  readonly get: (itemId: Uint8Array) => Leaf | undefined
  readonly put: (leaf: Leaf) => Trie
  readonly root: () => Uint8Array
  /** In the order of item ids. */
  readonly leaves: () => Iterable<Leaf>
}

export const createTrie = (p: Primitives, leaves: Iterable<Leaf> = []): Trie => {
  let trie = trieOf(p, undefined, 0)
  for (const leaf of leaves) trie = trie.put(leaf)
  return trie
}

// ── inside ───────────────────────────────────────────────────────────────────────────────────────────────────────

interface LeafNode {
  readonly leaf: Leaf
  /** Filled when first asked for. The only field that ever changes, and it changes nothing that a reader can see. */
  hash: Uint8Array | undefined
}
interface InnerNode {
  readonly bit: number
  readonly left: Node
  readonly right: Node
  /** Any id below: names the bits that all leaves below share. */
  readonly sample: Uint8Array
  hash: Uint8Array | undefined
}
type Node = LeafNode | InnerNode

const trieOf = (p: Primitives, node: Node | undefined, size: number): Trie =>
  Object.freeze({
    size,
    get: (itemId: Uint8Array) => (node === undefined ? undefined : find(node, itemId)),
    put: (leaf: Leaf) => {
      const isNew = node === undefined || find(node, leaf.itemId) === undefined
      return trieOf(p, node === undefined ? leafNode(leaf) : insert(node, leaf), isNew ? size + 1 : size)
    },
    root: () => (node === undefined ? emptyRoot(p) : hashOfNode(p, node)),
    leaves: () => (node === undefined ? [] : walk(node)),
  })

const leafNode = (leaf: Leaf): LeafNode => ({ leaf, hash: undefined })
const sampleOf = (node: Node): Uint8Array => ("leaf" in node ? node.leaf.itemId : node.sample)

const find = (start: Node, itemId: Uint8Array): Leaf | undefined => {
  let node = start
  while (!("leaf" in node)) node = bitAt(itemId, node.bit) === 0 ? node.left : node.right
  return equalBytes(node.leaf.itemId, itemId) ? node.leaf : undefined
}

const insert = (node: Node, leaf: Leaf): Node => {
  const difference = firstDifference(sampleOf(node), leaf.itemId)
  const bit = "leaf" in node ? ITEM_ID_BITS : node.bit
  if (difference < bit) return inner(difference, node, leafNode(leaf), leaf.itemId)
  if ("leaf" in node) return leafNode(leaf)
  return bitAt(leaf.itemId, bit) === 0
    ? { ...node, left: insert(node.left, leaf), hash: undefined }
    : { ...node, right: insert(node.right, leaf), hash: undefined }
}

const inner = (bit: number, node: Node, added: LeafNode, addedId: Uint8Array): InnerNode => {
  const [left, right] = bitAt(addedId, bit) === 0 ? [added, node] : [node, added]
  return { bit, left, right, sample: addedId, hash: undefined }
}

const hashOfNode = (p: Primitives, node: Node): Uint8Array => {
  node.hash ??=
    "leaf" in node ? leafHash(p, node.leaf) : nodeHash(p, node.bit, hashOfNode(p, node.left), hashOfNode(p, node.right))
  return node.hash
}

function* walk(node: Node): Generator<Leaf> {
  if ("leaf" in node) yield node.leaf
  else {
    yield* walk(node.left)
    yield* walk(node.right)
  }
}
