import { bytesToHex, expectOk } from "@keyferry/base"
import { feedEventStruct } from "@keyferry/protocol"
import { afterEach, beforeEach, describe, expect, test } from "vitest"

import { type Reach, send, type World } from "../fixture.ts"
import {
  beginVault,
  createVaultWorld,
  cursorOf,
  decodeSync,
  doPush,
  doSync,
  itemId,
  joined,
  putPush,
  vaultOf,
  type Writer,
} from "./fixture.ts"

let world: World
let reach: Reach
let writer: Writer

beforeEach(async () => {
  ;({ world, reach, writer } = await createVaultWorld())
})
afterEach(() => world.close())

describe("a pull", () => {
  test("[SY70] is one moment: links, heads, account links and the commit number", async () => {
    await beginVault(reach, writer)
    await doPush(reach, writer, await putPush(writer, itemId()))
    const reply = await doSync(reach, writer, {
      account: [0, new Uint8Array(32)],
      cursors: [[vaultOf(writer).id, 0, new Uint8Array(32)]],
    })
    expect(reply.accountLinks).toHaveLength(1)
    expect(reply.vaults[0]?.links).toHaveLength(2)
    expect(reply.commit).toBe(world.notices.at(-1)?.commit)
    expect(bytesToHex(reply.logId)).toBe(bytesToHex(world.room().ctx.logId))
  })

  test("[SY71] cut by its limit it goes on from the last link, and brings every newest record once", async () => {
    await beginVault(reach, writer)
    const item = itemId()
    const pushes = [
      await putPush(writer, item),
      await putPush(writer, itemId()),
      await putPush(writer, item),
      await putPush(writer, itemId()),
    ]
    for (const push of pushes) await doPush(reach, writer, push)
    const records: string[] = []
    let seq = 0
    let requests = 0
    for (let more = true; more; requests++) {
      const reply = await doSync(reach, writer, {
        cursors: [[vaultOf(writer).id, seq, new Uint8Array(32)]],
        maxBytes: 1,
      })
      const [vault] = reply.vaults
      expect(vault?.links).toHaveLength(1)
      records.push(...(vault?.records ?? []).map(bytesToHex))
      seq += vault?.links.length ?? 0
      more = vault?.more ?? false
    }
    expect(requests).toBe(5)
    // The first revision of the item that was put twice is not the newest any more.
    expect(records).toEqual(pushes.slice(1).flatMap((push) => push.records.map(bytesToHex)))
  })

  test("[FD1] the first event of the feed is what is missing, with the commit number of that moment", async () => {
    await beginVault(reach, writer)
    const cursor = cursorOf(writer)
    const push = await putPush(writer, itemId())
    await doPush(reach, writer, push)
    const reply = decodeSync(
      await send(reach, writer.device, "feed", { account: [1, new Uint8Array(32)], cursors: [cursor] }),
    )
    expect(reply.vaults[0]?.records.map(bytesToHex)).toEqual(push.records.map(bytesToHex))
    expect(reply.commit).toBe(world.notices.at(-1)?.commit)
  })

  test("[FD2] a notice carries what a pull from before would have brought", async () => {
    await beginVault(reach, writer)
    const cursor = cursorOf(writer)
    const item = itemId()
    await doPush(
      reach,
      writer,
      joined(await putPush(writer, item), await putPush(writer, itemId()), await putPush(writer, item)),
    )
    const event = expectOk(feedEventStruct.decode(world.notices.at(-1)?.event ?? new Uint8Array(), 1 << 24), "event")
    const reply = await doSync(reach, writer, { cursors: [cursor] })
    expect(event.commit).toBe(world.notices.at(-1)?.commit)
    expect(event.vaults.map((v) => [v.links.map(bytesToHex), v.records.map(bytesToHex), v.head[0]])).toEqual(
      reply.vaults.map((v) => [v.links.map(bytesToHex), v.records.map(bytesToHex), v.head[0]]),
    )
  })
})
