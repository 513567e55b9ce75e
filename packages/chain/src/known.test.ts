import { nodePrimitives as p } from "@keyferry/crypto/node"
import { beforeAll, expect, test } from "vitest"

import { createFixture, extend, type Fixture, type FixtureAccount, signAll, writerOf } from "./fixture.ts"
import * as chain from "./index.ts"
import type { AccountState, Link, Payload } from "./index.ts"

const ZERO = new Uint8Array(32)

let fixture: Fixture
let account: FixtureAccount
let two: AccountState

const policyLink = (graceMaxS: number, from = account.state): Promise<Link> => {
  const writer = writerOf(account.device)
  const body = { ...from.policy, graceMaxS }
  const payload = chain.accountPayload(from, chain.ACCOUNT_POLICY_SET, chain.policySetStruct, body, writer)
  return signAll(payload, account.device)
}
const changed = (link: Link, over: Partial<Payload>): Promise<Link> => {
  const open = chain.openLink(p, link)
  if (!open.ok) throw new Error(open.error.code)
  return signAll(chain.payloadStruct.encode({ ...open.value.payload, ...over }), account.device)
}

beforeAll(async () => {
  fixture = createFixture(p, "known")
  account = await fixture.makeAccount()
  two = await extend(p, account.state, await policyLink(1))
})

test("[CH43] a served link that cannot be read is an error, not a link that is left out", async () => {
  const link = await policyLink(2, two)
  const torn = { ...link, payload: link.payload.slice(1) }
  expect(chain.compareWithKnown(p, chain.knownAccount(two), { head: two.head, links: [torn] })).toEqual({
    ok: false,
    error: { code: "chain-malformed", what: "payload" },
  })
})

test("[CH44] the known head is compared although no earlier hash is kept", async () => {
  const forgetful = { head: two.head, hashAt: () => undefined }
  const other = await policyLink(2)
  const head = { seq: 2, hash: p.sha256(other.payload) }
  const forked = { code: "chain-forked", seq: 2, known: two.head.hash, served: head.hash }
  expect(chain.compareWithKnown(p, forgetful, { head, links: [] })).toEqual({ ok: false, error: forked })
  expect(chain.compareWithKnown(p, forgetful, { head: two.head, links: [other] })).toEqual({ ok: false, error: forked })
})

test("[CH45] two links are evidence only at one place of one chain, by one holder, after the genesis", async () => {
  const a = await policyLink(1)
  const isProof = (b: Link, first = a): Promise<boolean> => chain.isForkProof(p, first, b, account.device.holder.sigPk)
  expect(await isProof(await changed(a, { ts: 5 }))).toBe(true)
  expect(await isProof(await changed(a, { chain: chain.CHAIN_VAULT }))).toBe(false)
  expect(await isProof(await changed(a, { seq: 3 }))).toBe(false)
  expect(await isProof(await changed(a, { id: ZERO }))).toBe(false)
  expect(await isProof(await changed(a, { byHolder: account.password.holder.id }))).toBe(false)
  // Whoever makes two accounts or vaults signs two geneses.
  const genesis = account.links[0] as Link
  expect(await isProof(await changed(genesis, { ts: 5 }), genesis)).toBe(false)
})
