import { bytesToHex, expectOk, utf8ToText } from "@keyferry/base"
import { accountChainReplyStruct, PUSH_ACCEPTED, PUSH_REFUSED } from "@keyferry/protocol"
import { afterEach, beforeEach, describe, expect, test } from "vitest"

import { addDevice, enrolDevice, NO_LIMITS, type Person, random, type Reach, send, type World } from "../fixture.ts"
import { createVaultHandlers } from "./index.ts"
import {
  createVaultWorld,
  doPush,
  doSync,
  genesisPush,
  itemId,
  putPush,
  removal,
  rotationPush,
  sameVault,
  signingOf,
  vaultOf,
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

describe("a removal", () => {
  test("[SY86] [FD3] the device is out of everything when the answer is there, and its stream is closed before any later commit", async () => {
    const { device } = await secondDevice({ world, reach, person, writer })
    await doPush(reach, writer, await genesisPush(writer))
    const gone = sameVault(writer, device)
    const out = await removal(writer, [device.deviceId])
    const reply = decodeReply(await send(reach, person.device, "account.append", { ...empty, ...out, next: undefined }))
    expect(reply.outcome).toBe(PUSH_ACCEPTED)
    const notice = world.notices.at(-1)
    expect(notice?.closed.map(bytesToHex)).toEqual([bytesToHex(device.deviceId)])
    expect(notice?.audience.map(bytesToHex)).not.toContain(bytesToHex(device.deviceId))
    expect(await stateOf(world, device)).toBe("removed")
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
    const { device } = await secondDevice({ world, reach, person, writer })
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
    const { device } = await secondDevice({ world, reach, person, writer })
    await doPush(reach, writer, await genesisPush(writer))
    const out = await removal(writer, [device.deviceId])
    const rotations = [{ vaultId: random.bytes(32), links: [random.bytes(40)], records: [] }]
    const reply = decodeReply(
      await send(reach, person.device, "account.append", { ...out, next: undefined, rotations }),
    )
    expect(reply.outcome).toBe(PUSH_ACCEPTED)
    expect(reply.results.map((r) => [r.outcome, r.code])).toEqual([[PUSH_REFUSED, "chain-invalid"]])
    expect(await stateOf(world, device)).toBe("removed")
  })

  test("[SY63] items are refused until the vault's key names the newest account key, then taken", async () => {
    const { device } = await secondDevice({ world, reach, person, writer })
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
    const { device } = await secondDevice({ world, reach, person, writer })
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
    const { device } = await secondDevice({ world, reach, person, writer })
    await doPush(reach, writer, await genesisPush(writer))
    const gone = sameVault(writer, device)
    const push = await putPush(gone, itemId())
    const out = await removal(writer, [device.deviceId])
    const { ctx, leases } = world.room()
    // Its request was verified while the device was active; the removal commits before the push does.
    const signing = signingOf(person, device, "active")
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
