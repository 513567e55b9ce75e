import { bytesToHex, expectOk } from "@keyferry/base"
import {
  decodeLink,
  encodeLink,
  itemsPayload,
  itemsStruct,
  newestAccountKey,
  signPayload,
  VAULT_ITEMS,
  vaultPayload,
  verifyVaultBootstrap,
} from "@keyferry/chain"
import { encodeWrapEntry } from "@keyferry/crypto"
import {
  bootstrapReplyStruct,
  type bootstrapRequestStruct,
  feedEventStruct,
  historyReplyStruct,
  PUSH_ACCEPTED,
  PUSH_CONFLICT,
  PUSH_REFUSED,
} from "@keyferry/protocol"
import { sql } from "@keyferry/store"
import { afterEach, beforeEach, describe, expect, test } from "vitest"

import { allHandlers } from "../all-handlers.ts"
import {
  createWorld,
  makeActive,
  makeDevice,
  NO_LIMITS,
  p,
  type Person,
  random,
  type Reach,
  reachOf,
  send,
  signUp,
  type World,
} from "../fixture.ts"
import {
  blindWrap,
  decodeSync,
  doPush,
  doSync,
  genesisPush,
  itemId,
  itemsPush,
  joined,
  makeDelete,
  makePut,
  putPush,
  rotationPush,
  syncBody,
  vaultOf,
  type Writer,
  writerOf,
} from "./fixture.ts"
import { HISTORY_MS, purgeHistory } from "./history.ts"
import { createHotVaults } from "./hot-vaults.ts"
import { createVaultHandlers } from "./index.ts"
import { preparePush } from "./prepared.ts"
import { pull } from "./pull.ts"
import { commitPush, sealPush } from "./push.ts"
import { createRecordBlocks } from "./record-blocks.ts"
import { createVaultStates } from "./rows.ts"

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
  test("[SY63] a vault begins and takes an item; another read gives it back as it was sent", async () => {
    await withVault()
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
    await withVault()
    const cursors = [cursorOf(writer)]
    const reply = await doSync(reach, writer, { cursors, pushes: [await putPush(writer, itemId())] })
    expect(reply.vaults).toEqual([])
    expect(reply.heads).toEqual([[vaultOf(writer).id, 2, vaultOf(writer).head.hash]])
  })

  test("[SY66] links may be pipelined onto an unacknowledged head, also of one item", async () => {
    await withVault()
    const item = itemId()
    const push = joined(await putPush(writer, item, { text: "one" }), await putPush(writer, item, { text: "two" }))
    expect((await doPush(reach, writer, push)).outcome).toBe(PUSH_ACCEPTED)
    const reply = await doSync(reach, writer, { cursors: [[vaultOf(writer).id, 1, new Uint8Array(32)]] })
    expect(reply.vaults[0]?.records.map(bytesToHex)).toEqual([bytesToHex(push.records[1] ?? new Uint8Array())])
  })

  test("[SY66] a stored link is accepted again, and nothing is written twice", async () => {
    await withVault()
    const push = await putPush(writer, itemId())
    await doPush(reach, writer, push)
    const before = world.notices.length
    expect((await doPush(reach, writer, push)).outcome).toBe(PUSH_ACCEPTED)
    expect(world.notices.length).toBe(before)
  })

  test("[SY65] of two writers exactly one wins, and the other gets what won", async () => {
    await withVault()
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
  ])("[SY61] a record whose header names %s is refused", async (_, header) => {
    await withVault()
    const result = await doPush(reach, writer, await putPush(writer, itemId(), { header }))
    expect([result.outcome, result.code]).toEqual([PUSH_REFUSED, "record-mismatch"])
  })

  test("[SY61] another size than the record has is refused", async () => {
    await withVault()
    const { op, record } = await makePut(writer, itemId())
    const [kind, item, rev, epoch, hash, size] = op
    const push = await itemsPush(writer, [{ op: [kind, item, rev, epoch, hash, size + 1], record }])
    expect(await doPush(reach, writer, push)).toMatchObject({ outcome: PUSH_REFUSED, code: "record-mismatch" })
  })

  test("[SY61] a record that names another revision before it than the one that is there is refused", async () => {
    await withVault()
    const item = itemId()
    await doPush(reach, writer, await putPush(writer, item))
    const push = await putPush(writer, item, { header: { prevCtHash: random.bytes(32) } })
    expect(await doPush(reach, writer, push)).toMatchObject({ outcome: PUSH_REFUSED, code: "record-mismatch" })
  })

  test("[CH6] a link and a record of a kind that only a later version writes are refused as that", async () => {
    await withVault()
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
    await withVault()
    const push = await putPush(writer, itemId())
    const [record] = push.records
    const { record: foreign } = await makePut(writer, itemId())
    for (const records of [[], [foreign], [record, foreign], [record, record]]) {
      const result = await doPush(reach, writer, { ...push, records: records as Uint8Array[] })
      expect([result.outcome, result.code]).toEqual([PUSH_REFUSED, "record-mismatch"])
    }
  })

  test("[SY67] limits of items and bytes count under the account's lock; deleting is always possible", async () => {
    await withVault()
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

  test("[SY68] everything at rest wears the outer layer", async () => {
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

  test("[FD2] a notice follows each commit, in order, with what the push changed", async () => {
    await withVault()
    const push = await putPush(writer, itemId())
    const answer = await send(reach, writer.device, "sync", syncBody(writer, { pushes: [push] }))
    const notice = world.notices.at(-1)
    expect(notice?.commit).toBe(answer.commit)
    expect(notice?.audience.map(bytesToHex)).toEqual([bytesToHex(writer.device.deviceId)])
    expect(world.notices.map((n) => n.commit)).toEqual(world.notices.map((_, i) => (world.notices[0]?.commit ?? 0) + i))
  })

  test("[SY60] one vault twice, more than a thousand ops and more than 4 MiB are refused as a whole", async () => {
    await withVault()
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
    await withVault()
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
    await withVault()
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

  test.each([
    ["retired", "device-retired"],
    ["lease-locked", "lease-locked"],
    ["approved", "device-not-verified"],
  ])("[SY64] [SY73] a device that is %s by the time of the commit neither writes nor reads", async (state, code) => {
    await withVault()
    const push = await putPush(writer, itemId())
    const { ctx, leases } = world.room()
    await ctx.store.transaction((tx) => tx.updateTable("device").set({ state }).execute())
    const { accountUuid, accountId, device } = person
    const signing = {
      accountUuid,
      accountId,
      deviceId: device.deviceId,
      state: "active",
      sigPk: device.keys.sigPk,
      lastFactorMs: 0,
      lastPasswordMs: 0,
    } as const
    const parts = {
      hot: createHotVaults(p),
      states: createVaultStates(),
      blocks: createRecordBlocks(ctx.store),
      accounts: new Map(),
      leases,
    }
    const prepared = expectOk(preparePush(p, push), "push")
    const sealed = expectOk(await sealPush(ctx, parts, accountId, prepared), "sealed")
    const { result } = await commitPush(ctx, parts, sealed, { device: signing, limits: NO_LIMITS, why: "sync" })
    expect([result.outcome, result.code]).toEqual([PUSH_REFUSED, code])
    const read = await pull(ctx, parts.states, signing, { accountSeq: 0, cursors: [], maxBytes: 1 })
    expect(read).toEqual({ ok: false, error: { code: "not-allowed" } })
  })

  test.each([
    ["frozen", { frozen: 1 }, "account-frozen"],
    ["suspended", { sync_suspended: 1 }, "sync-suspended"],
  ])("[SY64] an account that is %s by the time of the commit refuses the push", async (_, change, code) => {
    await withVault()
    const push = await putPush(writer, itemId())
    const { ctx, leases } = world.room()
    await ctx.store.transaction((tx) => tx.updateTable("account").set(change).execute())
    const { accountUuid, accountId, device } = person
    const signing = {
      accountUuid,
      accountId,
      deviceId: device.deviceId,
      state: "active",
      sigPk: device.keys.sigPk,
      lastFactorMs: 0,
      lastPasswordMs: 0,
    } as const
    const parts = { ctx, handlers: createVaultHandlers(ctx, leases) }
    const answer = await parts.handlers.sync(
      ctx,
      { device: signing, query: "", createdS: 0, limits: NO_LIMITS, origins: [] },
      syncBody(writer, { pushes: [push] }),
    )
    expect(answer.ok ? answer.value.reply.results.map((r) => r.code) : [answer.error.code]).toEqual([code])
    expect(await ctx.store.read((db) => db.selectFrom("vault_link").select("seq").execute())).toHaveLength(1)
  })

  test("[SY64] [SY73] without a second factor nothing is taken and nothing is read", async () => {
    await withVault()
    const { ctx } = world.room()
    await ctx.store.transaction((tx) => tx.deleteFrom("factor").execute())
    for (const [route, body] of [
      ["sync", syncBody(writer, { pushes: [await putPush(writer, itemId())] })],
      ["feed", { account: [1, new Uint8Array(32)], cursors: [] }],
      ["bootstrap", { vaultId: vaultOf(writer).id, maxBytes: 1 }],
      ["history", { vaultId: vaultOf(writer).id, itemId: itemId() }],
    ] as const)
      expect((await send(reach, writer.device, route, body)).code).toBe("two-factor-required")
    expect(await ctx.store.read((db) => db.selectFrom("vault_link").select("seq").execute())).toHaveLength(1)
  })

  test("[SY65] a lost race brings what won also without a cursor", async () => {
    await withVault()
    const other: Writer = { ...writer, hashes: new Map() }
    const won = await putPush(writer, itemId())
    await doPush(reach, writer, won)
    const lost = await doSync(reach, other, { pushes: [await putPush(other, itemId())] })
    expect(lost.results[0]).toMatchObject({ outcome: PUSH_CONFLICT, head: [2, vaultOf(writer).head.hash] })
    expect(lost.vaults[0]?.records.map(bytesToHex)).toEqual(won.records.map(bytesToHex))
  })

  test("[SY66] what follows stored links in one push is taken if it follows the head", async () => {
    await withVault()
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

  test("[SY68] while the key service is away nothing is written, and it is said when to come again", async () => {
    await withVault()
    const { ctx, leases } = world.room()
    const away = { ok: false, error: { code: "kms-unavailable", retryAfterS: 10 } } as const
    const broken = { ...ctx, atRest: { ...ctx.atRest, encryptAll: async () => away } }
    const { accountUuid, accountId, device } = person
    const signing = {
      accountUuid,
      accountId,
      deviceId: device.deviceId,
      state: "active",
      sigPk: device.keys.sigPk,
      lastFactorMs: 0,
      lastPasswordMs: 0,
    } as const
    const handlers = createVaultHandlers(broken, leases)
    const push = await putPush(writer, itemId())
    expect(
      await handlers.sync(
        broken,
        { device: signing, query: "", createdS: 0, limits: NO_LIMITS, origins: [] },
        syncBody(writer, { pushes: [push] }),
      ),
    ).toEqual(away)
    expect(await ctx.store.read((db) => db.selectFrom("vault_link").select("seq").execute())).toHaveLength(1)
  })

  test("[SY69] one item costs as many rows and hashes in a large vault as the logarithm says", async () => {
    await withVault()
    const cost = async (): Promise<{ readonly rows: number; readonly hashes: number }> => {
      const { ctx, leases } = world.room()
      let hashes = 0
      const primitives = { ...ctx.primitives, sha256: (bytes: Uint8Array) => (hashes++, ctx.primitives.sha256(bytes)) }
      const counting = { ...ctx, primitives }
      const { accountUuid, accountId, device } = person
      const signing = {
        accountUuid,
        accountId,
        deviceId: device.deviceId,
        state: "active",
        sigPk: device.keys.sigPk,
        lastFactorMs: 0,
        lastPasswordMs: 0,
      } as const
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

describe("a pull", () => {
  test("[SY70] is one moment: links, heads, account links and the commit number", async () => {
    await withVault()
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
    await withVault()
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
    await withVault()
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
    await withVault()
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
    await withVault()
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
    await withVault()
    expect((await send(reach, writer.device, "bootstrap", { vaultId: random.bytes(32), maxBytes: 1 })).code).toBe(
      "vault-not-found",
    )
  })
})

describe("history", () => {
  const history = async (item: Uint8Array) => {
    const answer = await send(reach, writer.device, "history", { vaultId: vaultOf(writer).id, itemId: item })
    return expectOk(historyReplyStruct.decode(answer.body, 1 << 24), "history").records.map(bytesToHex)
  }

  test("[SY75] gives superseded records, newest first, also of a deleted item and across its return", async () => {
    await withVault()
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
    await withVault()
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
