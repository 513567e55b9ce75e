import { bytesToHex, expectOk } from "@keyferry/base"
import { historyReplyStruct } from "@keyferry/protocol"
import { afterEach, beforeEach, describe, expect, test } from "vitest"

import { type Reach, send, type World } from "../fixture.ts"
import {
  beginVault,
  createVaultWorld,
  doPush,
  doSync,
  itemId,
  itemsPush,
  makeDelete,
  putPush,
  vaultOf,
  type Writer,
} from "./fixture.ts"
import { HISTORY_MS, purgeHistory } from "./history.ts"

let world: World
let reach: Reach
let writer: Writer

beforeEach(async () => {
  ;({ world, reach, writer } = await createVaultWorld())
})
afterEach(() => world.close())

describe("history", () => {
  const history = async (item: Uint8Array) => {
    const answer = await send(reach, writer.device, "history", { vaultId: vaultOf(writer).id, itemId: item })
    return expectOk(historyReplyStruct.decode(answer.body, 1 << 24), "history").records.map(bytesToHex)
  }

  test("[SY75] gives superseded records, newest first, also of a deleted item and across its return", async () => {
    await beginVault(reach, writer)
    const item = itemId()
    const [one, two] = [await putPush(writer, item), await putPush(writer, item)]
    for (const push of [one, two]) await doPush(reach, writer, push)
    expect(await history(item)).toEqual(one.records.map(bytesToHex))
    await doPush(reach, writer, await itemsPush(writer, [], [await makeDelete(writer, item)]))
    expect(await history(item)).toEqual([...two.records, ...one.records].map(bytesToHex))
    await doPush(reach, writer, await putPush(writer, item))
    expect(await history(item)).toEqual([...two.records, ...one.records].map(bytesToHex))
  })

  test("[SY76] goes back 30 days; then it is neither served nor kept", async () => {
    await beginVault(reach, writer)
    const item = itemId()
    for (let i = 0; i < 2; i++) await doPush(reach, writer, await putPush(writer, item))
    const { ctx } = world.room()
    const later = { ...ctx, clock: { nowMs: () => world.clock.nowMs() + HISTORY_MS - 1 } }
    expect(await purgeHistory(later)).toBe(0)
    expect(await history(item)).toHaveLength(1)
    const over = { ...ctx, clock: { nowMs: () => world.clock.nowMs() + HISTORY_MS } }
    expect(await purgeHistory(over)).toBe(1)
    expect(await history(item)).toEqual([])
    expect(
      (await doSync(reach, writer, { cursors: [[vaultOf(writer).id, 0, new Uint8Array(32)]] })).vaults[0]?.records,
    ).toHaveLength(1)
  })
})
