import {
  bytesToHex,
  bytesOf,
  bytesUpTo,
  compareBytes,
  equalBytes,
  listOf,
  optional,
  struct,
  tuple,
  uint,
} from "@keyferry/base"
import {
  type AccountState,
  ACCOUNT_KEY_ROTATE,
  ACCOUNT_POLICY_SET,
  ACCOUNT_SLOT_REPLACE,
  accountPayload,
  activeHolders,
  compareWithKnown,
  countersignPayload,
  createMemoryTree,
  createTrie,
  decodeAccountState,
  decodeLink,
  decodeVaultState,
  encodeAccountState,
  encodeLink,
  encodeVaultState,
  HOLDER_DEVICE,
  HOLDER_PASSWORD,
  HOLDER_RECOVERY,
  isForkProof,
  itemsPayload,
  keyRotateStruct,
  knownAccount,
  type Leaf,
  type Link,
  type MemoryTree,
  newestSlot,
  OP_DEL,
  OP_PUT,
  openLink,
  payloadStruct,
  policySetStruct,
  rootOfLeaves,
  signPayload,
  slotReplaceStruct,
  type VaultState,
  verifyAccountChain,
  verifyAccountLink,
  verifyVaultBootstrap,
  verifyVaultLink,
  verifyVaultLinks,
} from "@keyferry/chain"
import { nodePrimitives as p } from "@keyferry/crypto/node"

import {
  addDeviceLink,
  createFixture,
  extend,
  type FixtureHolder,
  recoveryLink,
  removeLink,
  rotateLink,
  signAll,
  vaultGenesisLink,
  writerOf,
} from "../../packages/chain/src/fixture.ts"
import { encodeTree, mutateTree, parseTree, type Tree } from "./engine/cbor-tree.ts"
import { makeCbor, mutateBytes } from "./engine/mutate.ts"
import { type Dice, type FuzzTarget, promise } from "./engine/target.ts"

/*
 * Genuine chains, changed. Two ways: as a server can (bytes, order, omission: nothing of it may be believed), and as a
 * writer with keys can (a changed payload that is properly signed: it may be accepted, but never break an invariant).
 */
const fixture = createFixture(p, "fuzz")
const first = await fixture.makeAccount()
const second = await fixture.makeHolder(HOLDER_DEVICE)
const third = await fixture.makeHolder(HOLDER_DEVICE)
const recovered = {
  device: await fixture.makeHolder(HOLDER_DEVICE),
  password: await fixture.makeHolder(HOLDER_PASSWORD),
  recovery: await fixture.makeHolder(HOLDER_RECOVERY),
}
const newPassword = await fixture.makeHolder(HOLDER_PASSWORD)
const people: readonly FixtureHolder[] = [
  first.device,
  first.password,
  first.recovery,
  second,
  third,
  newPassword,
  recovered.device,
  recovered.password,
  recovered.recovery,
]

const accountLinks: Link[] = [...first.links]
const accountStates: AccountState[] = [first.state]
const latest = (): AccountState => accountStates.at(-1) ?? first.state
const append = async (link: Link): Promise<void> => {
  accountStates.push(await extend(p, latest(), link))
  accountLinks.push(link)
}
await append(await addDeviceLink(fixture, latest(), first.device, second))
await append(await addDeviceLink(fixture, latest(), second, third))
const policy = { minSuite: 1, graceMaxS: 3600, requireDeviceApproval: false, reloginMaxS: 86_400, unlockMaxS: 3600 }
await append(
  await signAll(accountPayload(latest(), ACCOUNT_POLICY_SET, policySetStruct, policy, writerOf(second)), second),
)
const rotation = { key: fixture.makeKey(latest().keys.length + 1), skSealed: fixture.random.bytes(60) }
await append(
  await signAll(accountPayload(latest(), ACCOUNT_KEY_ROTATE, keyRotateStruct, rotation, writerOf(second)), second),
)
const removedAt = latest()
await append(await removeLink(fixture, latest(), second, [third.holder.id]))
const replaced = {
  removed: [newestSlot(latest(), HOLDER_PASSWORD)?.holder.id ?? new Uint8Array(16)],
  added: [newPassword.holder],
  key: fixture.makeKey(latest().keys.length + 1),
  skSealed: fixture.random.bytes(60),
}
await append(
  await signAll(accountPayload(latest(), ACCOUNT_SLOT_REPLACE, slotReplaceStruct, replaced, writerOf(second)), second, [
    newPassword,
  ]),
)
const gone = [newPassword.holder.id, first.recovery.holder.id]
await append(await recoveryLink(fixture, latest(), first.recovery, recovered, gone))

const account = latest()
const genuineHash = new Map(account.hashes.map((hash, i) => [i + 1, hash]))

// ── a vault of that account ──────────────────────────────────────────────────────────────────────────────────────
const vaultAccount = removedAt
const vaultLinks: Link[] = []
const vaultStates: { readonly state: VaultState; readonly tree: MemoryTree }[] = []
const lookup = (): AccountState => account
const appendVault = async (link: Link): Promise<void> => {
  const before = vaultStates.at(-1)
  const next = await verifyVaultLink(p, before?.state, link, {
    account: lookup,
    tree: before?.tree ?? createMemoryTree(createTrie(p)),
  })
  if (!next.ok) throw new Error(`vault fixture: ${JSON.stringify(next.error)}`)
  vaultLinks.push(link)
  vaultStates.push({ state: next.value.state, tree: next.value.tree })
}
const vaultNow = (): { readonly state: VaultState; readonly tree: MemoryTree } => {
  const now = vaultStates.at(-1)
  if (now === undefined) throw new Error("no vault yet")
  return now
}
await appendVault(await vaultGenesisLink(p, fixture, vaultAccount, second))
const itemIds = Array.from({ length: 6 }, () => fixture.random.bytes(16))
const putLink = async (id: Uint8Array, rev: number, by: FixtureHolder, seen: AccountState): Promise<void> => {
  const { state, tree } = vaultNow()
  const op = [OP_PUT, id, rev, state.epochs.length, fixture.random.bytes(32), 600] as const
  await appendVault(await signAll(await itemsPayload(state, seen, tree, [op], writerOf(by)), by))
}
for (const id of itemIds) await putLink(id, 1, second, vaultAccount)
const [firstItem = new Uint8Array(16)] = itemIds
await putLink(firstItem, 2, first.device, vaultAccount)
await appendVault(await rotateLink(p, fixture, vaultNow().state, account, recovered.device))
{
  const { state, tree } = vaultNow()
  const op = [OP_DEL, firstItem, 3, 2, new Uint8Array(32), 0] as const
  await appendVault(
    await signAll(await itemsPayload(state, account, tree, [op], writerOf(recovered.device)), recovered.device),
  )
}
await putLink(itemIds[1] ?? firstItem, 2, recovered.device, account)
const vault = vaultNow()
const vaultHash = await Promise.all(vaultLinks.map(async (link) => p.sha256(link.payload)))

// ── inputs ───────────────────────────────────────────────────────────────────────────────────────────────────────
const chainInput = struct({ links: [1, listOf(bytesUpTo(300_000), 4096)] })
const chainOf = (links: readonly Link[]): Uint8Array => chainInput.encode({ links: links.map(encodeLink) })
const linksOf = (input: Uint8Array): readonly Link[] | undefined => {
  const decoded = chainInput.decode(input, 64 * 1024 * 1024)
  if (!decoded.ok) return undefined
  const links: Link[] = []
  for (const bytes of decoded.value.links) {
    const link = decodeLink(bytes)
    if (!link.ok) continue
    promise(equalBytes(encodeLink(link.value), bytes), "a link has a second form")
    links.push(link.value)
  }
  return links
}

/** A payload at one place of a chain, who signs it, and who countersigns. */
const forged = struct({
  at: [1, uint],
  by: [2, uint],
  payload: [3, bytesUpTo(300_000)],
  counter: [4, listOf(uint, 16)],
})

const makeForged = (links: readonly Link[]): FuzzTarget["make"] => {
  const trees = links.map((link) => parseTree(link.payload)).filter((tree): tree is Tree => tree !== undefined)
  return (dice: Dice) => {
    const at = dice.below(links.length)
    const link = links[at]
    const tree = trees[at]
    if (link === undefined || tree === undefined) throw new Error("a genuine payload that is no CBOR")
    const payload = dice.chance(10) ? mutateBytes(dice, link.payload) : encodeTree(mutateTree(dice, tree, trees))
    // Mostly the genuine signer and countersigners, so that the change itself is what is judged.
    const opened = openLink(p, link)
    const genuine = opened.ok ? people.findIndex((one) => equalBytes(one.holder.id, opened.value.payload.byHolder)) : 0
    const counter = (link.countersignatures ?? []).map(([id]) =>
      people.findIndex((one) => equalBytes(one.holder.id, id)),
    )
    return forged.encode({
      at,
      by: dice.chance(8) ? dice.below(people.length) : Math.max(0, genuine),
      payload: payload.slice(0, 300_000),
      counter: dice.chance(8) ? [dice.below(people.length)] : counter.filter((i) => i >= 0),
    })
  }
}

const signForged = async (input: Uint8Array): Promise<{ at: number; link: Link; by: FixtureHolder } | undefined> => {
  const decoded = forged.decode(input, 400_000)
  const by = decoded.ok ? people[decoded.value.by] : undefined
  if (!decoded.ok || by === undefined) return undefined
  const { at, payload, counter } = decoded.value
  const counters = [...new Set(counter)].flatMap((i) => people[i] ?? [])
  const signatures = await Promise.all(counters.map((one) => countersignPayload(one.signer, payload)))
  return { at, link: await signPayload(by.signer, payload, signatures), by }
}

const count = (state: AccountState, kind: number): number =>
  activeHolders(state).filter((entry) => entry.holder.kind === kind).length

/** What holds for every account state, however it came about. */
const checkAccount = (before: AccountState | undefined, state: AccountState, link: Link): void => {
  promise(
    count(state, HOLDER_PASSWORD) === 1 && count(state, HOLDER_RECOVERY) === 1,
    "not one password and one recovery slot",
  )
  promise(
    state.keys.every((key, i) => key.epoch === i + 1),
    "key epochs with a gap",
  )
  promise(
    state.keys.every((key, i) => (key.prevSealedHash === undefined) === (i === 0)),
    "an epoch that cannot be walked back from",
  )
  promise(equalBytes(state.head.hash, p.sha256(link.payload)), "the head is not the link's hash")
  promise(state.hashes.length === state.head.seq, "hashes and seq differ")
  const kems = [
    ...[...state.holders.values()].map((entry) => entry.holder.kemPk),
    ...state.keys.map((key) => key.kemPk),
  ]
  promise(new Set(kems.map(bytesToHex)).size === kems.length, "one wrapping key twice")
  const round = decodeAccountState(encodeAccountState(state))
  promise(round.ok && equalBytes(encodeAccountState(round.value), encodeAccountState(state)), "the stored form differs")
  if (before === undefined) return
  promise(equalBytes(before.id, state.id) && state.head.seq === before.head.seq + 1, "another chain, or a gap")
  promise(state.policy.minSuite >= before.policy.minSuite, "the suite floor went down")
  const payload = payloadStruct.decode(link.payload, 400_000)
  promise(payload.ok, "an accepted payload that does not decode")
  const signer = before.holders.get(bytesToHex(payload.value.byHolder))
  promise(signer !== undefined && signer.removedAt === undefined, "signed by a holder that was not active")
  for (const [id, entry] of before.holders) {
    const now = state.holders.get(id)
    promise(
      now !== undefined && equalBytes(now.holder.sigPk, entry.holder.sigPk),
      "a holder vanished or changed its key",
    )
    if (entry.removedAt !== undefined) promise(now.removedAt === entry.removedAt, "a removed holder came back")
    const isRemovedNow = entry.removedAt === undefined && now.removedAt !== undefined
    // A replaced password slot alone may keep the key: the password was changed, not exposed.
    if (isRemovedNow && entry.holder.kind !== HOLDER_PASSWORD)
      promise(state.keys.length > before.keys.length, "a removal without a new account key")
  }
  for (const [id, entry] of state.holders)
    if (!before.holders.has(id))
      promise(
        (link.countersignatures ?? []).some(([by]) => equalBytes(by, entry.holder.id)),
        "added without its own signature",
      )
}

const checkVault = async (before: VaultState | undefined, state: VaultState, tree: MemoryTree): Promise<void> => {
  promise(equalBytes(tree.trie.root(), state.root), "the tree has another root than the state")
  promise(
    state.epochs.every((epoch, i) => epoch.epoch === i + 1),
    "vault epochs with a gap",
  )
  const round = decodeVaultState(encodeVaultState(state))
  promise(round.ok && equalBytes(encodeVaultState(round.value), encodeVaultState(state)), "the stored form differs")
  if (before === undefined) return
  promise(equalBytes(before.id, state.id) && state.head.seq === before.head.seq + 1, "another vault, or a gap")
  promise(equalBytes(before.owner, state.owner), "another owner")
  for (const [id, floor] of before.floors) promise((state.floors.get(id) ?? 0) >= floor, "a floor went down")
  const leaves = await tree.leavesOf(itemIds)
  const live = leaves.filter((leaf) => leaf !== undefined && !leaf.tombstone).length
  promise(state.count >= live, "fewer items counted than there are")
}

const firstRead = struct({
  authority: [1, listOf(bytesUpTo(300_000), 64)],
  head: [2, bytesUpTo(300_000)],
  leaves: [3, listOf(tuple(bytesOf(16), uint, uint, bytesOf(32), uint), 4096)],
})
const leavesNow: readonly Leaf[] = (await vault.tree.leavesOf(itemIds)).flatMap((leaf) => leaf ?? [])
const authorityLinks = vaultLinks.filter((_, i) => i === 0 || i === itemIds.length + 2)
const [lastLink] = vaultLinks.slice(-1)
if (lastLink === undefined || leavesNow.length !== itemIds.length) throw new Error("first-read fixture")
const rowOf = (leaf: Leaf) => [leaf.itemId, leaf.rev, leaf.epoch, leaf.ctHash, leaf.tombstone ? 1 : 0] as const
const genuineFirstRead = firstRead.encode({
  authority: authorityLinks.map(encodeLink),
  head: encodeLink(lastLink),
  leaves: leavesNow.map(rowOf),
})

const served = struct({
  links: [1, listOf(bytesUpTo(300_000), 4096)],
  seq: [2, uint],
  hash: [3, bytesOf(32)],
  known: [4, optional(uint)],
})

export const targets: readonly FuzzTarget[] = [
  {
    name: "account-chain",
    make: makeCbor([chainOf(accountLinks), chainOf(accountLinks.slice(0, 3)), chainOf(accountLinks.slice(3))]),
    run: async (input) => {
      const links = linksOf(input)
      if (links === undefined) return
      const whole = await verifyAccountChain(p, links)
      if (whole.ok) {
        const { head, id } = whole.value
        const hash = genuineHash.get(head.seq)
        promise(
          equalBytes(id, account.id) && hash !== undefined && equalBytes(hash, head.hash),
          "a chain that nobody signed was believed",
        )
      }
      const after = await verifyAccountChain(p, links, accountStates[2])
      if (after.ok) {
        const hash = genuineHash.get(after.value.head.seq)
        promise(
          hash !== undefined && equalBytes(hash, after.value.head.hash),
          "a suffix that nobody signed was believed",
        )
      }
    },
  },
  {
    name: "account-link",
    make: makeForged(accountLinks),
    run: async (input) => {
      const made = await signForged(input)
      if (made === undefined || made.at > accountStates.length) return
      const before = made.at === 0 ? undefined : accountStates[made.at - 1]
      const next = await verifyAccountLink(p, before, made.link)
      if (next.ok) checkAccount(before, next.value, made.link)
    },
  },
  {
    name: "vault-chain",
    make: makeCbor([chainOf(vaultLinks), chainOf(vaultLinks.slice(0, 4)), chainOf(vaultLinks.slice(5))]),
    run: async (input) => {
      const links = linksOf(input)
      if (links === undefined) return
      for (const from of [undefined, vaultStates[4]]) {
        const context = { account: lookup, tree: from?.tree ?? createMemoryTree(createTrie(p)) }
        const done = await verifyVaultLinks(p, from?.state, links, context)
        if (!done.ok) continue
        const { seq, hash } = done.value.state.head
        promise(equalBytes(vaultHash[seq - 1] ?? input, hash), "a vault that nobody signed was believed")
      }
    },
  },
  {
    name: "vault-link",
    make: makeForged(vaultLinks),
    run: async (input) => {
      const made = await signForged(input)
      if (made === undefined || made.at > vaultStates.length) return
      const before = made.at === 0 ? undefined : vaultStates[made.at - 1]
      for (const atCommit of [false, true]) {
        const context = { account: lookup, tree: before?.tree ?? createMemoryTree(createTrie(p)), atCommit }
        const next = await verifyVaultLink(
          p,
          before?.state,
          { payload: made.link.payload, signature: made.link.signature },
          context,
        )
        if (!next.ok) continue
        await checkVault(before?.state, next.value.state, next.value.tree)
        if (!atCommit) continue
        const entry = account.holders.get(bytesToHex(made.by.holder.id))
        promise(entry?.removedAt === undefined, "a removed device wrote at commit")
      }
    },
  },
  {
    name: "vault-first-read",
    make: makeCbor([genuineFirstRead]),
    run: async (input) => {
      const decoded = firstRead.decode(input, 64 * 1024 * 1024)
      if (!decoded.ok) return
      const links = decoded.value.authority.map(decodeLink)
      const head = decodeLink(decoded.value.head)
      if (!head.ok || links.some((link) => !link.ok)) return
      const bootstrap = {
        authorityLinks: links.flatMap((link) => (link.ok ? [link.value] : [])),
        headLink: head.value,
        leaves: decoded.value.leaves.map(([itemId, rev, epoch, ctHash, gone]) => ({
          itemId,
          rev,
          epoch,
          ctHash,
          tombstone: gone === 1,
        })),
      }
      const done = await verifyVaultBootstrap(p, bootstrap, lookup)
      if (!done.ok) return
      const { seq, hash } = done.value.state.head
      promise(equalBytes(vaultHash[seq - 1] ?? input, hash), "a head that nobody signed was believed")
      promise(
        equalBytes(
          rootOfLeaves(
            p,
            bootstrap.leaves.toSorted((a, b) => compareBytes(a.itemId, b.itemId)),
          ),
          done.value.state.root,
        ),
        "leaves that do not add up",
      )
    },
  },
  {
    name: "served-links",
    make: makeCbor([
      served.encode({
        links: accountLinks.slice(3).map(encodeLink),
        seq: account.head.seq,
        hash: account.head.hash,
        known: 3,
      }),
      served.encode({ links: accountLinks.map(encodeLink), seq: account.head.seq, hash: account.head.hash }),
    ]),
    run: async (input) => {
      const decoded = served.decode(input, 64 * 1024 * 1024)
      if (!decoded.ok) return
      const { links: bytes, seq, hash, known: at } = decoded.value
      const links = bytes.map(decodeLink).flatMap((link) => (link.ok ? [link.value] : []))
      const known = accountStates[Math.min(accountStates.length - 1, at ?? 2)] ?? first.state
      const fresh = compareWithKnown(p, knownAccount(known), { head: { seq, hash }, links })
      if (fresh.ok) {
        promise(seq >= known.head.seq, "an older head was taken for news")
        promise(
          fresh.value.every((link) => links.includes(link)),
          "links that nobody served",
        )
      }
      const [a, b] = links
      if (a !== undefined && b !== undefined && (await isForkProof(p, a, b, second.holder.sigPk)))
        promise(false, "a proof against a writer who never forked")
    },
  },
]
