import { bytesToHex, expectOk } from "@keyferry/base"
import { encodeWrapEntry, makeKemKeyPair } from "@keyferry/crypto"
import {
  accountChainReplyStruct,
  accountKeysReplyStruct,
  PUSH_ACCEPTED,
  PUSH_CONFLICT,
  PUSH_REFUSED,
} from "@keyferry/protocol"
import { afterEach, beforeEach, describe, expect, test } from "vitest"

import { addDevice, enrolDevice, NO_LIMITS, type Person, random, type Reach, send, type World } from "../fixture.ts"
import {
  blindWrap,
  createVaultWorld,
  doPush,
  doSync,
  genesisPush,
  itemId,
  putPush,
  sameVault,
  type Writer,
} from "./fixture.ts"
import { decodeReply, empty, secondDevice, stateOf } from "./fixture-append.ts"

let world: World
let reach: Reach
let person: Person
let writer: Writer

beforeEach(async () => {
  ;({ world, reach, person, writer } = await createVaultWorld())
})
afterEach(() => world.close())

describe("an account link", () => {
  test("[SY83] approval by a device stands for the mail: a device that still waits is approved and gets its wrap", async () => {
    const { device } = await secondDevice({ world, reach, person, writer })
    expect(await stateOf(world, device)).toBe("active")
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
    expect(await stateOf(world, two.device)).toBe("pending")
  })

  test("[SY81] wraps must be exactly those of the link", async () => {
    const enrolled = await enrolDevice(reach, person)
    const added = await addDevice(writer.account, person.device, enrolled, person.accountSeed, 1)
    const other = encodeWrapEntry(blindWrap(enrolled.device.deviceId, enrolled.device.keys.kemPk))
    for (const wraps of [[], [other], [...added.wraps, other]]) {
      const answer = await send(reach, person.device, "account.append", { ...empty, link: added.link, wraps })
      expect(answer.code).toBe("malformed")
    }
    expect(await stateOf(world, enrolled.device)).toBe("pending")
  })

  test("[SY83] the plan's number of devices counts at the commit", async () => {
    const enrolled = await enrolDevice(reach, person)
    const added = await addDevice(writer.account, person.device, enrolled, person.accountSeed, 1)
    const body = { ...empty, link: added.link, wraps: added.wraps }
    const answer = await send(reach, person.device, "account.append", body, { limits: { ...NO_LIMITS, devices: 1 } })
    expect(answer.code).toBe("device-limit")
    expect(await stateOf(world, enrolled.device)).toBe("pending")
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
    const { device } = await secondDevice({ world, reach, person, writer })
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
    const { device } = await secondDevice({ world, reach, person, writer })
    await doPush(reach, writer, await genesisPush(writer))
    const theirs = await putPush(sameVault(writer, device), itemId())
    expect(await doPush(reach, writer, theirs)).toMatchObject({ outcome: PUSH_REFUSED, code: "not-allowed" })
    const reply = await doSync(reach, { ...writer, device }, { pushes: [theirs] })
    expect(reply.results[0]?.outcome).toBe(PUSH_ACCEPTED)
  })
})
