import { concatBytes, Defect, type Random, utf8 } from "@keyferry/base"
import type { Primitives } from "@keyferry/crypto"

import { verifyAccountLink } from "./account-chain.ts"
import type { AccountState } from "./account-state.ts"
import {
  ACCOUNT_HOLDER_ADD,
  ACCOUNT_HOLDER_REMOVE,
  ACCOUNT_RECOVERY_USED,
  type AccountEpoch,
  HOLDER_DEVICE,
  HOLDER_PASSWORD,
  HOLDER_RECOVERY,
  type Holder,
  holderAddStruct,
  holderRemoveStruct,
  HOW_DEVICE,
  type Link,
  REASON_LOST,
  recoveryUsedStruct,
  VAULT_EPOCH_ROTATE,
  VAULT_PERSONAL,
  type VaultEpoch,
  ROTATE_REMOVAL,
  epochRotateStruct,
} from "./format.ts"
import { countersignPayload, signPayload } from "./link.ts"
import type { Checked, LinkSigner } from "./ports.ts"
import { emptyRoot } from "./trie.ts"
import { currentEpoch, personalRecipients, type VaultState } from "./vault-state.ts"
import { accountGenesisPayload, accountPayload, vaultGenesisPayload, vaultPayload } from "./writing.ts"

/*
 * A world for tests and vectors: holders with real signing keys, and the links they would write. Development only; the wrapping
 * keys are random bytes, which no link looks into.
 */

export interface FixtureHolder {
  readonly holder: Holder
  readonly signer: LinkSigner
}

export interface Fixture {
  readonly random: Random
  readonly makeHolder: (kind: Holder["kind"]) => Promise<FixtureHolder>
  readonly makeKey: (epoch: number) => AccountEpoch
  readonly makeAccount: () => Promise<FixtureAccount>
}

export interface FixtureAccount {
  readonly state: AccountState
  readonly links: readonly Link[]
  readonly device: FixtureHolder
  readonly password: FixtureHolder
  readonly recovery: FixtureHolder
}

export const FIXTURE_TS = 1_700_000_000_000
const SK_SEALED = utf8("sealed")

/** Bytes that look random and are the same in every run. */
export const seededRandom = (p: Primitives, seed: string): Random => {
  let n = 0
  return {
    bytes: (length) => {
      let out = new Uint8Array()
      while (out.length < length) out = new Uint8Array(concatBytes(out, p.sha256(utf8(`${seed} ${n++}`))))
      return out.slice(0, length)
    },
  }
}

export const createFixture = (p: Primitives, seed: string): Fixture => {
  const random = seededRandom(p, seed)
  const makeHolder = async (kind: Holder["kind"]): Promise<FixtureHolder> => {
    const sigSeed = random.bytes(32)
    const base = { id: random.bytes(16), kind, sigPk: await p.ed25519PublicKey(sigSeed), kemPk: random.bytes(1216) }
    const extra =
      kind === HOLDER_DEVICE
        ? { authPk: random.bytes(32), leasePk: random.bytes(32), leaseId: random.bytes(16) }
        : kind === HOLDER_RECOVERY
          ? { recPk: random.bytes(32) }
          : {}
    const sign = (message: Uint8Array): Promise<Uint8Array> => p.ed25519Sign(sigSeed, message)
    return { holder: { ...base, ...extra }, signer: { holderId: base.id, sign } }
  }
  const makeKey = (epoch: number): AccountEpoch => ({
    epoch,
    kemPk: random.bytes(1216),
    wrapsHash: random.bytes(32),
    ...(epoch === 1 ? {} : { prevSealedHash: random.bytes(32) }),
  })
  const makeAccount = async (): Promise<FixtureAccount> => {
    const device = await makeHolder(HOLDER_DEVICE)
    const password = await makeHolder(HOLDER_PASSWORD)
    const recovery = await makeHolder(HOLDER_RECOVERY)
    const holders = [device, password, recovery]
    const body = {
      holders: holders.map((h) => h.holder),
      key: makeKey(1),
      minSuite: 1,
      accountSalt: random.bytes(32),
      skSealed: SK_SEALED,
    }
    const payload = accountGenesisPayload(body, { byHolder: device.holder.id, ts: FIXTURE_TS })
    const link = await signAll(payload, device, holders)
    return { state: await extend(p, undefined, link), links: [link], device, password, recovery }
  }
  return { random, makeHolder, makeKey, makeAccount }
}

/** Signs, with a countersignature of each new holder. */
export const signAll = async (
  payload: Uint8Array,
  by: FixtureHolder,
  added: readonly FixtureHolder[] = [],
): Promise<Link> =>
  signPayload(by.signer, payload, await Promise.all(added.map((h) => countersignPayload(h.signer, payload))))

/** A verdict as tests compare it: the code of the refusal, or that there was none. */
export const code = (result: Checked<unknown>): string => (result.ok ? "accepted" : result.error.code)

/** The state after a link that must be valid. */
export const extend = async (p: Primitives, state: AccountState | undefined, link: Link): Promise<AccountState> => {
  const next = await verifyAccountLink(p, state, link)
  if (!next.ok) throw new Defect(`fixture link refused: ${JSON.stringify(next.error)}`)
  return next.value
}

export const writerOf = (by: FixtureHolder): { readonly byHolder: Uint8Array; readonly ts: number } => ({
  byHolder: by.holder.id,
  ts: FIXTURE_TS,
})

export const addDeviceLink = (
  fixture: Fixture,
  state: AccountState,
  by: FixtureHolder,
  added: FixtureHolder,
  over: Partial<ReturnType<typeof holderAddStruct.fromCbor>> = {},
): Promise<Link> => {
  const body = {
    holder: added.holder,
    how: HOW_DEVICE,
    transcript: fixture.random.bytes(32),
    wrapsHash: fixture.random.bytes(32),
    ...over,
  } as const
  return signAll(accountPayload(state, ACCOUNT_HOLDER_ADD, holderAddStruct, body, writerOf(by)), by, [added])
}

export const removeLink = (
  fixture: Fixture,
  state: AccountState,
  by: FixtureHolder,
  ids: readonly Uint8Array[],
  over: Partial<ReturnType<typeof holderRemoveStruct.fromCbor>> = {},
): Promise<Link> => {
  const key = fixture.makeKey(state.keys.length + 1)
  const body = { ids, reason: REASON_LOST, key, skSealed: SK_SEALED, retired: [], ...over } as const
  return signAll(accountPayload(state, ACCOUNT_HOLDER_REMOVE, holderRemoveStruct, body, writerOf(by)), by)
}

export const recoveryLink = (
  fixture: Fixture,
  state: AccountState,
  by: FixtureHolder,
  added: { readonly device: FixtureHolder; readonly password: FixtureHolder; readonly recovery: FixtureHolder },
  removed: readonly Uint8Array[],
  over: Partial<ReturnType<typeof recoveryUsedStruct.fromCbor>> = {},
): Promise<Link> => {
  const body = {
    device: added.device.holder,
    removed,
    passwordSlot: added.password.holder,
    recoverySlot: added.recovery.holder,
    key: fixture.makeKey(state.keys.length + 1),
    skSealed: SK_SEALED,
    ...over,
  }
  const payload = accountPayload(state, ACCOUNT_RECOVERY_USED, recoveryUsedStruct, body, writerOf(by))
  return signAll(payload, by, [added.device, added.password, added.recovery])
}

const vaultEpoch = (p: Primitives, fixture: Fixture, account: AccountState, epoch: number): VaultEpoch => ({
  epoch,
  recipients: personalRecipients(p, account, account.head.seq) ?? [],
  wrapsHash: fixture.random.bytes(32),
  confirm: fixture.random.bytes(32),
  ...(epoch === 1 ? {} : { prevSealedHash: fixture.random.bytes(32) }),
})

export const vaultGenesisLink = (
  p: Primitives,
  fixture: Fixture,
  account: AccountState,
  by: FixtureHolder,
  over: Partial<VaultEpoch> = {},
): Promise<Link> => {
  const body = {
    kind: VAULT_PERSONAL as typeof VAULT_PERSONAL,
    owner: account.id,
    vaultSalt: fixture.random.bytes(32),
    epoch: { ...vaultEpoch(p, fixture, account, 1), ...over },
    root: emptyRoot(p),
    count: 0,
  }
  return signAll(vaultGenesisPayload(account, body, writerOf(by)), by)
}

export const rotateLink = (
  p: Primitives,
  fixture: Fixture,
  state: VaultState,
  account: AccountState,
  by: FixtureHolder,
  over: { readonly epoch?: Partial<VaultEpoch>; readonly root?: Uint8Array; readonly count?: number } = {},
): Promise<Link> => {
  const epoch = { ...vaultEpoch(p, fixture, account, currentEpoch(state).epoch + 1), ...over.epoch }
  const body = {
    epoch,
    reason: ROTATE_REMOVAL,
    root: over.root ?? state.root,
    count: over.count ?? state.count,
  } as const
  return signAll(vaultPayload(state, account, VAULT_EPOCH_ROTATE, epochRotateStruct, body, writerOf(by)), by)
}
