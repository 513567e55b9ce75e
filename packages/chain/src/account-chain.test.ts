import { nodePrimitives as p } from "@keyferry/crypto/node"
import { describe, expect, test } from "vitest"

import { code, extend, removeLink } from "./fixture.ts"
import { createAccountWorld, ZERO } from "./fixture-account.ts"
import * as chain from "./index.ts"
import type { Checked, Link, Payload } from "./index.ts"

const { fixture, device, password, genesis, state, verify, changed, policyLink, newDevice, addTo } =
  await createAccountWorld(p)

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
