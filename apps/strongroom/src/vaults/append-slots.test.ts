import { bytesToHex, expectOk } from "@keyferry/base"
import {
  accountPayload,
  ACCOUNT_RECOVERY_USED,
  ACCOUNT_SLOT_REPLACE,
  countersignPayload,
  encodeLink,
  HOLDER_PASSWORD,
  HOLDER_RECOVERY,
  type Holder,
  recoveryUsedStruct,
  signPayload,
  slotReplaceStruct,
  verifyAccountLink,
} from "@keyferry/chain"
import {
  encodeWrapEntry,
  makeKemKeyPair,
  makeSigSeed,
  sealedHash,
  sealedStruct,
  sigPublicKey,
  wrapsHash,
} from "@keyferry/crypto"
import { PUSH_ACCEPTED } from "@keyferry/protocol"
import { afterEach, beforeEach, describe, expect, test } from "vitest"

import {
  addDevice,
  enrolDevice,
  holderOfDevice,
  NO_LIMITS,
  p,
  type Person,
  random,
  type Reach,
  send,
  type SigningUp,
  tokenHashOf,
  type World,
} from "../fixture.ts"
import { createVaultHandlers } from "./index.ts"
import {
  blindSealed,
  blindWrap,
  createVaultWorld,
  doPush,
  genesisPush,
  itemId,
  putPush,
  rotationPush,
  signingOf,
  type Writer,
} from "./fixture.ts"
import { decodeReply, empty, stateOf } from "./fixture-append.ts"

let world: World
let reach: Reach
let person: Person
let writer: Writer

beforeEach(async () => {
  ;({ world, reach, person, writer } = await createVaultWorld())
})
afterEach(() => world.close())

describe("a slot is replaced", () => {
  const replacePassword = async () => {
    const seed = makeSigSeed(random)
    const kem = await makeKemKeyPair(random)
    const added: Holder = {
      id: random.bytes(16),
      kind: HOLDER_PASSWORD,
      sigPk: await sigPublicKey(p, seed),
      kemPk: kem.publicKey,
    }
    const wraps = [blindWrap(added.id, added.kemPk)]
    const body = { removed: [person.slots.password.holder.id], added: [added], wrapsHash: wrapsHash(p, wraps) }
    const payload = accountPayload(writer.account, ACCOUNT_SLOT_REPLACE, slotReplaceStruct, body, {
      byHolder: person.device.deviceId,
      ts: 1,
    })
    const signer = { holderId: added.id, sign: (message: Uint8Array) => p.ed25519Sign(seed.reveal(), message) }
    const link = await signPayload(person.device.signer, payload, [await countersignPayload(signer, payload)])
    expectOk(await verifyAccountLink(p, writer.account, link), "slot.replace")
    return { ...empty, link: encodeLink(link), wraps: wraps.map(encodeWrapEntry) }
  }
  const freshLogin = (ms: number, factorMs = ms) =>
    world
      .room()
      .ctx.store.transaction((tx) =>
        tx.updateTable("device").set({ last_factor_ms: factorMs, last_password_ms: ms }).execute(),
      )

  test("[SY84] only within five minutes of password and second factor", async () => {
    const body = { ...(await replacePassword()), registrationRecord: random.bytes(192) }
    await freshLogin(world.clock.nowMs() - 5 * 60_000 - 1)
    expect((await send(reach, person.device, "account.append", body)).code).toBe("reauth-required")
    await freshLogin(world.clock.nowMs(), world.clock.nowMs() - 5 * 60_000 - 1)
    expect((await send(reach, person.device, "account.append", body)).code).toBe("second-factor-needed")
    await freshLogin(world.clock.nowMs())
    expect(decodeReply(await send(reach, person.device, "account.append", body)).outcome).toBe(PUSH_ACCEPTED)
    const row = await world
      .room()
      .ctx.store.read((db) => db.selectFrom("account").select("opaque_rev").executeTakeFirstOrThrow())
    expect(row.opaque_rev).toBe(2)
    expect(await world.room().leases.isBuried("slot", person.slots.password.holder.id)).toBe(true)
  })

  test("[SY85] a new password slot brings its registration record, and nothing else does", async () => {
    await freshLogin(world.clock.nowMs())
    const body = await replacePassword()
    expect((await send(reach, person.device, "account.append", body)).code).toBe("malformed")
    const enrolled = await enrolDevice(reach, person)
    const added = await addDevice(writer.account, person.device, enrolled, person.accountSeed, 1)
    const surplus = { ...empty, link: added.link, wraps: added.wraps, registrationRecord: random.bytes(192) }
    expect((await send(reach, person.device, "account.append", surplus)).code).toBe("malformed")
  })

  test("[SY85] a replaced OPAQUE record can never come back", async () => {
    await freshLogin(world.clock.nowMs())
    const old = (person as SigningUp).body.registrationRecord
    const record = random.bytes(192)
    const body = { ...(await replacePassword()), registrationRecord: record }
    decodeReply(await send(reach, person.device, "account.append", body))
    expect(await world.room().leases.isBuried("opaque-record", p.sha256(old))).toBe(true)
    expect(await world.room().leases.isBuried("opaque-record", p.sha256(record))).toBe(false)
  })
})

describe("the kit takes the account back", () => {
  const makeSlot = async (kind: typeof HOLDER_PASSWORD | typeof HOLDER_RECOVERY, extra: Partial<Holder> = {}) => {
    const seed = makeSigSeed(random)
    const kem = await makeKemKeyPair(random)
    const holder: Holder = {
      id: random.bytes(16),
      kind,
      sigPk: await sigPublicKey(p, seed),
      kemPk: kem.publicKey,
      ...extra,
    }
    const sign = (message: Uint8Array) => p.ed25519Sign(seed.reveal(), message)
    return { holder, signer: { holderId: holder.id, sign } }
  }

  test("[SY87] in one link with a new device, password and kit; the new device then rotates the vaults", async () => {
    await doPush(reach, writer, await genesisPush(writer))
    const enrolled = await enrolDevice(reach, person)
    await reach.call("confirmCode", { tokenHash: tokenHashOf(enrolled.token), code: enrolled.answer.code })
    const recPk = random.bytes(32)
    const [password, recovery] = [await makeSlot(HOLDER_PASSWORD), await makeSlot(HOLDER_RECOVERY, { recPk })]
    const device = holderOfDevice(enrolled.device, enrolled.answer.lease)
    const holders = [device, password.holder, recovery.holder]
    const wraps = holders.map(({ id, kemPk }) => blindWrap(id, kemPk))
    const older = blindSealed()
    const body = {
      device,
      removed: [...writer.account.holders.values()].map(({ holder }) => holder.id),
      passwordSlot: password.holder,
      recoverySlot: recovery.holder,
      key: {
        epoch: 2,
        kemPk: random.bytes(1216),
        wrapsHash: wrapsHash(p, wraps),
        prevSealedHash: sealedHash(p, older),
      },
      skSealed: random.bytes(100),
    }
    const slot = person.slots.recovery.signer
    const by = { byHolder: slot.holderId, ts: 1 }
    const payload = accountPayload(writer.account, ACCOUNT_RECOVERY_USED, recoveryUsedStruct, body, by)
    const signers = [enrolled.device.signer, password.signer, recovery.signer]
    const link = await signPayload(slot, payload, await Promise.all(signers.map((x) => countersignPayload(x, payload))))
    const next = expectOk(await verifyAccountLink(p, writer.account, link), "recovery.used")
    const rotator: Writer = { ...writer, device: enrolled.device, account: next }
    const rotation = await rotationPush(rotator)
    const items = await putPush(rotator, itemId())
    const request = {
      link: encodeLink(link),
      wraps: wraps.map(encodeWrapEntry),
      prevSealed: sealedStruct.encode(older),
      registrationRecord: random.bytes(192),
      rotations: [rotation],
    }
    const reply = decodeReply(await send(reach, enrolled.device, "enrol.append", request))
    expect([reply.outcome, reply.state]).toEqual([PUSH_ACCEPTED, "approved"])
    expect(reply.results.map((r) => [r.outcome, r.code])).toEqual([[PUSH_ACCEPTED, undefined]])
    expect(await stateOf(world, person.device)).toBe("removed")
    const row = await world
      .room()
      .ctx.store.read((db) => db.selectFrom("account").select(["rec_pk", "opaque_rev"]).executeTakeFirstOrThrow())
    expect([bytesToHex(row.rec_pk ?? new Uint8Array()), row.opaque_rev]).toEqual([bytesToHex(recPk), 2])
    expect(await world.room().leases.isBuried("slot", person.slots.recovery.holder.id)).toBe(true)

    // Approved and not yet active: it may end epochs, and nothing else.
    const { ctx, leases } = world.room()
    const signing = signingOf(person, enrolled.device, "approved")
    const again = await createVaultHandlers(ctx, leases)["enrol.append"](
      ctx,
      { device: signing, query: "", createdS: 0, limits: NO_LIMITS, origins: [] },
      { ...request, rotations: [items] },
    )
    expect(again.ok && again.value.reply.results.map((r) => r.code)).toEqual(["not-allowed"])
  })
})
