import { bytesToHex } from "@keyferry/base"
import { PUSH_ACCEPTED, PUSH_CONFLICT, PUSH_REFUSED } from "@keyferry/protocol"
import { afterEach, beforeEach, describe, expect, test } from "vitest"

import { allHandlers } from "../all-handlers.ts"
import { createWorld, makeActive, type Person, random, type Reach, reachOf, send, signUp, type World } from "../fixture.ts"
import { doPush, doSync, genesisPush, itemId, itemsPush, joined, makeDelete, makePut, putPush, type Writer, writerOf, vaultOf, syncBody } from "./fixture.ts"

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

const cursorOf = (w: Writer) => [vaultOf(w).id, vaultOf(w).head.seq, vaultOf(w).head.hash] as const
const withVault = async (): Promise<void> => {
  expect((await doPush(reach, writer, await genesisPush(writer))).outcome).toBe(PUSH_ACCEPTED)
}

describe("a push", () => {
  test("a vault begins and takes an item; another read gives it back as it was sent", async () => {
    await withVault()
    const cursor = cursorOf(writer)
    const push = await putPush(writer, itemId())
    const result = await doPush(reach, writer, push)
    expect(result).toEqual({ vaultId: vaultOf(writer).id, outcome: PUSH_ACCEPTED, head: [2, vaultOf(writer).head.hash] })
    const reply = await doSync(reach, writer, { cursors: [cursor] })
    expect(reply.vaults).toHaveLength(1)
    expect(reply.vaults[0]?.links.map(bytesToHex)).toEqual(push.links.map(bytesToHex))
    expect(reply.vaults[0]?.records.map(bytesToHex)).toEqual(push.records.map(bytesToHex))
  })

  test("what a device pushed on top of its cursor is not sent back to it", async () => {
    await withVault()
    const cursors = [cursorOf(writer)]
    const reply = await doSync(reach, writer, { cursors, pushes: [await putPush(writer, itemId())] })
    expect(reply.vaults).toEqual([])
    expect(reply.heads).toEqual([[vaultOf(writer).id, 2, vaultOf(writer).head.hash]])
  })

  test("links may be pipelined onto an unacknowledged head, also of one item", async () => {
    await withVault()
    const item = itemId()
    const push = joined(await putPush(writer, item, { text: "one" }), await putPush(writer, item, { text: "two" }))
    expect((await doPush(reach, writer, push)).outcome).toBe(PUSH_ACCEPTED)
    const reply = await doSync(reach, writer, { cursors: [[vaultOf(writer).id, 1, new Uint8Array(32)]] })
    expect(reply.vaults[0]?.records.map(bytesToHex)).toEqual([bytesToHex(push.records[1] ?? new Uint8Array())])
  })

  test("a stored link is accepted again, and nothing is written twice", async () => {
    await withVault()
    const push = await putPush(writer, itemId())
    await doPush(reach, writer, push)
    const before = world.notices.length
    expect((await doPush(reach, writer, push)).outcome).toBe(PUSH_ACCEPTED)
    expect(world.notices.length).toBe(before)
  })

  test("of two writers exactly one wins, and the other gets what won", async () => {
    await withVault()
    const cursor = cursorOf(writer)
    const other: Writer = { ...writer, hashes: new Map() }
    const [a, b] = [await putPush(writer, itemId()), await putPush(other, itemId())]
    const [first, second] = await Promise.all([
      doSync(reach, writer, { cursors: [cursor], pushes: [a] }),
      doSync(reach, other, { cursors: [cursor], pushes: [b] }),
    ])
    const outcomes = [first.results[0]?.outcome, second.results[0]?.outcome].toSorted()
    expect(outcomes).toEqual([PUSH_ACCEPTED, PUSH_CONFLICT])
    const loser = first.results[0]?.outcome === PUSH_CONFLICT ? first : second
    const won = first.results[0]?.outcome === PUSH_CONFLICT ? b : a
    expect(loser.vaults[0]?.links.map(bytesToHex)).toEqual(won.links.map(bytesToHex))
    expect(loser.vaults[0]?.records.map(bytesToHex)).toEqual(won.records.map(bytesToHex))
  })

  test("a delete leaves no record behind, and the item may come back", async () => {
    await withVault()
    const item = itemId()
    await doPush(reach, writer, await putPush(writer, item))
    const gone = await itemsPush(writer, [], [await makeDelete(writer, item)])
    expect((await doPush(reach, writer, gone)).outcome).toBe(PUSH_ACCEPTED)
    expect(vaultOf(writer).count).toBe(0)
    expect((await doPush(reach, writer, await putPush(writer, item))).outcome).toBe(PUSH_ACCEPTED)
  })

  test.each([
    ["another item", { itemId: random.bytes(16) }],
    ["another vault", { vid: random.bytes(32) }],
    ["another epoch", { epoch: 2 }],
    ["another device", { by: random.bytes(16) }],
    ["another account", { byUid: random.bytes(32) }],
  ])("a record whose header names %s is refused", async (_, header) => {
    await withVault()
    const result = await doPush(reach, writer, await putPush(writer, itemId(), { header }))
    expect([result.outcome, result.code]).toEqual([PUSH_REFUSED, "record-mismatch"])
  })

  test("a missing, a foreign and a doubled record are refused", async () => {
    await withVault()
    const push = await putPush(writer, itemId())
    const [record] = push.records
    const { record: foreign } = await makePut(writer, itemId())
    for (const records of [[], [foreign], [record, foreign], [record, record]]) {
      const result = await doPush(reach, writer, { ...push, records: records as Uint8Array[] })
      expect([result.outcome, result.code]).toEqual([PUSH_REFUSED, "record-mismatch"])
    }
  })

  test("limits of items and bytes count under the account's lock; deleting is always possible", async () => {
    await withVault()
    const item = itemId()
    const put = await putPush(writer, item)
    expect((await doPush(reach, writer, put, { limits: { devices: 0, items: 1, bytes: 0 } })).outcome).toBe(PUSH_ACCEPTED)
    const before = { ...writer, hashes: new Map(writer.hashes) }
    const second = await putPush(writer, itemId())
    expect(await doPush(reach, writer, second, { limits: { devices: 0, items: 1, bytes: 0 } })).toMatchObject({ code: "item-limit" })
    expect(await doPush(reach, writer, second, { limits: { devices: 0, items: 0, bytes: 700 } })).toMatchObject({ code: "quota-exceeded" })
    Object.assign(writer, before)
    const gone = await itemsPush(writer, [], [await makeDelete(writer, item)])
    expect((await doPush(reach, writer, gone, { limits: { devices: 0, items: 1, bytes: 1 } })).outcome).toBe(PUSH_ACCEPTED)
    const row = await world.room().ctx.store.read((db) => db.selectFrom("account").select(["items", "bytes"]).executeTakeFirstOrThrow())
    expect(row).toEqual({ items: 0, bytes: 0 })
  })

  test("everything at rest wears the outer layer", async () => {
    await withVault()
    const push = await putPush(writer, itemId())
    await doPush(reach, writer, push)
    const [record] = push.records
    const rows = await world.room().ctx.store.read((db) => db.selectFrom("record").select("sealed_record").execute())
    const inner = bytesToHex(record ?? new Uint8Array())
    expect(rows).toHaveLength(1)
    // Neither the record nor any stretch of it.
    for (let at = 0; at + 64 < inner.length; at += 64)
      expect(bytesToHex(rows[0]?.sealed_record ?? new Uint8Array())).not.toContain(inner.slice(at, at + 64))
  })

  test("a notice follows each commit, in order, with what the push changed", async () => {
    await withVault()
    const push = await putPush(writer, itemId())
    const answer = await send(reach, writer.device, "sync", syncBody(writer, { pushes: [push] }))
    const notice = world.notices.at(-1)
    expect(notice?.commit).toBe(answer.commit)
    expect(notice?.audience.map(bytesToHex)).toEqual([bytesToHex(writer.device.deviceId)])
    expect(world.notices.map((n) => n.commit)).toEqual(world.notices.map((_, i) => (world.notices[0]?.commit ?? 0) + i))
  })
})
