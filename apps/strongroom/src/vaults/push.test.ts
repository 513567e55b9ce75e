import { bytesToHex } from "@keyferry/base"
import { PUSH_ACCEPTED, PUSH_CONFLICT } from "@keyferry/protocol"
import { sql } from "@keyferry/store"
import { afterEach, beforeEach, describe, expect, test } from "vitest"

import { NO_LIMITS, type Person, type Reach, send, type World } from "../fixture.ts"
import {
  beginVault,
  createVaultWorld,
  cursorOf,
  doPush,
  doSync,
  itemId,
  itemsPush,
  joined,
  makeDelete,
  makePut,
  putPush,
  signingOf,
  syncBody,
  vaultOf,
  type Writer,
} from "./fixture.ts"
import { createVaultHandlers } from "./index.ts"

let world: World
let reach: Reach
let person: Person
let writer: Writer

beforeEach(async () => {
  ;({ world, reach, person, writer } = await createVaultWorld())
})
afterEach(() => world.close())

describe("a push", () => {
  test("[SY63] a vault begins and takes an item; another read gives it back as it was sent", async () => {
    await beginVault(reach, writer)
    const cursor = cursorOf(writer)
    const push = await putPush(writer, itemId())
    const result = await doPush(reach, writer, push)
    expect(result).toEqual({
      vaultId: vaultOf(writer).id,
      outcome: PUSH_ACCEPTED,
      head: [2, vaultOf(writer).head.hash],
    })
    const reply = await doSync(reach, writer, { cursors: [cursor] })
    expect(reply.vaults).toHaveLength(1)
    expect(reply.vaults[0]?.links.map(bytesToHex)).toEqual(push.links.map(bytesToHex))
    expect(reply.vaults[0]?.records.map(bytesToHex)).toEqual(push.records.map(bytesToHex))
  })

  test("[SY70] what a device pushed on top of its cursor is not sent back to it", async () => {
    await beginVault(reach, writer)
    const cursors = [cursorOf(writer)]
    const reply = await doSync(reach, writer, { cursors, pushes: [await putPush(writer, itemId())] })
    expect(reply.vaults).toEqual([])
    expect(reply.heads).toEqual([[vaultOf(writer).id, 2, vaultOf(writer).head.hash]])
  })

  test("[SY66] links may be pipelined onto an unacknowledged head, also of one item", async () => {
    await beginVault(reach, writer)
    const item = itemId()
    const push = joined(await putPush(writer, item, { text: "one" }), await putPush(writer, item, { text: "two" }))
    expect((await doPush(reach, writer, push)).outcome).toBe(PUSH_ACCEPTED)
    const reply = await doSync(reach, writer, { cursors: [[vaultOf(writer).id, 1, new Uint8Array(32)]] })
    expect(reply.vaults[0]?.records.map(bytesToHex)).toEqual([bytesToHex(push.records[1] ?? new Uint8Array())])
  })

  test("[SY66] a stored link is accepted again, and nothing is written twice", async () => {
    await beginVault(reach, writer)
    const push = await putPush(writer, itemId())
    await doPush(reach, writer, push)
    const before = world.notices.length
    expect((await doPush(reach, writer, push)).outcome).toBe(PUSH_ACCEPTED)
    expect(world.notices.length).toBe(before)
  })

  test("[SY65] of two writers exactly one wins, and the other gets what won", async () => {
    await beginVault(reach, writer)
    const cursor = cursorOf(writer)
    const other: Writer = { ...writer, hashes: new Map() }
    const [a, b] = [await putPush(writer, itemId()), await putPush(other, itemId())]
    const [first, second] = await Promise.all([
      doSync(reach, writer, { cursors: [cursor], pushes: [a] }),
      doSync(reach, other, { cursors: [cursor], pushes: [b] }),
    ])
    const outcomes = [first.results[0]?.outcome, second.results[0]?.outcome].toSorted((a, b) => (a ?? 0) - (b ?? 0))
    expect(outcomes).toEqual([PUSH_ACCEPTED, PUSH_CONFLICT])
    const loser = first.results[0]?.outcome === PUSH_CONFLICT ? first : second
    const won = first.results[0]?.outcome === PUSH_CONFLICT ? b : a
    expect(loser.vaults[0]?.links.map(bytesToHex)).toEqual(won.links.map(bytesToHex))
    expect(loser.vaults[0]?.records.map(bytesToHex)).toEqual(won.records.map(bytesToHex))
  })

  test("[SY61] a delete leaves no record behind, and the item may come back", async () => {
    await beginVault(reach, writer)
    const item = itemId()
    await doPush(reach, writer, await putPush(writer, item))
    const gone = await itemsPush(writer, [], [await makeDelete(writer, item)])
    expect((await doPush(reach, writer, gone)).outcome).toBe(PUSH_ACCEPTED)
    expect(vaultOf(writer).count).toBe(0)
    expect((await doPush(reach, writer, await putPush(writer, item))).outcome).toBe(PUSH_ACCEPTED)
  })

  test("[SY68] everything at rest wears the outer layer", async () => {
    await beginVault(reach, writer)
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

  test("[FD2] a notice follows each commit, in order, with what the push changed", async () => {
    await beginVault(reach, writer)
    const push = await putPush(writer, itemId())
    const answer = await send(reach, writer.device, "sync", syncBody(writer, { pushes: [push] }))
    const notice = world.notices.at(-1)
    expect(notice?.commit).toBe(answer.commit)
    expect(notice?.audience.map(bytesToHex)).toEqual([bytesToHex(writer.device.deviceId)])
    expect(world.notices.map((n) => n.commit)).toEqual(world.notices.map((_, i) => (world.notices[0]?.commit ?? 0) + i))
  })

  test("[SY65] a lost race brings what won also without a cursor", async () => {
    await beginVault(reach, writer)
    const other: Writer = { ...writer, hashes: new Map() }
    const won = await putPush(writer, itemId())
    await doPush(reach, writer, won)
    const lost = await doSync(reach, other, { pushes: [await putPush(other, itemId())] })
    expect(lost.results[0]).toMatchObject({ outcome: PUSH_CONFLICT, head: [2, vaultOf(writer).head.hash] })
    expect(lost.vaults[0]?.records.map(bytesToHex)).toEqual(won.records.map(bytesToHex))
  })

  test("[SY66] what follows stored links in one push is taken if it follows the head", async () => {
    await beginVault(reach, writer)
    const first = await putPush(writer, itemId())
    await doPush(reach, writer, first)
    const second = await putPush(writer, itemId())
    expect(await doPush(reach, writer, joined(first, second))).toMatchObject({
      outcome: PUSH_ACCEPTED,
      head: [3, vaultOf(writer).head.hash],
    })
    const links = await world.room().ctx.store.read((db) => db.selectFrom("vault_link").select("seq").execute())
    expect(links).toHaveLength(3)
  })

  test("[SY69] one item costs as many rows and hashes in a large vault as the logarithm says", async () => {
    await beginVault(reach, writer)
    const cost = async (): Promise<{ readonly rows: number; readonly hashes: number }> => {
      const { ctx, leases } = world.room()
      let hashes = 0
      const primitives = { ...ctx.primitives, sha256: (bytes: Uint8Array) => (hashes++, ctx.primitives.sha256(bytes)) }
      const counting = { ...ctx, primitives }
      const signing = signingOf(person, person.device, "active")
      const changes = async () =>
        (await ctx.store.read((db) => sql<{ n: number }>`select total_changes() as n`.execute(db))).rows[0]?.n ?? 0
      const push = await putPush(writer, itemId())
      const before = await changes()
      // New handlers have an empty cache: everything is read from the tables.
      const done = await createVaultHandlers(counting, leases).sync(
        counting,
        { device: signing, query: "", createdS: 0, limits: NO_LIMITS, origins: [] },
        syncBody(writer, { pushes: [push] }),
      )
      expect(done.ok && done.value.reply.results[0]?.outcome).toBe(PUSH_ACCEPTED)
      return { rows: (await changes()) - before, hashes }
    }
    const grow = async (items: number): Promise<void> => {
      const puts = await Promise.all(Array.from({ length: items }, () => makePut(writer, itemId())))
      expect((await doPush(reach, writer, await itemsPush(writer, puts))).outcome).toBe(PUSH_ACCEPTED)
    }
    // Ids are random, so one of them may share an unusual number of bits with another: the middle of five tells the depth.
    const usual = async (): Promise<{ readonly rows: number; readonly hashes: number }> => {
      const costs: { readonly rows: number; readonly hashes: number }[] = []
      for (let i = 0; i < 5; i++) costs.push(await cost())
      const middle = (of: "rows" | "hashes"): number => costs.map((c) => c[of]).toSorted((a, b) => a - b)[2] ?? 0
      return { rows: middle("rows"), hashes: middle("hashes") }
    }
    await grow(16)
    const small = await usual()
    for (let i = 0; i < 4; i++) await grow(1000)
    const large = await usual()
    // 250 times as many items are two more levels of sixteen: two rows, and at most fifteen nodes each.
    expect(large.rows - small.rows).toBeLessThanOrEqual(3)
    expect(large.hashes - small.hashes).toBeLessThanOrEqual(45)
  })
})
