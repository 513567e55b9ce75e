import { bytesToHex } from "@keyferry/base"
import { decodeLink, OP_PUT, openLink, itemsStruct, parseBody } from "@keyferry/chain"
import { ctHash, decodeRecord, encodeRecord, readRecordHeader, type SealedRecord } from "@keyferry/crypto"
import { nodePrimitives as p } from "@keyferry/crypto/node"
import { bootstrapReplyStruct, historyReplyStruct, syncReplyStruct } from "@keyferry/protocol"
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest"

import { inCbor } from "../world/hostile-server.ts"
import {
  type AttackedDevice,
  type AttackWorld,
  codeOf,
  createAttackWorld,
  enrolByKit,
  fieldOf,
  login,
  must,
  type Settled,
  settleAccount,
  titlesOf,
} from "../world/world.ts"

/*
 * Records in the hands of a hostile server, against a device that reads them. The hash in the signed link is the first
 * thing that refuses; codec.test.ts takes it away and looks at what stands behind it.
 */
let world: AttackWorld
let a: Settled
let b: AttackedDevice
let one: string
let two: string

beforeAll(async () => {
  world = await createAttackWorld()
  a = await settleAccount(world)
  one = must(await a.device.kf.add(login("one", "first password"))).id
  two = must(await a.device.kf.add(login("two", "other password"))).id
  must(await a.device.kf.syncNow())
  b = await world.device("b")
  await enrolByKit(world, b, a)
})
afterEach(() => b.server.honest())
afterAll(() => world.close())

const editedRecord = (bytes: Uint8Array, change: (record: SealedRecord) => SealedRecord): Uint8Array => {
  const record = decodeRecord(bytes)
  if (!record.ok) throw new Error("not a record")
  return encodeRecord(change(record.value))
}
const flipped = (bytes: Uint8Array, at: number): Uint8Array => bytes.map((byte, i) => (i === at ? byte ^ 1 : byte))

/** A new edit by A, read by B while the server does something to what it hands out. */
const readEdit = async (
  title: string,
  change: (records: readonly Uint8Array[]) => readonly Uint8Array[],
): Promise<string> => {
  must(await a.device.kf.edit(one, { title }))
  must(await a.device.kf.syncNow())
  b.server.rewrite(
    "sync",
    inCbor(syncReplyStruct, (reply) => ({
      ...reply,
      vaults: reply.vaults.map((v) => ({ ...v, records: change(v.records) })),
    })),
  )
  return codeOf(await b.kf.syncNow())
}
let replaced = 0
/** B is whole again: a device that was lied to is replaced by a new one, as a person would do. */
const freshB = async (): Promise<void> => {
  b = await world.device(`b-${++replaced}`)
  await enrolByKit(world, b, a)
}

describe("CT-01", () => {
  test("CT-01 hostile server: the record of another item in the place of this one is no record of this one", async () => {
    const before = await titlesOf(b.kf)
    let other: Uint8Array | undefined
    const first = await world.device("reader")
    first.server.rewrite(
      "bootstrap",
      inCbor(bootstrapReplyStruct, (reply) => {
        other = reply.records.find((r) => {
          const record = decodeRecord(r)
          const header = record.ok ? readRecordHeader(record.value) : record
          return header.ok && header.value.kind === 1
        })
        return reply
      }),
    )
    await enrolByKit(world, first, a)
    await b.quiet()
    const sent = b.server.exchanges().length
    expect(await readEdit("one, renamed", () => (other === undefined ? [] : [other]))).toBe("chain-omission")
    expect(await titlesOf(b.kf)).toEqual(before)
    // One question, one answer: what was refused is not asked for again in another way.
    expect(
      b.server
        .exchanges()
        .slice(sent)
        .filter((e) => e.route === "sync"),
    ).toHaveLength(1)
    expect((await b.kf.status()).sync.state).toBe("frozen")
    expect(must(await b.kf.evidence()).map((e) => e.code)).toContain("chain-omission")
    await freshB()
  })
})

describe("CT-02, CT-03, CT-05, CT-07", () => {
  const parts: readonly [string, (record: SealedRecord) => SealedRecord][] = [
    ["header", (r) => ({ ...r, header: flipped(r.header, r.header.length - 1) })],
    ["salt", (r) => ({ ...r, salt: flipped(r.salt, 0) })],
    ["commitment", (r) => ({ ...r, commit: flipped(r.commit, 31) })],
    ["ciphertext", (r) => ({ ...r, ct: flipped(r.ct, 5) })],
    ["tag", (r) => ({ ...r, ct: flipped(r.ct, r.ct.length - 1) })],
  ]
  test.each(parts)(
    "CT-03 hostile server: one flipped bit in the %s is refused with the same answer as any other",
    async (part, change) => {
      await b.quiet()
      const { length } = b.server.exchanges()
      expect(await readEdit(`flip ${part}`, (records) => records.map((r) => editedRecord(r, change)))).toBe(
        "chain-omission",
      )
      // What goes over the wire afterwards does not tell which part it was.
      expect(
        b.server
          .exchanges()
          .slice(length)
          .map((e) => e.route),
      ).toEqual(["sync"])
      expect(await fieldOf(b.kf, one, "password")).toBe("first password")
      await freshB()
    },
  )

  test("CT-02 hostile server: bytes of one part of a ciphertext spliced over another", async () => {
    const splice = (r: SealedRecord): SealedRecord => {
      const ct = r.ct.slice()
      ct.copyWithin(16, 64, 80)
      return { ...r, ct }
    }
    expect(await readEdit("spliced", (records) => records.map((r) => editedRecord(r, splice)))).toBe("chain-omission")
    await freshB()
  })

  test("CT-07 hostile server: the old ciphertext under the header of the new revision", async () => {
    const leaf = must(await a.device.kf.history(one))
    expect(leaf.length).toBeGreaterThan(0)
    const oldRecords: Uint8Array[] = []
    a.device.server.rewrite(
      "history",
      inCbor(historyReplyStruct, (reply) => {
        oldRecords.push(...reply.records)
        return reply
      }),
    )
    must(await a.device.kf.history(one))
    a.device.server.honest()
    const old = oldRecords[0]
    const code = await readEdit("rev moved", (records) =>
      records.map((bytes) => {
        const [now, before] = [decodeRecord(bytes), old === undefined ? undefined : decodeRecord(old)]
        if (!now.ok || before?.ok !== true) throw new Error("no two revisions")
        return encodeRecord({ ...before.value, header: now.value.header })
      }),
    )
    expect(code).toBe("chain-omission")
    await freshB()
  })

  test("CT-05 hostile server: what it says beside the records (commit, log id) changes nothing that is shown", async () => {
    must(await a.device.kf.edit(one, { title: "columns" }))
    must(await a.device.kf.syncNow())
    b.server.rewrite(
      "sync",
      inCbor(syncReplyStruct, (reply) => ({ ...reply, commit: 7_000_000, logId: new Uint8Array(16).fill(9) })),
    )
    must(await b.kf.syncNow())
    const shown = must(await b.kf.get(one))
    expect(shown).toMatchObject({ title: "columns", kind: "login", class: "standard", conflicts: 0 })
    expect(shown.fields.find((f) => f.name === "password")).toMatchObject({ value: "first password", secret: true })
  })

  test("CT-05 hostile server: times, platforms and states of its device list do not make a device, and names come from the chain", async () => {
    b.server.rewrite("devices.list", (reply) => ({
      ...reply,
      body: new TextEncoder().encode(
        new TextDecoder()
          .decode(reply.body)
          .replaceAll(/"platform":"[^"]*"/g, '"platform":"evil"')
          .replaceAll(/"state":"active"/g, '"state":"removed"'),
      ),
    }))
    const listed = must(await b.kf.devices())
    const own = listed.find((d) => d.isThis)
    expect(own?.name).toBe("Desk")
    expect(listed.every((d) => ["Laptop", "Desk"].includes(d.name))).toBe(true)
  })

  test("X-01 hostile server: the records of history are walked from the signed leaf; a foreign old revision is left out", async () => {
    must(await b.kf.syncNow())
    const honest = must(await b.kf.history(one)).length
    expect(honest).toBeGreaterThan(1)
    b.server.rewrite(
      "history",
      inCbor(historyReplyStruct, (reply) => ({ records: reply.records.slice(1) })),
    )
    expect(must(await b.kf.history(one))).toHaveLength(0)
    b.server.rewrite(
      "history",
      inCbor(historyReplyStruct, (reply) => ({ records: [...reply.records, ...reply.records].reverse() })),
    )
    expect(must(await b.kf.history(one))).toHaveLength(honest)
    b.server.rewrite(
      "history",
      inCbor(historyReplyStruct, (reply) => ({
        records: reply.records.map((r) => editedRecord(r, (x) => ({ ...x, ct: flipped(x.ct, 0) }))),
      })),
    )
    expect(must(await b.kf.history(one))).toHaveLength(0)
  })

  test("X-02 hostile server: a record that nobody asked for is not taken in", async () => {
    must(await a.device.kf.edit(two, { title: "two, edited" }))
    must(await a.device.kf.syncNow())
    b.server.rewrite(
      "sync",
      inCbor(syncReplyStruct, (reply) => ({
        ...reply,
        vaults: reply.vaults.map((v) => ({
          ...v,
          records: [
            ...v.records,
            ...v.records,
            editedRecord(v.records[0] ?? new Uint8Array(), (r) => ({ ...r, salt: flipped(r.salt, 3) })),
          ],
        })),
      })),
    )
    must(await b.kf.syncNow())
    expect((await titlesOf(b.kf)).toSorted()).toEqual(["columns", "two, edited"])
  })
})

test("CT-01 hostile server: the signed link names exactly the record that is stored, byte for byte", async () => {
  must(await a.device.kf.edit(one, { title: "byte for byte" }))
  must(await a.device.kf.syncNow())
  const puts: [string, number][] = []
  const served: [string, number][] = []
  b.server.rewrite(
    "sync",
    inCbor(syncReplyStruct, (reply) => {
      for (const { links, records } of reply.vaults) {
        for (const bytes of links) {
          const link = decodeLink(bytes)
          const open = link.ok ? openLink(p, link.value) : link
          const body = open.ok ? parseBody(itemsStruct, open.value.payload.body) : open
          if (body.ok)
            for (const [kind, , , , hash, size] of body.value.ops)
              if (kind === OP_PUT) puts.push([bytesToHex(hash), size])
        }
        for (const bytes of records) {
          const record = decodeRecord(bytes)
          if (record.ok) served.push([bytesToHex(ctHash(p, record.value)), bytes.length])
        }
      }
      return reply
    }),
  )
  must(await b.kf.syncNow())
  expect(served.length).toBeGreaterThan(0)
  expect(served.every(([hash, size]) => puts.some(([h, s]) => h === hash && s === size))).toBe(true)
})
