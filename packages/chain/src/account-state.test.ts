import { nodePrimitives as p } from "@keyferry/crypto/node"
import { beforeAll, expect, test } from "vitest"

import {
  addDeviceLink,
  createFixture,
  extend,
  type Fixture,
  type FixtureAccount,
  type FixtureHolder,
  removeLink,
  signAll,
  writerOf,
} from "./fixture.ts"
import * as chain from "./index.ts"
import type { AccountState, Link } from "./index.ts"

let fixture: Fixture
let account: FixtureAccount
let state: AccountState
let device: FixtureHolder

beforeAll(async () => {
  fixture = createFixture(p, "account state")
  account = await fixture.makeAccount()
  ;({ state, device } = account)
})

const policyLink = (over: Partial<chain.Policy>, from: AccountState): Promise<Link> => {
  const body = { ...from.policy, ...over }
  const payload = chain.accountPayload(from, chain.ACCOUNT_POLICY_SET, chain.policySetStruct, body, writerOf(device))
  return signAll(payload, device)
}

test("[CH6] the suite floor at a place is what had been raised until then, 1 before everything", () => {
  const raised: AccountState = {
    ...state,
    suiteFloors: [
      [1, 1],
      [4, 2],
      [7, 3],
    ],
  }
  expect([0, 1, 3, 4, 6, 7, 99].map((seq) => chain.suiteFloorAt(raised, seq))).toEqual([1, 1, 1, 2, 2, 3, 3])
})

test("[CH15] a policy that raises the suite floor is remembered with its place, one that keeps it is not", async () => {
  const low: AccountState = { ...state, policy: { ...state.policy, minSuite: 0 }, suiteFloors: [[1, 0]] }
  const raised = await extend(p, low, await policyLink({ minSuite: 1 }, low))
  expect(raised.suiteFloors).toEqual([
    [1, 0],
    [2, 1],
  ])
  const kept = await extend(p, raised, await policyLink({ minSuite: 1, graceMaxS: 5 }, raised))
  expect(kept.suiteFloors).toEqual(raised.suiteFloors)
  expect(kept.policy).toMatchObject({ minSuite: 1, graceMaxS: 5 })
})

test("[CH22] after a rotation everybody's wrap is the rotation's, also that of a holder which came with its own", async () => {
  const phone = await fixture.makeHolder(chain.HOLDER_DEVICE)
  const tablet = await fixture.makeHolder(chain.HOLDER_DEVICE)
  const two = await extend(p, state, await addDeviceLink(fixture, state, device, phone))
  const three = await extend(p, two, await addDeviceLink(fixture, two, device, tablet))
  expect(chain.wrapLinkOf(three, phone.holder.id)).toMatchObject({ epoch: 1, seq: 2 })
  const four = await extend(p, three, await removeLink(fixture, three, device, [tablet.holder.id]))
  expect(chain.wrapLinkOf(four, phone.holder.id)).toMatchObject({ epoch: 2, seq: 4 })
  expect(chain.wrapLinkOf(four, tablet.holder.id)).toBeUndefined()
  expect(chain.wrapLinkOf(four, fixture.random.bytes(16))).toBeUndefined()
})

test("[CH2] a local form without a link or without a key epoch does not open", () => {
  const bytes = (over: Partial<AccountState>): Uint8Array => chain.encodeAccountState({ ...state, ...over })
  expect(chain.decodeAccountState(bytes({}))).toEqual({ ok: true, value: state })
  for (const over of [{ hashes: [] }, { keys: [] }, { hashes: [], keys: [] }])
    expect(chain.decodeAccountState(bytes(over))).toEqual({ ok: false, error: "malformed" })
})

test("[CH21] a state without a key epoch is a defect, not a state with epoch 0", () => {
  expect(() => chain.newestAccountKey({ ...state, keys: [] })).toThrow("an account without a key epoch")
})
