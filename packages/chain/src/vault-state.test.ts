import { nodePrimitives as p } from "@keyferry/crypto/node"
import { beforeAll, expect, test } from "vitest"

import { createFixture, extend, type Fixture, removeLink, addDeviceLink, vaultGenesisLink } from "./fixture.ts"
import {
  type AccountState,
  areSameRecipients,
  createMemoryTree,
  createTrie,
  currentEpoch,
  encodeVaultState,
  HOLDER_DEVICE,
  isRotationDue,
  personalRecipients,
  type Recipient,
  type VaultState,
  verifyVaultLink,
} from "./index.ts"

let fixture: Fixture
let account: AccountState
/** The account after its second device was removed: with a newer key. */
let removed: AccountState
let vault: VaultState

beforeAll(async () => {
  fixture = createFixture(p, "vault state")
  const { state, device } = await fixture.makeAccount()
  const phone = await fixture.makeHolder(HOLDER_DEVICE)
  account = await extend(p, state, await addDeviceLink(fixture, state, device, phone))
  removed = await extend(p, account, await removeLink(fixture, account, device, [phone.holder.id]))
  const link = await vaultGenesisLink(p, fixture, account, device)
  const opened = await verifyVaultLink(p, undefined, link, {
    account: () => account,
    tree: createMemoryTree(createTrie(p)),
  })
  if (!opened.ok) throw new Error(opened.error.code)
  vault = opened.value.state
})

test("[CH31] recipients are the same if every one is, in id, epoch and key", () => {
  const id = (byte: number): Uint8Array => new Uint8Array(32).fill(byte)
  const one: Recipient = [id(1), 1, id(11)]
  const two: Recipient = [id(2), 5, id(12)]
  expect(areSameRecipients([], [])).toBe(true)
  expect(areSameRecipients([one, two], [[...one], [...two]])).toBe(true)
  for (const other of [
    [],
    [one],
    [two, one],
    [one, two, two],
    [one, [id(3), two[1], two[2]]],
    [one, [two[0], 6, two[2]]],
    [one, [two[0], two[1], id(3)]],
    [[id(0), one[1], one[2]], two],
  ] as const)
    expect(areSameRecipients([one, two], other)).toBe(false)
})

test("[CH31] before its genesis an account has no key to wrap to", () => {
  expect(personalRecipients(p, account, 0)).toBeUndefined()
  expect(personalRecipients(p, account, 1)).toEqual([
    [account.id, 1, p.sha256(account.keys[0]?.kemPk ?? p.sha256(account.id))],
  ])
})

test("[CH32] a rotation is due for one member whose key is newer, whoever else there is", () => {
  const among = (others: readonly Recipient[]): VaultState => {
    const epoch = currentEpoch(vault)
    return { ...vault, epochs: [{ ...epoch, recipients: [...others, ...epoch.recipients, ...others] }] }
  }
  const stranger: Recipient = [new Uint8Array(32).fill(255), 1, new Uint8Array(32)]
  for (const state of [vault, among([stranger])]) {
    expect(isRotationDue(state, account)).toBe(false)
    expect(isRotationDue(state, removed)).toBe(true)
  }
  expect(isRotationDue({ ...vault, epochs: [{ ...currentEpoch(vault), recipients: [stranger] }] }, removed)).toBe(false)
})

test("[CH29] a state without an epoch, or with a floor of no account, is a defect", () => {
  expect(() => currentEpoch({ ...vault, epochs: [] })).toThrow("a vault without an epoch")
  expect(() => encodeVaultState({ ...vault, floors: new Map([["no hex", 1]]) })).toThrow("floor of no account")
})
