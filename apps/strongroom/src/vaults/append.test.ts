import { bytesToHex, expectOk, formatId, utf8ToText } from "@keyferry/base"
import {
  type AccountState,
  accountPayload,
  ACCOUNT_HOLDER_ADD,
  ACCOUNT_RECOVERY_USED,
  ACCOUNT_SLOT_REPLACE,
  countersignPayload,
  encodeLink,
  HOLDER_PASSWORD,
  HOLDER_RECOVERY,
  type Holder,
  holderAddStruct,
  HOW_KIT,
  newestAccountKey,
  recoveryUsedStruct,
  signPayload,
  slotReplaceStruct,
  verifyAccountLink,
} from "@keyferry/chain"
import {
  encodeWrapEntry,
  makeKemKeyPair,
  makeSigSeed,
  makeWrap,
  sealedHash,
  sealedStruct,
  sigPublicKey,
  wrapsHash,
} from "@keyferry/crypto"
import {
  accountAppendReplyStruct,
  accountChainReplyStruct,
  accountKeysReplyStruct,
  PUSH_ACCEPTED,
  PUSH_CONFLICT,
  PUSH_REFUSED,
} from "@keyferry/protocol"
import type { Executed } from "@keyferry/strongroom-api"
import { afterEach, beforeEach, describe, expect, test } from "vitest"

import { allHandlers } from "../all-handlers.ts"
import {
  addDevice,
  createWorld,
  enrolDevice,
  type EnrolledDevice,
  holderOfDevice,
  makeActive,
  NO_LIMITS,
  p,
  type Person,
  random,
  type Reach,
  reachOf,
  send,
  type SigningUp,
  signUp,
  type TestDevice,
  tokenHashOf,
  type World,
} from "../fixture.ts"
import { createVaultHandlers } from "./index.ts"
import {
  blindSealed,
  blindWrap,
  doPush,
  doSync,
  genesisPush,
  itemId,
  putPush,
  removal,
  rotationPush,
  sameVault,
  vaultOf,
  type Writer,
  writerOf,
} from "./fixture.ts"

let world: World
let reach: Reach
let person: Person
let writer: Writer

beforeEach(async () => {
  world = await createWorld(allHandlers)
  reach = reachOf(world)
  person = await signUp(reach)
  await makeActive(reach, person)
  writer = writerOf(person)
})
afterEach(() => world.close())

const decodeReply = (answer: Executed) => {
  if (answer.status !== 200) throw new Error(`${answer.status} ${answer.code ?? ""} ${answer.detail ?? ""}`)
  return expectOk(accountAppendReplyStruct.decode(answer.body, 1 << 24), "append reply")
}
const empty = { wraps: [], rotations: [] }

/** A second device, approved by the first and active. */
const secondDevice = async (): Promise<{
  readonly enrolled: EnrolledDevice
  readonly device: TestDevice
  readonly chain: AccountState
}> => {
  const enrolled = await enrolDevice(reach, person)
  const added = await addDevice(writer.account, person.device, enrolled, person.accountSeed, world.clock.nowMs())
  const reply = decodeReply(
    await send(reach, person.device, "account.append", { ...empty, link: added.link, wraps: added.wraps }),
  )
  expect(reply.outcome).toBe(PUSH_ACCEPTED)
  writer.account = added.next
  await world
    .room()
    .ctx.store.transaction((tx) =>
      tx.updateTable("device").set({ state: "active" }).where("state", "=", "approved").execute(),
    )
  return { enrolled, device: enrolled.device, chain: added.next }
}
const stateOf = async (device: TestDevice): Promise<string | undefined> =>
  (
    await world
      .room()
      .ctx.store.read((db) =>
        db.selectFrom("device").select("state").where("id", "=", device.deviceId).executeTakeFirst(),
      )
  )?.state

describe("an account link", () => {
  test("[SY83] approval by a device stands for the mail: a device that still waits is approved and gets its wrap", async () => {
    const { device } = await secondDevice()
    expect(await stateOf(device)).toBe("active")
    const keys = await send(reach, device, "account.keys")
    const { wraps } = expectOk(accountKeysReplyStruct.decode(keys.body, 1 << 24), "keys")
    expect(wraps).toHaveLength(4)
    const chain = expectOk(
      accountChainReplyStruct.decode((await send(reach, device, "account.chain")).body, 1 << 24),
      "chain",
    )
    expect(chain.links).toHaveLength(2)
  })

  test("[SY80] sent again it is accepted again; another one for the same place gets the links that won", async () => {
    const [one, two] = [await enrolDevice(reach, person), await enrolDevice(reach, person)]
    const first = await addDevice(writer.account, person.device, one, person.accountSeed, 1)
    const second = await addDevice(writer.account, person.device, two, person.accountSeed, 1)
    const body = { ...empty, link: first.link, wraps: first.wraps }
    expect(decodeReply(await send(reach, person.device, "account.append", body)).outcome).toBe(PUSH_ACCEPTED)
    expect(decodeReply(await send(reach, person.device, "account.append", body)).outcome).toBe(PUSH_ACCEPTED)
    const lost = decodeReply(
      await send(reach, person.device, "account.append", { ...empty, link: second.link, wraps: second.wraps }),
    )
    expect(lost.outcome).toBe(PUSH_CONFLICT)
    expect(lost.accountLinks.map(bytesToHex)).toEqual([bytesToHex(first.link)])
    expect(await stateOf(two.device)).toBe("pending")
  })

  test("[SY81] wraps must be exactly those of the link", async () => {
    const enrolled = await enrolDevice(reach, person)
    const added = await addDevice(writer.account, person.device, enrolled, person.accountSeed, 1)
    const other = encodeWrapEntry(blindWrap(enrolled.device.deviceId, enrolled.device.keys.kemPk))
    for (const wraps of [[], [other], [...added.wraps, other]]) {
      const answer = await send(reach, person.device, "account.append", { ...empty, link: added.link, wraps })
      expect(answer.code).toBe("malformed")
    }
    expect(await stateOf(enrolled.device)).toBe("pending")
  })

  test("[SY83] the plan's number of devices counts at the commit", async () => {
    const enrolled = await enrolDevice(reach, person)
    const added = await addDevice(writer.account, person.device, enrolled, person.accountSeed, 1)
    const body = { ...empty, link: added.link, wraps: added.wraps }
    const answer = await send(reach, person.device, "account.append", body, { limits: { ...NO_LIMITS, devices: 1 } })
    expect(answer.code).toBe("device-limit")
    expect(await stateOf(enrolled.device)).toBe("pending")
  })

  test("[SY83] a device whose reservation has ended is not added", async () => {
    const enrolled = await enrolDevice(reach, person)
    const added = await addDevice(writer.account, person.device, enrolled, person.accountSeed, 1)
    world.clock.add(31 * 60_000)
    const answer = await send(reach, person.device, "account.append", {
      ...empty,
      link: added.link,
      wraps: added.wraps,
    })
    expect(answer.code).toBe("device-expired")
  })

  test("[SY83] a device is not added with other keys than it enrolled with", async () => {
    const enrolled = await enrolDevice(reach, person)
    const kem = await makeKemKeyPair(random)
    const changed = {
      ...enrolled,
      device: { ...enrolled.device, keys: { ...enrolled.device.keys, kemPk: kem.publicKey } },
    }
    const added = await addDevice(writer.account, person.device, changed, person.accountSeed, 1)
    const answer = await send(reach, person.device, "account.append", {
      ...empty,
      link: added.link,
      wraps: added.wraps,
    })
    expect(answer.code).toBe("chain-invalid")
  })

  test("[SY80] of two devices that append at once exactly one wins", async () => {
    const { device } = await secondDevice()
    const [a, b] = [await enrolDevice(reach, person), await enrolDevice(reach, person)]
    const first = await addDevice(writer.account, person.device, a, person.accountSeed, 1)
    const second = await addDevice(writer.account, device, b, person.accountSeed, 1)
    const replies = await Promise.all([
      send(reach, person.device, "account.append", { ...empty, link: first.link, wraps: first.wraps }),
      send(reach, device, "account.append", { ...empty, link: second.link, wraps: second.wraps }),
    ])
    expect(replies.map((reply) => decodeReply(reply).outcome).toSorted((a, b) => a - b)).toEqual([
      PUSH_ACCEPTED,
      PUSH_CONFLICT,
    ])
  })
})

describe("a push by another device", () => {
  test("[SY63] carries that device's own links, and nobody relays them", async () => {
    const { device } = await secondDevice()
    await doPush(reach, writer, await genesisPush(writer))
    const theirs = await putPush(sameVault(writer, device), itemId())
    expect(await doPush(reach, writer, theirs)).toMatchObject({ outcome: PUSH_REFUSED, code: "not-allowed" })
    const reply = await doSync(reach, { ...writer, device }, { pushes: [theirs] })
    expect(reply.results[0]?.outcome).toBe(PUSH_ACCEPTED)
  })
})

describe("a waiting device appends with a slot", () => {
  const kitLink = async (
    enrolled: EnrolledDevice,
    holder: Holder = holderOfDevice(enrolled.device, enrolled.answer.lease),
  ) => {
    const { account } = writer
    const slot = person.slots.password.signer
    const context = {
      kind: 1,
      chainId: account.id,
      epoch: newestAccountKey(account).epoch,
      byUid: account.id,
      by: slot.holderId,
      seq: account.head.seq + 1,
      prev: account.head.hash,
    } as const
    const wraps = [await makeWrap(p, random, context, holder, person.accountSeed)]
    const body = { holder, how: HOW_KIT, transcript: new Uint8Array(32), wrapsHash: wrapsHash(p, wraps) } as const
    const payload = accountPayload(account, ACCOUNT_HOLDER_ADD, holderAddStruct, body, {
      byHolder: slot.holderId,
      ts: 1,
    })
    const link = await signPayload(slot, payload, [await countersignPayload(enrolled.device.signer, payload)])
    return { ...empty, link: encodeLink(link), wraps: wraps.map(encodeWrapEntry) }
  }
  const confirm = async (enrolled: EnrolledDevice): Promise<void> => {
    const done = await reach.call("confirmCode", { tokenHash: tokenHashOf(enrolled.token), code: enrolled.answer.code })
    if (!done.ok) throw new Error(done.error.code)
  }

  test("[SY82] once it is confirmed, and not before", async () => {
    const enrolled = await enrolDevice(reach, person)
    const body = await kitLink(enrolled)
    expect((await send(reach, enrolled.device, "enrol.append", body)).code).toBe("device-not-verified")
    await confirm(enrolled)
    const reply = decodeReply(await send(reach, enrolled.device, "enrol.append", body))
    expect([reply.outcome, reply.state]).toEqual([PUSH_ACCEPTED, "approved"])
  })

  test("[SY82] it adds itself and no other", async () => {
    const [mine, other] = [await enrolDevice(reach, person), await enrolDevice(reach, person)]
    await confirm(mine)
    const answer = await send(reach, mine.device, "enrol.append", await kitLink(other))
    expect(answer.code).toBe("not-allowed")
    expect(await stateOf(other.device)).toBe("pending")
  })

  test("[SY82] links of slots come from waiting devices, links of devices from themselves", async () => {
    const enrolled = await enrolDevice(reach, person)
    await confirm(enrolled)
    const bySlot = await kitLink(enrolled)
    expect((await send(reach, person.device, "account.append", bySlot)).code).toBe("not-allowed")
    const byDevice = await addDevice(writer.account, person.device, enrolled, person.accountSeed, 1)
    const body = { ...empty, link: byDevice.link, wraps: byDevice.wraps }
    expect((await send(reach, enrolled.device, "enrol.append", body)).code).toBe("not-allowed")
    const { device } = await secondDevice()
    const third = await enrolDevice(reach, person)
    const foreign = await addDevice(writer.account, device, third, person.accountSeed, 1)
    const relayed = { ...empty, link: foreign.link, wraps: foreign.wraps }
    expect((await send(reach, person.device, "account.append", relayed)).code).toBe("not-allowed")
    expect(await stateOf(third.device)).toBe("pending")
  })

  test("[SY88] it reads exactly the chain and the wraps of one slot", async () => {
    const enrolled = await enrolDevice(reach, person)
    await confirm(enrolled)
    const slot = formatId("slt", person.slots.password.holder.id)
    const answer = await send(reach, enrolled.device, "enrol.slot-wraps", {}, { query: `slot=${slot}` })
    const { wraps, prevSealed } = expectOk(accountKeysReplyStruct.decode(answer.body, 1 << 20), "wraps")
    expect([wraps.length, prevSealed.length]).toEqual([1, 0])
    expect(wraps.map(([, bytes]) => bytesToHex(bytes))).toEqual([
      bytesToHex((person as SigningUp).body.wraps[1] ?? new Uint8Array()),
    ])
    expect((await send(reach, enrolled.device, "enrol.chain")).status).toBe(200)
    for (const route of ["sync", "bootstrap", "account.keys"] as const)
      expect(
        (
          await send(
            reach,
            enrolled.device,
            route,
            route === "sync"
              ? { account: [0, new Uint8Array(32)], cursors: [], pushes: [], maxBytes: 1 }
              : route === "bootstrap"
                ? { vaultId: random.bytes(32), maxBytes: 1 }
                : {},
          )
        ).code,
      ).toBe("device-not-verified")
  })
})

describe("a removal", () => {
  test("[SY86] [FD3] the device is out of everything when the answer is there, and its stream is closed before any later commit", async () => {
    const { device } = await secondDevice()
    await doPush(reach, writer, await genesisPush(writer))
    const gone = sameVault(writer, device)
    const out = await removal(writer, [device.deviceId])
    const reply = decodeReply(await send(reach, person.device, "account.append", { ...empty, ...out, next: undefined }))
    expect(reply.outcome).toBe(PUSH_ACCEPTED)
    const notice = world.notices.at(-1)
    expect(notice?.closed.map(bytesToHex)).toEqual([bytesToHex(device.deviceId)])
    expect(notice?.audience.map(bytesToHex)).not.toContain(bytesToHex(device.deviceId))
    expect(await stateOf(device)).toBe("removed")
    expect(
      (
        await send(reach, device, "sync", {
          account: [1, new Uint8Array(32)],
          cursors: [],
          pushes: [await putPush(gone, itemId())],
          maxBytes: 1,
        })
      ).code,
    ).toBe("device-removed")
    const lease = await world.room().leases.read(device.deviceId)
    expect([lease?.state, lease?.sealed]).toEqual(["dead", null])
  })

  test("[SY86] a removed device may still learn the links up to its removal, and no further", async () => {
    const { device } = await secondDevice()
    const out = await removal(writer, [device.deviceId])
    await send(reach, person.device, "account.append", { ...empty, ...out, next: undefined })
    writer.account = out.next
    const third = await enrolDevice(reach, person)
    const later = await addDevice(writer.account, person.device, third, person.accountSeed, 1)
    decodeReply(await send(reach, person.device, "account.append", { ...empty, link: later.link, wraps: later.wraps }))
    const chain = expectOk(
      accountChainReplyStruct.decode(
        (await send(reach, device, "account.chain", {}, { query: "after=2" })).body,
        1 << 20,
      ),
      "chain",
    )
    expect(chain.links.map(bytesToHex)).toEqual([bytesToHex(out.link)])
    expect(JSON.parse(utf8ToText((await send(reach, device, "account.status")).body) ?? "")).toMatchObject({
      state: "removed",
    })
  })

  test("[SY80] the link commits even if a rotation that came with it is refused", async () => {
    const { device } = await secondDevice()
    await doPush(reach, writer, await genesisPush(writer))
    const out = await removal(writer, [device.deviceId])
    const rotations = [{ vaultId: random.bytes(32), links: [random.bytes(40)], records: [] }]
    const reply = decodeReply(
      await send(reach, person.device, "account.append", { ...out, next: undefined, rotations }),
    )
    expect(reply.outcome).toBe(PUSH_ACCEPTED)
    expect(reply.results.map((r) => [r.outcome, r.code])).toEqual([[PUSH_REFUSED, "chain-invalid"]])
    expect(await stateOf(device)).toBe("removed")
  })

  test("[SY63] items are refused until the vault's key names the newest account key, then taken", async () => {
    const { device } = await secondDevice()
    await doPush(reach, writer, await genesisPush(writer))
    const out = await removal(writer, [device.deviceId])
    await send(reach, person.device, "account.append", { ...empty, ...out, next: undefined })
    const before = { ...writer, hashes: new Map(writer.hashes) }
    writer.account = out.next
    expect(await doPush(reach, writer, await putPush(writer, itemId()))).toMatchObject({
      outcome: PUSH_REFUSED,
      code: "epoch-stale",
    })
    Object.assign(writer, before, { account: out.next })
    expect((await doPush(reach, writer, await rotationPush(writer))).outcome).toBe(PUSH_ACCEPTED)
    expect((await doPush(reach, writer, await putPush(writer, itemId()))).outcome).toBe(PUSH_ACCEPTED)
  })

  test("[SY72] rotations in the same request are committed after the link, and give the new wraps to readers", async () => {
    const { device } = await secondDevice()
    await doPush(reach, writer, await genesisPush(writer))
    const cursor = [vaultOf(writer).id, vaultOf(writer).head.seq, vaultOf(writer).head.hash] as const
    const out = await removal(writer, [device.deviceId])
    writer.account = out.next
    const rotation = await rotationPush(writer)
    const reply = decodeReply(
      await send(reach, person.device, "account.append", { ...out, next: undefined, rotations: [rotation] }),
    )
    expect(reply.results.map((r) => r.outcome)).toEqual([PUSH_ACCEPTED])
    const read = await doSync(reach, writer, { cursors: [cursor] })
    const [wrap] = read.vaults[0]?.wraps ?? []
    expect(wrap?.[0]).toBe(2)
    expect(bytesToHex(wrap?.[1] ?? new Uint8Array())).toBe(bytesToHex(rotation.wraps?.[0] ?? new Uint8Array()))
  })

  test("[SY64] a push in flight while its device is removed is refused at the commit", async () => {
    const { device } = await secondDevice()
    await doPush(reach, writer, await genesisPush(writer))
    const gone = sameVault(writer, device)
    const push = await putPush(gone, itemId())
    const out = await removal(writer, [device.deviceId])
    const { ctx, leases } = world.room()
    // Its request was verified while the device was active; the removal commits before the push does.
    const { accountUuid, accountId } = person
    const signing = {
      accountUuid,
      accountId,
      deviceId: device.deviceId,
      state: "active",
      sigPk: device.keys.sigPk,
      lastFactorMs: 0,
      lastPasswordMs: 0,
    } as const
    decodeReply(await send(reach, person.device, "account.append", { ...empty, ...out, next: undefined }))
    const body = { account: [1, new Uint8Array(32)] as const, cursors: [], pushes: [push], maxBytes: 1 }
    const answer = await createVaultHandlers(ctx, leases).sync(
      ctx,
      { device: signing, query: "", createdS: 0, limits: NO_LIMITS, origins: [] },
      body,
    )
    expect(answer).toEqual({ ok: false, error: { code: "device-removed" } })
    const links = await ctx.store.read((db) => db.selectFrom("vault_link").select("seq").execute())
    expect(links).toHaveLength(1)
  })
})

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
  const freshLogin = (ms: number) =>
    world
      .room()
      .ctx.store.transaction((tx) =>
        tx.updateTable("device").set({ last_factor_ms: ms, last_password_ms: ms }).execute(),
      )

  test("[SY84] only within five minutes of password and second factor", async () => {
    const body = { ...(await replacePassword()), registrationRecord: random.bytes(192) }
    await freshLogin(world.clock.nowMs() - 5 * 60_000 - 1)
    expect((await send(reach, person.device, "account.append", body)).code).toBe("reauth-required")
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
    expect(await stateOf(person.device)).toBe("removed")
    const row = await world
      .room()
      .ctx.store.read((db) => db.selectFrom("account").select(["rec_pk", "opaque_rev"]).executeTakeFirstOrThrow())
    expect([bytesToHex(row.rec_pk ?? new Uint8Array()), row.opaque_rev]).toEqual([bytesToHex(recPk), 2])
    expect(await world.room().leases.isBuried("slot", person.slots.recovery.holder.id)).toBe(true)

    // Approved and not yet active: it may end epochs, and nothing else.
    const { ctx, leases } = world.room()
    const signing = {
      accountUuid: person.accountUuid,
      accountId: person.accountId,
      deviceId: enrolled.device.deviceId,
      state: "approved",
      sigPk: enrolled.device.keys.sigPk,
      lastFactorMs: 0,
      lastPasswordMs: 0,
    } as const
    const again = await createVaultHandlers(ctx, leases)["enrol.append"](
      ctx,
      { device: signing, query: "", createdS: 0, limits: NO_LIMITS, origins: [] },
      { ...request, rotations: [items] },
    )
    expect(again.ok && again.value.reply.results.map((r) => r.code)).toEqual(["not-allowed"])
  })
})
