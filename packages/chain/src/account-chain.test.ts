import { bytesToHex, type CborValue, equalBytes, lp, type Struct } from "@keyferry/base"
import { chainId, HOLDER_KIND } from "@keyferry/crypto"
import { nodePrimitives as p } from "@keyferry/crypto/node"
import { beforeAll, describe, expect, test } from "vitest"

import {
  addDeviceLink,
  createFixture,
  extend,
  type Fixture,
  type FixtureAccount,
  type FixtureHolder,
  recoveryLink,
  removeLink,
  signAll,
  writerOf,
} from "./fixture.ts"
import * as chain from "./index.ts"
import type { AccountState, Checked, Link, Payload } from "./index.ts"

const ZERO = new Uint8Array(32)
const SEALED = Uint8Array.of(1, 2, 3)
const code = (result: Checked<unknown>): string => (result.ok ? "accepted" : result.error.code)

let fixture: Fixture
let account: FixtureAccount
let device: FixtureHolder
let password: FixtureHolder
let recovery: FixtureHolder
let genesis: Link
let state: AccountState

beforeAll(async () => {
  fixture = createFixture(p, "account chain")
  account = await fixture.makeAccount()
  ;({ device, password, recovery, state } = account)
  genesis = account.links[0] as Link
})

const verify = (link: Link, from: AccountState | undefined = state): Promise<Checked<AccountState>> =>
  chain.verifyAccountLink(p, from, link)
const verifyGenesis = (link: Link): Promise<Checked<AccountState>> => chain.verifyAccountLink(p, undefined, link)

const payloadOf = (link: Link): Payload => {
  const open = chain.openLink(p, link)
  if (!open.ok) throw new Error("unreadable")
  return open.value.payload
}

/** The same link with some fields of its payload changed, signed and countersigned again. */
const changed = (link: Link, by: FixtureHolder, added: FixtureHolder[], over: Partial<Payload>): Promise<Link> =>
  signAll(chain.payloadStruct.encode({ ...payloadOf(link), ...over }), by, added)

const signed = <T>(
  type: number,
  shape: Struct<T>,
  body: T,
  by: FixtureHolder = device,
  added: FixtureHolder[] = [],
  from: AccountState = state,
): Promise<Link> => signAll(chain.accountPayload(from, type, shape, body, writerOf(by)), by, added)

const policy = (over: Partial<chain.Policy> = {}): chain.Policy => ({
  minSuite: 1,
  graceMaxS: 3600,
  requireDeviceApproval: false,
  reloginMaxS: 100,
  unlockMaxS: 100,
  ...over,
})
const policyLink = (over: Partial<chain.Policy> = {}, by = device, from = state): Promise<Link> =>
  signed(chain.ACCOUNT_POLICY_SET, chain.policySetStruct, policy(over), by, [], from)

const newDevice = (): Promise<FixtureHolder> => fixture.makeHolder(chain.HOLDER_DEVICE)
const addTo = async (from: AccountState, added: FixtureHolder): Promise<AccountState> =>
  extend(p, from, await addDeviceLink(fixture, from, device, added))

describe("links", () => {
  test("[CH1] a link survives its codec; trailing bytes, size and unsorted countersignatures do not", () => {
    const bytes = chain.encodeLink(genesis)
    expect(chain.decodeLink(bytes)).toEqual({ ok: true, value: genesis })
    expect(code(chain.decodeLink(new Uint8Array([...bytes, 0])))).toBe("chain-malformed")
    expect(code(chain.decodeLink(new Uint8Array(chain.MAX_LINK_BYTES + 1)))).toBe("chain-malformed")
    const list = genesis.countersignatures ?? []
    for (const countersignatures of [list.toReversed(), [...list, ...list.slice(-1)]]) {
      const wrong = { ...genesis, countersignatures }
      expect(code(chain.decodeLink(chain.linkStruct.encode(wrong)))).toBe("chain-malformed")
      expect(code(chain.openLink(p, wrong))).toBe("chain-malformed")
    }
  })

  test("[CH2] the hash is of the payload bytes as received", () => {
    const open = chain.openLink(p, genesis)
    expect(open.ok && open.value.hash).toEqual(p.sha256(genesis.payload))
    expect(state.head.hash).toEqual(p.sha256(genesis.payload))
  })

  test("[CH2] a payload that is not canonical is refused although its signature is right", async () => {
    const payload = new Uint8Array([...genesis.payload, 0])
    expect(code(await verifyGenesis(await signAll(payload, device, [device, password, recovery])))).toBe(
      "chain-malformed",
    )
  })

  test("[CH3] one changed bit of payload or signature, or another key, is an invalid signature", async () => {
    const link = await policyLink()
    const flipped = { ...link, signature: link.signature.map((b, i) => (i === 5 ? b ^ 1 : b)) }
    expect(code(await verify(flipped))).toBe("chain-signature-invalid")
    const ts = chain.payloadStruct.encode({ ...payloadOf(link), ts: 1 })
    expect(code(await verify({ ...link, payload: ts }))).toBe("chain-signature-invalid")
    const other = await newDevice()
    const forged = { ...link, signature: await other.signer.sign(chain.linkMessage(link.payload)) }
    expect(code(await verify(forged))).toBe("chain-signature-invalid")
    const asPop = { ...link, signature: await device.signer.sign(chain.popMessage(link.payload)) }
    expect(code(await verify(asPop))).toBe("chain-signature-invalid")
  })

  test("[CH4] the id is the hash of the genesis, and reads as 30 digits", () => {
    expect(state.id).toEqual(p.sha256(lp("kf1/id", 1, genesis.payload)))
    expect(state.id).toEqual(chainId(p, 1, genesis.payload))
    const open = chain.openLink(p, genesis)
    expect(open.ok && chain.linkId(p, open.value)).toEqual(state.id)
    expect(chain.accountDigits(state.id)).toMatch(/^(\d{5} ){5}\d{5}$/)
    expect(chain.accountDigits(Uint8Array.from({ length: 32 }, (_, i) => (i === 31 ? 7 : 0)))).toBe(
      "00000 00000 00000 00000 00000 00007",
    )
    expect(chain.accountDigits(new Uint8Array(32).fill(255))).toBe(digitsOfMax)
  })

  test("[CH5] every added holder proves its key: none missing, none more, none wrong, none of another payload", async () => {
    const added = await newDevice()
    const link = await addDeviceLink(fixture, state, device, added)
    expect(code(await verify(link))).toBe("accepted")
    const { countersignatures: _none, ...bare } = link
    const wrongKey = [[added.holder.id, await device.signer.sign(chain.popMessage(link.payload))]] as const
    const asLink = [[added.holder.id, await added.signer.sign(chain.linkMessage(link.payload))]] as const
    const elsewhere = [[added.holder.id, await added.signer.sign(chain.popMessage(genesis.payload))]] as const
    const more = (await signAll(link.payload, device, [added, device])).countersignatures ?? []
    for (const broken of [
      bare,
      { ...link, countersignatures: wrongKey },
      { ...link, countersignatures: asLink },
      { ...link, countersignatures: elsewhere },
      { ...link, countersignatures: more },
    ])
      expect(code(await verify(broken))).toBe("proof-of-possession-missing")
    const surplus = { ...(await policyLink()), countersignatures: wrongKey }
    expect(code(await verify(surplus))).toBe("chain-malformed")
  })

  test("[CH6] a suite that nobody knows and one below the floor are told apart", async () => {
    const link = await policyLink()
    expect(code(await verify(await changed(link, device, [], { suite: 0 })))).toBe("suite-unknown")
    expect(code(await verify(await changed(link, device, [], { suite: 2 })))).toBe("suite-unknown")
    expect(code(await verifyGenesis(await changed(genesis, device, [device, password, recovery], { suite: 2 })))).toBe(
      "suite-unknown",
    )
    const raised = { ...state, policy: { ...state.policy, minSuite: 2 } }
    expect(code(await verify(link, raised))).toBe("suite-below-floor")
  })
})

const digitsOfMax = ((2n ** 256n - 1n) % 10n ** 30n)
  .toString()
  .padStart(30, "0")
  .replace(/(.{5})(?=.)/g, "$1 ")

describe("genesis", () => {
  const everybody = (): FixtureHolder[] => [device, password, recovery]
  const withBody = (over: Record<string, CborValue | undefined>, holders?: chain.Holder[]): Promise<Link> => {
    const parsed = chain.accountGenesisStruct.decode(bodyBytes(genesis), chain.MAX_LINK_BYTES)
    if (!parsed.ok) throw new Error("unreadable")
    const body = { ...parsed.value, ...(holders === undefined ? {} : { holders }), ...over } as typeof parsed.value
    return changed(genesis, device, everybody(), { body: chain.accountGenesisStruct.toCbor(body) })
  }

  test("[CH7] lists device, password slot, recovery slot and key epoch 1", async () => {
    const made = await fixture.makeAccount()
    const { state, recovery } = made
    expect(state.head).toEqual({ seq: 1, hash: p.sha256((made.links[0] as Link).payload) })
    expect(state.hashes).toEqual([state.head.hash])
    expect(state.suiteFloors).toEqual([[1, 1]])
    expect(state.lastRemovalSeq).toBe(0)
    expect(chain.activeHolders(state).map((e) => e.holder.kind)).toEqual([1, 2, 3])
    expect(state.keys.map((k) => k.epoch)).toEqual([1])
    expect(state.policy).toEqual({ ...chain.DEFAULT_POLICY, minSuite: 1 })
    expect(chain.newestSlot(state, chain.HOLDER_RECOVERY)?.holder).toEqual(recovery.holder)
  })

  test("[CH7] the numbers of the holder kinds are those that slot keys are derived with", () => {
    expect([chain.HOLDER_DEVICE, chain.HOLDER_PASSWORD, chain.HOLDER_RECOVERY, chain.HOLDER_PASSKEY]).toEqual([
      1, 2, 3, 4,
    ])
    expect(HOLDER_KIND).toEqual({ device: 1, passwordSlot: 2, recoverySlot: 3, passkeySlot: 4 })
  })

  test.each([
    ["id", { id: new Uint8Array(32).fill(1) }],
    ["prev", { prev: new Uint8Array(32).fill(1) }],
    ["by account", { byAccount: new Uint8Array(32).fill(1) }],
    ["auth", { auth: [0, new Uint8Array(32).fill(1)] as const }],
    ["auth seq", { auth: [1, ZERO] as const }],
    ["seen", { seen: [[ZERO, 1, ZERO]] as const }],
    ["type", { type: 2 }],
  ])("[CH7] refuses a genesis with another %s", async (_name, over) => {
    expect(code(await verifyGenesis(await changed(genesis, device, everybody(), over)))).toBe("chain-malformed")
  })

  test("[CH7] refuses other holders, another signer, a missing proof, a key epoch other than 1", async () => {
    const h = everybody().map((x) => x.holder)
    const [d, w, r] = h as [chain.Holder, chain.Holder, chain.Holder]
    expect(code(await verifyGenesis(await withBody({}, [w, d, r])))).toBe("chain-malformed")
    for (const few of [[], [d], [d, w]])
      expect(code(await verifyGenesis(await withBody({}, few)))).toBe("chain-malformed")
    const [d2, w2, r2] = [await newDevice(), await fixture.makeHolder(2), await fixture.makeHolder(3)]
    const trios: [FixtureHolder, FixtureHolder, FixtureHolder][] = [
      [device, d2, recovery],
      [device, r2, recovery],
      [device, password, w2],
      [device, password, d2],
      [password, w2, recovery],
      [await fixture.makeHolder(4), password, recovery],
    ]
    for (const trio of trios) {
      const payload = payloadOf(genesis)
      const body = { ...chain.accountGenesisStruct.fromCbor(payload.body), holders: trio.map((x) => x.holder) }
      const over = { byHolder: trio[0].holder.id, body: chain.accountGenesisStruct.toCbor(body) }
      expect(code(await verifyGenesis(await changed(genesis, trio[0], trio, over)))).toBe("chain-malformed")
    }
    const { authPk: _auth, ...shapeless } = d
    expect(code(await verifyGenesis(await withBody({}, [shapeless, w, r])))).toBe("chain-malformed")
    const bySlot = await signAll(
      chain.payloadStruct.encode({ ...payloadOf(genesis), byHolder: w.id }),
      password,
      everybody(),
    )
    expect(code(await verifyGenesis(bySlot))).toBe("signer-not-active")
    expect(code(await verifyGenesis(await signAll(genesis.payload, password, everybody())))).toBe(
      "chain-signature-invalid",
    )
    for (const missing of everybody()) {
      const rest = everybody().filter((x) => x !== missing)
      expect(code(await verifyGenesis(await signAll(genesis.payload, device, rest)))).toBe(
        "proof-of-possession-missing",
      )
    }
    expect(code(await verifyGenesis(await withBody({ key: fixture.makeKey(2) as never })))).toBe("epoch-wrong")
    expect(
      code(await verifyGenesis(await withBody({ key: { ...fixture.makeKey(1), prevSealedHash: ZERO } as never }))),
    ).toBe("chain-malformed")
    expect(code(await verifyGenesis(await withBody({ key: { ...fixture.makeKey(1), kemPk: d.kemPk } as never })))).toBe(
      "chain-malformed",
    )
    expect(code(await verifyGenesis(await withBody({ minSuite: 2 })))).toBe("suite-unknown")
    expect(code(await verifyGenesis(await withBody({ minSuite: 0 })))).toBe("suite-unknown")
    expect(code(await verifyGenesis(await withBody({ skSealed: new Uint8Array() })))).toBe("chain-malformed")
    const twin = { ...w, sigPk: d.sigPk }
    expect(code(await verifyGenesis(await withBody({}, [d, twin, r])))).toBe("holder-reused")
  })

  test("[CH7] a chain starts with its genesis and has one", async () => {
    expect(code(await verifyGenesis(await policyLink()))).toBe("chain-out-of-order")
    const second = await changed(await policyLink(), device, [], { type: chain.ACCOUNT_GENESIS })
    expect(code(await verify(second))).toBe("chain-malformed")
    expect(code(await chain.verifyAccountChain(p, []))).toBe("chain-malformed")
    const vault = await changed(genesis, device, everybody(), { chain: 3 })
    expect(code(await verifyGenesis(vault))).toBe("chain-wrong-id")
  })
})

const bodyBytes = (link: Link): Uint8Array => {
  const parsed = chain.accountGenesisStruct.fromCbor(payloadOf(link).body)
  return chain.accountGenesisStruct.encode(parsed)
}

describe("place and signer", () => {
  test("[CH8] gaps, repetitions and another prev are out of order", async () => {
    const link = await policyLink()
    const two = await extend(p, state, link)
    expect(code(await verify(link, two))).toBe("chain-out-of-order")
    const three = await policyLink({ graceMaxS: 7 }, device, two)
    expect(code(await verify(three))).toBe("chain-out-of-order")
    expect(code(await verify(await changed(link, device, [], { prev: ZERO })))).toBe("chain-out-of-order")
    expect(code(await verify(await changed(link, device, [], { seq: 3 })))).toBe("chain-out-of-order")
    expect(code(await chain.verifyAccountChain(p, [genesis, three, link]))).toBe("chain-out-of-order")
    const whole = await chain.verifyAccountChain(p, [genesis, link, three])
    expect(whole.ok && whole.value.head.seq).toBe(3)
    const rest = await chain.verifyAccountChain(p, [three], two)
    expect(rest).toEqual(whole)
    expect(code(await verify(await changed(link, device, [], { seq: 0 })))).toBe("chain-malformed")
  })

  test("[CH9] auth, seen and account are those of this chain's head", async () => {
    const link = await policyLink()
    const { seq, hash } = state.head
    const cases: [string, Partial<Payload>][] = [
      ["authority-wrong", { auth: [0, ZERO] }],
      ["authority-wrong", { auth: [0, hash] }],
      ["authority-wrong", { auth: [seq, ZERO] }],
      ["seen-wrong", { seen: [] }],
      ["seen-wrong", { seen: [[state.id, seq, ZERO]] }],
      ["seen-wrong", { seen: [[state.id, 0, hash]] }],
      [
        "seen-wrong",
        {
          seen: [
            [state.id, seq, hash],
            [state.id, seq, hash],
          ],
        },
      ],
      ["not-allowed", { byAccount: ZERO }],
      ["chain-wrong-id", { id: ZERO }],
      ["chain-wrong-id", { chain: 3 }],
    ]
    for (const [expected, over] of cases)
      expect(code(await verify(await changed(link, device, [], over)))).toBe(expected)
    const more = [
      [state.id, seq, hash],
      [new Uint8Array(32).fill(255), 9, ZERO],
    ] as const
    expect(code(await verify(await changed(link, device, [], { seen: more })))).toBe("accepted")
  })

  test("[CH10] a stranger and a removed device sign nothing", async () => {
    const phone = await newDevice()
    expect(code(await verify(await policyLink({}, phone)))).toBe("signer-not-active")
    const two = await addTo(state, phone)
    expect(code(await verify(await policyLink({}, phone, two), two))).toBe("accepted")
    const three = await extend(p, two, await removeLink(fixture, two, device, [phone.holder.id]))
    expect(code(await verify(await policyLink({}, phone, three), three))).toBe("signer-not-active")
    const phoneEntry = chain.holderOf(three, phone.holder.id)
    expect(phoneEntry).toMatchObject({ addedAt: 2, removedAt: 3 })
    expect([1, 2, 3].map((seq) => chain.holderAt(three, phone.holder.id, seq) !== undefined)).toEqual([
      false,
      true,
      false,
    ])
  })

  test("[CH11] a body is not looked at before the signature was checked", async () => {
    const link = await changed(await policyLink(), device, [], { body: new Map([[99, "nonsense"]]) })
    expect(code(await verify(link))).toBe("chain-malformed")
    const forged = { ...link, signature: new Uint8Array(64) }
    expect(code(await verify(forged))).toBe("chain-signature-invalid")
  })

  test("[CH27] types of later versions stop the reader", async () => {
    for (const type of [7, 8, 10, 99])
      expect(code(await verify(await changed(await policyLink(), device, [], { type })))).toBe("link-type-unknown")
  })
})

describe("holder.add", () => {
  const zeros = { transcript: ZERO }

  test("[CH12] a device adds devices and passkey slots", async () => {
    const phone = await newDevice()
    const two = await addTo(state, phone)
    const entry = chain.holderOf(two, phone.holder.id)
    expect(entry).toMatchObject({ addedAt: 2, how: chain.ADDED_BY_DEVICE, wrap: { epoch: 1, seq: 2 } })
    const passkey = await fixture.makeHolder(chain.HOLDER_PASSKEY)
    const three = await verify(await addDeviceLink(fixture, two, phone, passkey, zeros), two)
    expect(three.ok && chain.activeHolders(three.value).length).toBe(5)
  })

  test("[CH12] password and passkey slots add devices only, and say how", async () => {
    const phone = await newDevice()
    const byKit = await addDeviceLink(fixture, state, password, phone, { ...zeros, how: chain.HOW_KIT })
    const two = await verify(byKit)
    expect(two.ok && chain.holderOf(two.value, phone.holder.id)?.how).toBe(chain.ADDED_BY_KIT)
    const passkey = await fixture.makeHolder(chain.HOLDER_PASSKEY)
    const slotBySlot = await addDeviceLink(fixture, state, password, passkey, { ...zeros, how: chain.HOW_KIT })
    expect(code(await verify(slotBySlot))).toBe("not-allowed")
    const withPasskey = await extend(p, state, await addDeviceLink(fixture, state, device, passkey, zeros))
    const byPasskey = await addDeviceLink(fixture, withPasskey, passkey, phone, { ...zeros, how: chain.HOW_PASSKEY })
    const three = await verify(byPasskey, withPasskey)
    expect(three.ok && chain.holderOf(three.value, phone.holder.id)?.how).toBe(chain.ADDED_BY_PASSKEY)
    for (const how of [chain.HOW_DEVICE, chain.HOW_PASSKEY] as const)
      expect(code(await verify(await addDeviceLink(fixture, state, password, phone, { ...zeros, how })))).toBe(
        "not-allowed",
      )
    expect(
      code(await verify(await addDeviceLink(fixture, state, device, phone, { ...zeros, how: chain.HOW_KIT }))),
    ).toBe("not-allowed")
  })

  test("[CH12] where the policy asks for approval, slots add nothing", async () => {
    const strict = await extend(p, state, await policyLink({ requireDeviceApproval: true }))
    const phone = await newDevice()
    const byKit = await addDeviceLink(fixture, strict, password, phone, { ...zeros, how: chain.HOW_KIT })
    expect(code(await verify(byKit, strict))).toBe("not-allowed")
    expect(code(await verify(await addDeviceLink(fixture, strict, device, phone), strict))).toBe("accepted")
  })

  test("[CH12] an approval leaves a transcript, nothing else does", async () => {
    const phone = await newDevice()
    expect(code(await verify(await addDeviceLink(fixture, state, device, phone, zeros)))).toBe("chain-malformed")
    const byKit = await addDeviceLink(fixture, state, password, phone, { how: chain.HOW_KIT })
    expect(code(await verify(byKit))).toBe("chain-malformed")
  })

  test("[CH12] password and recovery slots are never added", async () => {
    for (const kind of [chain.HOLDER_PASSWORD, chain.HOLDER_RECOVERY] as const) {
      const slot = await fixture.makeHolder(kind)
      expect(code(await verify(await addDeviceLink(fixture, state, device, slot, zeros)))).toBe("not-allowed")
    }
  })

  test("[CH17] each kind has exactly its keys", async () => {
    const phone = await newDevice()
    const { authPk: _a, ...noAuth } = phone.holder
    const { leasePk: _l, ...noLease } = phone.holder
    const { leaseId: _i, ...noLeaseId } = phone.holder
    const withRec = { ...phone.holder, recPk: fixture.random.bytes(32) }
    const passkey = await fixture.makeHolder(chain.HOLDER_PASSKEY)
    const cases: [FixtureHolder, chain.Holder][] = [
      [phone, noAuth],
      [phone, noLease],
      [phone, noLeaseId],
      [phone, withRec],
      [passkey, { ...passkey.holder, authPk: fixture.random.bytes(32) }],
      [passkey, { ...passkey.holder, leasePk: fixture.random.bytes(32) }],
      [passkey, { ...passkey.holder, leaseId: fixture.random.bytes(16) }],
      [passkey, { ...passkey.holder, recPk: fixture.random.bytes(32) }],
    ]
    for (const [by, holder] of cases) {
      const transcript = holder.kind === chain.HOLDER_DEVICE ? fixture.random.bytes(32) : ZERO
      const link = await addDeviceLink(fixture, state, device, { ...by, holder }, { transcript })
      expect(code(await verify(link))).toBe("chain-malformed")
    }
  })

  test("[CH18] ids and keys of any holder that ever was do not come back, not even in another role", async () => {
    const phone = await newDevice()
    const two = await addTo(state, phone)
    const three = await extend(p, two, await removeLink(fixture, two, device, [phone.holder.id]))
    const fresh = await newDevice()
    const reused: chain.Holder[] = [
      phone.holder,
      { ...fresh.holder, id: phone.holder.id },
      { ...fresh.holder, kemPk: phone.holder.kemPk },
      { ...fresh.holder, authPk: phone.holder.authPk ?? ZERO },
      { ...fresh.holder, authPk: phone.holder.sigPk },
      { ...fresh.holder, authPk: recovery.holder.recPk ?? ZERO },
      { ...fresh.holder, leasePk: phone.holder.leasePk ?? ZERO },
      { ...fresh.holder, leaseId: phone.holder.leaseId ?? ZERO },
      { ...fresh.holder, kemPk: three.keys[0]?.kemPk ?? ZERO },
      { ...fresh.holder, authPk: fresh.holder.sigPk },
    ]
    for (const holder of reused) {
      const signer = equalBytes(holder.sigPk, phone.holder.sigPk) ? phone.signer : fresh.signer
      const link = await addDeviceLink(fixture, three, device, { holder, signer: { ...signer, holderId: holder.id } })
      expect(code(await verify(link, three))).toBe("holder-reused")
    }
    const sigAgain = {
      holder: { ...fresh.holder, sigPk: phone.holder.sigPk },
      signer: { ...phone.signer, holderId: fresh.holder.id },
    }
    expect(code(await verify(await addDeviceLink(fixture, three, device, sigAgain), three))).toBe("holder-reused")
    expect(code(await verify(await addDeviceLink(fixture, three, device, fresh), three))).toBe("accepted")
  })
})

describe("removal and rotation", () => {
  let phone: FixtureHolder
  let two: AccountState
  beforeAll(async () => {
    phone = await newDevice()
    two = await addTo(state, phone)
  })

  test("[CH13] removes and rotates in one link", async () => {
    const next = await verify(await removeLink(fixture, two, device, [phone.holder.id]), two)
    if (!next.ok) throw new Error(next.error.code)
    expect(next.value.keys.length).toBe(2)
    expect(next.value.lastRemovalSeq).toBe(3)
    expect(chain.activeDevices(next.value).length).toBe(1)
    expect(chain.accountKeyAt(next.value, 2)?.epoch).toBe(1)
    expect(chain.accountKeyAt(next.value, 3)?.epoch).toBe(2)
  })

  test("[CH13] nobody removes itself, nothing, twice, strangers, or what was removed", async () => {
    const id = phone.holder.id
    expect(code(await verify(await removeLink(fixture, two, phone, [id]), two))).toBe("not-allowed")
    expect(code(await verify(await removeLink(fixture, two, device, []), two))).toBe("chain-malformed")
    expect(code(await verify(await removeLink(fixture, two, device, [id, id]), two))).toBe("chain-malformed")
    expect(code(await verify(await removeLink(fixture, two, device, [fixture.random.bytes(16)]), two))).toBe(
      "not-allowed",
    )
    const three = await extend(p, two, await removeLink(fixture, two, device, [id]))
    expect(code(await verify(await removeLink(fixture, three, device, [id]), three))).toBe("not-allowed")
    expect(code(await verify(await removeLink(fixture, two, password, [id]), two))).toBe("not-allowed")
    const good = await removeLink(fixture, two, device, [id])
    expect(code(await verify(await signAll(good.payload, device, [phone]), two))).toBe("chain-malformed")
    const unsealed = await removeLink(fixture, two, device, [id], { skSealed: new Uint8Array() })
    expect(code(await verify(unsealed, two))).toBe("chain-malformed")
  })

  test("[CH13] a passkey slot can be removed, the password slot cannot", async () => {
    const passkey = await fixture.makeHolder(chain.HOLDER_PASSKEY)
    const three = await extend(p, two, await addDeviceLink(fixture, two, device, passkey, { transcript: ZERO }))
    expect(code(await verify(await removeLink(fixture, three, device, [passkey.holder.id]), three))).toBe("accepted")
    expect(code(await verify(await removeLink(fixture, two, device, [password.holder.id]), two))).toBe("not-allowed")
  })

  test("[CH23] the last holder that can recover is never removed", async () => {
    const link = await removeLink(fixture, two, device, [recovery.holder.id])
    expect(code(await verify(link, two))).toBe("last-recovery-holder")
  })

  test("[CH14] only a device rotates the account key", async () => {
    const body = { key: fixture.makeKey(2), skSealed: SEALED }
    const rotate = (by: FixtureHolder): Promise<Link> =>
      signed(chain.ACCOUNT_KEY_ROTATE, chain.keyRotateStruct, body, by)
    const next = await verify(await rotate(device))
    expect(next.ok && chain.newestAccountKey(next.value).epoch).toBe(2)
    expect(code(await verify(await rotate(password)))).toBe("not-allowed")
    expect(code(await verify(await rotate(recovery)))).toBe("not-allowed")
    const unsealed = await signed(chain.ACCOUNT_KEY_ROTATE, chain.keyRotateStruct, {
      ...body,
      skSealed: new Uint8Array(),
    })
    expect(code(await verify(unsealed))).toBe("chain-malformed")
    const countersigned = await signAll((await rotate(device)).payload, device, [password])
    expect(code(await verify(countersigned))).toBe("chain-malformed")
  })

  test("[CH15] the policy: floor only up, grace at most seven days, set by a device", async () => {
    const next = await verify(await policyLink({ graceMaxS: 7 * 24 * 3600 }))
    expect(next.ok && next.value.policy.graceMaxS).toBe(7 * 24 * 3600)
    expect(code(await verify(await policyLink({ graceMaxS: 7 * 24 * 3600 + 1 })))).toBe("not-allowed")
    expect(code(await verify(await policyLink({ minSuite: 0 })))).toBe("not-allowed")
    expect(code(await verify(await policyLink({ minSuite: 2 })))).toBe("suite-unknown")
    expect(code(await verify(await policyLink({ unlockMaxS: 0 })))).toBe("chain-malformed")
    expect(code(await verify(await policyLink({ reloginMaxS: 0 })))).toBe("chain-malformed")
    expect(code(await verify(await policyLink({}, password)))).toBe("not-allowed")
    expect(chain.suiteFloorAt(state, 1)).toBe(1)
  })

  test("[CH21] a new epoch is the next, can be walked back from, and has a key of its own", async () => {
    const remove = (key: chain.AccountEpoch): Promise<Checked<AccountState>> =>
      removeLink(fixture, two, device, [phone.holder.id], { key }).then((link) => verify(link, two))
    const good = fixture.makeKey(2)
    const { prevSealedHash: _gone, ...noWayBack } = good
    expect(code(await remove(good))).toBe("accepted")
    expect(code(await remove({ ...good, epoch: 3 }))).toBe("epoch-wrong")
    expect(code(await remove({ ...good, epoch: 1 }))).toBe("epoch-wrong")
    expect(code(await remove(noWayBack))).toBe("chain-malformed")
    expect(code(await remove({ ...good, kemPk: two.keys[0]?.kemPk ?? ZERO }))).toBe("chain-malformed")
    expect(code(await remove({ ...good, kemPk: phone.holder.kemPk }))).toBe("chain-malformed")
  })

  test("[CH22] the wraps of a new epoch are for the holders that stay; a holder that came later has its own", async () => {
    const tablet = await newDevice()
    const three = await extend(p, two, await removeLink(fixture, two, device, [phone.holder.id]))
    const ids = chain.accountKeyRecipients(three).map((h) => bytesToHex(h.id))
    expect(ids).toEqual([device, password, recovery].map((h) => bytesToHex(h.holder.id)).sort())
    expect(chain.wrapLinkOf(three, device.holder.id)).toMatchObject({ epoch: 2, seq: 3, prev: two.head.hash })
    expect(chain.wrapLinkOf(three, phone.holder.id)).toBeUndefined()
    const four = await extend(p, three, await addDeviceLink(fixture, three, device, tablet))
    expect(chain.wrapLinkOf(four, tablet.holder.id)).toMatchObject({ epoch: 2, seq: 4, prev: three.head.hash })
    expect(chain.wrapLinkOf(four, device.holder.id)).toMatchObject({ epoch: 2, seq: 3 })
  })

  test("[CH26] a retirement counts with the device's own signature over a head that the account had", async () => {
    const { seq, hash } = two.head
    const id = phone.holder.id
    const sign = (message: Uint8Array): Promise<Uint8Array> => phone.signer.sign(message)
    const proof = await sign(lp("kf1/retire", two.id, id, seq, hash))
    const remove = async (retired: chain.Retirement[], reason: 1 | 2 = chain.REASON_RETIRED): Promise<string> =>
      code(await verify(await removeLink(fixture, two, device, [id], { reason, retired }), two))
    expect(await remove([[id, seq, hash, proof]])).toBe("accepted")
    expect(await remove([])).toBe("not-allowed")
    expect(await remove([], chain.REASON_LOST)).toBe("accepted")
    expect(await remove([[id, seq, hash, new Uint8Array(64)]])).toBe("chain-signature-invalid")
    expect(await remove([[id, 1, hash, await sign(lp("kf1/retire", two.id, id, 1, hash))]])).toBe(
      "chain-signature-invalid",
    )
    expect(await remove([[id, 9, hash, await sign(lp("kf1/retire", two.id, id, 9, hash))]])).toBe(
      "chain-signature-invalid",
    )
    const other = await device.signer.sign(lp("kf1/retire", two.id, device.holder.id, seq, hash))
    expect(await remove([[device.holder.id, seq, hash, other]])).toBe("chain-malformed")
    expect(
      await remove([
        [id, seq, hash, proof],
        [id, seq, hash, proof],
      ]),
    ).toBe("chain-malformed")
    const slot = await fixture.makeHolder(chain.HOLDER_PASSKEY)
    const three = await extend(p, two, await addDeviceLink(fixture, two, device, slot, { transcript: ZERO }))
    const slotProof = await slot.signer.sign(lp("kf1/retire", three.id, slot.holder.id, seq, hash))
    const retired: chain.Retirement[] = [[slot.holder.id, seq, hash, slotProof]]
    const link = await removeLink(fixture, three, device, [slot.holder.id], { retired })
    expect(code(await verify(link, three))).toBe("chain-signature-invalid")
  })
})

describe("slots", () => {
  type Replace = ReturnType<typeof chain.slotReplaceStruct.fromCbor>
  const replace = async (
    removed: FixtureHolder[],
    added: FixtureHolder[],
    over: Partial<Replace> = { key: fixture.makeKey(2), skSealed: SEALED },
    by = device,
  ): Promise<Checked<AccountState>> => {
    const body = { removed: removed.map((h) => h.holder.id), added: added.map((h) => h.holder), ...over }
    return verify(await signed(chain.ACCOUNT_SLOT_REPLACE, chain.slotReplaceStruct, body, by, added))
  }

  test("[CH16] a new kit replaces both slots and rotates the key", async () => {
    const added = [await fixture.makeHolder(chain.HOLDER_PASSWORD), await fixture.makeHolder(chain.HOLDER_RECOVERY)]
    const next = await replace([password, recovery], added)
    if (!next.ok) throw new Error(next.error.code)
    expect(chain.newestSlot(next.value, chain.HOLDER_PASSWORD)?.holder.id).toEqual(added[0]?.holder.id)
    expect(chain.holderOf(next.value, recovery.holder.id)?.removedAt).toBe(2)
    expect(next.value.keys.length).toBe(2)
    expect(next.value.skSealed).toEqual(SEALED)
  })

  test("[CH16] a password that was not exposed may change without rotation, a recovery slot never", async () => {
    const word = await fixture.makeHolder(chain.HOLDER_PASSWORD)
    const wrapsHash = fixture.random.bytes(32)
    const next = await replace([password], [word], { wrapsHash })
    if (!next.ok) throw new Error(next.error.code)
    expect(next.value.keys.length).toBe(1)
    expect(chain.wrapLinkOf(next.value, word.holder.id)).toMatchObject({ epoch: 1, wrapsHash, seq: 2 })
    const code1 = await replace([recovery], [await fixture.makeHolder(chain.HOLDER_RECOVERY)], { wrapsHash })
    expect(code(code1)).toBe("not-allowed")
    const key = fixture.makeKey(2)
    expect(code(await replace([password], [word], {}))).toBe("chain-malformed")
    expect(code(await replace([password], [word], { key }))).toBe("chain-malformed")
    expect(code(await replace([password], [word], { key, wrapsHash }))).toBe("chain-malformed")
    expect(code(await replace([password], [word], { skSealed: SEALED, wrapsHash }))).toBe("chain-malformed")
    expect(code(await replace([password], [word], { key, skSealed: new Uint8Array() }))).toBe("chain-malformed")
    expect(code(await replace([password], [word], { key, wrapsHash, skSealed: SEALED }))).toBe("chain-malformed")
  })

  test("[CH16] like for like, by a device, with proof, and no devices among them", async () => {
    const word = await fixture.makeHolder(chain.HOLDER_PASSWORD)
    const phone = await newDevice()
    expect(code(await replace([password], [await fixture.makeHolder(chain.HOLDER_PASSKEY)]))).toBe("not-allowed")
    expect(code(await replace([password], []))).toBe("not-allowed")
    expect(code(await replace([device], [phone]))).toBe("not-allowed")
    expect(code(await replace([password], [word], undefined, password))).toBe("not-allowed")
    expect(code(await replace([password], [word], undefined, recovery))).toBe("not-allowed")
    const body = { removed: [password.holder.id], added: [word.holder], key: fixture.makeKey(2), skSealed: SEALED }
    const bare = await signed(chain.ACCOUNT_SLOT_REPLACE, chain.slotReplaceStruct, body)
    expect(code(await verify(bare))).toBe("proof-of-possession-missing")
    const passkey = await fixture.makeHolder(chain.HOLDER_PASSKEY)
    expect(code(await replace([password], [word, passkey]))).toBe("not-allowed")
  })

  test("[CH17] a recovery slot has rec_pk, a password slot has not", async () => {
    const slot = await fixture.makeHolder(chain.HOLDER_RECOVERY)
    const { recPk, ...bare } = slot.holder
    expect(code(await replace([recovery], [{ ...slot, holder: bare }]))).toBe("chain-malformed")
    const word = await fixture.makeHolder(chain.HOLDER_PASSWORD)
    const extra = { ...word, holder: { ...word.holder, recPk: recPk ?? ZERO } }
    expect(code(await replace([password], [extra]))).toBe("chain-malformed")
  })

  test("[CH23] a recovery slot is not dropped in exchange for another kind", async () => {
    expect(code(await replace([recovery], []))).toBe("last-recovery-holder")
    expect(code(await replace([recovery], [await fixture.makeHolder(chain.HOLDER_PASSWORD)]))).toBe(
      "last-recovery-holder",
    )
  })

  const fresh = async (): Promise<{ device: FixtureHolder; password: FixtureHolder; recovery: FixtureHolder }> => ({
    device: await newDevice(),
    password: await fixture.makeHolder(chain.HOLDER_PASSWORD),
    recovery: await fixture.makeHolder(chain.HOLDER_RECOVERY),
  })
  const allOld = (): Uint8Array[] => [device, password, recovery].map((h) => h.holder.id)

  test("[CH19] the kit brings in a new device, replaces both slots, removes what is lost and rotates", async () => {
    const added = await fresh()
    const next = await verify(await recoveryLink(fixture, state, recovery, added, allOld()))
    if (!next.ok) throw new Error(next.error.code)
    expect(chain.activeHolders(next.value).map((e) => e.holder.id)).toEqual(
      [added.device, added.password, added.recovery].map((h) => h.holder.id),
    )
    expect(next.value.keys.length).toBe(2)
    const again = await recoveryLink(fixture, next.value, recovery, await fresh(), [])
    expect(code(await verify(again, next.value))).toBe("signer-not-active")
    const kept = await recoveryLink(fixture, state, recovery, await fresh(), allOld().slice(1))
    expect(code(await verify(kept))).toBe("accepted")
  })

  test("[CH19] removed names both old slots; kinds and proofs are checked", async () => {
    const added = await fresh()
    const [d, w, r] = allOld() as [Uint8Array, Uint8Array, Uint8Array]
    expect(code(await verify(await recoveryLink(fixture, state, recovery, added, [d, w])))).toBe("not-allowed")
    expect(code(await verify(await recoveryLink(fixture, state, recovery, added, [d, r])))).toBe("not-allowed")
    expect(code(await verify(await recoveryLink(fixture, state, recovery, added, [])))).toBe("chain-malformed")
    const twisted = [
      { ...added, password: await newDevice() },
      { ...added, device: await fixture.makeHolder(chain.HOLDER_PASSKEY) },
      { ...added, recovery: await newDevice() },
      { ...added, password: added.recovery, recovery: added.password },
    ]
    for (const wrong of twisted)
      expect(code(await verify(await recoveryLink(fixture, state, recovery, wrong, [d, w, r])))).toBe("chain-malformed")
    const skSealed = new Uint8Array()
    expect(code(await verify(await recoveryLink(fixture, state, recovery, added, [d, w, r], { skSealed })))).toBe(
      "chain-malformed",
    )
    const link = await recoveryLink(fixture, state, recovery, added, [d, w, r])
    const unproven = { ...link, countersignatures: (link.countersignatures ?? []).slice(1) }
    expect(code(await verify(unproven))).toBe("proof-of-possession-missing")
    const key = fixture.makeKey(1)
    expect(code(await verify(await recoveryLink(fixture, state, recovery, added, [d, w, r], { key })))).toBe(
      "epoch-wrong",
    )
    const reused = {
      ...added,
      device: { ...added.device, holder: { ...added.device.holder, authPk: device.holder.sigPk } },
    }
    expect(code(await verify(await recoveryLink(fixture, state, recovery, reused, [d, w, r])))).toBe("holder-reused")
  })

  test("[CH20] a recovery slot signs nothing else, and nobody else recovers", async () => {
    const phone = await newDevice()
    for (const how of [chain.HOW_DEVICE, chain.HOW_KIT, chain.HOW_PASSKEY] as const)
      expect(code(await verify(await addDeviceLink(fixture, state, recovery, phone, { how, transcript: ZERO })))).toBe(
        "not-allowed",
      )
    const two = await addTo(state, phone)
    expect(code(await verify(await removeLink(fixture, two, recovery, [phone.holder.id]), two))).toBe("not-allowed")
    expect(code(await verify(await policyLink({}, recovery)))).toBe("not-allowed")
    for (const by of [device, password])
      expect(code(await verify(await recoveryLink(fixture, state, by, await fresh(), allOld())))).toBe("not-allowed")
  })

  test("[CH24] derived keys must be those of the newest slot in the verified chain", async () => {
    const slot = chain.newestSlot(state, chain.HOLDER_PASSWORD)
    if (slot === undefined) throw new Error("no slot")
    expect(chain.areSlotKeys(slot, password.holder)).toBe(true)
    expect(chain.areSlotKeys(slot, { ...password.holder, kemPk: device.holder.kemPk })).toBe(false)
    expect(chain.areSlotKeys(slot, { ...password.holder, sigPk: device.holder.sigPk })).toBe(false)
    expect(chain.newestSlot(state, chain.HOLDER_PASSKEY)).toBeUndefined()
  })

  test("[CH24] a chain forged around a real slot's public keys lacks its countersignature", async () => {
    const evil = createFixture(p, "evil")
    const [d, r] = [await evil.makeHolder(chain.HOLDER_DEVICE), await evil.makeHolder(chain.HOLDER_RECOVERY)]
    const body = {
      holders: [d.holder, password.holder, r.holder],
      key: evil.makeKey(1),
      minSuite: 1,
      accountSalt: ZERO,
      skSealed: SEALED,
    }
    const payload = chain.accountGenesisPayload(body, writerOf(d))
    const mimic = { holder: password.holder, signer: { ...d.signer, holderId: password.holder.id } }
    expect(code(await verifyGenesis(await signAll(payload, d, [d, mimic, r])))).toBe("proof-of-possession-missing")
  })

  test("[CH25] a new device countersigns only what was approved", async () => {
    const phone = await newDevice()
    const transcript = fixture.random.bytes(32)
    const { payload } = await addDeviceLink(fixture, state, device, phone, { transcript })
    const approved = {
      accountId: state.id,
      head: state.head,
      approver: device.holder.id,
      holder: phone.holder,
      transcript,
    }
    const { wrapsHash } = chain.holderAddStruct.fromCbor(payloadOf({ payload, signature: ZERO }).body)
    expect(chain.checkOwnAddition(payload, approved)).toEqual({ ok: true, value: { wrapsHash } })
    const wrong: [string, Partial<typeof approved>][] = [
      ["chain-wrong-id", { accountId: ZERO }],
      ["chain-out-of-order", { head: { seq: 2, hash: state.head.hash } }],
      ["chain-out-of-order", { head: { seq: 1, hash: ZERO } }],
      ["not-allowed", { approver: password.holder.id }],
      ["not-allowed", { holder: { ...phone.holder, kemPk: device.holder.kemPk } }],
      ["not-allowed", { transcript: ZERO }],
    ]
    for (const [expected, over] of wrong)
      expect(code(chain.checkOwnAddition(payload, { ...approved, ...over }))).toBe(expected)
    expect(code(chain.checkOwnAddition(payload.slice(1), approved))).toBe("chain-malformed")
    expect(code(chain.checkOwnAddition(genesis.payload, approved))).toBe("chain-wrong-id")
    const decoded = chain.payloadStruct.decode(payload, chain.MAX_LINK_BYTES)
    if (!decoded.ok) throw new Error("unreadable")
    const nonsense = chain.payloadStruct.encode({ ...decoded.value, body: new Map([[99, "nonsense"]]) })
    expect(code(chain.checkOwnAddition(nonsense, approved))).toBe("chain-malformed")
    const asVault = chain.payloadStruct.encode({ ...decoded.value, chain: 3 })
    expect(code(chain.checkOwnAddition(asVault, approved))).toBe("chain-wrong-id")
  })
})

describe("state", () => {
  test("[CH2] a state survives its local form, and a cut one does not open", async () => {
    const phone = await newDevice()
    let s = await addTo(state, phone)
    s = await extend(p, s, await removeLink(fixture, s, device, [phone.holder.id]))
    const bytes = chain.encodeAccountState(s)
    expect(chain.decodeAccountState(bytes)).toEqual({ ok: true, value: s })
    expect(chain.decodeAccountState(bytes.slice(0, -1)).ok).toBe(false)
  })

  test("[CH43] [CH44] rollback, fork and disorder are told apart", async () => {
    const a = await policyLink({ graceMaxS: 1 })
    const b = await policyLink({ graceMaxS: 2 })
    const two = await extend(p, state, a)
    const three = await policyLink({ graceMaxS: 3 }, device, two)
    const after = await extend(p, two, three)
    const other = await extend(p, state, b)
    const known = chain.knownAccount(two)
    const compare = (head: chain.Head, links: Link[], k = known): Checked<readonly Link[]> =>
      chain.compareWithKnown(p, k, { head, links })
    expect(compare(after.head, [three])).toEqual({ ok: true, value: [three] })
    expect(compare(after.head, [genesis, a, three])).toEqual({ ok: true, value: [three] })
    expect(compare(two.head, [])).toEqual({ ok: true, value: [] })
    expect(code(compare(state.head, []))).toBe("chain-rolled-back")
    expect(code(compare({ seq: 1, hash: ZERO }, []))).toBe("chain-forked")
    expect(compare(other.head, [b])).toMatchObject({
      error: { code: "chain-forked", seq: 2, known: two.head.hash, served: other.head.hash },
    })
    expect(code(compare(other.head, []))).toBe("chain-forked")
    const onOther = await policyLink({ graceMaxS: 4 }, device, other)
    expect(compare({ seq: 3, hash: ZERO }, [onOther])).toMatchObject({ error: { code: "chain-forked", seq: 2 } })
    const four = await policyLink({ graceMaxS: 5 }, device, after)
    expect(code(compare({ seq: 4, hash: ZERO }, [four]))).toBe("chain-out-of-order")
    expect(code(compare({ seq: 4, hash: ZERO }, [four, three]))).toBe("chain-out-of-order")
    const forgetful = { head: after.head, hashAt: () => undefined }
    expect(code(compare(two.head, [], forgetful))).toBe("chain-rolled-back")
    const five = await policyLink({ graceMaxS: 6 }, device, await extend(p, after, four))
    const fresh = [three, four, five]
    expect(compare({ seq: 5, hash: p.sha256(five.payload) }, fresh)).toEqual({ ok: true, value: fresh })
    expect(code(compare(two.head, [b]))).toBe("chain-forked")
  })

  test("[CH45] two payloads of one holder for one place are evidence, anything less is not", async () => {
    const a = await policyLink({ graceMaxS: 1 })
    const b = await policyLink({ graceMaxS: 2 })
    const phone = await newDevice()
    const two = await addTo(state, phone)
    const isProof = (x: Link, y: Link, pk = device.holder.sigPk): Promise<boolean> => chain.isForkProof(p, x, y, pk)
    expect(await isProof(a, b)).toBe(true)
    expect(await isProof(a, a)).toBe(false)
    expect(await isProof(a, { ...b, signature: a.signature })).toBe(false)
    expect(await isProof(a, b, password.holder.sigPk)).toBe(false)
    expect(await isProof(await policyLink({}, device, two), a)).toBe(false)
    expect(await isProof(await policyLink({}, phone, two), await policyLink({ graceMaxS: 9 }, device, two))).toBe(false)
    expect(await isProof(a, { ...b, payload: b.payload.slice(1) })).toBe(false)
  })
})
