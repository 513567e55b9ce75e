import { bytesToHex } from "@keyferry/base"
import { decodeLink, encodeLink } from "@keyferry/chain"
import { bootstrapReplyStruct, type SyncReply, syncReplyStruct } from "@keyferry/protocol"
import type { HttpReply } from "@keyferry/sdk"
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest"

import { inCbor } from "../world/hostile-server.ts"
import {
  type AttackedDevice,
  type AttackWorld,
  codeOf,
  createAttackWorld,
  enrolByKit,
  enrolUpToKeys,
  login,
  must,
  type Settled,
  settleAccount,
  titlesOf,
} from "../world/world.ts"

/*
 * A server that shows an older state, leaves out, doubles, brings back or tells two stories, against devices that have seen
 * better. In every case the vault stays as it was verified, nothing is written into the lie, and the evidence is kept.
 */
let world: AttackWorld
let a: Settled
let b: AttackedDevice
let n = 0
const ids: string[] = []

beforeAll(async () => {
  world = await createAttackWorld()
  a = await settleAccount(world)
  for (const title of ["one", "two", "three"]) ids.push(must(await a.device.kf.add(login(title))).id)
  must(await a.device.kf.syncNow())
})
afterEach(() => b?.server.honest())
afterAll(() => world.close())

const freshDevice = async (): Promise<AttackedDevice> => {
  const device = await world.device(`device${n++}`)
  await enrolByKit(world, device, a)
  await device.quiet()
  return device
}
const editAndSync = async (title: string): Promise<void> => {
  must(await a.device.kf.edit(ids[0] ?? "", { title }))
  must(await a.device.kf.syncNow())
}
const rewriteSync = (device: AttackedDevice, change: (reply: SyncReply) => SyncReply): void =>
  device.server.rewrite("sync", inCbor(syncReplyStruct, change))
const frozenWith = async (device: AttackedDevice, code: string): Promise<void> => {
  const status = await device.kf.status()
  expect([status.sync.state, must(await device.kf.evidence()).map((e) => e.code)]).toEqual([
    "frozen",
    expect.arrayContaining([code]),
  ])
  // Reading goes on, edits are kept here, none is sent.
  expect((await titlesOf(device.kf)).length).toBe(3)
  const pushes = device.server.requestsTo("sync").length
  must(await device.kf.edit(ids[1] ?? "", { title: "kept here" }))
  expect(codeOf(await device.kf.syncNow())).toBe(code)
  const sent = device.server.requestsTo("sync").slice(pushes)
  for (const { body } of sent) expect(bytesToHex(body ?? new Uint8Array()).length).toBeLessThan(1000)
  expect(must(await device.kf.get(ids[1] ?? "")).custody).toBe("waiting")
}

describe("RB-01", () => {
  test("RB-01 hostile server: an older head than the one this device has verified", async () => {
    b = await freshDevice()
    const old = b.server.lastReply("sync")
    const heads: SyncReply["heads"] = must2(syncReplyStruct.decode(old.body, 1e8)).heads
    await editAndSync("newer")
    must(await b.kf.syncNow())
    expect(await titlesOf(b.kf)).toContain("newer")
    rewriteSync(b, (reply) => ({ ...reply, vaults: [], heads }))
    expect(codeOf(await b.kf.syncNow())).toBe("chain-rolled-back")
    await frozenWith(b, "chain-rolled-back")
  })

  test("RB-01 hostile server: the whole older answer once more, signed links and all", async () => {
    b = await freshDevice()
    await editAndSync("replay 1")
    must(await b.kf.syncNow())
    const old: HttpReply = b.server.lastReply("sync")
    await editAndSync("replay 2")
    must(await b.kf.syncNow())
    b.server.rewrite("sync", () => old)
    expect(codeOf(await b.kf.syncNow())).toBe("chain-rolled-back")
    expect(await titlesOf(b.kf)).toContain("replay 2")
  })

  test("RB-01 hostile server: a changes block that says an older head, without links", async () => {
    b = await freshDevice()
    await editAndSync("head in changes")
    must(await b.kf.syncNow())
    rewriteSync(b, (reply) => ({
      ...reply,
      vaults: reply.heads.map(([vaultId]) => ({
        vaultId,
        links: [],
        records: [],
        head: [1, new Uint8Array(32)] as const,
        more: false,
      })),
      heads: [],
    }))
    expect(codeOf(await b.kf.syncNow())).toBe("chain-rolled-back")
  })

  test("X-03 hostile server: another head for the seq that this device has is a fork, and both hashes are kept", async () => {
    b = await freshDevice()
    rewriteSync(b, (reply) => ({
      ...reply,
      vaults: [],
      heads: reply.heads.map(([id, seq]) => [id, seq, new Uint8Array(32).fill(1)] as const),
    }))
    expect(codeOf(await b.kf.syncNow())).toBe("chain-forked")
    await frozenWith(b, "chain-forked")
  })

  test("X-04 hostile server: accepted, it says, and shows others another history: the next read is a fork", async () => {
    b = await freshDevice()
    must(await b.kf.edit(ids[2] ?? "", { title: "three by b" }))
    // The real server never hears of it; the device is told that it was accepted.
    let told = 0
    b.server.rewrite("sync", async (reply) => reply)
    const request = b.server.requestsTo("sync").length
    b.server.invent("sync", () => {
      told++
      const honest = must2(syncReplyStruct.decode(b.server.lastReply("sync").body, 1e8))
      const [vaultId = new Uint8Array(32), seq = 0, hash = new Uint8Array(32)] = honest.heads[0] ?? []
      return {
        status: 200,
        contentType: "application/cbor",
        body: syncReplyStruct.encode({
          ...honest,
          vaults: [],
          heads: [],
          results: [{ vaultId, outcome: 0, head: [seq, hash] }],
        }),
      }
    })
    await b.kf.syncNow()
    expect(told).toBeGreaterThan(0)
    expect(b.server.requestsTo("sync").length).toBeGreaterThan(request)
    b.server.honest()
    await editAndSync("history of everybody else")
    expect(["chain-forked", "chain-rolled-back"]).toContain(codeOf(await b.kf.syncNow()))
    expect((await b.kf.status()).sync.state).toBe("frozen")
  })
})

const must2 = <T>(
  result: { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: unknown },
): T => {
  if (!result.ok) throw new Error(String(result.error))
  return result.value
}

describe("RB-02", () => {
  const wrong: readonly [string, (leaves: readonly Leaf[]) => readonly Leaf[]][] = [
    ["leaves one item out", (leaves) => leaves.slice(1)],
    ["serves one item twice", (leaves) => [...leaves, ...leaves.slice(0, 1)]],
    [
      "brings a deleted item back",
      (leaves) => leaves.map((l) => (l[4] === 1 ? ([l[0], l[1] - 1, l[2], new Uint8Array(32).fill(4), 0] as Leaf) : l)),
    ],
    [
      "serves an older revision",
      (leaves) => leaves.map((l, i) => (i === 0 ? ([l[0], l[1] + 1, l[2], l[3], l[4]] as Leaf) : l)),
    ],
    [
      "invents an item",
      (leaves) => [...leaves, [new Uint8Array(16).fill(3), 1, 1, new Uint8Array(32).fill(5), 0] as Leaf],
    ],
  ]
  type Leaf = readonly [Uint8Array, number, number, Uint8Array, number]

  test.each(wrong)(
    "RB-02 hostile server: a first read that %s does not add up to the signed root",
    async (_, change) => {
      if (!(await titlesOf(a.device.kf)).includes("gone")) {
        const gone = must(await a.device.kf.add(login("gone"))).id
        must(await a.device.kf.syncNow())
        must(await a.device.kf.remove(gone))
        must(await a.device.kf.syncNow())
      }
      const device = await world.device(`first${n++}`)
      await enrolUpToKeys(world, device, a)
      must(await device.kf.finishWithKit(a.kit.code))
      device.server.rewrite(
        "bootstrap",
        inCbor(bootstrapReplyStruct, (reply) => ({ ...reply, leaves: change(reply.leaves as readonly Leaf[]) })),
      )
      expect(codeOf(await device.kf.syncOn({ items: "none", autoNew: true }))).toBe("chain-omission")
      expect(await titlesOf(device.kf)).toEqual([])
      expect(must(await device.kf.evidence()).map((e) => e.code)).toContain("chain-omission")
    },
  )

  test("RB-02 hostile server: every leaf, but one record is held back", async () => {
    const device = await world.device(`first${n++}`)
    await enrolUpToKeys(world, device, a)
    must(await device.kf.finishWithKit(a.kit.code))
    device.server.rewrite(
      "bootstrap",
      inCbor(bootstrapReplyStruct, (reply) => ({ ...reply, records: reply.records.slice(1) })),
    )
    expect(codeOf(await device.kf.syncOn({ items: "none", autoNew: true }))).toBe("chain-omission")
  })

  test("RB-02 hostile server: an edit's link without its record", async () => {
    b = await freshDevice()
    await editAndSync("no record")
    rewriteSync(b, (reply) => ({ ...reply, vaults: reply.vaults.map((v) => ({ ...v, records: [] })) }))
    expect(codeOf(await b.kf.syncNow())).toBe("chain-omission")
    await frozenWith(b, "chain-omission")
  })

  test("X-05 hostile server: a first read that is cut and goes on from an older state than it began with", async () => {
    const device = await world.device(`first${n++}`)
    await enrolUpToKeys(world, device, a)
    must(await device.kf.finishWithKit(a.kit.code))
    let older: HttpReply | undefined
    device.server.rewrite("bootstrap", (reply) => {
      // Of the first question: the device asks again by itself when nothing comes.
      older ??= reply
      return undefined
    })
    expect(codeOf(await device.kf.syncOn({ items: "none", autoNew: true }))).toBe("network-unreachable")
    await editAndSync(`after the cut ${n}`)
    // A page of the newer state, of which the rest never comes …
    const first = 1
    let pages = 0
    device.server.rewrite("bootstrap", (reply, request) => {
      if (pages++ > 0) return undefined
      return inCbor(bootstrapReplyStruct, (r) => ({
        ...r,
        records: r.records.slice(0, first),
        next: new Uint8Array(16).fill(1),
      }))(reply, request)
    })
    expect(codeOf(await device.kf.syncNow())).toBe("network-unreachable")
    // … and then the whole older one.
    device.server.rewrite("bootstrap", () => older)
    expect(codeOf(await device.kf.syncNow())).toBe("chain-rolled-back")
  })

  test("X-06 hostile server: a first read that never ends is ended by the device", async () => {
    const device = await world.device(`first${n++}`)
    await enrolUpToKeys(world, device, a)
    must(await device.kf.finishWithKit(a.kit.code))
    device.server.rewrite(
      "bootstrap",
      inCbor(bootstrapReplyStruct, (reply) => ({ ...reply, next: new Uint8Array(16).fill(7) })),
    )
    expect(codeOf(await device.kf.syncOn({ items: "none", autoNew: true }))).toBe("malformed")
    expect(device.server.requestsTo("bootstrap").length).toBeLessThan(5)
  })

  test("X-07 hostile server: there is always more, and it never comes", async () => {
    b = await freshDevice()
    rewriteSync(b, (reply) => ({
      ...reply,
      vaults: reply.heads.map(([vaultId, seq, hash]) => ({
        vaultId,
        links: [],
        records: [],
        head: [seq, hash] as const,
        more: true,
      })),
    }))
    const before = b.server.requestsTo("sync").length
    expect(codeOf(await b.kf.syncNow())).toBe("busy")
    expect(b.server.requestsTo("sync").length - before).toBeLessThan(20)
  })
})

describe("RB-03", () => {
  const threeLinks = async (
    device: AttackedDevice,
    change: (links: readonly Uint8Array[]) => readonly Uint8Array[],
  ): Promise<string> => {
    for (const title of ["x", "y", "z"]) await editAndSync(`${title}${n}`)
    rewriteSync(device, (reply) => ({ ...reply, vaults: reply.vaults.map((v) => ({ ...v, links: change(v.links) })) }))
    return codeOf(await device.kf.syncNow())
  }

  test("RB-03 hostile server: two links in the wrong order are not applied", async () => {
    b = await freshDevice()
    const before = await titlesOf(b.kf)
    expect(await threeLinks(b, ([x, y, z]) => [x, z, y].flatMap((l) => l ?? []))).toBe("revision-conflict")
    expect((await titlesOf(b.kf)).filter((t) => !before.includes(t)).length).toBeLessThanOrEqual(1)
    expect(await titlesOf(b.kf)).not.toContain(`z${n}`)
  })

  test("RB-03 hostile server: a link in the middle is dropped", async () => {
    b = await freshDevice()
    expect(await threeLinks(b, ([x, , z]) => [x, z].flatMap((l) => l ?? []))).toBe("revision-conflict")
    expect(await titlesOf(b.kf)).not.toContain(`z${n}`)
    b.server.honest()
    // Nothing is lost by it: an honest answer brings all.
    must(await b.kf.syncNow())
    expect(await titlesOf(b.kf)).toContain(`z${n}`)
  })

  test("RB-03 hostile server: the last link is cut off while the head is named", async () => {
    b = await freshDevice()
    await threeLinks(b, (links) => links.slice(0, -1))
    expect(await titlesOf(b.kf)).not.toContain(`z${n}`)
  })

  test("X-08 hostile server: one bit of a link's signature, payload or countersignatures", async () => {
    for (const change of [
      (bytes: Uint8Array) =>
        editLink(bytes, (link) => ({ ...link, signature: link.signature.map((x, i) => (i === 0 ? x ^ 1 : x)) })),
      (bytes: Uint8Array) =>
        editLink(bytes, (link) => ({
          ...link,
          payload: link.payload.map((x, i) => (i === link.payload.length - 1 ? x ^ 1 : x)),
        })),
      (bytes: Uint8Array) =>
        editLink(bytes, (link) => ({ ...link, countersignatures: [[new Uint8Array(16), new Uint8Array(64)]] })),
    ]) {
      b = await freshDevice()
      await editAndSync(`bits ${n}`)
      rewriteSync(b, (reply) => ({ ...reply, vaults: reply.vaults.map((v) => ({ ...v, links: v.links.map(change) })) }))
      expect(codeOf(await b.kf.syncNow())).toBe("chain-invalid")
      expect((await b.kf.status()).sync.state).toBe("frozen")
    }
  })
})

const editLink = (
  bytes: Uint8Array,
  change: (link: {
    payload: Uint8Array
    signature: Uint8Array
    countersignatures?: readonly (readonly [Uint8Array, Uint8Array])[]
  }) => object,
): Uint8Array => {
  const link = must2(decodeLink(bytes))
  return encodeLink(change(link) as typeof link)
}

describe("RB-06, RB-08", () => {
  test("RB-06 hostile server: what a device has read once it never reads older, also after a restart", async () => {
    // A new device that reads by kit alone cannot know (the documented limit): it must not claim to.
    const device = await world.device(`kit${n++}`)
    await enrolUpToKeys(world, device, a)
    must(await device.kf.finishWithKit(a.kit.code))
    must(await device.kf.syncOn({ items: "none", autoNew: true }))
    const known = device.server.lastReply("bootstrap")
    await editAndSync(`newer than the prefix ${n}`)
    // What it has read once it never reads older again, also after a restart.
    must(await device.kf.syncNow())
    const again = await device.reopen()
    must(await again.kf.unlock("correct horse battery"))
    again.server.rewrite("bootstrap", () => known)
    const heads = must2(bootstrapReplyStruct.decode(known.body, 1e8))
    expect(heads.leaves.length).toBeGreaterThan(0)
    rewriteSync(again, (reply) => ({
      ...reply,
      vaults: [],
      heads: reply.heads.map(([id]) => [id, 2, new Uint8Array(32)] as const),
    }))
    expect(["chain-rolled-back", "chain-forked"]).toContain(codeOf(await again.kf.syncNow()))
  })

  test("RB-08 network: two devices write at once; exactly one wins the place and no edit is lost", async () => {
    b = await freshDevice()
    must(await a.device.kf.syncNow())
    for (let round = 0; round < 10; round++) {
      const [mine, theirs] = [`a ${round}`, `b ${round}`]
      must(await a.device.kf.edit(ids[0] ?? "", { fields: [{ name: "username", value: mine }] }))
      must(await b.kf.edit(ids[0] ?? "", { fields: [{ name: "url", value: `https://b.example/${theirs.slice(2)}` }] }))
      const [x, y] = await Promise.all([a.device.kf.syncNow(), b.kf.syncNow()])
      for (const result of [x, y]) expect(["ok", "busy"]).toContain(codeOf(result))
      must(await a.device.kf.syncNow())
      must(await b.kf.syncNow())
      must(await a.device.kf.syncNow())
      const fields = Object.fromEntries(must(await a.device.kf.get(ids[0] ?? "")).fields.map((f) => [f.name, f.value]))
      expect(fields).toMatchObject({ username: mine, url: `https://b.example/${theirs.slice(2)}` })
      expect(must(await b.kf.get(ids[0] ?? "")).fields).toEqual(must(await a.device.kf.get(ids[0] ?? "")).fields)
    }
  })
})
