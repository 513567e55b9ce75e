import {
  encodeLink,
  itemsPayload,
  itemsStruct,
  newestAccountKey,
  signPayload,
  VAULT_ITEMS,
  vaultPayload,
} from "@keyferry/chain"
import { encodeWrapEntry } from "@keyferry/crypto"
import { PUSH_ACCEPTED, PUSH_REFUSED } from "@keyferry/protocol"
import { afterEach, beforeEach, describe, expect, test } from "vitest"

import { makeActive, makeDevice, random, type Reach, send, signUp, type World } from "../fixture.ts"
import {
  beginVault,
  blindWrap,
  createVaultWorld,
  cursorOf,
  doPush,
  doSync,
  genesisPush,
  itemId,
  itemsPush,
  joined,
  makeDelete,
  makePut,
  putPush,
  syncBody,
  vaultOf,
  type Writer,
  writerOf,
} from "./fixture.ts"

let world: World
let reach: Reach
let writer: Writer

beforeEach(async () => {
  ;({ world, reach, writer } = await createVaultWorld())
})
afterEach(() => world.close())

describe("a push", () => {
  test.each([
    ["another item", { itemId: random.bytes(16) }],
    ["another vault", { vid: random.bytes(32) }],
    ["another epoch", { epoch: 2 }],
    ["another device", { by: random.bytes(16) }],
    ["another account", { byUid: random.bytes(32) }],
  ])("[SY61] a record whose header names %s is refused", async (_, header) => {
    await beginVault(reach, writer)
    const result = await doPush(reach, writer, await putPush(writer, itemId(), { header }))
    expect([result.outcome, result.code]).toEqual([PUSH_REFUSED, "record-mismatch"])
  })

  test("[SY61] another size than the record has is refused", async () => {
    await beginVault(reach, writer)
    const { op, record } = await makePut(writer, itemId())
    const [kind, item, rev, epoch, hash, size] = op
    const push = await itemsPush(writer, [{ op: [kind, item, rev, epoch, hash, size + 1], record }])
    expect(await doPush(reach, writer, push)).toMatchObject({ outcome: PUSH_REFUSED, code: "record-mismatch" })
  })

  test("[SY61] a record that names another revision before it than the one that is there is refused", async () => {
    await beginVault(reach, writer)
    const item = itemId()
    await doPush(reach, writer, await putPush(writer, item))
    const push = await putPush(writer, item, { header: { prevCtHash: random.bytes(32) } })
    expect(await doPush(reach, writer, push)).toMatchObject({ outcome: PUSH_REFUSED, code: "record-mismatch" })
  })

  test("[CH6] a link and a record of a kind that only a later version writes are refused as that", async () => {
    await beginVault(reach, writer)
    const { op, record } = await makePut(writer, itemId())
    const body = { ops: [op], root: vaultOf(writer).root, count: 1 }
    const by = { byHolder: writer.device.deviceId, ts: 1 }
    const later = await signPayload(
      writer.device.signer,
      vaultPayload(vaultOf(writer), writer.account, 99, itemsStruct, body, by),
    )
    const push = { vaultId: vaultOf(writer).id, links: [encodeLink(later)], records: [record] }
    expect(await doPush(reach, writer, push)).toMatchObject({ outcome: PUSH_REFUSED, code: "suite-unsupported" })
    const suite2 = await putPush(writer, itemId(), { header: Object.assign({ epoch: 1 }, { suite: 2 }) })
    expect(await doPush(reach, writer, suite2)).toMatchObject({ outcome: PUSH_REFUSED, code: "suite-unsupported" })
  })

  test("[SY61] a missing, a foreign and a doubled record are refused", async () => {
    await beginVault(reach, writer)
    const push = await putPush(writer, itemId())
    const [record] = push.records
    const { record: foreign } = await makePut(writer, itemId())
    for (const records of [[], [foreign], [record, foreign], [record, record]]) {
      const result = await doPush(reach, writer, { ...push, records: records as Uint8Array[] })
      expect([result.outcome, result.code]).toEqual([PUSH_REFUSED, "record-mismatch"])
    }
  })

  test("[SY67] limits of items and bytes count under the account's lock; deleting is always possible", async () => {
    await beginVault(reach, writer)
    const item = itemId()
    const put = await putPush(writer, item)
    expect((await doPush(reach, writer, put, { limits: { devices: 0, items: 1, bytes: 0 } })).outcome).toBe(
      PUSH_ACCEPTED,
    )
    const before = { ...writer, hashes: new Map(writer.hashes) }
    const second = await putPush(writer, itemId())
    expect(await doPush(reach, writer, second, { limits: { devices: 0, items: 1, bytes: 0 } })).toMatchObject({
      code: "item-limit",
    })
    expect(await doPush(reach, writer, second, { limits: { devices: 0, items: 0, bytes: 700 } })).toMatchObject({
      code: "quota-exceeded",
    })
    Object.assign(writer, before)
    const gone = await itemsPush(writer, [], [await makeDelete(writer, item)])
    expect((await doPush(reach, writer, gone, { limits: { devices: 0, items: 1, bytes: 1 } })).outcome).toBe(
      PUSH_ACCEPTED,
    )
    const row = await world
      .room()
      .ctx.store.read((db) => db.selectFrom("account").select(["items", "bytes"]).executeTakeFirstOrThrow())
    expect(row).toEqual({ items: 0, bytes: 0 })
  })

  test("[SY60] one vault twice, more than a thousand ops and more than 4 MiB are refused as a whole", async () => {
    await beginVault(reach, writer)
    const push = await putPush(writer, itemId())
    const count = async () =>
      (await world.room().ctx.store.read((db) => db.selectFrom("vault_link").select("seq").execute())).length
    expect((await send(reach, writer.device, "sync", syncBody(writer, { pushes: [push, push] }))).code).toBe(
      "malformed",
    )
    const big = Array.from({ length: 70 }, () => random.bytes(65_000))
    expect(
      (await send(reach, writer.device, "sync", syncBody(writer, { pushes: [{ ...push, records: big }] }))).code,
    ).toBe("too-large")
    const items = Array.from({ length: 600 }, itemId)
    const many = await itemsPush(writer, await Promise.all(items.map((item) => makePut(writer, item))))
    const more = await itemsPush(writer, [], await Promise.all(items.map((item) => makeDelete(writer, item))))
    expect(await doPush(reach, writer, joined(push, many, more))).toMatchObject({
      outcome: PUSH_REFUSED,
      code: "too-large",
    })
    expect(await count()).toBe(1)
  })

  test("[SY62] other wraps than the link spoke of, or for others than its members, are refused", async () => {
    const genesis = await genesisPush(writer)
    const other = encodeWrapEntry(blindWrap(writer.account.id, random.bytes(1216)))
    const sameRecipient = encodeWrapEntry(blindWrap(writer.account.id, newestAccountKey(writer.account).kemPk))
    const own = genesis.wraps ?? []
    const { wraps: _wraps, ...without } = genesis
    const wrong = [[other], [sameRecipient], [...own, other], [...own, ...own]].map((wraps) => ({ ...genesis, wraps }))
    // Committed to by the link, and still for somebody else.
    const foreign = await genesisPush({ ...writer, vault: undefined }, [
      blindWrap(random.bytes(32), random.bytes(1216)),
    ])
    for (const push of [...wrong, without, foreign])
      expect(await doPush(reach, writer, push)).toMatchObject({ outcome: PUSH_REFUSED, code: "chain-invalid" })
    expect((await doPush(reach, writer, genesis)).outcome).toBe(PUSH_ACCEPTED)
    const item = await putPush(writer, itemId())
    expect(await doPush(reach, writer, { ...item, wraps: genesis.wraps ?? [] })).toMatchObject({
      code: "chain-invalid",
    })
  })

  test("[SY63] a link of another device, a wrong root and a wrong revision are refused", async () => {
    await beginVault(reach, writer)
    const before = { ...writer, hashes: new Map(writer.hashes) }
    const stranger = await makeDevice()
    const foreign = await putPush({ ...writer, device: stranger }, itemId()).catch(() => undefined)
    // The stranger is in no chain, so the fixture refuses its link already; the strongroom has to do it by itself.
    expect(foreign).toBeUndefined()
    const put = await makePut(writer, itemId())
    const payload = await itemsPayload(vaultOf(writer), writer.account, writer.tree, [put.op], {
      byHolder: stranger.deviceId,
      ts: 1,
    })
    const link = encodeLink(await signPayload(stranger.signer, payload))
    const lying = await doPush(reach, writer, { vaultId: vaultOf(writer).id, links: [link], records: [put.record] })
    expect(lying).toMatchObject({ outcome: PUSH_REFUSED, code: "record-mismatch" })
    const wrongRoot = vaultPayload(
      vaultOf(writer),
      writer.account,
      VAULT_ITEMS,
      itemsStruct,
      { ops: [put.op], root: random.bytes(32), count: 1 },
      { byHolder: writer.device.deviceId, ts: 1 },
    )
    const rooted = await doPush(reach, writer, {
      vaultId: vaultOf(writer).id,
      links: [encodeLink(await signPayload(writer.device.signer, wrongRoot))],
      records: [put.record],
    })
    expect(rooted).toMatchObject({ outcome: PUSH_REFUSED, code: "chain-invalid" })
    Object.assign(writer, before)
    expect((await doPush(reach, writer, await putPush(writer, itemId()))).outcome).toBe(PUSH_ACCEPTED)
  })

  test("[SY63] somebody else's vault is not there", async () => {
    await beginVault(reach, writer)
    const other = await signUp(reach)
    await makeActive(reach, other)
    const thief = writerOf(other)
    const push = await putPush(writer, itemId())
    expect(await doPush(reach, thief, push)).toMatchObject({
      outcome: PUSH_REFUSED,
      code: "vault-not-found",
      head: [0, new Uint8Array(32)],
    })
    const reply = await doSync(reach, thief, { cursors: [cursorOf(writer)] })
    expect([reply.vaults, reply.heads]).toEqual([[], []])
  })
})
