import { type CborValue, decodeCbor, encodeCbor, equalBytes } from "@keyferry/base"
import {
  ACCOUNT_HOLDER_ADD,
  accountPayload,
  createMemoryTree,
  createTrie,
  decodeLink,
  encodeLink,
  holderAddStruct,
  HOW_DEVICE,
  HOW_KIT,
  itemsStruct,
  type Link,
  OP_PUT,
  VAULT_ITEMS,
  vaultPayload,
  verifyAccountLink,
  verifyVaultLink,
} from "@keyferry/chain"
import { nodePrimitives as p } from "@keyferry/crypto/node"

import { compare, type Fields, fixedRandom, flip, type Topic, type Vector, vector } from "./vector.ts"
import { makeDevice, makeWorld, sign, type World, writer } from "./world.ts"

const linksOf = (fields: Fields, prefix: string): Uint8Array[] => {
  const out: Uint8Array[] = []
  for (let n = 1; fields.has(`${prefix}_${n}`); n++) out.push(fields.bytes(`${prefix}_${n}`))
  return out
}

const filed = (account: readonly Uint8Array[], vault: readonly Uint8Array[]): Record<string, Uint8Array> =>
  Object.fromEntries([
    ...account.map((bytes, i) => [`account_${i + 1}`, bytes] as const),
    ...vault.map((bytes, i) => [`vault_${i + 1}`, bytes] as const),
  ])

/** The map of a payload with some fields replaced: what a writer of wrong links would sign. */
const rewritten = (payload: Uint8Array, changes: readonly (readonly [number, CborValue])[]): Uint8Array => {
  const decoded = decodeCbor(payload, 1 << 20)
  if (!decoded.ok || !(decoded.value instanceof Map)) throw new Error("not a payload")
  return encodeCbor(new Map([...decoded.value, ...changes]))
}

const accountCases = async (world: World, add: Add): Promise<void> => {
  const random = fixedRandom("link")
  const { first, second, passwordSlot, accountLinks, accountStates } = world
  const [, grown, shrunk] = accountStates
  if (grown === undefined || shrunk === undefined) throw new Error("short world")
  const all = accountLinks.map(encodeLink)
  const add2 = accountLinks[1]
  const remove3 = accountLinks[2]
  if (add2 === undefined || remove3 === undefined) throw new Error("short world")
  const upTo = (n: number, last: Link): Uint8Array[] => [...all.slice(0, n), encodeLink(last)]
  const resigned = async (link: Link, n: number, changes: readonly (readonly [number, CborValue])[], by = first) =>
    upTo(n, await sign(rewritten(link.payload, changes), by))

  add(
    "bad-signature",
    "[CH3] a changed signature",
    upTo(2, { ...remove3, signature: flip(remove3.signature, 9) }),
    [],
    "chain-signature-invalid",
  )
  add(
    "bad-signer-key",
    "[CH3] signed with another device's key",
    upTo(2, { ...remove3, signature: (await sign(remove3.payload, second)).signature }),
    [],
    "chain-signature-invalid",
  )
  add(
    "bad-gap",
    "[CH8] a link left out",
    [all[0], all[2]].flatMap((x) => x ?? []),
    [],
    "chain-out-of-order",
  )
  add(
    "bad-prev",
    "[CH8] another predecessor",
    await resigned(remove3, 2, [[6, random.bytes(32)]]),
    [],
    "chain-out-of-order",
  )
  add(
    "bad-auth",
    "[CH9] auth names an older link",
    await resigned(remove3, 2, [[13, [1, grown.hashes[0] ?? new Uint8Array(32)]]]),
    [],
    "authority-wrong",
  )
  add("bad-seen", "[CH9] seen without the own chain", await resigned(remove3, 2, [[11, []]]), [], "seen-wrong")
  add(
    "bad-chain-id",
    "[CH4] a link of another chain",
    await resigned(remove3, 2, [[4, random.bytes(32)]]),
    [],
    "chain-wrong-id",
  )
  add("bad-suite", "[CH6] suite 2", await resigned(remove3, 2, [[2, 2]]), [], "suite-unknown")
  add("bad-type", "[CH27] an unknown type", await resigned(remove3, 2, [[7, 77]]), [], "link-type-unknown")
  add(
    "bad-unknown-signer",
    "[CH10] signed by a stranger",
    await resigned(remove3, 2, [[10, random.bytes(16)]]),
    [],
    "signer-not-active",
  )
  add(
    "bad-trailing",
    "[CH1] a byte after the end",
    [...all.slice(0, 2), new Uint8Array([...(all[2] ?? []), 0])],
    [],
    "chain-malformed",
  )
  add(
    "bad-missing-pop",
    "[CH5] no countersignature of the new device",
    upTo(1, { payload: add2.payload, signature: add2.signature }),
    [],
    "proof-of-possession-missing",
  )
  const born = accountStates[0]
  if (born === undefined) throw new Error("short world")
  const foreign = await sign(add2.payload, first, [
    { ...second, signer: { ...first.signer, holderId: second.holder.id } },
  ])
  add(
    "bad-wrong-pop",
    "[CH5] the signer countersigned for the new device",
    upTo(1, foreign),
    [],
    "proof-of-possession-missing",
  )
  const addAgain = {
    holder: second.holder,
    how: HOW_DEVICE,
    transcript: random.bytes(32),
    wrapsHash: random.bytes(32),
  } as const
  const again = accountPayload(shrunk, ACCOUNT_HOLDER_ADD, holderAddStruct, addAgain, writer(first))
  add(
    "bad-reuse",
    "[CH18] a removed device comes back",
    [...all, encodeLink(await sign(again, first, [second]))],
    [],
    "holder-reused",
  )
  const third = await makeDevice(random)
  const addThird = { ...addAgain, holder: third.holder } as const
  const byRemoved = accountPayload(shrunk, ACCOUNT_HOLDER_ADD, holderAddStruct, addThird, writer(second))
  add(
    "bad-removed-signer",
    "[CH10] a removed device adds another",
    [...all, encodeLink(await sign(byRemoved, second, [third]))],
    [],
    "signer-not-active",
  )
  const bySlot = accountPayload(shrunk, ACCOUNT_HOLDER_ADD, holderAddStruct, addThird, writer(passwordSlot))
  add(
    "bad-how",
    "[CH12] the password slot claims an approval",
    [...all, encodeLink(await sign(bySlot, passwordSlot, [third]))],
    [],
    "not-allowed",
  )
  const kit = { ...addThird, how: HOW_KIT, transcript: new Uint8Array(32) } as const
  const byKit = accountPayload(shrunk, ACCOUNT_HOLDER_ADD, holderAddStruct, kit, writer(passwordSlot))
  add(
    "added-by-kit",
    "[CH12] the password slot adds a device",
    [...all, encodeLink(await sign(byKit, passwordSlot, [third]))],
    [],
    "ok",
  )
}

const vaultCases = async (world: World, add: Add): Promise<void> => {
  const random = fixedRandom("vault link")
  const { first, second, accountLinks, accountStates, vaultLinks, vaultSteps } = world
  const account = accountLinks.map(encodeLink)
  const all = vaultLinks.map(encodeLink)
  const [genesis, , items3, rotate4, items5] = vaultLinks
  const [, grown, shrunk] = accountStates
  const last = vaultSteps[4]?.state
  if (!genesis || !items3 || !rotate4 || !items5 || !grown || !shrunk || !last) throw new Error("short world")
  const upTo = (n: number, link: Link): Uint8Array[] => [...all.slice(0, n), encodeLink(link)]
  const bad = (name: string, comment: string, vault: readonly Uint8Array[], expect: string): void =>
    add(`bad-vault-${name}`, comment, account, vault, expect)

  bad(
    "signature",
    "[CH30] a changed signature",
    upTo(4, { ...items5, signature: flip(items5.signature, 0) }),
    "chain-signature-invalid",
  )
  bad(
    "gap",
    "[CH29] a link left out",
    [all[0], all[2]].flatMap((x) => x ?? []),
    "chain-out-of-order",
  )
  const payload5 = (changes: readonly (readonly [number, CborValue])[]): Uint8Array =>
    rewritten(items5.payload, changes)
  bad(
    "auth",
    "[CH29] auth names the genesis after a rotation",
    upTo(4, await sign(payload5([[13, [1, vaultSteps[0]?.state.head.hash ?? random.bytes(32)]]]), first)),
    "authority-wrong",
  )
  bad(
    "seen",
    "[CH30] a head that the account never had",
    upTo(4, await sign(payload5([[11, [[shrunk.id, 3, random.bytes(32)]]]]), first)),
    "seen-wrong",
  )
  bad(
    "future",
    "[CH30] a head that is newer than the account chain at hand",
    upTo(4, await sign(payload5([[11, [[shrunk.id, 9, random.bytes(32)]]]]), first)),
    "account-behind",
  )
  const backdated: readonly (readonly [number, CborValue])[] = [
    [11, [[grown.id, 2, grown.head.hash]]],
    [10, second.holder.id],
  ]
  bad(
    "backdated",
    "[CH33] a removed device dates its link back",
    upTo(4, await sign(payload5(backdated), second)),
    "signer-below-floor",
  )
  const removed: readonly (readonly [number, CborValue])[] = [[10, second.holder.id]]
  bad("removed", "[CH30] a removed device writes", upTo(4, await sign(payload5(removed), second)), "signer-not-active")

  const items = async (
    name: string,
    comment: string,
    body: ReturnType<typeof itemsStruct.fromCbor>,
    expect: string,
  ) => {
    const payload = vaultPayload(last, shrunk, VAULT_ITEMS, itemsStruct, body, writer(first))
    bad(name, comment, [...all, encodeLink(await sign(payload, first))], expect)
  }
  const itemId = random.bytes(16)
  const put = [OP_PUT, itemId, 1, 2, random.bytes(32), 680] as const
  const tree = vaultSteps[4]?.tree ?? createMemoryTree(createTrie(p))
  const leaf = { itemId, rev: 1, epoch: 2, ctHash: put[4], tombstone: false }
  const { root } = await tree.put([leaf])
  const count = last.count + 1
  await items(
    "root",
    "[CH42] a root that the ops do not make",
    { ops: [put], root: random.bytes(32), count },
    "root-mismatch",
  )
  await items(
    "count",
    "[CH42] a count that the ops do not make",
    { ops: [put], root, count: count + 1 },
    "root-mismatch",
  )
  await items(
    "rev",
    "[CH34] a new item at revision 2",
    { ops: [[OP_PUT, itemId, 2, 2, put[4], 680]], root, count },
    "rev-wrong",
  )
  await items(
    "epoch",
    "[CH34] an item under the epoch before",
    { ops: [[OP_PUT, itemId, 1, 1, put[4], 680]], root, count },
    "epoch-stale",
  )
  await items("twice", "[CH34] one item twice", { ops: [put, put], root, count }, "chain-malformed")
  await items("none", "[CH34] no ops", { ops: [], root: last.root, count: last.count }, "chain-malformed")

  const rotation = decodeCbor(rotate4.payload, 1 << 20)
  const rotationBody = rotation.ok && rotation.value instanceof Map ? rotation.value.get(8) : undefined
  if (!(rotationBody instanceof Map)) throw new Error("no rotation body")
  const epochMap: unknown = rotationBody.get(1)
  if (!(epochMap instanceof Map)) throw new Error("no epoch")
  const rotatedWith = async (
    changes: readonly (readonly [number, CborValue])[],
    outer: readonly (readonly [number, CborValue])[] = [],
  ) => {
    const body = new Map([...rotationBody, [1, new Map([...epochMap, ...changes])] as const, ...outer])
    return upTo(3, await sign(rewritten(rotate4.payload, [[8, body]]), first))
  }
  const recipients = [[shrunk.id, 1, p.sha256(shrunk.keys[0]?.kemPk ?? random.bytes(1))]] as const
  bad(
    "recipients",
    "[CH31] wrapped to the account key before",
    await rotatedWith([[2, recipients]]),
    "recipients-wrong",
  )
  bad("epoch-jump", "[CH32] an epoch left out", await rotatedWith([[1, 3]]), "epoch-wrong")
  bad("rotation-count", "[CH32] a rotation that changes the count", await rotatedWith([], [[4, 7]]), "root-mismatch")
}

type Add = (
  name: string,
  comment: string,
  account: readonly Uint8Array[],
  vault: readonly Uint8Array[],
  expect: string,
) => void

/** Source   spec/chains.md */
export const link: Topic = {
  name: "link",
  generate: async () => {
    const world = await makeWorld()
    const out = new Map<string, Vector>()
    const put: Add = (name, comment, account, vault, expect) => {
      out.set(name, vector(comment, filed(account, vault), expect))
    }
    const account = world.accountLinks.map(encodeLink)
    const vault = world.vaultLinks.map(encodeLink)
    const whole = async (name: string, comment: string, a: readonly Uint8Array[], v: readonly Uint8Array[]) => {
      const outcome = await verify(a, v)
      if (typeof outcome === "string") throw new Error(`${name} is refused: ${outcome}`)
      out.set(name, vector(comment, { ...filed(a, v), ...outcome }))
    }
    await whole("genesis", "[CH7] the genesis of an account", account.slice(0, 1), [])
    await whole("added", "[CH12] a second device", account.slice(0, 2), [])
    await whole("removed", "[CH13] the second device removed", account, [])
    await whole("vault", "[CH28] a vault's genesis and two links of items", account, vault.slice(0, 3))
    await whole("rotated", "[CH32] the vault rotated after the removal, and items in the new epoch", account, vault)
    const add: Add = (name, comment, a, v, expect) => {
      if (expect === "ok") pending.push(whole(name, comment, a, v))
      else put(name, comment, a, v, expect)
    }
    const pending: Promise<void>[] = []
    await accountCases(world, add)
    await vaultCases(world, add)
    await Promise.all(pending)
    return out
  },
  check: async (fields) => {
    const outcome = await verify(linksOf(fields, "account"), linksOf(fields, "vault"))
    return typeof outcome === "string" ? outcome : compare(fields, outcome)
  },
}

/** The error code, or what the verified chains say. */
const verify = async (
  account: readonly Uint8Array[],
  vault: readonly Uint8Array[],
): Promise<string | Record<string, Uint8Array | number>> => {
  let state: Parameters<typeof verifyAccountLink>[1]
  for (const bytes of account) {
    const decoded = decodeLink(bytes)
    if (!decoded.ok) return decoded.error.code
    const next = await verifyAccountLink(p, state, decoded.value)
    if (!next.ok) return next.error.code
    state = next.value
  }
  if (state === undefined) return "chain-malformed"
  const known = state
  const active = [...known.holders.values()].filter((entry) => entry.removedAt === undefined).length
  const said = { account_id: known.id, account_head: known.head.hash, active_holders: active }
  let tree = createMemoryTree(createTrie(p))
  let vaultState: Parameters<typeof verifyVaultLink>[1]
  for (const bytes of vault) {
    const decoded = decodeLink(bytes)
    if (!decoded.ok) return decoded.error.code
    const lookup = (id: Uint8Array) => (equalBytes(id, known.id) ? known : undefined)
    const next = await verifyVaultLink(p, vaultState, decoded.value, { account: lookup, tree })
    if (!next.ok) return next.error.code
    vaultState = next.value.state
    tree = next.value.tree
  }
  if (vaultState === undefined) return said
  const { id, head, root, count } = vaultState
  return { ...said, vault_id: id, vault_head: head.hash, root, count }
}
