import { bytesToHex, equalBytes, err, isZero, ok } from "@keyferry/base"
import { chainId, type Primitives } from "@keyferry/crypto"

import {
  checkAccountEpoch,
  checkRemovable,
  checkSlots,
  isEmptySealed,
  isHolderShape,
  isRetirement,
  keyEntry,
  malformed,
  reusedHolder,
  withAdded,
  withKey,
  withRemoved,
} from "./account-rules.ts"
import {
  type AccountState,
  ADDED_AS_REPLACEMENT,
  ADDED_BY_DEVICE,
  ADDED_BY_KIT,
  ADDED_BY_PASSKEY,
  ADDED_BY_RECOVERY,
  ADDED_GENESIS,
  DEFAULT_POLICY,
  type HolderEntry,
  holderAt,
  newestAccountKey,
} from "./account-state.ts"
import {
  ACCOUNT_GENESIS,
  ACCOUNT_HOLDER_ADD,
  ACCOUNT_HOLDER_REMOVE,
  ACCOUNT_KEY_ROTATE,
  ACCOUNT_POLICY_SET,
  ACCOUNT_RECOVERY_USED,
  ACCOUNT_SLOT_REPLACE,
  accountGenesisStruct,
  CHAIN_ACCOUNT,
  HOLDER_DEVICE,
  HOLDER_PASSKEY,
  HOLDER_PASSWORD,
  HOLDER_RECOVERY,
  type Holder,
  holderAddStruct,
  holderRemoveStruct,
  HOW_DEVICE,
  HOW_KIT,
  HOW_PASSKEY,
  keyRotateStruct,
  type Link,
  policySetStruct,
  REASON_RETIRED,
  recoveryUsedStruct,
  slotReplaceStruct,
} from "./format.ts"
import {
  checkSuite,
  isLinkSignedBy,
  isStrictlySorted,
  MAX_SUITE,
  missingCountersignature,
  type OpenLink,
  openLink,
  parseBody,
} from "./link.ts"
import type { Checked } from "./ports.ts"

/*
 * Verification of the account chain, in the order: size and shape → suite → chain, seq, prev, auth, seen → signature by an
 * active holder → who may → body → new state. Nothing of the body is looked at before the signature was checked, except in a
 * genesis, which brings its own signer.
 * Source: spec/chains.md, CH7–CH27
 */

/** The longest grace that a policy may allow. */
export const GRACE_CEILING_S = 7 * 24 * 3600

/** Errors: any `ChainError`; the state given is never changed. `undefined` as state expects a genesis. */
export const verifyAccountLink = async (
  p: Primitives,
  state: AccountState | undefined,
  link: Link,
): Promise<Checked<AccountState>> => {
  const opened = openLink(p, link)
  if (!opened.ok) return opened
  const open = opened.value
  const next = state === undefined ? await verifyGenesis(p, open) : await verifyNext(p, state, open)
  if (!next.ok) return next
  const head = { seq: open.payload.seq, hash: open.hash }
  return ok({ ...next.value, head, hashes: [...(state?.hashes ?? []), open.hash] })
}

/** Verifies links that follow `state`, or a whole chain. Stops at the first error. An empty whole chain is malformed. */
export const verifyAccountChain = async (
  p: Primitives,
  links: readonly Link[],
  state?: AccountState,
): Promise<Checked<AccountState>> => {
  let current = state
  for (const link of links) {
    const next = await verifyAccountLink(p, current, link)
    if (!next.ok) return next
    current = next.value
  }
  return current === undefined ? malformed("empty chain") : ok(current)
}

interface Signed {
  readonly p: Primitives
  readonly state: AccountState
  readonly open: OpenLink
  readonly signer: Holder
}

/** The place of the link is the same for all types, and filled in at the end. */
type Unplaced = Omit<AccountState, "head" | "hashes">

const verifyGenesis = async (p: Primitives, open: OpenLink): Promise<Checked<Unplaced>> => {
  const { payload, link } = open
  if (payload.seq !== 1) return err({ code: "chain-out-of-order", expectedSeq: 1, seq: payload.seq })
  const suite = checkSuite(payload.suite, 1)
  if (!suite.ok) return suite
  if (payload.chain !== CHAIN_ACCOUNT) return err({ code: "chain-wrong-id" })
  if (payload.type !== ACCOUNT_GENESIS) return malformed("genesis type")
  const [authSeq, authHash] = payload.auth
  const zeros = [payload.id, payload.prev, payload.byAccount, authHash].every(isZero)
  if (!zeros || authSeq !== 0 || payload.seen.length !== 0) return malformed("genesis")
  const parsed = parseBody(accountGenesisStruct, payload.body)
  if (!parsed.ok) return parsed
  const body = parsed.value
  const [device, password, recovery] = body.holders
  if (device?.kind !== HOLDER_DEVICE || password?.kind !== HOLDER_PASSWORD || recovery?.kind !== HOLDER_RECOVERY)
    return malformed("genesis holders")
  if (!body.holders.every(isHolderShape)) return malformed("holder")
  const reused = reusedHolder(undefined, body.holders)
  if (reused !== undefined) return err({ code: "holder-reused", seq: 1, holder: bytesToHex(reused.id) })
  if (!equalBytes(payload.byHolder, device.id))
    return err({ code: "signer-not-active", seq: 1, holder: bytesToHex(payload.byHolder) })
  if (!(await isLinkSignedBy(p, link, device.sigPk))) return err({ code: "chain-signature-invalid", seq: 1 })
  const missing = await missingCountersignature(p, link, body.holders)
  if (missing !== undefined) return err({ code: "proof-of-possession-missing", seq: 1, holder: bytesToHex(missing) })
  if (body.key.epoch !== 1) return err({ code: "epoch-wrong", expected: 1, epoch: body.key.epoch })
  if (body.key.prevSealedHash !== undefined) return malformed("prev_sealed_hash")
  if (body.holders.some((holder) => equalBytes(holder.kemPk, body.key.kemPk))) return malformed("account key reused")
  if (body.minSuite < 1 || body.minSuite > MAX_SUITE) return err({ code: "suite-unknown", suite: body.minSuite })
  if (isEmptySealed(body.skSealed)) return malformed("sk_sealed")
  return ok({
    id: chainId(p, CHAIN_ACCOUNT, link.payload),
    holders: new Map(
      body.holders.map((holder) => [bytesToHex(holder.id), { holder, how: ADDED_GENESIS, addedAt: 1 } as const]),
    ),
    keys: [keyEntry(open, body.key)],
    accountSalt: body.accountSalt,
    policy: { ...DEFAULT_POLICY, minSuite: body.minSuite },
    suiteFloors: [[1, body.minSuite]],
    skSealed: body.skSealed,
    lastRemovalSeq: 0,
  })
}

const verifyNext = async (p: Primitives, state: AccountState, open: OpenLink): Promise<Checked<AccountState>> => {
  const { payload, link } = open
  const { seq } = payload
  const suite = checkSuite(payload.suite, state.policy.minSuite)
  if (!suite.ok) return suite
  if (payload.chain !== CHAIN_ACCOUNT || !equalBytes(payload.id, state.id)) return err({ code: "chain-wrong-id" })
  if (seq !== state.head.seq + 1 || !equalBytes(payload.prev, state.head.hash))
    return err({ code: "chain-out-of-order", expectedSeq: state.head.seq + 1, seq })
  if (payload.auth[0] !== state.head.seq || !equalBytes(payload.auth[1], state.head.hash))
    return err({ code: "authority-wrong", seq })
  const own = payload.seen.find(([id]) => equalBytes(id, state.id))
  const isSeenRight = own !== undefined && own[1] === state.head.seq && equalBytes(own[2], state.head.hash)
  if (!isSeenRight || !isStrictlySorted(payload.seen.map(([id]) => id))) return err({ code: "seen-wrong", seq })
  if (!equalBytes(payload.byAccount, state.id)) return err({ code: "not-allowed", seq, what: "foreign account" })
  const signer = holderAt(state, payload.byHolder, state.head.seq)
  if (signer === undefined) return err({ code: "signer-not-active", seq, holder: bytesToHex(payload.byHolder) })
  if (!(await isLinkSignedBy(p, link, signer.holder.sigPk))) return err({ code: "chain-signature-invalid", seq })
  const next = await applyBody({ p, state, open, signer: signer.holder })
  if (!next.ok) return next
  const slots = checkSlots(next.value, seq)
  return slots.ok ? next : slots
}

const applyBody = async (signed: Signed): Promise<Checked<AccountState>> => {
  const { type } = signed.open.payload
  switch (type) {
    case ACCOUNT_HOLDER_ADD:
      return addHolder(signed)
    case ACCOUNT_HOLDER_REMOVE:
      return removeHolders(signed)
    case ACCOUNT_KEY_ROTATE:
      return rotateKey(signed)
    case ACCOUNT_POLICY_SET:
      return setPolicy(signed)
    case ACCOUNT_SLOT_REPLACE:
      return replaceSlots(signed)
    case ACCOUNT_RECOVERY_USED:
      return useRecovery(signed)
    case ACCOUNT_GENESIS:
      return malformed("second genesis")
    default:
      return err({ code: "link-type-unknown", type })
  }
}

const notAllowed = (signed: Signed, what: string): Checked<never> =>
  err({ code: "not-allowed", seq: signed.open.payload.seq, what })

/** Shape, reuse and proof of possession of everything that a link adds. */
const checkAdded = async (signed: Signed, added: readonly Holder[]): Promise<Checked<undefined>> => {
  const { seq } = signed.open.payload
  if (!added.every(isHolderShape)) return malformed("holder")
  const reused = reusedHolder(signed.state, added)
  if (reused !== undefined) return err({ code: "holder-reused", seq, holder: bytesToHex(reused.id) })
  const missing = await missingCountersignature(signed.p, signed.open.link, added)
  if (missing !== undefined) return err({ code: "proof-of-possession-missing", seq, holder: bytesToHex(missing) })
  return ok(undefined)
}

const HOW_BY_SIGNER = new Map<number, { readonly how: number; readonly entry: HolderEntry["how"] }>([
  [HOLDER_DEVICE, { how: HOW_DEVICE, entry: ADDED_BY_DEVICE }],
  [HOLDER_PASSWORD, { how: HOW_KIT, entry: ADDED_BY_KIT }],
  [HOLDER_PASSKEY, { how: HOW_PASSKEY, entry: ADDED_BY_PASSKEY }],
])

const addHolder = async (signed: Signed): Promise<Checked<AccountState>> => {
  const { state, open, signer } = signed
  const allowed = HOW_BY_SIGNER.get(signer.kind)
  if (allowed === undefined) return notAllowed(signed, "a recovery slot signs recovery.used only")
  const parsed = parseBody(holderAddStruct, open.payload.body)
  if (!parsed.ok) return parsed
  const { holder, how, transcript, wrapsHash } = parsed.value
  if (how !== allowed.how) return notAllowed(signed, "how does not fit the signer")
  if (signer.kind !== HOLDER_DEVICE) {
    if (holder.kind !== HOLDER_DEVICE) return notAllowed(signed, "a slot adds devices only")
    if (state.policy.requireDeviceApproval) return notAllowed(signed, "the policy asks for approval by a device")
  }
  // An approval leaves the hash of its transcript; nothing else has one.
  const isApproval = how === HOW_DEVICE && holder.kind === HOLDER_DEVICE
  if (isApproval === isZero(transcript)) return malformed("transcript")
  const added = await checkAdded(signed, [holder])
  if (!added.ok) return added
  const { seq, prev, byHolder } = open.payload
  const wrap = { epoch: newestAccountKey(state).epoch, wrapsHash, seq, prev, byHolder }
  return ok(withAdded(state, [{ holder, how: allowed.entry, addedAt: seq, wrap }]))
}

const removeHolders = async (signed: Signed): Promise<Checked<AccountState>> => {
  const { p, state, open, signer } = signed
  const { seq } = open.payload
  if (signer.kind !== HOLDER_DEVICE) return notAllowed(signed, "only a device removes")
  const parsed = parseBody(holderRemoveStruct, open.payload.body)
  if (!parsed.ok) return parsed
  const body = parsed.value
  const removed = checkRemovable(state, body.ids, seq)
  if (!removed.ok) return removed
  if (removed.value.some((entry) => equalBytes(entry.holder.id, signer.id)))
    return notAllowed(signed, "a device cannot make the key that shuts it out")
  if (!isStrictlySorted(body.retired.map(([id]) => id))) return malformed("retired")
  for (const retirement of body.retired) {
    if (!body.ids.some((id) => equalBytes(id, retirement[0]))) return malformed("retired")
    if (!(await isRetirement(p, state, retirement))) return err({ code: "chain-signature-invalid", seq })
  }
  if (body.reason === REASON_RETIRED && body.retired.length !== body.ids.length)
    return notAllowed(signed, "says retired without the device's signature")
  if (open.link.countersignatures !== undefined) return malformed("countersignatures")
  const key = checkAccountEpoch(state, body.key, [])
  if (!key.ok) return key
  if (isEmptySealed(body.skSealed)) return malformed("sk_sealed")
  return ok(withKey(withRemoved(state, removed.value, seq), open, body.key, body.skSealed))
}

const rotateKey = async (signed: Signed): Promise<Checked<AccountState>> => {
  const { state, open, signer } = signed
  if (signer.kind !== HOLDER_DEVICE) return notAllowed(signed, "only a device rotates")
  const parsed = parseBody(keyRotateStruct, open.payload.body)
  if (!parsed.ok) return parsed
  if (open.link.countersignatures !== undefined) return malformed("countersignatures")
  const key = checkAccountEpoch(state, parsed.value.key, [])
  if (!key.ok) return key
  if (isEmptySealed(parsed.value.skSealed)) return malformed("sk_sealed")
  return ok(withKey(state, open, parsed.value.key, parsed.value.skSealed))
}

const setPolicy = async (signed: Signed): Promise<Checked<AccountState>> => {
  const { state, open, signer } = signed
  if (signer.kind !== HOLDER_DEVICE) return notAllowed(signed, "only a device sets the policy")
  const parsed = parseBody(policySetStruct, open.payload.body)
  if (!parsed.ok) return parsed
  if (open.link.countersignatures !== undefined) return malformed("countersignatures")
  const policy = parsed.value
  if (policy.minSuite < state.policy.minSuite) return notAllowed(signed, "the suite floor only rises")
  if (policy.minSuite > MAX_SUITE) return err({ code: "suite-unknown", suite: policy.minSuite })
  if (policy.graceMaxS > GRACE_CEILING_S) return notAllowed(signed, "a grace longer than seven days")
  if (policy.unlockMaxS === 0 || policy.reloginMaxS === 0) return malformed("policy")
  const raised = policy.minSuite > state.policy.minSuite
  const suiteFloors = raised ? [...state.suiteFloors, [open.payload.seq, policy.minSuite] as const] : state.suiteFloors
  return ok({ ...state, policy, suiteFloors })
}

const replaceSlots = async (signed: Signed): Promise<Checked<AccountState>> => {
  const { state, open, signer } = signed
  const { seq, prev, byHolder } = open.payload
  if (signer.kind !== HOLDER_DEVICE) return notAllowed(signed, "only a device replaces slots")
  const parsed = parseBody(slotReplaceStruct, open.payload.body)
  if (!parsed.ok) return parsed
  const body = parsed.value
  const removed = checkRemovable(state, body.removed, seq)
  if (!removed.ok) return removed
  const kinds = (holders: readonly Holder[]): string =>
    holders
      .map((h) => h.kind)
      .sort((a, b) => a - b)
      .join()
  const removedHolders = removed.value.map((entry) => entry.holder)
  if (removedHolders.some((holder) => holder.kind === HOLDER_DEVICE)) return notAllowed(signed, "a device is no slot")
  if (kinds(removedHolders) !== kinds(body.added))
    return removedHolders.some((h) => h.kind === HOLDER_RECOVERY) && !body.added.some((h) => h.kind === HOLDER_RECOVERY)
      ? err({ code: "last-recovery-holder", seq })
      : notAllowed(signed, "each slot is replaced by one of its kind")
  const added = await checkAdded(signed, body.added)
  if (!added.ok) return added
  const { key, skSealed, wrapsHash } = body
  const swapped = (wrap?: HolderEntry["wrap"]): AccountState =>
    withAdded(
      withRemoved(state, removed.value, seq),
      body.added.map((holder) => ({
        holder,
        how: ADDED_AS_REPLACEMENT,
        addedAt: seq,
        ...(wrap === undefined ? {} : { wrap }),
      })),
    )
  if (key === undefined || skSealed === undefined) {
    if (key !== undefined || skSealed !== undefined || wrapsHash === undefined) return malformed("slot.replace")
    if (removedHolders.some((holder) => holder.kind !== HOLDER_PASSWORD))
      return notAllowed(signed, "this slot is replaced together with the account key")
    return ok(swapped({ epoch: newestAccountKey(state).epoch, wrapsHash, seq, prev, byHolder }))
  }
  if (wrapsHash !== undefined || isEmptySealed(skSealed)) return malformed("slot.replace")
  const epoch = checkAccountEpoch(state, key, body.added)
  return epoch.ok ? ok(withKey(swapped(), open, key, skSealed)) : epoch
}

const useRecovery = async (signed: Signed): Promise<Checked<AccountState>> => {
  const { state, open, signer } = signed
  const { seq } = open.payload
  if (signer.kind !== HOLDER_RECOVERY) return notAllowed(signed, "only the recovery slot recovers")
  const parsed = parseBody(recoveryUsedStruct, open.payload.body)
  if (!parsed.ok) return parsed
  const { device, passwordSlot, recoverySlot, key, skSealed, removed: removedIds } = parsed.value
  if (device.kind !== HOLDER_DEVICE || passwordSlot.kind !== HOLDER_PASSWORD || recoverySlot.kind !== HOLDER_RECOVERY)
    return malformed("recovery.used")
  const removed = checkRemovable(state, removedIds, seq)
  if (!removed.ok) return removed
  const holders = [device, passwordSlot, recoverySlot]
  const added = await checkAdded(signed, holders)
  if (!added.ok) return added
  const epoch = checkAccountEpoch(state, key, holders)
  if (!epoch.ok) return epoch
  if (isEmptySealed(skSealed)) return malformed("sk_sealed")
  const entries = holders.map((holder) => ({ holder, how: ADDED_BY_RECOVERY, addedAt: seq }) as const)
  return ok(withKey(withAdded(withRemoved(state, removed.value, seq), entries), open, key, skSealed))
}
