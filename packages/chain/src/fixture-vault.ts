import { Defect, lp } from "@keyferry/base"
import type { Primitives } from "@keyferry/crypto"

import type { AccountState } from "./account-state.ts"
import {
  addDeviceLink,
  createFixture,
  extend,
  type FixtureHolder,
  signAll,
  vaultGenesisLink,
  writerOf,
} from "./fixture.ts"
import { HOLDER_DEVICE, type Link, type Op, OP_DEL, OP_PUT, type Payload, payloadStruct } from "./format.ts"
import { openLink } from "./link.ts"
import type { Checked } from "./ports.ts"
import { createMemoryTree, type MemoryTree } from "./leaf-tree.ts"
import { createTrie } from "./trie.ts"
import { type VaultStep, verifyVaultLink } from "./vault-chain.ts"
import { itemsPayload } from "./writing.ts"

/*
 * A vault of an account with two devices, and the links that its tests write into it and have verified. Development only.
 */
export const createVaultWorld = async (p: Primitives) => {
  const fixture = createFixture(p, "vault chain")
  const account = await fixture.makeAccount()
  const laptop = account.device
  const phone = await fixture.makeHolder(HOLDER_DEVICE)
  const state = await extend(p, account.state, await addDeviceLink(fixture, account.state, laptop, phone))

  const emptyTree = (): MemoryTree => createMemoryTree(createTrie(p))
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

  const genesis = await vaultGenesisLink(p, fixture, state, laptop)
  const vault = valueOf(await verifyFrom(undefined, genesis))
  const verify = (link: Link, step = vault): Promise<Checked<VaultStep<MemoryTree>>> => verifyFrom(step, link)

  const put = (id: Uint8Array, rev = 1, over: Partial<{ epoch: number; hash: Uint8Array; size: number }> = {}): Op => [
    OP_PUT,
    id,
    rev,
    over.epoch ?? 1,
    over.hash ?? p.sha256(lp(id, rev)),
    over.size ?? 600,
  ]
  const itemsLink = async (ops: readonly Op[], by = laptop, step = vault, as: AccountState = state): Promise<Link> =>
    signAll(await itemsPayload(step.state, as, step.tree, ops, writerOf(by)), by)

  /** The same link with some fields of its payload changed, signed again. */
  const changed = (link: Link, by: FixtureHolder, over: Partial<Payload>): Promise<Link> => {
    const open = openLink(p, link)
    if (!open.ok) throw new Defect("unreadable")
    return signAll(payloadStruct.encode({ ...open.value.payload, ...over }), by)
  }

  return {
    fixture,
    account,
    state,
    laptop,
    phone,
    genesis,
    vault,
    emptyTree,
    verifyFrom,
    verify,
    put,
    itemsLink,
    changed,
  }
}

export const valueOf = (result: Checked<VaultStep<MemoryTree>>): VaultStep<MemoryTree> => {
  if (!result.ok) throw new Defect(JSON.stringify(result.error))
  return result.value
}

export const del = (id: Uint8Array, rev: number, epoch = 1): Op => [OP_DEL, id, rev, epoch, new Uint8Array(32), 0]
