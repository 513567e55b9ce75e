import { Defect, type Random, secret } from "@keyferry/base"
import {
  ACCOUNT_HOLDER_ADD,
  ACCOUNT_HOLDER_REMOVE,
  type AccountEpoch,
  accountGenesisPayload,
  accountPayload,
  type AccountState,
  type Countersignature,
  countersignPayload,
  createMemoryTree,
  createTrie,
  emptyRoot,
  epochRotateStruct,
  HOLDER_DEVICE,
  HOLDER_PASSWORD,
  HOLDER_RECOVERY,
  type Holder,
  holderAddStruct,
  holderRemoveStruct,
  HOW_DEVICE,
  itemsPayload,
  type Link,
  type LinkSigner,
  type MemoryTree,
  type Op,
  OP_DEL,
  OP_PUT,
  personalRecipients,
  REASON_LOST,
  ROTATE_REMOVAL,
  signPayload,
  VAULT_EPOCH_ROTATE,
  VAULT_PERSONAL,
  type VaultEpoch,
  vaultGenesisPayload,
  vaultPayload,
  type VaultState,
  verifyAccountLink,
  verifyVaultLink,
} from "@keyferry/chain"
import {
  type AccountSeed,
  deriveAccountKem,
  deriveAccountSym,
  deriveRecoveryAuth,
  deriveSecretKey,
  deriveSlot,
  HOLDER_KIND,
  kemKeyPairFromSeed,
  makeLeaseKey,
  makeWrap,
  passwordSlotSecret,
  recoverySlotSecret,
  sealedHash,
  sealedStruct,
  sealPrevAccountSeed,
  sealPrevVaultKey,
  sealSk,
  vaultConfirm,
  wrapsHash,
  ZERO_ID,
} from "@keyferry/crypto"
import { nodePrimitives as p } from "@keyferry/crypto/node"

import { fixedRandom } from "./vector.ts"

/*
 * One account with two devices, of which the second is removed, and its vault: genesis, items, rotation, items. Every key is
 * the real one, so that the vectors agree with each other.
 */

const TS = 1_700_000_000_000

export interface Person {
  readonly holder: Holder
  readonly signer: LinkSigner
}

const personOf = (holder: Holder, seed: Uint8Array): Person => ({
  holder,
  signer: { holderId: holder.id, sign: (message) => p.ed25519Sign(seed, message) },
})

export const makeDevice = async (random: Random): Promise<Person> => {
  const seed = random.bytes(32)
  const kem = await kemKeyPairFromSeed(secret(random.bytes(32)))
  const sigPk = await p.ed25519PublicKey(seed)
  const authPk = await p.ed25519PublicKey(random.bytes(32))
  const lease = { leasePk: makeLeaseKey(random).publicKey, leaseId: random.bytes(16) }
  return personOf({ id: random.bytes(16), kind: HOLDER_DEVICE, sigPk, kemPk: kem.publicKey, authPk, ...lease }, seed)
}

export const sign = async (payload: Uint8Array, by: Person, added: readonly Person[] = []): Promise<Link> => {
  const countersignatures: Countersignature[] = []
  for (const person of added) countersignatures.push(await countersignPayload(person.signer, payload))
  return signPayload(by.signer, payload, countersignatures)
}

export const writer = (by: Person): { readonly byHolder: Uint8Array; readonly ts: number } => ({
  byHolder: by.holder.id,
  ts: TS,
})

const must = <T>(
  result: { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: unknown },
): T => {
  if (!result.ok) throw new Defect(`refused: ${JSON.stringify(result.error)}`)
  return result.value
}

export interface World {
  readonly first: Person
  readonly second: Person
  readonly passwordSlot: Person
  readonly accountLinks: readonly Link[]
  /** After each account link. */
  readonly accountStates: readonly AccountState[]
  readonly vaultLinks: readonly Link[]
  /** After each vault link. */
  readonly vaultSteps: readonly { readonly state: VaultState; readonly tree: MemoryTree }[]
  readonly nextKey: (epoch: number) => Promise<{ readonly key: AccountEpoch; readonly skSealed: Uint8Array }>
  readonly nextVaultEpoch: (account: AccountState, vault: VaultState | undefined) => Promise<VaultEpoch>
}

export const makeWorld = async (): Promise<World> => {
  const random = fixedRandom("world")
  const accountSalt = random.bytes(32)
  const code = secret<"RecoveryCode">(random.bytes(20))
  const secretKey = await deriveSecretKey(p, code, accountSalt)
  const exportKey = secret<"ExportKey">(random.bytes(64))
  const first = await makeDevice(random)
  const second = await makeDevice(random)
  const slotOf = async (kind: typeof HOLDER_PASSWORD | typeof HOLDER_RECOVERY): Promise<Person> => {
    const id = random.bytes(16)
    const isPassword = kind === HOLDER_PASSWORD
    const slotSecret = isPassword ? passwordSlotSecret(exportKey, secretKey) : recoverySlotSecret(code)
    const slotKind = isPassword ? HOLDER_KIND.passwordSlot : HOLDER_KIND.recoverySlot
    const slot = await deriveSlot(p, slotSecret, accountSalt, slotKind, id)
    const rec = isPassword ? {} : { recPk: (await deriveRecoveryAuth(p, code)).recPk }
    return personOf({ id, kind, sigPk: slot.sigPk, kemPk: slot.kemPk, ...rec }, slot.sigSeed.reveal())
  }
  const passwordSlot = await slotOf(HOLDER_PASSWORD)
  const recoverySlot = await slotOf(HOLDER_RECOVERY)
  const everyone = [first, passwordSlot, recoverySlot]
  const seeds: AccountSeed[] = []
  const accountStates: AccountState[] = []
  const accountLinks: Link[] = []

  const wrapsOf = async (seed: AccountSeed, epoch: number, holders: readonly Holder[]): Promise<Uint8Array> => {
    const state = accountStates.at(-1)
    const place = { seq: (state?.head.seq ?? 0) + 1, prev: state?.head.hash ?? ZERO_ID }
    const id = state?.id ?? ZERO_ID
    const context = { kind: 1, chainId: id, epoch, byUid: id, by: first.holder.id, ...place } as const
    const entries = []
    for (const holder of holders)
      entries.push(await makeWrap(p, random, context, { id: holder.id, kemPk: holder.kemPk }, seed))
    return wrapsHash(p, entries)
  }
  const nextKey: World["nextKey"] = async (epoch) => {
    const seed = secret<"AccountSeed">(random.bytes(32))
    const kemPk = (await deriveAccountKem(p, seed, accountSalt, epoch)).publicKey
    const sym = await deriveAccountSym(p, seed, accountSalt, epoch)
    const skSealed = sealedStruct.encode(await sealSk(p, random, { epoch, sym, secretKey }))
    const state = accountStates.at(-1)
    const previous = seeds.at(-1)
    const base = {
      epoch,
      kemPk,
      wrapsHash: await wrapsOf(
        seed,
        epoch,
        everyone.map((person) => person.holder),
      ),
    }
    seeds.push(seed)
    if (state === undefined || previous === undefined) return { key: base, skSealed }
    const sealed = await sealPrevAccountSeed(p, random, { uid: state.id, epoch, sym, previous })
    return { key: { ...base, prevSealedHash: sealedHash(p, sealed) }, skSealed }
  }
  const extend = async (link: Link): Promise<AccountState> => {
    const state = must(await verifyAccountLink(p, accountStates.at(-1), link))
    accountStates.push(state)
    accountLinks.push(link)
    return state
  }

  const holders = everyone.map((person) => person.holder)
  const genesis = { holders, minSuite: 1, accountSalt, ...(await nextKey(1)) }
  const born = await extend(await sign(accountGenesisPayload(genesis, writer(first)), first, everyone))
  const seed1 = seeds[0] ?? secret<"AccountSeed">(new Uint8Array(32))
  const addition = {
    holder: second.holder,
    how: HOW_DEVICE,
    transcript: random.bytes(32),
    wrapsHash: await wrapsOf(seed1, 1, [second.holder]),
  } as const
  const grown = await extend(
    await sign(accountPayload(born, ACCOUNT_HOLDER_ADD, holderAddStruct, addition, writer(first)), first, [second]),
  )

  const vaultSalt = random.bytes(32)
  const vaultSteps: { state: VaultState; tree: MemoryTree }[] = []
  const vaultLinks: Link[] = []
  const vaultKeys: Uint8Array[] = []
  const nextVaultEpoch: World["nextVaultEpoch"] = async (account, vault) => {
    const epoch = (vault?.epochs.length ?? 0) + 1
    const key = secret<"VaultKey">(random.bytes(32))
    const previous = vaultKeys.at(-1)
    vaultKeys.push(key.reveal())
    const newest = account.keys.at(-1)
    if (newest === undefined) throw new Defect("no account key")
    const place = { seq: (vault?.head.seq ?? 0) + 1, prev: vault?.head.hash ?? ZERO_ID }
    const context = {
      kind: 3,
      chainId: vault?.id ?? ZERO_ID,
      epoch,
      byUid: account.id,
      by: first.holder.id,
      ...place,
    } as const
    const wrap = await makeWrap(p, random, context, { id: account.id, kemPk: newest.kemPk }, key)
    const base = {
      epoch,
      recipients: personalRecipients(p, account, account.head.seq) ?? [],
      wrapsHash: wrapsHash(p, [wrap]),
      confirm: await vaultConfirm(p, key, vaultSalt, epoch),
    }
    if (vault === undefined || previous === undefined) return base
    const sealed = await sealPrevVaultKey(p, random, { vid: vault.id, epoch, key, previous: secret(previous) })
    return { ...base, prevSealedHash: sealedHash(p, sealed) }
  }
  const extendVault = async (link: Link): Promise<VaultState> => {
    const last = vaultSteps.at(-1)
    const tree = last?.tree ?? createMemoryTree(createTrie(p))
    const step = must(await verifyVaultLink(p, last?.state, link, { account: () => accountStates.at(-1), tree }))
    vaultSteps.push({ state: step.state, tree: step.tree })
    vaultLinks.push(link)
    return step.state
  }
  const treeNow = (): MemoryTree => vaultSteps.at(-1)?.tree ?? createMemoryTree(createTrie(p))
  const put = (itemId: Uint8Array, rev: number, epoch: number): Op => [
    OP_PUT,
    itemId,
    rev,
    epoch,
    random.bytes(32),
    680,
  ]

  const root = emptyRoot(p)
  const vaultGenesis = { kind: VAULT_PERSONAL, owner: grown.id, vaultSalt, root, count: 0 } as const
  const vault1 = await extendVault(
    await sign(
      vaultGenesisPayload(grown, { ...vaultGenesis, epoch: await nextVaultEpoch(grown, undefined) }, writer(first)),
      first,
    ),
  )
  const [itemA, itemB, itemC] = [random.bytes(16), random.bytes(16), random.bytes(16)]
  const ops1 = [put(itemA, 1, 1), put(itemB, 1, 1), put(itemC, 1, 1)]
  const vault2 = await extendVault(
    await sign(await itemsPayload(vault1, grown, treeNow(), ops1, writer(second)), second),
  )
  const ops2: Op[] = [put(itemA, 2, 1), [OP_DEL, itemB, 2, 1, new Uint8Array(32), 0]]
  const vault3 = await extendVault(
    await sign(await itemsPayload(vault2, grown, treeNow(), ops2, writer(second)), second),
  )

  const removal = { ids: [second.holder.id], reason: REASON_LOST, ...(await nextKey(2)), retired: [] } as const
  const shrunk = await extend(
    await sign(accountPayload(grown, ACCOUNT_HOLDER_REMOVE, holderRemoveStruct, removal, writer(first)), first),
  )
  const rotation = {
    epoch: await nextVaultEpoch(shrunk, vault3),
    reason: ROTATE_REMOVAL,
    root: vault3.root,
    count: vault3.count,
  } as const
  const rotated = vaultPayload(vault3, shrunk, VAULT_EPOCH_ROTATE, epochRotateStruct, rotation, writer(first))
  const vault4 = await extendVault(await sign(rotated, first))
  const ops3 = [put(itemA, 3, 2), put(itemB, 3, 2)]
  await extendVault(await sign(await itemsPayload(vault4, shrunk, treeNow(), ops3, writer(first)), first))
  return { first, second, passwordSlot, accountLinks, accountStates, vaultLinks, vaultSteps, nextKey, nextVaultEpoch }
}
