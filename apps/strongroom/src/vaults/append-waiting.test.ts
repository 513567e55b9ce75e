import { bytesToHex, expectOk, formatId } from "@keyferry/base"
import {
  accountPayload,
  ACCOUNT_HOLDER_ADD,
  countersignPayload,
  encodeLink,
  type Holder,
  holderAddStruct,
  HOW_KIT,
  newestAccountKey,
  signPayload,
} from "@keyferry/chain"
import { encodeWrapEntry, makeWrap, wrapsHash } from "@keyferry/crypto"
import { accountKeysReplyStruct, PUSH_ACCEPTED } from "@keyferry/protocol"
import { afterEach, beforeEach, describe, expect, test } from "vitest"

import {
  addDevice,
  enrolDevice,
  type EnrolledDevice,
  holderOfDevice,
  p,
  type Person,
  random,
  type Reach,
  send,
  type SigningUp,
  tokenHashOf,
  type World,
} from "../fixture.ts"
import { createVaultWorld, type Writer } from "./fixture.ts"
import { decodeReply, empty, secondDevice, stateOf } from "./fixture-append.ts"

let world: World
let reach: Reach
let person: Person
let writer: Writer

beforeEach(async () => {
  ;({ world, reach, person, writer } = await createVaultWorld())
})
afterEach(() => world.close())

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
    expect(await stateOf(world, other.device)).toBe("pending")
  })

  test("[SY82] links of slots come from waiting devices, links of devices from themselves", async () => {
    const enrolled = await enrolDevice(reach, person)
    await confirm(enrolled)
    const bySlot = await kitLink(enrolled)
    expect((await send(reach, person.device, "account.append", bySlot)).code).toBe("not-allowed")
    const byDevice = await addDevice(writer.account, person.device, enrolled, person.accountSeed, 1)
    const body = { ...empty, link: byDevice.link, wraps: byDevice.wraps }
    expect((await send(reach, enrolled.device, "enrol.append", body)).code).toBe("not-allowed")
    const { device } = await secondDevice({ world, reach, person, writer })
    const third = await enrolDevice(reach, person)
    const foreign = await addDevice(writer.account, device, third, person.accountSeed, 1)
    const relayed = { ...empty, link: foreign.link, wraps: foreign.wraps }
    expect((await send(reach, person.device, "account.append", relayed)).code).toBe("not-allowed")
    expect(await stateOf(world, third.device)).toBe("pending")
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
