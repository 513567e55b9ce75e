import { concatBytes } from "@keyferry/base"

import { mutateText } from "./mutate-text.ts"
import type { Dice } from "./target.ts"

/*
 * CBOR as a tree that may be wrong in every way: written by a program that shares nothing with the codec under test.
 * A byte string that is itself CBOR keeps its tree, so that a change reaches a payload inside a link inside a push.
 */
export type Tree =
  | { readonly kind: "uint"; readonly value: bigint; readonly wide?: boolean }
  | { readonly kind: "bytes"; readonly bytes: Uint8Array; readonly inner?: Tree }
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "array"; readonly items: readonly Tree[]; readonly open?: boolean }
  | { readonly kind: "map"; readonly entries: readonly (readonly [Tree, Tree])[]; readonly open?: boolean }
  | { readonly kind: "raw"; readonly bytes: Uint8Array }

const MAX_DEPTH = 24

/** `undefined` for what no tree of ours can hold; such samples are changed as bytes. */
export const parseTree = (bytes: Uint8Array): Tree | undefined => {
  let at = 0
  const head = (): { major: number; value: bigint } | undefined => {
    const first = bytes[at++]
    if (first === undefined) return undefined
    const low = first & 31
    if (low < 24) return { major: first >> 5, value: BigInt(low) }
    const width = [1, 2, 4, 8][low - 24]
    if (width === undefined || at + width > bytes.length) return undefined
    let value = 0n
    for (let i = 0; i < width; i++) value = (value << 8n) | BigInt(bytes[at++] ?? 0)
    return { major: first >> 5, value }
  }
  const read = (depth: number): Tree | undefined => {
    const start = at
    const found = depth > MAX_DEPTH ? undefined : head()
    if (found === undefined) return undefined
    const { major, value } = found
    if (major === 0) return { kind: "uint", value }
    if (major === 7) return { kind: "raw", bytes: bytes.slice(start, at) }
    const length = Number(value)
    if (major === 2 || major === 3) {
      if (at + length > bytes.length) return undefined
      const part = bytes.slice(at, at + length)
      at += length
      if (major === 3) return { kind: "text", text: Buffer.from(part).toString("utf8") }
      const inner =
        part.length > 3 && ((part[0] ?? 0) >> 5 === 4 || (part[0] ?? 0) >> 5 === 5) ? parseTree(part) : undefined
      return inner === undefined ? { kind: "bytes", bytes: part } : { kind: "bytes", bytes: part, inner }
    }
    if (major === 4) {
      const items: Tree[] = []
      for (let i = 0; i < length; i++) {
        const item = read(depth + 1)
        if (item === undefined) return undefined
        items.push(item)
      }
      return { kind: "array", items }
    }
    if (major !== 5) return undefined
    const entries: [Tree, Tree][] = []
    for (let i = 0; i < length; i++) {
      const key = read(depth + 1)
      const entry = key === undefined ? undefined : read(depth + 1)
      if (key === undefined || entry === undefined) return undefined
      entries.push([key, entry])
    }
    return { kind: "map", entries }
  }
  const tree = read(0)
  return tree !== undefined && at === bytes.length ? tree : undefined
}

export const encodeTree = (tree: Tree): Uint8Array => {
  switch (tree.kind) {
    case "uint":
      return headOf(0, tree.value, tree.wide)
    case "bytes": {
      const bytes = tree.inner === undefined ? tree.bytes : encodeTree(tree.inner)
      return concatBytes(headOf(2, BigInt(bytes.length)), bytes)
    }
    case "text": {
      const bytes = new Uint8Array(Buffer.from(tree.text, "utf8"))
      return concatBytes(headOf(3, BigInt(bytes.length)), bytes)
    }
    case "array":
      return bracket(4, tree.items.length, tree.open === true, tree.items.map(encodeTree))
    case "map":
      return bracket(
        5,
        tree.entries.length,
        tree.open === true,
        tree.entries.flatMap(([key, value]) => [encodeTree(key), encodeTree(value)]),
      )
    case "raw":
      return tree.bytes
  }
}

const bracket = (major: number, count: number, open: boolean, parts: readonly Uint8Array[]): Uint8Array =>
  open
    ? concatBytes(Uint8Array.of((major << 5) | 31), ...parts, Uint8Array.of(0xff))
    : concatBytes(headOf(major, BigInt(count)), ...parts)

const headOf = (major: number, value: bigint, wide = false): Uint8Array => {
  const bits = BigInt.asUintN(64, value)
  if (bits < 24n && !wide) return Uint8Array.of((major << 5) | Number(bits))
  const width = wide || bits > 0xffff_ffffn ? 8 : bits > 0xffffn ? 4 : bits > 0xffn ? 2 : 1
  const out = new Uint8Array(1 + width)
  out[0] = (major << 5) | (24 + Math.log2(width))
  for (let i = 0; i < width; i++) out[width - i] = Number((bits >> BigInt(8 * i)) & 255n)
  return out
}

const NUMBERS = [
  0n,
  1n,
  2n,
  23n,
  24n,
  255n,
  256n,
  65_535n,
  65_536n,
  2n ** 31n,
  2n ** 32n - 1n,
  2n ** 32n,
  2n ** 53n - 1n,
  2n ** 53n,
  2n ** 63n,
  2n ** 64n - 1n,
]
// null, true, false, undefined, -1, 1.5 (half), NaN, tag 0 of null, break, a reserved head
const RAW = ["f6", "f5", "f4", "f7", "20", "f93e00", "f97e00", "c0f6", "ff", "1c"].map(
  (hex) => new Uint8Array(Buffer.from(hex, "hex")),
)

/** One to four changes of a tree; `others` give foreign parts, so that an id stands where another belongs. */
export const mutateTree = (dice: Dice, tree: Tree, others: readonly Tree[] = []): Tree => {
  let changed = tree
  for (let i = 1 + dice.below(dice.chance(3) ? 4 : 1); i > 0; i--) {
    const parts = partsOf(changed)
    const target = dice.below(parts.length)
    const donors = others.length > 0 && dice.chance(3) ? partsOf(dice.pick(others)) : parts
    changed = replaceAt(changed, target, (part) => changePart(dice, part, donors)).tree
  }
  return changed
}

/** Every node, parents first. */
const partsOf = (tree: Tree): readonly Tree[] => {
  const found: Tree[] = []
  const walk = (node: Tree): void => {
    found.push(node)
    if (node.kind === "bytes" && node.inner !== undefined) walk(node.inner)
    if (node.kind === "array") for (const item of node.items) walk(item)
    if (node.kind === "map") for (const part of node.entries.flat()) walk(part)
  }
  walk(tree)
  return found
}

const replaceAt = (tree: Tree, target: number, change: (part: Tree) => Tree): { tree: Tree; left: number } => {
  if (target === 0) return { tree: change(tree), left: -1 }
  let left = target - 1
  const visit = (part: Tree): Tree => {
    if (left < 0) return part
    const done = replaceAt(part, left, change)
    left = done.left
    return done.tree
  }
  if (tree.kind === "bytes" && tree.inner !== undefined) return { tree: { ...tree, inner: visit(tree.inner) }, left }
  if (tree.kind === "array") return { tree: { ...tree, items: tree.items.map(visit) }, left }
  if (tree.kind === "map")
    return { tree: { ...tree, entries: tree.entries.map(([key, value]) => [visit(key), visit(value)] as const) }, left }
  return { tree, left }
}

const changePart = (dice: Dice, part: Tree, donors: readonly Tree[]): Tree => {
  if (dice.chance(10)) return { kind: "raw", bytes: dice.pick(RAW) }
  if (dice.chance(8)) return alike(dice, part, donors)
  if (dice.chance(60)) return nest(part, 1 + dice.below(20))
  switch (part.kind) {
    case "uint":
      return dice.chance(6)
        ? { ...part, wide: true }
        : { kind: "uint", value: dice.pick([...NUMBERS, part.value + 1n, part.value - 1n, part.value * 2n]) }
    case "bytes":
      return {
        kind: "bytes",
        bytes: changeString(dice, part.inner === undefined ? part.bytes : encodeTree(part.inner), donors),
      }
    case "text":
      return { kind: "text", text: mutateText(dice, part.text) }
    case "array":
      return { ...part, items: changeList(dice, part.items), ...(dice.chance(12) ? { open: true } : {}) }
    case "map":
      return { ...part, entries: changeList(dice, part.entries), ...(dice.chance(12) ? { open: true } : {}) }
    case "raw":
      return { kind: "raw", bytes: dice.pick(RAW) }
  }
}

/** A part of the same kind from elsewhere, byte strings of the same length first: ids and hashes change places. */
const alike = (dice: Dice, part: Tree, donors: readonly Tree[]): Tree => {
  const same = donors.filter((other) => other.kind === part.kind)
  const fitting = same.filter(
    (other) => other.kind === "bytes" && part.kind === "bytes" && other.bytes.length === part.bytes.length,
  )
  return dice.pick(fitting.length > 0 && !dice.chance(4) ? fitting : same.length > 0 ? same : donors)
}

const nest = (part: Tree, depth: number): Tree =>
  depth === 0 ? part : { kind: "array", items: [nest(part, depth - 1)] }

const changeString = (dice: Dice, bytes: Uint8Array, donors: readonly Tree[]): Uint8Array => {
  const out = bytes.slice()
  const at = dice.below(bytes.length + 1)
  switch (dice.below(6)) {
    case 0:
      if (at < out.length) out[at] = (out[at] ?? 0) ^ (1 << dice.below(8))
      return out
    case 1:
      return bytes.slice(0, at)
    case 2:
      return concatBytes(bytes, dice.bytes(1 + dice.below(40)))
    case 3:
      return out.fill(0)
    case 4:
      return dice.bytes(bytes.length)
    default: {
      const other = dice.pick(donors)
      return other.kind === "bytes" ? other.bytes : encodeTree(other)
    }
  }
}

const changeList = <T>(dice: Dice, items: readonly T[]): readonly T[] => {
  if (items.length === 0) return items
  const at = dice.below(items.length)
  const item = items[at] as T
  switch (dice.below(6)) {
    case 0:
      return items.toSpliced(at, 1)
    case 1:
      return items.toSpliced(at, 0, item)
    case 2: {
      const to = dice.below(items.length)
      return items.with(at, items[to] as T).with(to, item)
    }
    case 3:
      return items.slice(0, at)
    case 4:
      return [...items, ...items]
    default:
      // More than any list may hold, while it stays small enough to send.
      return dice.chance(8) ? Array.from({ length: 1100 }, () => item) : [...items, item]
  }
}
