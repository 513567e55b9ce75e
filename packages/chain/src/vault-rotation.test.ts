import { bytesToHex } from "@keyferry/base"
import { nodePrimitives as p } from "@keyferry/crypto/node"
import { beforeAll, describe, expect, test } from "vitest"

import { code, extend, removeLink, rotateLink, vaultGenesisLink } from "./fixture.ts"
import { createVaultWorld, valueOf } from "./fixture-vault.ts"
import {
  type AccountState,
  type Checked,
  emptyRoot,
  epochRotateStruct,
  HOLDER_DEVICE,
  isRotationDue,
  type Link,
  type MemoryTree,
  openLink,
  type VaultEpoch,
  type VaultStep,
} from "./index.ts"

const { fixture, account, state, laptop, phone, vault, verifyFrom, verify, put, itemsLink, changed } =
  await createVaultWorld(p)

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
