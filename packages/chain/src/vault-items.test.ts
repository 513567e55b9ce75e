import { bytesToHex } from "@keyferry/base"
import { nodePrimitives as p } from "@keyferry/crypto/node"
import { describe, expect, test } from "vitest"

import { code, signAll } from "./fixture.ts"
import { createVaultWorld, del, valueOf } from "./fixture-vault.ts"
import {
  createRowMap,
  createStoredTree,
  decodeVaultState,
  encodeVaultState,
  itemsStruct,
  type Leaf,
  type MemoryTree,
  type Op,
  OP_DEL,
  openLink,
  type VaultStep,
  verifyVaultLink,
  verifyVaultLinks,
} from "./index.ts"

const { state, laptop, phone, genesis, vault, emptyTree, verify, put, itemsLink, changed } = await createVaultWorld(p)

describe("items", () => {
  const id = Uint8Array.from({ length: 16 }, (_, i) => i)
  const other = Uint8Array.from({ length: 16 }, (_, i) => 255 - i)

  test("[CH34] put, put again, delete, put back: revisions count up by one", async () => {
    const steps = [[put(id)], [put(id, 2), put(other)], [del(id, 3)], [put(id, 4)]]
    let step = vault
    const counts: number[] = []
    for (const ops of steps) {
      step = valueOf(await verify(await itemsLink(ops, laptop, step), step))
      expect(step.ops).toEqual(ops)
      counts.push(step.state.count)
    }
    expect(counts).toEqual([1, 2, 1, 2])
    expect(step.tree.trie.get(id)).toMatchObject({ rev: 4, tombstone: false })
  })

  test("[CH34] refuses other revisions, epochs and shapes", async () => {
    const one = valueOf(await verify(await itemsLink([put(id)])))
    const gone = valueOf(await verify(await itemsLink([del(id, 2)], laptop, one), one))
    const attempt = async (step: VaultStep<MemoryTree>, ops: readonly Op[]): Promise<string> =>
      code(await verify(await itemsLink(ops, laptop, step), step))
    expect(await attempt(vault, [put(id, 2)])).toBe("rev-wrong")
    expect(await attempt(one, [put(id, 1)])).toBe("rev-wrong")
    expect(await attempt(one, [put(id, 3)])).toBe("rev-wrong")
    expect(await attempt(one, [del(id, 3)])).toBe("rev-wrong")
    expect(await attempt(vault, [del(id, 1)])).toBe("rev-wrong")
    expect(await attempt(gone, [del(id, 3)])).toBe("rev-wrong")
    expect(await attempt(gone, [put(id, 1)])).toBe("rev-wrong")
    expect(await attempt(one, [put(id, 2, { epoch: 2 })])).toBe("epoch-stale")
    expect(await attempt(one, [del(id, 2, 2)])).toBe("epoch-stale")
    expect(await attempt(one, [])).toBe("chain-malformed")
    expect(await attempt(vault, [put(id), put(other), put(id, 2)])).toBe("chain-malformed")
    expect(await attempt(vault, [put(id, 1, { hash: new Uint8Array(32) })])).toBe("chain-malformed")
    expect(await attempt(vault, [put(id, 1, { size: 0 })])).toBe("chain-malformed")
    expect(await attempt(vault, [put(id, 0)])).toBe("chain-malformed")
    expect(await attempt(one, [[OP_DEL, id, 2, 1, new Uint8Array(32), 5]])).toBe("chain-malformed")
    expect(await attempt(one, [[OP_DEL, id, 2, 1, state.id, 0]])).toBe("chain-malformed")
  })

  test("[CH34] at most 1,000 ops", async () => {
    const ops = Array.from({ length: 1001 }, (_, i) => put(p.sha256(Uint8Array.of(i >> 8, i)).slice(0, 16)))
    expect(code(await verify(await itemsLink(ops.slice(1))))).toBe("accepted")
    expect(code(await verify(await itemsLink(ops)))).toBe("chain-malformed")
  })

  test("[CH42] root and count are what the ops make of them", async () => {
    const good = await itemsLink([put(id)])
    const open = openLink(p, good)
    if (!open.ok) throw new Error("unreadable")
    const body = itemsStruct.fromCbor(open.value.payload.body)
    for (const over of [{ root: vault.state.root }, { count: 0 }, { count: 2 }]) {
      const wrong = await changed(good, laptop, { body: itemsStruct.toCbor({ ...body, ...over }) })
      expect(code(await verify(wrong))).toBe("root-mismatch")
    }
    expect(code(await verify(await signAll(good.payload, laptop, [phone])))).toBe("chain-malformed")
  })

  test("[CH42] a store with rows comes to the same verdicts as a device with the whole trie", async () => {
    const ids = Array.from({ length: 40 }, (_, i) => p.sha256(Uint8Array.of(i)).slice(0, 16))
    let memory = vault
    let rows = createRowMap()
    const leaves = new Map<string, Leaf>()
    let stored = vault.state
    for (let round = 0; round < 6; round++) {
      const ops = ids.filter((_, i) => i % 6 <= round).map((x) => put(x, (memory.tree.trie.get(x)?.rev ?? 0) + 1))
      const link = await itemsLink(ops, laptop, memory)
      memory = valueOf(await verify(link, memory))
      const readLeaves = async (wanted: readonly Uint8Array[]): Promise<(Leaf | undefined)[]> =>
        wanted.map((x) => leaves.get(bytesToHex(x)))
      const tree = createStoredTree(p, { readRows: rows.readRows, readLeaves })
      const next = await verifyVaultLink(p, stored, link, { account: () => state, tree })
      if (!next.ok) throw new Error(next.error.code)
      rows = rows.with(next.value.tree.changedRows)
      for (const [key, leaf] of next.value.tree.changedLeaves) leaves.set(key, leaf)
      stored = next.value.state
      expect(stored).toEqual(memory.state)
    }
  })

  test("[CH29] a whole chain is verified link by link", async () => {
    const one = valueOf(await verify(await itemsLink([put(id)])))
    const link1 = await itemsLink([put(id)])
    const link2 = await itemsLink([put(other)], phone, one)
    const context = { account: () => state, tree: emptyTree() }
    const whole = valueOf(await verifyVaultLinks(p, undefined, [genesis, link1, link2], context))
    expect(whole.state.count).toBe(2)
    expect(whole.ops.length).toBe(2)
    expect(code(await verifyVaultLinks(p, undefined, [genesis, link2, link1], context))).toBe("chain-out-of-order")
    expect(code(await verifyVaultLinks(p, undefined, [genesis, link2], context))).toBe("chain-out-of-order")
    expect(code(await verifyVaultLinks(p, undefined, [], context))).toBe("chain-malformed")
    const rest = await verifyVaultLinks(p, one.state, [link2], { account: () => state, tree: one.tree })
    expect(valueOf(rest).state).toEqual(whole.state)
    expect(valueOf(rest).ops).toEqual(whole.ops.slice(1))
  })

  test("[CH29] a state survives its local form, and a cut one does not open", () => {
    const bytes = encodeVaultState(vault.state)
    expect(decodeVaultState(bytes)).toEqual({ ok: true, value: vault.state })
    expect(decodeVaultState(bytes.slice(0, -1)).ok).toBe(false)
  })
})
