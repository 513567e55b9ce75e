import { chainId } from "@keyferry/crypto"
import { nodePrimitives as p } from "@keyferry/crypto/node"
import { describe, expect, test } from "vitest"

import { code, signAll, vaultGenesisLink } from "./fixture.ts"
import { createVaultWorld } from "./fixture-vault.ts"
import {
  CHAIN_VAULT,
  emptyRoot,
  type Link,
  openLink,
  VAULT_ITEMS,
  VAULT_TEAM,
  vaultGenesisStruct,
  verifyVaultLink,
} from "./index.ts"

const { fixture, account, state, laptop, phone, genesis, vault, emptyTree, verifyFrom, changed } =
  await createVaultWorld(p)

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
