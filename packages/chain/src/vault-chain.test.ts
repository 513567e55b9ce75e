import { bytesToHex, lp } from "@keyferry/base"
import { chainId } from "@keyferry/crypto"
import { nodePrimitives as p } from "@keyferry/crypto/node"
import { beforeAll, describe, expect, test } from "vitest"

import {
  addDeviceLink,
  createFixture,
  extend,
  type Fixture,
  type FixtureAccount,
  type FixtureHolder,
  removeLink,
  rotateLink,
  signAll,
  vaultGenesisLink,
  writerOf,
} from "./fixture.ts"
import {
  type AccountState,
  CHAIN_VAULT,
  type Checked,
  createMemoryTree,
  createRowMap,
  createStoredTree,
  createTrie,
  decodeVaultState,
  emptyRoot,
  encodeVaultState,
  epochRotateStruct,
  HOLDER_DEVICE,
  isRotationDue,
  itemsPayload,
  itemsStruct,
  type Leaf,
  type Link,
  type MemoryTree,
  type Op,
  OP_DEL,
  OP_PUT,
  openLink,
  type Payload,
  payloadStruct,
  rootOfLeaves,
  VAULT_EPOCH_ROTATE,
  VAULT_GENESIS,
  VAULT_ITEMS,
  VAULT_TEAM,
  type VaultBootstrap,
  type VaultEpoch,
  vaultGenesisStruct,
  type VaultState,
  type VaultStep,
  verifyVaultBootstrap,
  verifyVaultLink,
  verifyVaultLinks,
} from "./index.ts"

const emptyTree = (): MemoryTree => createMemoryTree(createTrie(p))
const code = (result: Checked<unknown>): string => (result.ok ? "accepted" : result.error.code)

let fixture: Fixture
let account: FixtureAccount
let state: AccountState
let laptop: FixtureHolder
let phone: FixtureHolder
let genesis: Link
let vault: VaultStep<MemoryTree>

const verifyFrom = (
  step: VaultStep<MemoryTree> | undefined,
  link: Link,
  over: { account?: AccountState; atCommit?: boolean } = {},
): Promise<Checked<VaultStep<MemoryTree>>> =>
  verifyVaultLink(p, step?.state, link, {
    account: () => over.account ?? state,
    tree: step?.tree ?? emptyTree(),
    ...(over.atCommit === undefined ? {} : { atCommit: over.atCommit }),
  })
const verify = (link: Link, step = vault): Promise<Checked<VaultStep<MemoryTree>>> => verifyFrom(step, link)

const valueOf = (result: Checked<VaultStep<MemoryTree>>): VaultStep<MemoryTree> => {
  if (!result.ok) throw new Error(JSON.stringify(result.error))
  return result.value
}

const put = (id: Uint8Array, rev = 1, over: Partial<{ epoch: number; hash: Uint8Array; size: number }> = {}): Op => [
  OP_PUT,
  id,
  rev,
  over.epoch ?? 1,
  over.hash ?? p.sha256(lp(id, rev)),
  over.size ?? 600,
]
const del = (id: Uint8Array, rev: number, epoch = 1): Op => [OP_DEL, id, rev, epoch, new Uint8Array(32), 0]

const itemsLink = async (ops: readonly Op[], by = laptop, step = vault, as: AccountState = state): Promise<Link> =>
  signAll(await itemsPayload(step.state, as, step.tree, ops, writerOf(by)), by)

/** The same link with some fields of its payload changed, signed again. */
const changed = (link: Link, by: FixtureHolder, over: Partial<Payload>): Promise<Link> => {
  const open = openLink(p, link)
  if (!open.ok) throw new Error("unreadable")
  return signAll(payloadStruct.encode({ ...open.value.payload, ...over }), by)
}

beforeAll(async () => {
  fixture = createFixture(p, "vault chain")
  account = await fixture.makeAccount()
  laptop = account.device
  phone = await fixture.makeHolder(HOLDER_DEVICE)
  state = await extend(p, account.state, await addDeviceLink(fixture, account.state, laptop, phone))
  genesis = await vaultGenesisLink(p, fixture, state, laptop)
  vault = valueOf(await verifyFrom(undefined, genesis))
})

describe("genesis of a vault", () => {
  type Body = ReturnType<typeof vaultGenesisStruct.fromCbor>
  const withBody = (over: Partial<Body>): Promise<Link> => {
    const open = openLink(p, genesis)
    if (!open.ok) throw new Error("unreadable")
    const body = vaultGenesisStruct.fromCbor(open.value.payload.body)
    return changed(genesis, laptop, { body: vaultGenesisStruct.toCbor({ ...body, ...over }) })
  }

  test("[CH28] gives the id, the owner, epoch 1 and an empty root", () => {
    expect(vault.state.id).toEqual(chainId(p, CHAIN_VAULT, genesis.payload))
    expect(vault.state).toMatchObject({ owner: state.id, count: 0, root: emptyRoot(p), head: { seq: 1 } })
    expect(vault.state.authority).toEqual(vault.state.head)
    expect(vault.state.epochs.length).toBe(1)
  })

  test("[CH28] refuses another place, root, count, epoch, owner or team", async () => {
    const cases: [string, Link][] = [
      ["chain-wrong-id", await changed(genesis, laptop, { chain: 1 })],
      ["chain-out-of-order", await changed(genesis, laptop, { seq: 2 })],
      ["chain-malformed", await changed(genesis, laptop, { id: state.id })],
      ["chain-malformed", await changed(genesis, laptop, { prev: state.id })],
      ["chain-malformed", await changed(genesis, laptop, { auth: [0, state.id] })],
      ["chain-malformed", await changed(genesis, laptop, { auth: [1, new Uint8Array(32)] })],
      ["chain-malformed", await changed(genesis, laptop, { type: VAULT_ITEMS })],
      ["root-mismatch", await withBody({ root: new Uint8Array(32) })],
      ["root-mismatch", await withBody({ count: 1 })],
      ["not-allowed", await withBody({ owner: new Uint8Array(32) })],
      ["chain-malformed", await withBody({ team: new Uint8Array(32) })],
      ["epoch-wrong", await vaultGenesisLink(p, fixture, state, laptop, { epoch: 2 })],
      ["chain-malformed", await vaultGenesisLink(p, fixture, state, laptop, { prevSealedHash: state.id })],
      ["chain-malformed", await signAll(genesis.payload, laptop, [phone])],
    ]
    for (const [expected, link] of cases) expect(code(await verifyFrom(undefined, link))).toBe(expected)
  })

  test("[CH27] team vaults stop a reader that does not know them", async () => {
    expect(code(await verifyFrom(undefined, await withBody({ kind: VAULT_TEAM })))).toBe("link-type-unknown")
  })

  test("[CH28] needs the owner's account and one of its devices", async () => {
    const nobody = await verifyVaultLink(p, undefined, genesis, { account: () => undefined, tree: emptyTree() })
    expect(code(nobody)).toBe("not-allowed")
    expect(code(await verifyFrom(undefined, await vaultGenesisLink(p, fixture, state, account.password)))).toBe(
      "not-allowed",
    )
    const stranger = { ...state, id: vault.state.id }
    expect(code(await verifyFrom(undefined, genesis, { account: stranger }))).toBe("not-allowed")
  })
})

describe("place, signer, floor", () => {
  test("[CH29] seq, prev and auth are those of this vault", async () => {
    const link = await itemsLink([put(fixture.random.bytes(16))])
    const one = valueOf(await verify(link))
    expect(code(await verify(link, one))).toBe("chain-out-of-order")
    expect(code(await verify(await changed(link, laptop, { seq: 3 })))).toBe("chain-out-of-order")
    expect(code(await verify(await changed(link, laptop, { prev: state.id })))).toBe("chain-out-of-order")
    expect(code(await verify(await changed(link, laptop, { id: state.id })))).toBe("chain-wrong-id")
    expect(code(await verify(await changed(link, laptop, { chain: 1 })))).toBe("chain-wrong-id")
    expect(code(await verify(await changed(link, laptop, { auth: [1, state.id] })))).toBe("authority-wrong")
    const otherSeq = await changed(link, laptop, { auth: [0, vault.state.authority.hash] })
    expect(code(await verify(otherSeq))).toBe("authority-wrong")
    expect(await verify(await changed(link, laptop, { seq: 3 }))).toEqual({
      ok: false,
      error: { code: "chain-out-of-order", expectedSeq: 2, seq: 3 },
    })
    const second = await itemsLink([put(fixture.random.bytes(16))], laptop, one)
    expect(code(await verify(second, one))).toBe("accepted")
    const asAuthority = await changed(second, laptop, { auth: [one.state.head.seq, one.state.head.hash] })
    expect(code(await verify(asAuthority, one))).toBe("authority-wrong")
    expect(code(await verify(await changed(link, laptop, { type: VAULT_GENESIS })))).toBe("chain-malformed")
  })

  test("[CH27] acl.set and later types stop the reader", async () => {
    const link = await itemsLink([put(fixture.random.bytes(16))])
    for (const type of [2, 5])
      expect(code(await verify(await changed(link, laptop, { type })))).toBe("link-type-unknown")
  })

  test("[CH30] any device of the owner writes, with what it has seen", async () => {
    const link = await itemsLink([put(fixture.random.bytes(16))], phone)
    expect(code(await verify(link))).toBe("accepted")
    expect(code(await verify({ ...link, signature: new Uint8Array(64) }))).toBe("chain-signature-invalid")
    const { seq, hash } = state.head
    expect(code(await verify(await changed(link, phone, { seen: [] })))).toBe("seen-wrong")
    expect(code(await verify(await changed(link, phone, { seen: [[state.id, seq, state.id]] })))).toBe("seen-wrong")
    expect(code(await verify(await changed(link, phone, { seen: [[state.id, 0, hash]] })))).toBe("seen-wrong")
    const twice = [
      [state.id, seq, hash],
      [state.id, seq, hash],
    ] as const
    expect(code(await verify(await changed(link, phone, { seen: twice })))).toBe("seen-wrong")
    expect(code(await verify(await changed(link, phone, { byAccount: vault.state.id })))).toBe("not-allowed")
    expect(code(await verifyFrom(vault, await itemsLink([put(fixture.random.bytes(16))], account.recovery)))).toBe(
      "not-allowed",
    )
    const stranger = await fixture.makeHolder(HOLDER_DEVICE)
    expect(code(await verify(await itemsLink([put(fixture.random.bytes(16))], stranger)))).toBe("signer-not-active")
  })

  test("[CH30] another account's device writes nothing here, however active it is there", async () => {
    const other = await fixture.makeAccount()
    const link = await itemsLink([put(fixture.random.bytes(16))], other.device, vault, other.state)
    expect(code(await verifyFrom(vault, link, { account: other.state }))).toBe("not-allowed")
    const rotation = await rotateLink(p, fixture, vault.state, other.state, other.device)
    expect(code(await verifyFrom(vault, rotation, { account: other.state }))).toBe("not-allowed")
  })

  test("[CH30] a device that came later is not active at an older head", async () => {
    const phoneSeesOne = await itemsLink([put(fixture.random.bytes(16))], phone, vault, account.state)
    const step = { ...vault, state: { ...vault.state, floors: new Map() } }
    expect(code(await verify(phoneSeesOne, step))).toBe("signer-not-active")
  })

  test("[CH30] a head that the reader does not have yet sends it to the account chain", async () => {
    const link = await itemsLink([put(fixture.random.bytes(16))])
    const behind = await verifyFrom(vault, link, { account: account.state })
    expect(behind).toMatchObject({ error: { code: "account-behind", haveSeq: 1, needSeq: 2 } })
  })

  test("[CH11] what cannot be read is malformed: the envelope, and the body of each type", async () => {
    const link = await itemsLink([put(fixture.random.bytes(16))])
    const body = new Map([[99, "nonsense"]])
    const malformed = (what: string): unknown => ({ ok: false, error: { code: "chain-malformed", what } })
    expect(await verify({ ...link, payload: link.payload.slice(1) })).toEqual(malformed("payload"))
    for (const type of [VAULT_ITEMS, VAULT_EPOCH_ROTATE])
      expect(await verify(await changed(link, laptop, { type, body }))).toEqual(malformed("body"))
    expect(await verifyFrom(undefined, await changed(genesis, laptop, { body }))).toEqual(malformed("body"))
  })

  test("[CH6] the suite floor is the one at the head that the writer saw", async () => {
    const link = await itemsLink([put(fixture.random.bytes(16))])
    const raised = {
      ...state,
      suiteFloors: [
        [1, 1],
        [2, 2],
      ] as const,
    }
    expect(code(await verifyFrom(vault, link, { account: raised }))).toBe("suite-below-floor")
    const later = {
      ...state,
      suiteFloors: [
        [1, 1],
        [3, 2],
      ] as const,
    }
    expect(code(await verifyFrom(vault, link, { account: later }))).toBe("accepted")
    expect(code(await verify(await changed(link, laptop, { suite: 0 })))).toBe("suite-unknown")
  })
})

describe("rotation", () => {
  let removed: AccountState
  beforeAll(async () => {
    removed = await extend(p, state, await removeLink(fixture, state, laptop, [phone.holder.id]))
  })
  const verifyNow = (link: Link, step = vault): Promise<Checked<VaultStep<MemoryTree>>> =>
    verifyFrom(step, link, { account: removed, atCommit: true })

  test("[CH31] the key goes to the owner's newest account key as of seen, and to nobody else", async () => {
    const newest = removed.keys.at(-1)
    const right = [removed.id, 2, p.sha256(newest?.kemPk ?? new Uint8Array())] as const
    const old = [state.id, 1, p.sha256(state.keys[0]?.kemPk ?? new Uint8Array())] as const
    const ghost = [new Uint8Array(32).fill(255), 1, right[2]] as const
    const rotate = async (recipients: VaultEpoch["recipients"]): Promise<string> =>
      code(
        await verifyFrom(vault, await rotateLink(p, fixture, vault.state, removed, laptop, { epoch: { recipients } }), {
          account: removed,
        }),
      )
    expect(await rotate([right])).toBe("accepted")
    for (const wrong of [
      [],
      [old],
      [right, ghost],
      [right, right],
      [[right[0], 2, old[2]] as const],
      [[right[0], 1, right[2]] as const],
    ])
      expect(await rotate(wrong)).toBe("recipients-wrong")
    const genesisFor = vaultGenesisLink(p, fixture, state, laptop, { recipients: [ghost] })
    expect(code(await verifyFrom(undefined, await genesisFor))).toBe("recipients-wrong")
  })

  test("[CH32] the next epoch, with a way back, and nothing else changed", async () => {
    const one = valueOf(await verify(await itemsLink([put(fixture.random.bytes(16))])))
    const rotate = async (over: Parameters<typeof rotateLink>[5]): Promise<Checked<VaultStep<MemoryTree>>> =>
      verifyFrom(one, await rotateLink(p, fixture, one.state, removed, laptop, over), { account: removed })
    const good = valueOf(await rotate({}))
    expect(good.state).toMatchObject({ root: one.state.root, count: 1, authority: good.state.head })
    expect(good.state.epochs.map((e) => e.epoch)).toEqual([1, 2])
    expect(good.ops).toEqual([])
    expect(code(await rotate({ epoch: { epoch: 3 } }))).toBe("epoch-wrong")
    expect(code(await rotate({ epoch: { epoch: 1 } }))).toBe("epoch-wrong")
    expect(code(await rotate({ root: emptyRoot(p) }))).toBe("root-mismatch")
    expect(code(await rotate({ count: 2 }))).toBe("root-mismatch")
    const noWayBack = await rotateLink(p, fixture, one.state, removed, laptop)
    const open = openLink(p, noWayBack)
    if (!open.ok) throw new Error("unreadable")
    const body = epochRotateStruct.fromCbor(open.value.payload.body)
    const { prevSealedHash: _gone, ...epoch } = body.epoch
    const bare = await changed(noWayBack, laptop, { body: epochRotateStruct.toCbor({ ...body, epoch }) })
    expect(code(await verifyFrom(one, bare, { account: removed }))).toBe("chain-malformed")
  })

  test("[CH33] after the rotation a removed device cannot date its links back, nor anybody fall behind it", async () => {
    const rotated = valueOf(
      await verifyFrom(vault, await rotateLink(p, fixture, vault.state, removed, laptop), { account: removed }),
    )
    const ops = [put(fixture.random.bytes(16), 1, { epoch: 2 })]
    const backdated = await itemsLink(ops, phone, rotated, state)
    expect(await verifyFrom(rotated, backdated, { account: removed })).toMatchObject({
      error: { code: "signer-below-floor", seen: 2, floor: 3 },
    })
    expect(code(await verifyFrom(rotated, await itemsLink(ops, laptop, rotated, state), { account: removed }))).toBe(
      "signer-below-floor",
    )
    expect(code(await verifyFrom(rotated, await itemsLink(ops, phone, rotated, removed), { account: removed }))).toBe(
      "signer-not-active",
    )
    expect(code(await verifyFrom(rotated, await itemsLink(ops, laptop, rotated, removed), { account: removed }))).toBe(
      "accepted",
    )
  })

  test("[CH33] a genesis sets the floor of its signer's account to what it had seen", async () => {
    const made = valueOf(await verifyFrom(undefined, await vaultGenesisLink(p, fixture, state, laptop)))
    expect([...made.state.floors]).toEqual([[bytesToHex(state.id), 2]])
    const behind = await itemsLink([put(fixture.random.bytes(16))], laptop, made, account.state)
    expect(await verifyFrom(made, behind)).toEqual({
      ok: false,
      error: { code: "signer-below-floor", seq: 2, seen: 1, floor: 2 },
    })
  })

  test("[CH33] items links raise no floor", async () => {
    const one = valueOf(
      await verifyFrom(vault, await itemsLink([put(fixture.random.bytes(16))], laptop, vault, removed), {
        account: removed,
      }),
    )
    expect(one.state.floors).toEqual(vault.state.floors)
  })

  test("[CH41] at the commit a removed device writes nothing, even with an honest old head", async () => {
    const link = await itemsLink([put(fixture.random.bytes(16))], phone)
    expect(code(await verifyFrom(vault, link, { account: removed }))).toBe("accepted")
    expect(code(await verifyNow(link))).toBe("signer-not-active")
    const opened = await vaultGenesisLink(p, fixture, state, phone)
    expect(code(await verifyFrom(undefined, opened, { account: removed }))).toBe("accepted")
    expect(code(await verifyFrom(undefined, opened, { account: removed, atCommit: true }))).toBe("signer-not-active")
    const stranger = await fixture.makeHolder(HOLDER_DEVICE)
    expect(code(await verifyNow(await itemsLink([put(fixture.random.bytes(16))], stranger)))).toBe("signer-not-active")
  })

  test("[CH41] at the commit items wait until the rotation that is due", async () => {
    const items = await itemsLink([put(fixture.random.bytes(16))], laptop, vault, removed)
    expect(isRotationDue(vault.state, removed)).toBe(true)
    expect(await verifyNow(items)).toEqual({ ok: false, error: { code: "epoch-stale", current: 2, epoch: 1 } })
    const stale = await rotateLink(p, fixture, vault.state, state, laptop)
    expect(code(await verifyNow(stale))).toBe("epoch-stale")
    const rotated = valueOf(await verifyNow(await rotateLink(p, fixture, vault.state, removed, laptop)))
    expect(isRotationDue(rotated.state, removed)).toBe(false)
    const again = await itemsLink([put(fixture.random.bytes(16), 1, { epoch: 2 })], laptop, rotated, removed)
    expect(code(await verifyNow(again, rotated))).toBe("accepted")
    const genesisBehind = await vaultGenesisLink(p, fixture, state, laptop)
    expect(code(await verifyFrom(undefined, genesisBehind, { account: removed, atCommit: true }))).toBe("epoch-stale")
    expect(
      code(
        await verifyFrom(undefined, await vaultGenesisLink(p, fixture, removed, laptop), {
          account: removed,
          atCommit: true,
        }),
      ),
    ).toBe("accepted")
    expect(code(await verifyFrom(vault, stale, { account: removed }))).toBe("accepted")
    expect(code(await verifyFrom(undefined, genesisBehind, { account: removed }))).toBe("accepted")
  })
})

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
