import { expectOk } from "@keyferry/base"
import { decodeLink, verifyVaultBootstrap } from "@keyferry/chain"
import { bootstrapReplyStruct, type bootstrapRequestStruct } from "@keyferry/protocol"
import { afterEach, beforeEach, describe, expect, test } from "vitest"

import { p, random, type Reach, send, type World } from "../fixture.ts"
import {
  beginVault,
  createVaultWorld,
  doPush,
  itemId,
  itemsPush,
  makeDelete,
  putPush,
  rotationPush,
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

describe("a first read", () => {
  const read = async (over: Partial<Parameters<typeof bootstrapRequestStruct.encode>[0]> = {}) => {
    const answer = await send(reach, writer.device, "bootstrap", {
      vaultId: vaultOf(writer).id,
      maxBytes: 1 << 22,
      ...over,
    })
    if (answer.status !== 200) throw new Error(answer.code)
    return expectOk(bootstrapReplyStruct.decode(answer.body, 1 << 26), "bootstrap")
  }

  test("[SY74] verifies from nothing: authority links, head, leaves, keys, and every record in pages", async () => {
    await beginVault(reach, writer)
    const gone = itemId()
    for (const item of [gone, itemId(), itemId()]) await doPush(reach, writer, await putPush(writer, item))
    await doPush(reach, writer, await rotationPush(writer))
    await doPush(reach, writer, await itemsPush(writer, [], [await makeDelete(writer, gone)]))
    const first = await read({ maxBytes: 1 })
    expect([first.authorityLinks.length, first.leaves.length, first.wraps.length, first.prevSealed.length]).toEqual([
      2, 3, 2, 1,
    ])
    const verified = await verifyVaultBootstrap(
      p,
      {
        authorityLinks: first.authorityLinks.map((bytes) => expectOk(decodeLink(bytes), "link")),
        headLink: expectOk(decodeLink(first.headLink), "head"),
        leaves: first.leaves.map(([id, rev, epoch, ctHash, tombstone]) => ({
          itemId: id,
          rev,
          epoch,
          ctHash,
          tombstone: tombstone === 1,
        })),
      },
      () => writer.account,
    )
    expect(verified.ok).toBe(true)
    expect([first.records.length, first.next === undefined]).toEqual([1, false])
    const second = await read({ maxBytes: 1, ...(first.next === undefined ? {} : { after: first.next }) })
    expect([second.records.length, second.next, second.leaves, second.authorityLinks]).toEqual([1, undefined, [], []])
  })

  test("[SY74] of a vault that is not there says so", async () => {
    await beginVault(reach, writer)
    expect((await send(reach, writer.device, "bootstrap", { vaultId: random.bytes(32), maxBytes: 1 })).code).toBe(
      "vault-not-found",
    )
  })
})
