import { copyFileSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

import { bytesToHex, expectOk } from "@keyferry/base"
import { CHAIN_ACCOUNT, CHAIN_VAULT } from "@keyferry/chain"
import {
  accountAppendReplyStruct,
  accountKeysReplyStruct,
  bootstrapReplyStruct,
  PUSH_ACCEPTED,
  PUSH_REFUSED,
  repairReplyStruct,
  type VaultPush,
} from "@keyferry/protocol"
import { afterEach, beforeEach, describe, expect, test } from "vitest"

import { allHandlers } from "../all-handlers.ts"
import {
  addDevice,
  createWorld,
  enrolDevice,
  makeActive,
  type Person,
  type Reach,
  reachOf,
  send,
  signUp,
  type TestDevice,
  type World,
} from "../fixture.ts"
import { acceptLoss, lookAgain } from "../lease/heads.ts"
import {
  doPush,
  doSync,
  genesisPush,
  itemId,
  putPush,
  removal,
  rotationPush,
  vaultOf,
  type Writer,
  writerOf,
} from "./fixture.ts"

let folder: string
let world: World
let reach: Reach
let person: Person
let writer: Writer
let oldLogId: Uint8Array
/** The writer as of the copy, which goes another way from there. */
let before: Writer
let other: TestDevice
/** What the server loses, as the devices have it. */
let lostLinks: Uint8Array[]
let lostWraps: [number, Uint8Array][]
let lostOlder: [number, Uint8Array][]
let lostPushes: VaultPush[]

const open = async (): Promise<void> => {
  world = await createWorld(allHandlers, { folder })
  reach = reachOf(world)
}

/** Everything after the copy is lost when the copy is put back; the lease store is kept. */
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "kf-restore-"))
  await open()
  oldLogId = world.room().ctx.logId
  person = await signUp(reach)
  await makeActive(reach, person)
  writer = writerOf(person)
  await doPush(reach, writer, await genesisPush(writer))
  await doPush(reach, writer, await putPush(writer, itemId()))
  await world.room().close()
  const [live, copy] = [join(folder, "strongroom.db"), join(folder, "copy.db")]
  copyFileSync(live, copy)
  await open()

  before = { ...writer, hashes: new Map(writer.hashes) }
  const enrolled = await enrolDevice(reach, person)
  other = enrolled.device
  const added = await addDevice(writer.account, person.device, enrolled, person.accountSeed, 1)
  const append = async (body: object) =>
    expectOk(
      accountAppendReplyStruct.decode((await send(reach, person.device, "account.append", body)).body, 1 << 20),
      "append",
    )
  await append({ link: added.link, wraps: added.wraps, rotations: [] })
  writer.account = added.next
  const second = await putPush(writer, itemId())
  await doPush(reach, writer, second)
  const third = await enrolDevice(reach, person)
  const later = await addDevice(writer.account, person.device, third, person.accountSeed, 1)
  await append({ link: later.link, wraps: later.wraps, rotations: [] })
  writer.account = later.next
  const out = await removal(writer, [third.device.deviceId])
  await append({ link: out.link, wraps: out.wraps, prevSealed: out.prevSealed, rotations: [] })
  writer.account = out.next
  const rotation = await rotationPush(writer)
  await doPush(reach, writer, rotation)
  lostLinks = [added.link, later.link, out.link]
  const keys = expectOk(
    accountKeysReplyStruct.decode((await send(reach, person.device, "account.keys")).body, 1 << 20),
    "keys",
  )
  lostWraps = keys.wraps.map(([epoch, bytes]) => [epoch, bytes])
  lostOlder = keys.prevSealed.map(([epoch, bytes]) => [epoch, bytes])
  lostPushes = [second, rotation]
  await world.room().leases.raiseNotedHeads()
  await world.room().close()
  for (const suffix of ["-wal", "-shm"]) rmSync(live + suffix, { force: true })
  copyFileSync(copy, live)
  await open()
})
afterEach(async () => {
  await world.room().close()
  rmSync(folder, { recursive: true, force: true })
})

const repair = async (body: {
  readonly links?: readonly Uint8Array[]
  readonly wraps?: readonly [number, Uint8Array][]
  readonly vaults?: readonly VaultPush[]
}) =>
  send(reach, person.device, "repair", {
    accountLinks: body.links ?? [],
    accountWraps: body.wraps ?? [],
    accountPrevSealed: lostOlder,
    vaults: body.vaults ?? [],
  })
const resultsOf = async (answer: ReturnType<typeof repair>) => {
  const { status, code, body } = await answer
  if (status !== 200) throw new Error(code)
  return expectOk(repairReplyStruct.decode(body, 1 << 20), "repair").results.map((r) => [r.outcome, r.code])
}
const stateOf = async (id: Uint8Array) =>
  (
    await world
      .room()
      .ctx.store.read((db) => db.selectFrom("device").select("state").where("id", "=", id).executeTakeFirst())
  )?.state

describe("a main store that was restored", () => {
  test("[LS14] [SY90] is known by the heads that the lease store kept, and serves nothing of that account", async () => {
    for (const [route, body] of [
      ["sync", { account: [1, new Uint8Array(32)], cursors: [], pushes: [], maxBytes: 1 }],
      ["feed", { account: [1, new Uint8Array(32)], cursors: [] }],
      ["bootstrap", { vaultId: vaultOf(writer).id, maxBytes: 1 }],
      ["history", { vaultId: vaultOf(writer).id, itemId: itemId() }],
      ["account.append", { link: lostLinks[0], wraps: [], rotations: [] }],
    ] as const)
      expect([route, (await send(reach, person.device, route, body)).code]).toEqual([route, "chain-rolled-back"])
  })

  test("[SY91] [SY93] gets the lost suffix back, link by link, and is served again", async () => {
    expect(await resultsOf(repair({ links: lostLinks, wraps: lostWraps }))).toEqual([])
    expect(
      (
        await send(reach, person.device, "sync", {
          account: [1, new Uint8Array(32)],
          cursors: [],
          pushes: [],
          maxBytes: 1,
        })
      ).code,
    ).toBe("chain-rolled-back")
    const isServed = () => lookAgain(world.room().ctx, world.room().leases, person.accountId)
    expect(await resultsOf(repair({ vaults: [lostPushes[0] as VaultPush] }))).toEqual([[PUSH_ACCEPTED, undefined]])
    expect(await isServed()).toBe(false)
    expect(await resultsOf(repair({ vaults: [lostPushes[1] as VaultPush] }))).toEqual([[PUSH_ACCEPTED, undefined]])
    expect(await isServed()).toBe(true)
    const reply = await doSync(reach, writer)
    expect(reply.heads.map(([, seq, hash]) => [seq, bytesToHex(hash)])).toEqual([
      [4, bytesToHex(vaultOf(writer).head.hash)],
    ])
    expect((await doPush(reach, writer, await putPush(writer, itemId()))).outcome).toBe(PUSH_ACCEPTED)
    const keys = expectOk(
      accountKeysReplyStruct.decode((await send(reach, person.device, "account.keys")).body, 1 << 20),
      "keys",
    )
    expect(keys.wraps.map(([epoch, bytes]) => `${epoch} ${bytesToHex(bytes)}`).toSorted()).toEqual(
      lostWraps.map(([epoch, bytes]) => `${epoch} ${bytesToHex(bytes)}`).toSorted(),
    )
    expect(keys.prevSealed).toHaveLength(1)
  })

  test("[SY91] its device rows follow from the chain: one that was added is back, one that was removed is not", async () => {
    expect(await stateOf(other.deviceId)).toBeUndefined()
    await resultsOf(repair({ links: lostLinks, wraps: lostWraps }))
    expect(await stateOf(other.deviceId)).toBe("approved")
    const states = await world.room().ctx.store.read((db) => db.selectFrom("device").select("state").execute())
    expect(states.map((row) => row.state).toSorted()).toEqual(["active", "approved", "removed"])
    expect((await world.room().leases.read(other.deviceId))?.state).toBe("live")
  })

  test("[SY91] links that do not follow, or contradict what is stored, are refused", async () => {
    expect((await repair({ links: lostLinks.slice(1) })).code).toBe("revision-conflict")
    const forged = Uint8Array.from(lostLinks[0] ?? [])
    forged[60] = (forged[60] ?? 0) ^ 1
    expect((await repair({ links: [forged] })).status).not.toBe(200)
    await resultsOf(repair({ links: lostLinks, wraps: lostWraps }))
    const another = await addDevice(
      person.chain,
      person.device,
      await enrolDevice(reach, person),
      person.accountSeed,
      1,
    )
    expect((await repair({ links: [another.link] })).code).toBe("chain-forked")
    const [first] = lostPushes as [VaultPush]
    await resultsOf(repair({ vaults: [first] }))
    expect(await resultsOf(repair({ vaults: [await putPush(before, itemId())] }))).toEqual([
      [PUSH_REFUSED, "chain-forked"],
    ])
  })

  test("[SY92] a record that nobody has any more is left out; the item can be pushed anew", async () => {
    await resultsOf(repair({ links: lostLinks, wraps: lostWraps }))
    const [second, rotation] = lostPushes as [VaultPush, VaultPush]
    expect(await resultsOf(repair({ vaults: [{ ...second, records: [] }] }))).toEqual([[PUSH_ACCEPTED, undefined]])
    expect(await resultsOf(repair({ vaults: [rotation] }))).toEqual([[PUSH_ACCEPTED, undefined]])
    const answer = await send(reach, person.device, "bootstrap", { vaultId: vaultOf(writer).id, maxBytes: 1 << 20 })
    const read = expectOk(bootstrapReplyStruct.decode(answer.body, 1 << 20), "bootstrap")
    expect([read.leaves.length, read.records.length]).toEqual([2, 1])
    const lost = read.leaves.find(([id]) => !read.records.some((bytes) => bytesToHex(bytes).includes(bytesToHex(id))))
    expect((await doPush(reach, writer, await putPush(writer, lost?.[0] ?? new Uint8Array(16)))).outcome).toBe(
      PUSH_ACCEPTED,
    )
  })

  test("[LS14] begins a new log, once, and gives out no event of the old one again", async () => {
    const { logId } = world.room().ctx
    expect(bytesToHex(logId)).not.toBe(bytesToHex(oldLogId))
    const events = await reach.call("events", { after: 0, max: 100 })
    expect(events.ok && events.value.events).toEqual([])
    await world.room().close()
    await open()
    expect(bytesToHex(world.room().ctx.logId)).toBe(bytesToHex(logId))
  })

  test("[LS16] what is lost is listed, and given up once; the account's devices are told", async () => {
    const listed = await reach.call("losses", {})
    expect(listed.ok && listed.value.accounts.map(({ accountUuid, chains }) => [accountUuid, chains])).toEqual([
      [
        person.accountUuid,
        [
          ["account", person.accountId, 4, 1],
          ["vault", vaultOf(writer).id, 4, 2],
        ],
      ],
    ])
    expect((await reach.call("acceptLoss", { accountId: new Uint8Array(32) })).ok).toBe(false)
    expect(await reach.call("acceptLoss", { accountId: person.accountId })).toMatchObject({ value: { chains: 2 } })
    expect((await reach.call("acceptLoss", { accountId: person.accountId })).ok).toBe(false)
    const status = await send(reach, person.device, "account.status")
    expect(JSON.parse(new TextDecoder().decode(status.body))).toMatchObject({
      lossAcceptedAtMs: expect.any(Number) as number,
    })
    const events = await reach.call("events", { after: 0, max: 100 })
    expect(events.ok && events.value.events.map(({ kind, detail }) => [kind, detail])).toContainEqual([
      "loss-accepted",
      "account, vault",
    ])
  })

  test("[SY92] an epoch whose keys nobody has any more is taken without them", async () => {
    await resultsOf(repair({ links: lostLinks, wraps: lostWraps }))
    const [second, rotation] = lostPushes as [VaultPush, VaultPush]
    await resultsOf(repair({ vaults: [second] }))
    const { vaultId, links, records } = rotation
    expect(await resultsOf(repair({ vaults: [{ vaultId, links, records }] }))).toEqual([[PUSH_ACCEPTED, undefined]])
    expect((await doSync(reach, writer)).heads[0]?.[1]).toBe(4)
  })

  test("[LS14] what is lost may be given up by the operator, and the account is served as it is", async () => {
    const { ctx, leases } = world.room()
    await acceptLoss(ctx, leases, person.accountId)
    expect((await doSync(reach, writer)).heads[0]?.[1]).toBe(2)
    // What is kept from here on is what there is: the next start misses nothing, and the next loss is noticed.
    const kept = (await leases.chainHeads()).map(({ kind, id, seq }) => `${kind} ${bytesToHex(id)} ${seq}`)
    expect(kept.toSorted()).toEqual(
      [
        `${CHAIN_ACCOUNT} ${bytesToHex(person.accountId)} 1`,
        `${CHAIN_VAULT} ${bytesToHex(vaultOf(writer).id)} 2`,
      ].toSorted(),
    )
    await world.room().close()
    await open()
    expect(world.room().leases.allBehind()).toEqual([])
  })

  test("[LS14] of an account that is gone, or has no chain any more, nothing is kept after it was given up", async () => {
    const { ctx, leases } = world.room()
    await ctx.store.transaction((tx) =>
      tx.updateTable("account").set({ head_seq: 0, head_hash: null }).where("id", "=", person.accountId).execute(),
    )
    await acceptLoss(ctx, leases, person.accountId)
    expect(await leases.chainHeads()).toEqual([])
    await acceptLoss(ctx, leases, new Uint8Array(32).fill(7))
    expect(await leases.chainHeads()).toEqual([])
  })
})

describe("[SY90] a store that lost nothing", () => {
  test("takes no account links by repair", async () => {
    const { ctx, leases } = world.room()
    await acceptLoss(ctx, leases, person.accountId)
    expect((await repair({ links: lostLinks })).code).toBe("not-allowed")
  })
})
