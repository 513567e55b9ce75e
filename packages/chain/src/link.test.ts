import { bytesToHex } from "@keyferry/base"
import { chainId } from "@keyferry/crypto"
import { nodePrimitives as p } from "@keyferry/crypto/node"
import { beforeAll, expect, test } from "vitest"

import { addDeviceLink, createFixture, type Fixture, type FixtureAccount, signAll, writerOf } from "./fixture.ts"
import * as chain from "./index.ts"
import type { Link, OpenLink, Payload, PayloadFields } from "./index.ts"

const ZERO = new Uint8Array(32)

let fixture: Fixture
let account: FixtureAccount
let policyLink: Link

beforeAll(async () => {
  fixture = createFixture(p, "links")
  account = await fixture.makeAccount()
  const body = { ...account.state.policy, graceMaxS: 60 }
  const writer = writerOf(account.device)
  policyLink = await signAll(
    chain.accountPayload(account.state, chain.ACCOUNT_POLICY_SET, chain.policySetStruct, body, writer),
    account.device,
  )
})

const opened = (link: Link): OpenLink => {
  const open = chain.openLink(p, link)
  if (!open.ok) throw new Error(open.error.code)
  return open.value
}
const withPayload = (link: Link, over: Partial<Payload>): OpenLink =>
  opened({ ...link, payload: chain.payloadStruct.encode({ ...opened(link).payload, ...over }) })

test("[CH1] a link without countersignatures is a link", () => {
  expect(chain.decodeLink(chain.encodeLink(policyLink))).toEqual({ ok: true, value: policyLink })
  expect(policyLink).not.toHaveProperty("countersignatures")
})

test("[CH1] a signature without new holders leaves countersignatures out, with some of them sorts them", async () => {
  const { payload } = policyLink
  expect(await chain.signPayload(account.device.signer, payload)).toEqual(policyLink)
  const two = [Uint8Array.of(...Array<number>(15).fill(0), 2), Uint8Array.of(...Array<number>(15).fill(0), 1)] as const
  const link = await chain.signPayload(account.device.signer, payload, [
    [two[0], new Uint8Array(64)],
    [two[1], new Uint8Array(64)],
  ])
  expect(link.countersignatures?.map(([id]) => id)).toEqual([two[1], two[0]])
})

test("[CH4] only a genesis is named by its own hash; every other link says which chain it belongs to", () => {
  const genesis = account.links[0] as Link
  const idOf = (open: OpenLink): Uint8Array => chain.linkId(p, open)
  expect(idOf(opened(genesis))).toEqual(account.state.id)
  expect(idOf(opened(policyLink))).toEqual(account.state.id)
  expect(account.state.id).toEqual(chainId(p, 1, genesis.payload))
  const named = new Uint8Array(32).fill(7)
  expect(idOf(withPayload(genesis, { id: named }))).toEqual(named)
  expect(idOf(withPayload(policyLink, { id: ZERO }))).toEqual(ZERO)
})

test("[CH5] the error names the holder whose proof is missing, or who had none to give", async () => {
  const { state, device } = account
  const phone = await fixture.makeHolder(chain.HOLDER_DEVICE)
  const link = await addDeviceLink(fixture, state, device, phone)
  const missing = { code: "proof-of-possession-missing", seq: 2, holder: bytesToHex(phone.holder.id) }
  const { countersignatures: _none, ...bare } = link
  expect(await chain.verifyAccountLink(p, state, bare)).toEqual({ ok: false, error: missing })
  const surplus = await signAll(link.payload, device, [phone, device])
  expect(await chain.verifyAccountLink(p, state, surplus)).toEqual({
    ok: false,
    error: { ...missing, holder: bytesToHex(device.holder.id) },
  })
})

test("[CH9] a writer's `seen` is sorted by id, in whatever order it was given", () => {
  const first = new Uint8Array(32).fill(1)
  const last = new Uint8Array(32).fill(9)
  const {
    auth: [seq, hash],
    ...fields
  } = opened(policyLink).payload
  const seen: PayloadFields["seen"] = [
    [last, 3, ZERO],
    [first, 2, ZERO],
  ]
  const payload = chain.encodePayload({ ...fields, seen, auth: { seq, hash } })
  expect(opened({ ...policyLink, payload }).payload.seen.map(([id]) => id)).toEqual([first, last])
})

test("[CH4] the digits of an id are six groups of five, with zeros in front", () => {
  expect(chain.accountDigits(ZERO)).toBe("00000 00000 00000 00000 00000 00000")
  expect(chain.accountDigits(Uint8Array.from({ length: 32 }, (_, i) => (i === 30 ? 1 : 0)))).toBe(
    "00000 00000 00000 00000 00000 00256",
  )
})
