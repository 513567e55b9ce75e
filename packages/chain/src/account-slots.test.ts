import { nodePrimitives as p } from "@keyferry/crypto/node"
import { describe, expect, test } from "vitest"

import {
  addDeviceLink,
  code,
  createFixture,
  type FixtureHolder,
  recoveryLink,
  removeLink,
  signAll,
  writerOf,
} from "./fixture.ts"
import { createAccountWorld, SEALED, ZERO } from "./fixture-account.ts"
import * as chain from "./index.ts"
import type { AccountState, Checked } from "./index.ts"

const {
  fixture,
  device,
  password,
  recovery,
  genesis,
  state,
  verify,
  verifyGenesis,
  payloadOf,
  signed,
  policyLink,
  newDevice,
  addTo,
} = await createAccountWorld(p)

describe("slots", () => {
  type Replace = ReturnType<typeof chain.slotReplaceStruct.fromCbor>
  const replace = async (
    removed: FixtureHolder[],
    added: FixtureHolder[],
    over: Partial<Replace> = { key: fixture.makeKey(2), skSealed: SEALED },
    by = device,
  ): Promise<Checked<AccountState>> => {
    const body = { removed: removed.map((h) => h.holder.id), added: added.map((h) => h.holder), ...over }
    return verify(await signed(chain.ACCOUNT_SLOT_REPLACE, chain.slotReplaceStruct, body, by, added))
  }

  test("[CH16] a new kit replaces both slots and rotates the key", async () => {
    const added = [await fixture.makeHolder(chain.HOLDER_PASSWORD), await fixture.makeHolder(chain.HOLDER_RECOVERY)]
    const next = await replace([password, recovery], added)
    if (!next.ok) throw new Error(next.error.code)
    expect(chain.newestSlot(next.value, chain.HOLDER_PASSWORD)?.holder.id).toEqual(added[0]?.holder.id)
    expect(chain.holderOf(next.value, recovery.holder.id)?.removedAt).toBe(2)
    expect(next.value.keys.length).toBe(2)
    expect(next.value.skSealed).toEqual(SEALED)
  })

  test("[CH16] a password that was not exposed may change without rotation, a recovery slot never", async () => {
    const word = await fixture.makeHolder(chain.HOLDER_PASSWORD)
    const wrapsHash = fixture.random.bytes(32)
    const next = await replace([password], [word], { wrapsHash })
    if (!next.ok) throw new Error(next.error.code)
    expect(next.value.keys.length).toBe(1)
    expect(chain.wrapLinkOf(next.value, word.holder.id)).toMatchObject({ epoch: 1, wrapsHash, seq: 2 })
    const code1 = await replace([recovery], [await fixture.makeHolder(chain.HOLDER_RECOVERY)], { wrapsHash })
    expect(code(code1)).toBe("not-allowed")
    const key = fixture.makeKey(2)
    expect(code(await replace([password], [word], {}))).toBe("chain-malformed")
    expect(code(await replace([password], [word], { key }))).toBe("chain-malformed")
    expect(code(await replace([password], [word], { key, wrapsHash }))).toBe("chain-malformed")
    expect(code(await replace([password], [word], { skSealed: SEALED, wrapsHash }))).toBe("chain-malformed")
    expect(code(await replace([password], [word], { key, skSealed: new Uint8Array() }))).toBe("chain-malformed")
    expect(code(await replace([password], [word], { key, wrapsHash, skSealed: SEALED }))).toBe("chain-malformed")
  })

  test("[CH16] like for like, by a device, with proof, and no devices among them", async () => {
    const word = await fixture.makeHolder(chain.HOLDER_PASSWORD)
    const phone = await newDevice()
    expect(code(await replace([password], [await fixture.makeHolder(chain.HOLDER_PASSKEY)]))).toBe("not-allowed")
    expect(code(await replace([password], []))).toBe("not-allowed")
    expect(code(await replace([device], [phone]))).toBe("not-allowed")
    expect(code(await replace([password], [word], undefined, password))).toBe("not-allowed")
    expect(code(await replace([password], [word], undefined, recovery))).toBe("not-allowed")
    const body = { removed: [password.holder.id], added: [word.holder], key: fixture.makeKey(2), skSealed: SEALED }
    const bare = await signed(chain.ACCOUNT_SLOT_REPLACE, chain.slotReplaceStruct, body)
    expect(code(await verify(bare))).toBe("proof-of-possession-missing")
    const passkey = await fixture.makeHolder(chain.HOLDER_PASSKEY)
    expect(code(await replace([password], [word, passkey]))).toBe("not-allowed")
  })

  test("[CH17] a recovery slot has rec_pk, a password slot has not", async () => {
    const slot = await fixture.makeHolder(chain.HOLDER_RECOVERY)
    const { recPk, ...bare } = slot.holder
    expect(code(await replace([recovery], [{ ...slot, holder: bare }]))).toBe("chain-malformed")
    const word = await fixture.makeHolder(chain.HOLDER_PASSWORD)
    const extra = { ...word, holder: { ...word.holder, recPk: recPk ?? ZERO } }
    expect(code(await replace([password], [extra]))).toBe("chain-malformed")
  })

  test("[CH23] a recovery slot is not dropped in exchange for another kind", async () => {
    expect(code(await replace([recovery], []))).toBe("last-recovery-holder")
    expect(code(await replace([recovery], [await fixture.makeHolder(chain.HOLDER_PASSWORD)]))).toBe(
      "last-recovery-holder",
    )
  })

  const fresh = async (): Promise<{ device: FixtureHolder; password: FixtureHolder; recovery: FixtureHolder }> => ({
    device: await newDevice(),
    password: await fixture.makeHolder(chain.HOLDER_PASSWORD),
    recovery: await fixture.makeHolder(chain.HOLDER_RECOVERY),
  })
  const allOld = (): Uint8Array[] => [device, password, recovery].map((h) => h.holder.id)

  test("[CH19] the kit brings in a new device, replaces both slots, removes what is lost and rotates", async () => {
    const added = await fresh()
    const next = await verify(await recoveryLink(fixture, state, recovery, added, allOld()))
    if (!next.ok) throw new Error(next.error.code)
    expect(chain.activeHolders(next.value).map((e) => e.holder.id)).toEqual(
      [added.device, added.password, added.recovery].map((h) => h.holder.id),
    )
    expect(next.value.keys.length).toBe(2)
    const again = await recoveryLink(fixture, next.value, recovery, await fresh(), [])
    expect(code(await verify(again, next.value))).toBe("signer-not-active")
    const kept = await recoveryLink(fixture, state, recovery, await fresh(), allOld().slice(1))
    expect(code(await verify(kept))).toBe("accepted")
  })

  test("[CH19] removed names both old slots; kinds and proofs are checked", async () => {
    const added = await fresh()
    const [d, w, r] = allOld() as [Uint8Array, Uint8Array, Uint8Array]
    expect(code(await verify(await recoveryLink(fixture, state, recovery, added, [d, w])))).toBe("not-allowed")
    expect(code(await verify(await recoveryLink(fixture, state, recovery, added, [d, r])))).toBe("not-allowed")
    expect(code(await verify(await recoveryLink(fixture, state, recovery, added, [])))).toBe("chain-malformed")
    const twisted = [
      { ...added, password: await newDevice() },
      { ...added, device: await fixture.makeHolder(chain.HOLDER_PASSKEY) },
      { ...added, recovery: await newDevice() },
      { ...added, password: added.recovery, recovery: added.password },
    ]
    for (const wrong of twisted)
      expect(code(await verify(await recoveryLink(fixture, state, recovery, wrong, [d, w, r])))).toBe("chain-malformed")
    const skSealed = new Uint8Array()
    expect(code(await verify(await recoveryLink(fixture, state, recovery, added, [d, w, r], { skSealed })))).toBe(
      "chain-malformed",
    )
    const link = await recoveryLink(fixture, state, recovery, added, [d, w, r])
    const unproven = { ...link, countersignatures: (link.countersignatures ?? []).slice(1) }
    expect(code(await verify(unproven))).toBe("proof-of-possession-missing")
    const key = fixture.makeKey(1)
    expect(code(await verify(await recoveryLink(fixture, state, recovery, added, [d, w, r], { key })))).toBe(
      "epoch-wrong",
    )
    const reused = {
      ...added,
      device: { ...added.device, holder: { ...added.device.holder, authPk: device.holder.sigPk } },
    }
    expect(code(await verify(await recoveryLink(fixture, state, recovery, reused, [d, w, r])))).toBe("holder-reused")
  })

  test("[CH20] a recovery slot signs nothing else, and nobody else recovers", async () => {
    const phone = await newDevice()
    for (const how of [chain.HOW_DEVICE, chain.HOW_KIT, chain.HOW_PASSKEY] as const)
      expect(code(await verify(await addDeviceLink(fixture, state, recovery, phone, { how, transcript: ZERO })))).toBe(
        "not-allowed",
      )
    const two = await addTo(state, phone)
    expect(code(await verify(await removeLink(fixture, two, recovery, [phone.holder.id]), two))).toBe("not-allowed")
    expect(code(await verify(await policyLink({}, recovery)))).toBe("not-allowed")
    for (const by of [device, password])
      expect(code(await verify(await recoveryLink(fixture, state, by, await fresh(), allOld())))).toBe("not-allowed")
  })

  test("[CH24] derived keys must be those of the newest slot in the verified chain", async () => {
    const slot = chain.newestSlot(state, chain.HOLDER_PASSWORD)
    if (slot === undefined) throw new Error("no slot")
    expect(chain.areSlotKeys(slot, password.holder)).toBe(true)
    expect(chain.areSlotKeys(slot, { ...password.holder, kemPk: device.holder.kemPk })).toBe(false)
    expect(chain.areSlotKeys(slot, { ...password.holder, sigPk: device.holder.sigPk })).toBe(false)
    expect(chain.newestSlot(state, chain.HOLDER_PASSKEY)).toBeUndefined()
  })

  test("[CH24] a chain forged around a real slot's public keys lacks its countersignature", async () => {
    const evil = createFixture(p, "evil")
    const [d, r] = [await evil.makeHolder(chain.HOLDER_DEVICE), await evil.makeHolder(chain.HOLDER_RECOVERY)]
    const body = {
      holders: [d.holder, password.holder, r.holder],
      key: evil.makeKey(1),
      minSuite: 1,
      accountSalt: ZERO,
      skSealed: SEALED,
    }
    const payload = chain.accountGenesisPayload(body, writerOf(d))
    const mimic = { holder: password.holder, signer: { ...d.signer, holderId: password.holder.id } }
    expect(code(await verifyGenesis(await signAll(payload, d, [d, mimic, r])))).toBe("proof-of-possession-missing")
  })

  test("[CH25] a new device countersigns only what was approved", async () => {
    const phone = await newDevice()
    const transcript = fixture.random.bytes(32)
    const { payload } = await addDeviceLink(fixture, state, device, phone, { transcript })
    const approved = {
      accountId: state.id,
      head: state.head,
      approver: device.holder.id,
      holder: phone.holder,
      transcript,
    }
    const { wrapsHash } = chain.holderAddStruct.fromCbor(payloadOf({ payload, signature: ZERO }).body)
    expect(chain.checkOwnAddition(payload, approved)).toEqual({ ok: true, value: { wrapsHash } })
    const wrong: [string, Partial<typeof approved>][] = [
      ["chain-wrong-id", { accountId: ZERO }],
      ["chain-out-of-order", { head: { seq: 2, hash: state.head.hash } }],
      ["chain-out-of-order", { head: { seq: 1, hash: ZERO } }],
      ["not-allowed", { approver: password.holder.id }],
      ["not-allowed", { holder: { ...phone.holder, kemPk: device.holder.kemPk } }],
      ["not-allowed", { transcript: ZERO }],
    ]
    for (const [expected, over] of wrong)
      expect(code(chain.checkOwnAddition(payload, { ...approved, ...over }))).toBe(expected)
    expect(code(chain.checkOwnAddition(payload.slice(1), approved))).toBe("chain-malformed")
    expect(code(chain.checkOwnAddition(genesis.payload, approved))).toBe("chain-wrong-id")
    const decoded = chain.payloadStruct.decode(payload, chain.MAX_LINK_BYTES)
    if (!decoded.ok) throw new Error("unreadable")
    const nonsense = chain.payloadStruct.encode({ ...decoded.value, body: new Map([[99, "nonsense"]]) })
    expect(code(chain.checkOwnAddition(nonsense, approved))).toBe("chain-malformed")
    const asVault = chain.payloadStruct.encode({ ...decoded.value, chain: 3 })
    expect(code(chain.checkOwnAddition(asVault, approved))).toBe("chain-wrong-id")
  })
})
