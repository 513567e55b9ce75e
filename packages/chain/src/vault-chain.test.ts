import { nodePrimitives as p } from "@keyferry/crypto/node"
import { describe, expect, test } from "vitest"

import { code, rotateLink } from "./fixture.ts"
import { createVaultWorld, valueOf } from "./fixture-vault.ts"
import { HOLDER_DEVICE, VAULT_EPOCH_ROTATE, VAULT_GENESIS, VAULT_ITEMS } from "./index.ts"

const { fixture, account, state, laptop, phone, genesis, vault, verifyFrom, verify, put, itemsLink, changed } =
  await createVaultWorld(p)

describe("place, signer, floor", () => {
  test("[CH29] seq, prev and auth are those of this vault", async () => {
    const link = await itemsLink([put(fixture.random.bytes(16))])
    const one = valueOf(await verify(link))
    expect(code(await verify(link, one))).toBe("chain-out-of-order")
    expect(code(await verify(await changed(link, laptop, { seq: 3 })))).toBe("chain-out-of-order")
    expect(code(await verify(await changed(link, laptop, { prev: state.id })))).toBe("chain-out-of-order")
    expect(code(await verify(await changed(link, laptop, { id: state.id })))).toBe("chain-wrong-id")
    expect(code(await verify(await changed(link, laptop, { chain: 1 })))).toBe("chain-wrong-id")
    expect(code(await verify(await changed(link, laptop, { auth: [1, state.id] })))).toBe("authority-wrong")
    const otherSeq = await changed(link, laptop, { auth: [0, vault.state.authority.hash] })
    expect(code(await verify(otherSeq))).toBe("authority-wrong")
    expect(await verify(await changed(link, laptop, { seq: 3 }))).toEqual({
      ok: false,
      error: { code: "chain-out-of-order", expectedSeq: 2, seq: 3 },
    })
    const second = await itemsLink([put(fixture.random.bytes(16))], laptop, one)
    expect(code(await verify(second, one))).toBe("accepted")
    const asAuthority = await changed(second, laptop, { auth: [one.state.head.seq, one.state.head.hash] })
    expect(code(await verify(asAuthority, one))).toBe("authority-wrong")
    expect(code(await verify(await changed(link, laptop, { type: VAULT_GENESIS })))).toBe("chain-malformed")
  })

  test("[CH27] acl.set and later types stop the reader", async () => {
    const link = await itemsLink([put(fixture.random.bytes(16))])
    for (const type of [2, 5])
      expect(code(await verify(await changed(link, laptop, { type })))).toBe("link-type-unknown")
  })

  test("[CH30] any device of the owner writes, with what it has seen", async () => {
    const link = await itemsLink([put(fixture.random.bytes(16))], phone)
    expect(code(await verify(link))).toBe("accepted")
    expect(code(await verify({ ...link, signature: new Uint8Array(64) }))).toBe("chain-signature-invalid")
    const { seq, hash } = state.head
    expect(code(await verify(await changed(link, phone, { seen: [] })))).toBe("seen-wrong")
    expect(code(await verify(await changed(link, phone, { seen: [[state.id, seq, state.id]] })))).toBe("seen-wrong")
    expect(code(await verify(await changed(link, phone, { seen: [[state.id, 0, hash]] })))).toBe("seen-wrong")
    const twice = [
      [state.id, seq, hash],
      [state.id, seq, hash],
    ] as const
    expect(code(await verify(await changed(link, phone, { seen: twice })))).toBe("seen-wrong")
    expect(code(await verify(await changed(link, phone, { byAccount: vault.state.id })))).toBe("not-allowed")
    expect(code(await verifyFrom(vault, await itemsLink([put(fixture.random.bytes(16))], account.recovery)))).toBe(
      "not-allowed",
    )
    const stranger = await fixture.makeHolder(HOLDER_DEVICE)
    expect(code(await verify(await itemsLink([put(fixture.random.bytes(16))], stranger)))).toBe("signer-not-active")
  })

  test("[CH30] another account's device writes nothing here, however active it is there", async () => {
    const other = await fixture.makeAccount()
    const link = await itemsLink([put(fixture.random.bytes(16))], other.device, vault, other.state)
    expect(code(await verifyFrom(vault, link, { account: other.state }))).toBe("not-allowed")
    const rotation = await rotateLink(p, fixture, vault.state, other.state, other.device)
    expect(code(await verifyFrom(vault, rotation, { account: other.state }))).toBe("not-allowed")
  })

  test("[CH30] a device that came later is not active at an older head", async () => {
    const phoneSeesOne = await itemsLink([put(fixture.random.bytes(16))], phone, vault, account.state)
    const step = { ...vault, state: { ...vault.state, floors: new Map() } }
    expect(code(await verify(phoneSeesOne, step))).toBe("signer-not-active")
  })

  test("[CH30] a head that the reader does not have yet sends it to the account chain", async () => {
    const link = await itemsLink([put(fixture.random.bytes(16))])
    const behind = await verifyFrom(vault, link, { account: account.state })
    expect(behind).toMatchObject({ error: { code: "account-behind", haveSeq: 1, needSeq: 2 } })
  })

  test("[CH11] what cannot be read is malformed: the envelope, and the body of each type", async () => {
    const link = await itemsLink([put(fixture.random.bytes(16))])
    const body = new Map([[99, "nonsense"]])
    const malformed = (what: string): unknown => ({ ok: false, error: { code: "chain-malformed", what } })
    expect(await verify({ ...link, payload: link.payload.slice(1) })).toEqual(malformed("payload"))
    for (const type of [VAULT_ITEMS, VAULT_EPOCH_ROTATE])
      expect(await verify(await changed(link, laptop, { type, body }))).toEqual(malformed("body"))
    expect(await verifyFrom(undefined, await changed(genesis, laptop, { body }))).toEqual(malformed("body"))
  })

  test("[CH6] the suite floor is the one at the head that the writer saw", async () => {
    const link = await itemsLink([put(fixture.random.bytes(16))])
    const raised = {
      ...state,
      suiteFloors: [
        [1, 1],
        [2, 2],
      ] as const,
    }
    expect(code(await verifyFrom(vault, link, { account: raised }))).toBe("suite-below-floor")
    const later = {
      ...state,
      suiteFloors: [
        [1, 1],
        [3, 2],
      ] as const,
    }
    expect(code(await verifyFrom(vault, link, { account: later }))).toBe("accepted")
    expect(code(await verify(await changed(link, laptop, { suite: 0 })))).toBe("suite-unknown")
  })
})
