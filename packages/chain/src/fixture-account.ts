import { Defect, type Struct } from "@keyferry/base"
import type { Primitives } from "@keyferry/crypto"

import { verifyAccountLink } from "./account-chain.ts"
import type { AccountState } from "./account-state.ts"
import { addDeviceLink, createFixture, extend, type FixtureHolder, signAll, writerOf } from "./fixture.ts"
import {
  ACCOUNT_POLICY_SET,
  HOLDER_DEVICE,
  type Link,
  type Payload,
  payloadStruct,
  type Policy,
  policySetStruct,
} from "./format.ts"
import { openLink } from "./link.ts"
import type { Checked } from "./ports.ts"
import { accountPayload } from "./writing.ts"

export const ZERO = new Uint8Array(32)
export const SEALED = Uint8Array.of(1, 2, 3)

/*
 * One account with its three first holders, and the links that its tests sign, break and have verified. Development only.
 */
export const createAccountWorld = async (p: Primitives) => {
  const fixture = createFixture(p, "account chain")
  const { links, device, password, recovery, state } = await fixture.makeAccount()
  const [genesis] = links
  if (genesis === undefined) throw new Defect("an account without a genesis")

  const verify = (link: Link, from: AccountState | undefined = state): Promise<Checked<AccountState>> =>
    verifyAccountLink(p, from, link)
  const verifyGenesis = (link: Link): Promise<Checked<AccountState>> => verifyAccountLink(p, undefined, link)

  const payloadOf = (link: Link): Payload => {
    const open = openLink(p, link)
    if (!open.ok) throw new Defect("unreadable")
    return open.value.payload
  }

  /** The same link with some fields of its payload changed, signed and countersigned again. */
  const changed = (link: Link, by: FixtureHolder, added: FixtureHolder[], over: Partial<Payload>): Promise<Link> =>
    signAll(payloadStruct.encode({ ...payloadOf(link), ...over }), by, added)

  const signed = <T>(
    type: number,
    shape: Struct<T>,
    body: T,
    by: FixtureHolder = device,
    added: FixtureHolder[] = [],
    from: AccountState = state,
  ): Promise<Link> => signAll(accountPayload(from, type, shape, body, writerOf(by)), by, added)

  const policyLink = (over: Partial<Policy> = {}, by = device, from = state): Promise<Link> => {
    const body = {
      minSuite: 1,
      graceMaxS: 3600,
      requireDeviceApproval: false,
      reloginMaxS: 100,
      unlockMaxS: 100,
      ...over,
    }
    return signed(ACCOUNT_POLICY_SET, policySetStruct, body, by, [], from)
  }

  const newDevice = (): Promise<FixtureHolder> => fixture.makeHolder(HOLDER_DEVICE)
  const addTo = async (from: AccountState, added: FixtureHolder): Promise<AccountState> =>
    extend(p, from, await addDeviceLink(fixture, from, device, added))

  return {
    fixture,
    device,
    password,
    recovery,
    genesis,
    state,
    verify,
    verifyGenesis,
    payloadOf,
    changed,
    signed,
    policyLink,
    newDevice,
    addTo,
  }
}
