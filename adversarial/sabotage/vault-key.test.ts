import { expectOk } from "@keyferry/base"
import { type AccountState, currentEpoch, type VaultState } from "@keyferry/chain"
import {
  deriveAccountKem,
  encodeWrapEntry,
  makeAccountSeed,
  makeVaultKey,
  makeWrap,
  type VaultKey,
  vaultConfirm,
  type WrapEntry,
  wrapEntryHash,
  wrapsHash,
} from "@keyferry/crypto"
import { nodePrimitives as p } from "@keyferry/crypto/node"
import { createSeededRandom } from "@keyferry/testkit"
import { expect, test } from "vitest"

import { acceptVaultKey } from "../../packages/sdk/src/vault.ts"

/*
 * The server knows the account's public key, so it can wrap a key of its own to it, and that wrap opens. What keeps the
 * device from taking it is the signed link: it commits to the wraps, and it confirms the key.
 */
const random = createSeededRandom("vault key")
const seed = makeAccountSeed(random)
const account = {
  id: random.bytes(32),
  accountSalt: random.bytes(32),
  keys: [],
  holders: new Map(),
} as unknown as AccountState
const vaultSalt = random.bytes(32)
const place = { seq: 1, prev: new Uint8Array(32), byAccount: account.id, byHolder: random.bytes(16) }
const kem = await deriveAccountKem(p, seed, account.accountSalt, 1)

const wrapOf = (key: VaultKey): Promise<WrapEntry> =>
  makeWrap(
    p,
    random,
    {
      kind: 3,
      chainId: new Uint8Array(32),
      epoch: 1,
      byUid: place.byAccount,
      by: place.byHolder,
      seq: place.seq,
      prev: place.prev,
    },
    { id: account.id, kemPk: kem.publicKey },
    key,
  )

const genuine = makeVaultKey(random)
const own = makeVaultKey(random)
const genuineWrap = await wrapOf(genuine)
const ownWrap = await wrapOf(own)

/** A vault whose link committed to these wraps and confirms this key. */
const vaultWith = async (committed: readonly WrapEntry[], confirmed: VaultKey): Promise<VaultState> => {
  const epoch = {
    epoch: 1,
    recipients: [[account.id, 1, p.sha256(kem.publicKey)] as const],
    wrapsHash: wrapsHash(p, committed),
    confirm: await vaultConfirm(p, confirmed, vaultSalt, 1),
    ...place,
  }
  return { id: random.bytes(32), vaultSalt, epochs: [epoch] } as unknown as VaultState
}

const accept = (state: VaultState, entry: WrapEntry, hashes: readonly Uint8Array[]) =>
  acceptVaultKey(
    { ports: { primitives: p } } as never,
    account,
    { accountSeeds: new Map([[1, seed]]) } as never,
    state,
    currentEpoch(state),
    {
      entry: encodeWrapEntry(entry),
      hashes,
    },
  )

const refused = { ok: false, error: { code: "key-not-trusted" } }

test("the wrap that the link committed to is taken", async () => {
  const state = await vaultWith([genuineWrap], genuine)
  const taken = expectOk(await accept(state, genuineWrap, [wrapEntryHash(p, genuineWrap)]), "genuine wrap")
  expect(taken.reveal()).toEqual(genuine.reveal())
})

test("a wrap that the server made itself is not taken, beside the signed hashes or instead of them", async () => {
  const state = await vaultWith([genuineWrap], genuine)
  expect(await accept(state, ownWrap, [wrapEntryHash(p, genuineWrap)])).toEqual(refused)
  expect(await accept(state, ownWrap, [wrapEntryHash(p, ownWrap)])).toEqual(refused)
})

test("the right key in a wrap that nobody signed is not taken", async () => {
  const state = await vaultWith([genuineWrap], genuine)
  const again = await wrapOf(genuine)
  expect(await accept(state, again, [wrapEntryHash(p, genuineWrap)])).toEqual(refused)
  expect(await accept(state, again, [wrapEntryHash(p, again)])).toEqual(refused)
})

test("a signed wrap of another key than the link confirms is not taken", async () => {
  const state = await vaultWith([ownWrap], genuine)
  expect(await accept(state, ownWrap, [wrapEntryHash(p, ownWrap)])).toEqual(refused)
})
