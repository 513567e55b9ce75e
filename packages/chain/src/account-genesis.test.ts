import type { CborValue } from "@keyferry/base"
import { HOLDER_KIND } from "@keyferry/crypto"
import { nodePrimitives as p } from "@keyferry/crypto/node"
import { describe, expect, test } from "vitest"

import { code, type FixtureHolder, signAll } from "./fixture.ts"
import { createAccountWorld, ZERO } from "./fixture-account.ts"
import * as chain from "./index.ts"
import type { Link } from "./index.ts"

const {
  fixture,
  device,
  password,
  recovery,
  genesis,
  verify,
  verifyGenesis,
  payloadOf,
  changed,
  policyLink,
  newDevice,
} = await createAccountWorld(p)

const bodyBytes = (link: Link): Uint8Array => {
  const parsed = chain.accountGenesisStruct.fromCbor(payloadOf(link).body)
  return chain.accountGenesisStruct.encode(parsed)
}

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
