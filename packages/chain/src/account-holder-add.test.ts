import { equalBytes } from "@keyferry/base"
import { nodePrimitives as p } from "@keyferry/crypto/node"
import { describe, expect, test } from "vitest"

import { addDeviceLink, code, extend, type FixtureHolder, removeLink } from "./fixture.ts"
import { createAccountWorld, ZERO } from "./fixture-account.ts"
import * as chain from "./index.ts"

const { fixture, device, password, recovery, state, verify, policyLink, newDevice, addTo } = await createAccountWorld(p)

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
