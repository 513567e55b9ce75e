import { bytesToHex, lp } from "@keyferry/base"
import { nodePrimitives as p } from "@keyferry/crypto/node"
import { beforeAll, describe, expect, test } from "vitest"

import { addDeviceLink, code, extend, type FixtureHolder, removeLink, signAll } from "./fixture.ts"
import { createAccountWorld, SEALED, ZERO } from "./fixture-account.ts"
import * as chain from "./index.ts"
import type { AccountState, Checked, Link } from "./index.ts"

const { fixture, device, password, recovery, state, verify, signed, policyLink, newDevice, addTo } =
  await createAccountWorld(p)

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
