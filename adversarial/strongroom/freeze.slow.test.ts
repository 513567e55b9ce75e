import { bytesToBase64url, formatId, secret } from "@keyferry/base"
import { blind, signRetire } from "@keyferry/crypto"
import { nodePrimitives as p } from "@keyferry/crypto/node"
import { afterEach, beforeEach, describe, expect, test } from "vitest"

import {
  addDevice,
  enrolDevice,
  type EnrolledDevice,
  json,
  makeActive,
  type Person,
  random,
  send,
  signUp,
  type TestDevice,
} from "../../apps/strongroom/src/fixture.ts"
import { doSync, type Writer, writerOf } from "../../apps/strongroom/src/vaults/fixture.ts"
import { startStrongroomUnderAttack, type StrongroomUnderAttack } from "../world/strongroom-process.ts"

/*
 * Freezing: it must hold against whoever is in the middle of something, and thawing must need what it says, and last.
 */
let room: StrongroomUnderAttack
let ada: Person
let writer: Writer

beforeEach(async () => {
  room = await startStrongroomUnderAttack()
  ada = await signUp(room.reach)
  await makeActive(room.reach, ada)
  writer = writerOf(ada)
}, 180_000)
afterEach(() => room.close())

const codeOf = async (device: TestDevice, route: Parameters<typeof send>[2], body: object = {}): Promise<string> =>
  (await send(room.reach, device, route, body)).code ?? "ok"
const isFrozen = async (): Promise<unknown> => (await json(send(room.reach, ada.device, "account.status")))["frozen"]
const evaluate = (device: EnrolledDevice): Promise<string> =>
  codeOf(device.device, "lease.evaluate", {
    leaseId: formatId("lea", device.answer.lease.leaseId),
    blinded: bytesToBase64url(blind(random, secret<"LeaseInput">(random.bytes(32))).blinded),
  })

/** A second device in the chain that never unlocked: as good as the first for leaving and for asking. */
const second = async (): Promise<EnrolledDevice> => {
  const enrolled = await enrolDevice(room.reach, ada)
  const added = await addDevice(writer.account, ada.device, enrolled, ada.accountSeed, room.reach.nowMs())
  expect(await codeOf(ada.device, "account.append", { link: added.link, wraps: added.wraps, rotations: [] })).toBe("ok")
  writer.account = added.next
  return enrolled
}

describe("freezing", () => {
  test("X-89 fate: a device that left while the account was frozen does not freeze it again at the next start", async () => {
    const leaving = await second()
    expect(await codeOf(ada.device, "account.freeze")).toBe("ok")
    const { head } = writer.account
    const signature = await signRetire(p, leaving.device.sigSeed, {
      uid: writer.account.id,
      deviceId: leaving.device.deviceId,
      seq: head.seq,
      head: head.hash,
    })
    const retire = {
      seq: head.seq,
      head: bytesToBase64url(head.hash),
      signature: bytesToBase64url(signature),
      lastDeviceConfirmed: false,
    }
    expect(await codeOf(leaving.device, "device.retire", retire)).toBe("ok")
    expect(await codeOf(ada.device, "account.thaw")).toBe("ok")
    for (let i = 0; i < 2; i++) {
      await room.stop()
      await room.start()
      expect(await isFrozen()).toBe(false)
    }
    expect((await doSync(room.reach, writer)).heads).toEqual([])
  })

  test("X-90 race: requests and the freeze at the same instant, many times: nothing is answered after the freeze was", async () => {
    const other = await second()
    for (let round = 0; round < 8; round++) {
      const racing = [evaluate(other), codeOf(ada.device, "devices.list")]
      const frozen = codeOf(ada.device, "account.freeze")
      expect(await frozen).toBe("ok")
      expect(await evaluate(other)).toBe("account-frozen")
      await expect(doSync(room.reach, writer)).rejects.toThrow("account-frozen")
      for (const answer of await Promise.all(racing)) expect(["ok", "account-frozen"]).toContain(answer)
      // Killed at that moment, it is frozen after the start: in both stores, or nothing of it counts.
      if (round === 4) {
        await room.kill()
        await room.start()
        expect(await evaluate(other)).toBe("account-frozen")
      }
      expect(await codeOf(ada.device, "account.thaw")).toBe("ok")
      expect(await isFrozen()).toBe(false)
    }
  })

  test("X-91 thief with a device and no factor: thaws nothing, and the 72 hours that it begins end with the next freeze", async () => {
    const stolen = await second()
    expect(await codeOf(ada.device, "account.freeze")).toBe("ok")
    // Its first unlock never came, so it may not thaw; the owner's own device may not either, once its factor is old.
    expect(await codeOf(stolen.device, "account.thaw")).not.toBe("ok")
    room.advance(5 * 60_000 + 1_000)
    expect(await codeOf(ada.device, "account.thaw")).toBe("second-factor-needed")
    expect(await isFrozen()).toBe(true)
    expect(await json(send(room.reach, stolen.device, "account.thaw-wait", {}))).toMatchObject({ frozen: true })
    room.advance(71 * 3_600_000)
    expect(await codeOf(ada.device, "account.freeze")).toBe("ok")
    room.advance(2 * 3_600_000)
    expect(await json(send(room.reach, stolen.device, "account.thaw-wait", {}))).toMatchObject({ frozen: true })
    expect(await isFrozen()).toBe(true)
    expect(await evaluate(stolen)).toBe("account-frozen")
  })
})
