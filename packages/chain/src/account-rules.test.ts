import { bytesToHex, lp, type Struct } from "@keyferry/base"
import { nodePrimitives as p } from "@keyferry/crypto/node"
import { beforeAll, describe, expect, test } from "vitest"

import { isRetirement } from "./account-rules.ts"
import {
  addDeviceLink,
  code,
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
import type { AccountState, Checked, Link } from "./index.ts"

/*
 * Links that break a rule with one of several holders: a check that looks at the first, or asks of all what must hold of none,
 * lets them pass.
 */

const ZERO = new Uint8Array(32)
const SEALED = Uint8Array.of(1, 2, 3)

let fixture: Fixture
let account: FixtureAccount
let device: FixtureHolder
let password: FixtureHolder
let recovery: FixtureHolder
/** A second device and a passkey slot were added. */
let state: AccountState
let phone: FixtureHolder
let passkey: FixtureHolder

beforeAll(async () => {
  fixture = createFixture(p, "account rules")
  account = await fixture.makeAccount()
  ;({ device, password, recovery } = account)
  phone = await fixture.makeHolder(chain.HOLDER_DEVICE)
  passkey = await fixture.makeHolder(chain.HOLDER_PASSKEY)
  const two = await extend(p, account.state, await addDeviceLink(fixture, account.state, device, phone))
  state = await extend(p, two, await addDeviceLink(fixture, two, device, passkey, { transcript: ZERO }))
})

const verify = (link: Link): Promise<Checked<AccountState>> => chain.verifyAccountLink(p, state, link)
const signed = <T>(type: number, shape: Struct<T>, body: T, by = device, added: FixtureHolder[] = []): Promise<Link> =>
  signAll(chain.accountPayload(state, type, shape, body, writerOf(by)), by, added)
const nonsense = async (link: Link, by: FixtureHolder): Promise<Link> => {
  const open = chain.openLink(p, link)
  if (!open.ok) throw new Error(open.error.code)
  return signAll(chain.payloadStruct.encode({ ...open.value.payload, body: new Map([[99, "nonsense"]]) }), by)
}

describe("bodies", () => {
  test("[CH11] a signed body that is none of its type is malformed, whatever the type", async () => {
    const policy = await signed(chain.ACCOUNT_POLICY_SET, chain.policySetStruct, state.policy)
    const open = chain.openLink(p, policy)
    if (!open.ok) throw new Error(open.error.code)
    for (const [type, by] of [
      [chain.ACCOUNT_HOLDER_ADD, device],
      [chain.ACCOUNT_HOLDER_REMOVE, device],
      [chain.ACCOUNT_KEY_ROTATE, device],
      [chain.ACCOUNT_POLICY_SET, device],
      [chain.ACCOUNT_SLOT_REPLACE, device],
      [chain.ACCOUNT_RECOVERY_USED, recovery],
    ] as const) {
      const payload = { ...open.value.payload, type, byHolder: by.holder.id, body: new Map([[99, "nonsense"]]) }
      const link = await signAll(chain.payloadStruct.encode(payload), by)
      expect(await verify(link), `type ${type}`).toEqual({
        ok: false,
        error: { code: "chain-malformed", what: "body" },
      })
    }
    const genesis = await nonsense(account.links[0] as Link, device)
    expect(code(await chain.verifyAccountLink(p, undefined, genesis))).toBe("chain-malformed")
  })

  test("[CH8] the error says which place comes next", async () => {
    const policy = await signed(chain.ACCOUNT_POLICY_SET, chain.policySetStruct, state.policy)
    expect(await chain.verifyAccountLink(p, account.state, policy)).toEqual({
      ok: false,
      error: { code: "chain-out-of-order", expectedSeq: 2, seq: 4 },
    })
  })
})

describe("removal", () => {
  test("[CH13] a device does not remove itself among others", async () => {
    for (const ids of [
      [device.holder.id, phone.holder.id],
      [phone.holder.id, device.holder.id],
    ])
      expect(code(await verify(await removeLink(fixture, state, device, ids)))).toBe("not-allowed")
  })

  test("[CH26] of two that are removed one may have retired, and each says so for itself", async () => {
    const { seq, hash } = state.head
    const id = phone.holder.id
    const proof = await phone.signer.sign(lp("kf1/retire", state.id, id, seq, hash))
    const ids = [passkey.holder.id, id]
    const over = { retired: [[id, seq, hash, proof]] as chain.Retirement[] }
    expect(code(await verify(await removeLink(fixture, state, device, ids, over)))).toBe("accepted")
    const asRetired = { ...over, reason: chain.REASON_RETIRED as typeof chain.REASON_RETIRED }
    expect(code(await verify(await removeLink(fixture, state, device, ids, asRetired)))).toBe("not-allowed")
  })

  test("[CH26] nobody has retired who never was a holder", async () => {
    const { seq, hash } = state.head
    const stranger = await fixture.makeHolder(chain.HOLDER_DEVICE)
    const retirement = async (by: FixtureHolder): Promise<chain.Retirement> => {
      const { id } = by.holder
      return [id, seq, hash, await by.signer.sign(lp("kf1/retire", state.id, id, seq, hash))]
    }
    expect(await isRetirement(p, state, await retirement(phone))).toBe(true)
    expect(await isRetirement(p, state, await retirement(stranger))).toBe(false)
  })

  test("[CH21] a rotation by itself keeps to the epochs as well", async () => {
    const body = { key: fixture.makeKey(3), skSealed: SEALED }
    const link = await signed(chain.ACCOUNT_KEY_ROTATE, chain.keyRotateStruct, body)
    expect(await verify(link)).toEqual({ ok: false, error: { code: "epoch-wrong", expected: 2, epoch: 3 } })
  })
})

describe("slot.replace", () => {
  type Replace = ReturnType<typeof chain.slotReplaceStruct.fromCbor>
  const rotating = (): Partial<Replace> => ({ key: fixture.makeKey(2), skSealed: SEALED })
  const replace = async (
    removed: readonly FixtureHolder[],
    added: FixtureHolder[],
    over: Partial<Replace> = rotating(),
  ): Promise<Checked<AccountState>> => {
    const body = { removed: removed.map((h) => h.holder.id), added: added.map((h) => h.holder), ...over }
    return verify(await signed(chain.ACCOUNT_SLOT_REPLACE, chain.slotReplaceStruct, body, device, added))
  }
  const word = (): Promise<FixtureHolder> => fixture.makeHolder(chain.HOLDER_PASSWORD)
  const kit = (): Promise<FixtureHolder> => fixture.makeHolder(chain.HOLDER_RECOVERY)
  const key = (): Promise<FixtureHolder> => fixture.makeHolder(chain.HOLDER_PASSKEY)
  const tablet = (): Promise<FixtureHolder> => fixture.makeHolder(chain.HOLDER_DEVICE)

  test("[CH16] the order of the slots means nothing", async () => {
    expect(code(await replace([recovery, password], [await word(), await kit()]))).toBe("accepted")
    expect(code(await replace([password, recovery], [await kit(), await word()]))).toBe("accepted")
  })

  test("[CH16] no device comes in, or goes, with a slot", async () => {
    expect(code(await replace([passkey], [await tablet()]))).toBe("not-allowed")
    expect(code(await replace([password, phone], [await word(), await tablet()]))).toBe("not-allowed")
    expect(code(await replace([phone, password], [await tablet(), await word()]))).toBe("not-allowed")
  })

  test("[CH16] no slot is added beside the one that replaces", async () => {
    expect(code(await replace([passkey], [await key(), await key()]))).toBe("not-allowed")
    expect(code(await replace([recovery], [await kit(), await key()]))).toBe("not-allowed")
  })

  test("[CH16] a passkey slot is not replaced without rotation in the shadow of the password slot", async () => {
    const wrapsHash = fixture.random.bytes(32)
    const attempt = async (removed: FixtureHolder[], added: FixtureHolder[]): Promise<string> =>
      code(await replace(removed, added, { wrapsHash }))
    expect(await attempt([password], [await word()])).toBe("accepted")
    expect(await attempt([password, passkey], [await word(), await key()])).toBe("not-allowed")
    expect(await attempt([passkey, password], [await key(), await word()])).toBe("not-allowed")
  })

  test("[CH16] what stands alone of key, sk_sealed and wraps is malformed; what is removed must be there", async () => {
    expect(code(await replace([password], [await word()], { skSealed: SEALED }))).toBe("chain-malformed")
    expect(code(await replace([], [await word()]))).toBe("chain-malformed")
    expect(code(await replace([await word()], [await word()]))).toBe("not-allowed")
  })

  test("[CH17] each of several new slots has exactly its keys", async () => {
    const slot = await kit()
    const { recPk: _none, ...bare } = slot.holder
    expect(code(await replace([password, recovery], [await word(), { ...slot, holder: bare }]))).toBe("chain-malformed")
  })

  test("[CH22] a slot that comes with a new key epoch has no wraps of its own", async () => {
    const next = await replace([password], [await word()])
    if (!next.ok) throw new Error(next.error.code)
    const slot = chain.newestSlot(next.value, chain.HOLDER_PASSWORD)
    expect(slot).not.toHaveProperty("wrap")
    expect(chain.wrapLinkOf(next.value, slot?.holder.id ?? ZERO)).toMatchObject({ epoch: 2, seq: 4 })
  })

  test("[CH23] a recovery slot does not go in the company of the password slot either", async () => {
    expect(code(await replace([password, recovery], [await word()]))).toBe("last-recovery-holder")
    expect(code(await replace([recovery, password], [await word()]))).toBe("last-recovery-holder")
  })
})

test("[CH10] the error names the holder that is not active", async () => {
  const stranger = await fixture.makeHolder(chain.HOLDER_DEVICE)
  const link = await signed(chain.ACCOUNT_POLICY_SET, chain.policySetStruct, state.policy, stranger)
  const error = { code: "signer-not-active", seq: 4, holder: bytesToHex(stranger.holder.id) }
  expect(await verify(link)).toEqual({ ok: false, error })
})
