import { nodePrimitives as p } from "@keyferry/crypto/node"
import { beforeAll, describe, expect, test } from "vitest"

import { code, extend, removeLink, rotateLink, signAll, vaultGenesisLink } from "./fixture.ts"
import { createVaultWorld, del, valueOf } from "./fixture-vault.ts"
import {
  type AccountState,
  type Checked,
  itemsStruct,
  type Link,
  type MemoryTree,
  type Op,
  openLink,
  rootOfLeaves,
  type VaultBootstrap,
  type VaultState,
  type VaultStep,
  verifyVaultBootstrap,
} from "./index.ts"

const { fixture, state, laptop, phone, genesis, vault, verifyFrom, put, itemsLink, changed } = await createVaultWorld(p)

describe("first read", () => {
  let removed: AccountState
  let rotation: Link
  let head: Link
  let end: VaultStep<MemoryTree>
  let middle: VaultStep<MemoryTree>

  beforeAll(async () => {
    const ids = Array.from({ length: 5 }, () => fixture.random.bytes(16))
    removed = await extend(p, state, await removeLink(fixture, state, laptop, [phone.holder.id]))
    const at = (step: VaultStep<MemoryTree>, link: Link): Promise<VaultStep<MemoryTree>> =>
      verifyFrom(step, link, { account: removed }).then(valueOf)
    const one = await at(
      vault,
      await itemsLink(
        ids.map((x) => put(x)),
        phone,
      ),
    )
    middle = await at(one, await itemsLink([del(ids[0] ?? new Uint8Array(), 2)], laptop, one))
    rotation = await rotateLink(p, fixture, middle.state, removed, laptop)
    const rotated = await at(middle, rotation)
    const two = await at(
      rotated,
      await itemsLink([put(fixture.random.bytes(16), 1, { epoch: 2 })], laptop, rotated, removed),
    )
    head = await itemsLink([put(ids[1] ?? new Uint8Array(), 2, { epoch: 2 })], laptop, two, removed)
    end = await at(two, head)
  })

  const read = (over: Partial<VaultBootstrap> = {}): Promise<Checked<{ state: VaultState }>> =>
    verifyVaultBootstrap(
      p,
      { authorityLinks: [genesis, rotation], headLink: head, leaves: [...end.tree.trie.leaves()], ...over },
      () => removed,
    )

  test("[CH40] ends in the same state as the whole walk", async () => {
    const result = await read()
    if (!result.ok) throw new Error(result.error.code)
    expect(result.value.state).toEqual(end.state)
    const shuffled = await read({ leaves: [...end.tree.trie.leaves()].toReversed() })
    expect(code(shuffled)).toBe("accepted")
  })

  test("[CH40] a vault whose head is an authority link", async () => {
    const empty = await read({ authorityLinks: [genesis], headLink: genesis, leaves: [] })
    expect(empty.ok && empty.value.state).toEqual(vault.state)
    const atRotation = await read({ headLink: rotation, leaves: [...middle.tree.trie.leaves()] })
    expect(code(atRotation)).toBe("accepted")
    expect(code(await read({ headLink: rotation }))).toBe("chain-omission")
  })

  test("[CH40] an item left out, brought back, changed or doubled does not add up", async () => {
    const leaves = [...end.tree.trie.leaves()]
    const dead = leaves.find((l) => l.tombstone)
    const live = leaves.find((l) => !l.tombstone)
    if (dead === undefined || live === undefined) throw new Error("no leaves")
    const variants = [
      leaves.slice(1),
      [...leaves, live],
      [...leaves, { ...live, itemId: fixture.random.bytes(16) }],
      leaves.filter((l) => l !== dead),
      leaves.map((l) => (l === dead ? { ...l, tombstone: false, rev: 1 } : l)),
      leaves.map((l) => (l === live ? { ...l, ctHash: state.id } : l)),
      [],
    ]
    for (const wrong of variants) expect(code(await read({ leaves: wrong }))).toBe("chain-omission")
    expect(code(await read({ leaves: [...leaves, dead] }))).toBe("chain-omission")
  })

  test("[CH40] an authority link left out, doubled, reordered, forged or of a removed device", async () => {
    expect(code(await read({ authorityLinks: [genesis] }))).toBe("authority-wrong")
    expect(code(await read({ authorityLinks: [rotation] }))).toBe("chain-out-of-order")
    expect(code(await read({ authorityLinks: [] }))).toBe("chain-malformed")
    expect(code(await read({ authorityLinks: [genesis, rotation, rotation] }))).toBe("chain-out-of-order")
    expect(code(await read({ authorityLinks: [genesis, { ...rotation, signature: new Uint8Array(64) }] }))).toBe(
      "chain-signature-invalid",
    )
    const byPhone = await changed(rotation, phone, { byHolder: phone.holder.id })
    expect(code(await read({ authorityLinks: [genesis, byPhone] }))).toBe("signer-not-active")
    expect(code(await read({ authorityLinks: [genesis, head] }))).toBe("authority-wrong")
    const early = await itemsLink([put(fixture.random.bytes(16))])
    expect(code(await read({ authorityLinks: [genesis, early] }))).toBe("link-type-unknown")
    const twoStep = await changed(rotation, laptop, { seq: 2 })
    expect(code(await read({ authorityLinks: [genesis, twoStep] }))).toBe("chain-out-of-order")
  })

  test("[CH40] what cannot be read is malformed, wherever it stands", async () => {
    const torn = (link: Link): Link => ({ ...link, payload: link.payload.slice(1) })
    const body = new Map([[99, "nonsense"]])
    const malformed = (what: string): unknown => ({ ok: false, error: { code: "chain-malformed", what } })
    expect(await read({ authorityLinks: [genesis, torn(rotation)] })).toEqual(malformed("payload"))
    expect(await read({ headLink: torn(head) })).toEqual(malformed("payload"))
    expect(await read({ headLink: await changed(head, laptop, { body }) })).toEqual(malformed("body"))
  })

  test("[CH40] the error says which place comes next", async () => {
    expect(await read({ authorityLinks: [genesis, rotation, rotation] })).toEqual({
      ok: false,
      error: { code: "chain-out-of-order", expectedSeq: end.state.authority.seq + 1, seq: end.state.authority.seq },
    })
  })

  test("[CH40] what a device wrote before it was removed stays written, authority links too", async () => {
    const first = await vaultGenesisLink(p, fixture, state, phone)
    const begun = valueOf(await verifyFrom(undefined, first))
    const second = await rotateLink(p, fixture, begun.state, state, phone)
    const next = valueOf(await verifyFrom(begun, second))
    const third = await rotateLink(p, fixture, next.state, removed, laptop)
    const links = { authorityLinks: [first, second, third], headLink: third, leaves: [] }
    expect(code(await read(links))).toBe("accepted")
  })

  test("[CH40] a leaf agrees with the head link in its epoch, and in being there at all", async () => {
    const open = openLink(p, head)
    if (!open.ok) throw new Error("unreadable")
    const body = itemsStruct.fromCbor(open.value.payload.body)
    const saying = (ops: readonly Op[], over: Partial<typeof body> = {}): Promise<Link> =>
      changed(head, laptop, { body: itemsStruct.toCbor({ ...body, ops, ...over }) })
    const leaves = [...end.tree.trie.leaves()]
    const old = leaves.find((leaf) => leaf.epoch === 1 && !leaf.tombstone)
    if (old === undefined) throw new Error("no leaf of the first epoch")
    const newer = await saying([put(old.itemId, old.rev, { epoch: 2, hash: old.ctHash })])
    expect(code(await read({ headLink: newer }))).toBe("chain-omission")
    // A device that lies can sign a root over a live leaf without content; its own op calls the item deleted.
    const hollow = { itemId: fixture.random.bytes(16), rev: 2, epoch: 2, ctHash: new Uint8Array(32), tombstone: false }
    const all = [...leaves, hollow]
    const lie = await saying([del(hollow.itemId, 2, 2)], { root: rootOfLeaves(p, all), count: body.count + 1 })
    expect(code(await read({ headLink: lie, leaves: all }))).toBe("chain-omission")
    const dead = [...leaves, { ...hollow, tombstone: true }]
    const honest = await saying([del(hollow.itemId, 2, 2)], { root: rootOfLeaves(p, dead) })
    expect(code(await read({ headLink: honest, leaves: dead }))).toBe("accepted")
  })

  test("[CH40] a rotation without a gap keeps the root that was", async () => {
    const direct = await rotateLink(p, fixture, vault.state, removed, laptop, { root: state.id })
    expect(code(await read({ authorityLinks: [genesis, direct], headLink: direct, leaves: [] }))).toBe("root-mismatch")
  })

  test("[CH40] the head is signed by an active device above the floor and speaks of the leaves", async () => {
    expect(code(await read({ headLink: { ...head, signature: new Uint8Array(64) } }))).toBe("chain-signature-invalid")
    const { seq, hash } = state.head
    const backdated = await changed(head, phone, { byHolder: phone.holder.id, seen: [[state.id, seq, hash]] })
    expect(code(await read({ headLink: backdated }))).toBe("signer-below-floor")
    const old = await changed(head, laptop, { seq: 4 })
    expect(code(await read({ headLink: old }))).toBe("chain-out-of-order")
    const anotherRotation = await changed(rotation, laptop, {
      seq: 9,
      auth: [end.state.authority.seq, end.state.authority.hash],
    })
    expect(code(await read({ headLink: anotherRotation }))).toBe("chain-omission")
    const open = openLink(p, head)
    if (!open.ok) throw new Error("unreadable")
    const body = itemsStruct.fromCbor(open.value.payload.body)
    const foreign = await changed(head, laptop, {
      body: itemsStruct.toCbor({ ...body, ops: [put(fixture.random.bytes(16), 1, { epoch: 2 })] }),
    })
    expect(code(await read({ headLink: foreign }))).toBe("chain-omission")
    const wrongRev = await changed(head, laptop, {
      body: itemsStruct.toCbor({ ...body, ops: body.ops.map(([k, i, r, e, h, s]) => [k, i, r + 1, e, h, s] as const) }),
    })
    expect(code(await read({ headLink: wrongRev }))).toBe("chain-omission")
    const stale = await changed(head, laptop, {
      body: itemsStruct.toCbor({ ...body, ops: body.ops.map(([k, i, r, , h, s]) => [k, i, r, 1, h, s] as const) }),
    })
    expect(code(await read({ headLink: stale }))).toBe("epoch-stale")
    const wrongCount = await changed(head, laptop, { body: itemsStruct.toCbor({ ...body, count: body.count + 1 }) })
    expect(code(await read({ headLink: wrongCount }))).toBe("chain-omission")
    expect(code(await read({ headLink: await changed(head, laptop, { id: state.id }) }))).toBe("chain-wrong-id")
    expect(code(await read({ headLink: await changed(head, laptop, { chain: 1 }) }))).toBe("chain-wrong-id")
    expect(code(await read({ headLink: await signAll(head.payload, laptop, [phone]) }))).toBe("chain-malformed")
    const countersigned = await signAll(rotation.payload, laptop, [phone])
    expect(code(await read({ authorityLinks: [genesis, countersigned] }))).toBe("chain-malformed")
  })
})
