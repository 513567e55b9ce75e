import { bytesToHex, type CborValue, equalBytes, utf8 } from "@keyferry/base"
import {
  decodeLink,
  encodeLink,
  itemsStruct,
  type Link,
  newestAccountKey,
  OP_DEL,
  type Op,
  openLink,
  type Payload,
  payloadStruct,
  signPayload,
  VAULT_EPOCH_ROTATE,
  VAULT_GENESIS,
  VAULT_ITEMS,
  vaultPayload,
} from "@keyferry/chain"
import { createFixture } from "@keyferry/chain/fixture"
import { decodeWrapEntry, encodeWrapEntry, sealedHash, sealedStruct, type WrapEntry, wrapsHash } from "@keyferry/crypto"
import { MAX_PUSH_OPS, type VaultPush } from "@keyferry/protocol"
import { beforeEach, describe, expect, test } from "vitest"

import { makeDevice, p, type Person, random } from "../fixture.ts"
import {
  blindSealed,
  blindWrap,
  genesisPush,
  itemsPush,
  joined,
  makeDelete,
  makePut,
  type PutOptions,
  rotationPush,
  vaultOf,
  type Writer,
  writerOf,
} from "./fixture.ts"
import { checkSealed, isForExactly, type PreparedPush, opsOf, preparePush, readWraps, recordsOf } from "./prepared.ts"

let writer: Writer
let genesis: VaultPush
beforeEach(async () => {
  const { state, device } = await createFixture(p, "prepared").makeAccount()
  const own = { ...(await makeDevice()), deviceId: device.holder.id, signer: device.signer }
  writer = writerOf({ device: own, chain: state } as Person)
  genesis = await genesisPush(writer)
})

type Options = Parameters<typeof preparePush>[2]
const codeOf = (push: VaultPush, options?: Options): string => {
  const result = preparePush(p, push, options)
  return result.ok ? "ok" : result.error.code
}
const valueOf = (push: VaultPush, options?: Options): PreparedPush => {
  const result = preparePush(p, push, options)
  if (!result.ok) throw new Error(JSON.stringify(result.error))
  return result.value
}
const opened = (bytes: Uint8Array): Payload => {
  const link = decodeLink(bytes)
  const open = link.ok ? openLink(p, link.value) : link
  if (!open.ok) throw new Error(open.error.code)
  return open.value.payload
}
const signed = async (payload: Uint8Array): Promise<Uint8Array> => {
  const link: Link = await signPayload(writer.device.signer, payload)
  return encodeLink(link)
}
/** A push with its only link's payload changed. */
const changed = async (push: VaultPush, over: Partial<Payload>): Promise<VaultPush> => {
  const [bytes = new Uint8Array()] = push.links
  return { ...push, links: [await signed(payloadStruct.encode({ ...opened(bytes), ...over }))] }
}
const onePut = async (options: PutOptions = {}, op: (op: Op) => Op = (same) => same): Promise<VaultPush> => {
  const put = await makePut(writer, random.bytes(16), options)
  return itemsPush(writer, [{ ...put, op: op(put.op) }])
}
/** An items link that nobody verified. */
const rawItems = async (ops: readonly Op[]): Promise<Uint8Array> => {
  const body = { ops, root: vaultOf(writer).root, count: 0 }
  const by = { byHolder: writer.device.deviceId, ts: 1 }
  return signed(vaultPayload(vaultOf(writer), writer.account, VAULT_ITEMS, itemsStruct, body, by))
}

describe("links and records", () => {
  test("[SY61] each put comes with its record, each delete without, in the order of the links", async () => {
    const [a, b, c] = [random.bytes(16), random.bytes(16), random.bytes(16)] as const
    const first = await itemsPush(writer, [await makePut(writer, a), await makePut(writer, b)])
    const second = await itemsPush(writer, [await makePut(writer, c)], [await makeDelete(writer, a)])
    // The order of the records means nothing.
    const push = { ...joined(first, second), records: [...second.records, ...first.records] }
    const prepared = valueOf(push)
    expect(prepared.vaultId).toEqual(vaultOf(writer).id)
    expect(prepared.links.map((link) => link.bytes)).toEqual(push.links)
    expect(prepared.links.map((link) => link.open.payload)).toEqual(push.links.map(opened))
    expect(prepared.links.map((link) => link.ops.map((op) => op.leaf))).toEqual(
      push.links.map((bytes) =>
        itemsStruct.fromCbor(opened(bytes).body).ops.map(([kind, itemId, rev, epoch, hash]) => ({
          itemId,
          rev,
          epoch,
          ctHash: hash,
          tombstone: kind === OP_DEL,
        })),
      ),
    )
    const records = recordsOf(prepared.links)
    expect(records.map((r) => r.bytes)).toEqual([...first.records, ...second.records])
    expect(records.map((r) => [bytesToHex(r.itemId), r.rev, r.epoch])).toEqual(
      [a, b, c].map((id) => [bytesToHex(id), 1, 1]),
    )
    expect(prepared.links[1]?.ops[1]).not.toHaveProperty("record")
    expect(opsOf(prepared)).toBe(4)
    expect(prepared.wraps).toEqual([])
    expect(prepared).not.toHaveProperty("prevSealed")
  })

  test("[SY61] a record that cannot be read, of another suite, doubled, missing, or spoken of by no link is refused", async () => {
    const good = await onePut()
    const other = await onePut()
    expect(codeOf(good)).toBe("ok")
    expect(codeOf({ ...good, records: [random.bytes(64)] })).toBe("record-mismatch")
    const laterSuite = { header: { suite: 2 } as PutOptions["header"] & object }
    expect(codeOf(await onePut(laterSuite))).toBe("suite-unsupported")
    expect(codeOf(await onePut({ header: { epoch: 0 } }))).toBe("record-mismatch")
    expect(codeOf({ ...good, records: [...good.records, ...good.records] })).toBe("record-mismatch")
    expect(codeOf({ ...good, records: [] })).toBe("record-mismatch")
    expect(codeOf({ ...good, records: [...good.records, ...other.records] })).toBe("record-mismatch")
    expect(codeOf({ ...good, records: other.records })).toBe("record-mismatch")
  })

  test("[SY61] a record is what its link says in each of its parts", async () => {
    const variants: [string, VaultPush][] = [
      ["hash", await onePut({}, ([k, i, r, e, , s]) => [k, i, r, e, random.bytes(32), s])],
      ["size", await onePut({}, ([k, i, r, e, h, s]) => [k, i, r, e, h, s + 1])],
      ["epoch", await onePut({ header: { epoch: 2 } })],
      ["vault", await onePut({ header: { vid: random.bytes(32) } })],
      ["account", await onePut({ header: { byUid: random.bytes(32) } })],
      ["device", await onePut({ header: { by: random.bytes(16) } })],
      ["item", await onePut({ header: { itemId: random.bytes(16) } })],
      ["revision", await onePut({ header: { rev: 2, prevCtHash: random.bytes(32) } })],
    ]
    for (const [part, push] of variants) {
      expect(codeOf(push), part).toBe("record-mismatch")
      if (part !== "item" && part !== "revision") expect(codeOf(push, { mayMiss: true }), part).toBe("record-mismatch")
    }
  })

  test("[SY60] no links, links that are none, bodies that are none, and types of later versions are refused", async () => {
    const good = await onePut()
    expect(codeOf({ ...good, links: [] })).toBe("malformed")
    expect(codeOf({ ...good, links: [random.bytes(100)] })).toBe("chain-invalid")
    const [bytes = new Uint8Array()] = good.links
    const link = decodeLink(bytes)
    if (!link.ok) throw new Error("unreadable")
    const torn = encodeLink({ ...link.value, payload: link.value.payload.slice(1) })
    expect(codeOf({ ...good, links: [torn] })).toBe("chain-invalid")
    const body: CborValue = new Map([[99, "nonsense"]])
    for (const type of [VAULT_GENESIS, VAULT_EPOCH_ROTATE, VAULT_ITEMS])
      expect(codeOf(await changed(good, { type, body })), `type ${type}`).toBe("chain-invalid")
    for (const type of [2, 5]) expect(codeOf(await changed(good, { type }))).toBe("suite-unsupported")
    expect(codeOf(joined(good, { ...good, links: [torn], records: [] }))).toBe("chain-invalid")
  })

  test("[SY60] a push has a thousand ops at most, over all of its links", async () => {
    const dels = (n: number): Op[] =>
      Array.from({ length: n }, () => [OP_DEL, random.bytes(16), 2, 1, new Uint8Array(32), 0])
    const full = { vaultId: vaultOf(writer).id, links: [await rawItems(dels(MAX_PUSH_OPS))], records: [] }
    expect(codeOf(full)).toBe("ok")
    expect(codeOf({ ...full, links: [...full.links, await rawItems(dels(1))] })).toBe("too-large")
  })

  test("[SY61] in a repair a record may be lost, and is then left out", async () => {
    const [a, b] = [await makePut(writer, random.bytes(16)), await makePut(writer, random.bytes(16))]
    const push = await itemsPush(writer, [a, b])
    const half = { ...push, records: [b.record] }
    expect(codeOf(half)).toBe("record-mismatch")
    expect(codeOf(half, { mayMiss: false })).toBe("record-mismatch")
    const [link] = valueOf(half, { mayMiss: true }).links
    expect(link?.ops.map((op) => op.record?.bytes)).toEqual([undefined, b.record])
    expect(link?.ops[0]).not.toHaveProperty("record")
    expect(link?.ops.map((op) => op.leaf.itemId)).toEqual([a.op[1], b.op[1]])
  })
})

describe("keys", () => {
  test("[SY62] a genesis brings its wraps, a rotation the sealed older key besides", async () => {
    const first = valueOf(genesis)
    expect(first.wraps.map((wrap) => wrap.bytes)).toEqual(genesis.wraps)
    expect(first.links[0]).toMatchObject({ ops: [], epoch: { epoch: 1 } })
    expect(first).not.toHaveProperty("prevSealed")
    const rotation = await rotationPush(writer)
    const next = valueOf(rotation)
    expect(next.wraps.map((wrap) => wrap.bytes)).toEqual(rotation.wraps)
    expect(next.prevSealed).toEqual(rotation.prevSealed)
    expect(next.links[0]).toMatchObject({ ops: [], epoch: { epoch: 2 } })
  })

  test("[SY62] keys that no link speaks of, and keys of two epochs at once, are refused", async () => {
    const items = await onePut()
    expect(codeOf({ ...items, wraps: genesis.wraps ?? [] })).toBe("chain-invalid")
    expect(codeOf({ ...items, prevSealed: sealedStruct.encode(blindSealed()) })).toBe("chain-invalid")
    const rotation = await rotationPush(writer)
    expect(codeOf({ ...rotation, links: [...genesis.links, ...rotation.links] })).toBe("malformed")
    expect(codeOf({ ...rotation, links: [...items.links, ...rotation.links], records: items.records })).toBe("ok")
  })

  test("[SY62] missing, unreadable, foreign and doubled wraps are refused", async () => {
    const own = genesis.wraps ?? []
    const { wraps: _none, ...without } = genesis
    expect(codeOf(without)).toBe("chain-invalid")
    const sameRecipient = encodeWrapEntry(blindWrap(writer.account.id, newestAccountKey(writer.account).kemPk))
    for (const wraps of [[], [random.bytes(20)], [sameRecipient], [...own, sameRecipient], [...own, ...own]])
      expect(codeOf({ ...genesis, wraps })).toBe("chain-invalid")
    // Committed to by the link, and still for somebody else.
    const foreign = await genesisPush({ ...writer, vault: undefined }, [
      blindWrap(random.bytes(32), random.bytes(1216)),
    ])
    expect(codeOf(foreign)).toBe("chain-invalid")
  })

  test("[SY62] the sealed older key is exactly the one that the link committed to", async () => {
    const rotation = await rotationPush(writer)
    const { prevSealed: _none, ...without } = rotation
    expect(codeOf(without)).toBe("chain-invalid")
    expect(codeOf({ ...rotation, prevSealed: sealedStruct.encode(blindSealed()) })).toBe("chain-invalid")
    expect(codeOf({ ...genesis, prevSealed: sealedStruct.encode(blindSealed()) })).toBe("chain-invalid")
  })

  test("[SY62] in a repair the keys of an epoch may be lost, all of them together", async () => {
    const { wraps: _wraps, ...genesisWithout } = genesis
    const rotation = await rotationPush(writer)
    const { wraps: _w, ...noWraps } = rotation
    const { prevSealed: _s, ...noSealed } = rotation
    for (const push of [genesisWithout, noWraps, noSealed]) {
      const prepared = valueOf(push, { mayMiss: true })
      expect(prepared.wraps).toEqual([])
      expect(prepared).not.toHaveProperty("prevSealed")
    }
    expect(valueOf(genesis, { mayMiss: true }).wraps.map((wrap) => wrap.bytes)).toEqual(genesis.wraps)
    expect(valueOf(rotation, { mayMiss: true }).prevSealed).toEqual(rotation.prevSealed)
    for (const push of [genesis, rotation])
      expect(codeOf({ ...push, wraps: [random.bytes(20)] }, { mayMiss: true })).toBe("chain-invalid")
    const otherKey = { ...rotation, prevSealed: sealedStruct.encode(blindSealed()) }
    expect(codeOf(otherKey, { mayMiss: true })).toBe("chain-invalid")
  })
})

test("[SY60] a refusal says what was wrong, in words for whoever wrote the client", async () => {
  const detailOf = (push: VaultPush): string => {
    const result = preparePush(p, push)
    return result.ok ? "accepted" : (result.error.detail ?? "")
  }
  const items = await onePut()
  const rotation = await rotationPush(writer)
  const wraps = genesis.wraps ?? []
  const { wraps: _w, ...noWraps } = genesis
  const { prevSealed: _s, ...noSealed } = rotation
  const foreign = await genesisPush({ ...writer, vault: undefined }, [blindWrap(random.bytes(32), random.bytes(1216))])
  const other = encodeWrapEntry(blindWrap(writer.account.id, random.bytes(1216)))
  const sealed = sealedStruct.encode(blindSealed())
  const told: [string, VaultPush][] = [
    ["A push without links.", { ...items, links: [] }],
    ["A record that cannot be read.", { ...items, records: [random.bytes(64)] }],
    ["A header that cannot be read.", await onePut({ header: { epoch: 0 } })],
    ["Two records of one revision.", { ...items, records: [...items.records, ...items.records] }],
    ["A record that no link speaks of.", { ...items, records: [...items.records, ...(await onePut()).records] }],
    ["A put without its record.", { ...items, records: [] }],
    ["A record that its link does not describe.", await onePut({ header: { vid: random.bytes(32) } })],
    ["Keys that no link speaks of.", { ...items, wraps }],
    ["Two key epochs in one push.", { ...rotation, links: [...genesis.links, ...rotation.links] }],
    ["A wrap that cannot be read.", { ...genesis, wraps: [random.bytes(20)] }],
    ["The wraps are not those of the link.", noWraps],
    ["The wraps are not those of the link.", { ...genesis, wraps: [other] }],
    ["The wraps are not for exactly the members.", foreign],
    ["The sealed older key is missing, or nobody spoke of it.", noSealed],
    ["The sealed older key is missing, or nobody spoke of it.", { ...genesis, prevSealed: sealed }],
    ["The sealed older key is not that of the link.", { ...rotation, prevSealed: sealed }],
  ]
  for (const [detail, push] of told) expect(detailOf(push)).toBe(detail)
})

describe("parts", () => {
  const id = (byte: number): Uint8Array => new Uint8Array(32).fill(byte)
  const wrap = (byte: number, key = byte): WrapEntry => blindWrap(id(byte), id(key))

  test("[SY62] wraps are sorted by recipient, whatever the order they came in, each once", () => {
    const entries = [wrap(3), wrap(1), wrap(2)]
    const read = readWraps(p, entries.map(encodeWrapEntry), wrapsHash(p, entries))
    if (!read.ok) throw new Error(read.error.code)
    expect(read.value.map((entry) => entry.recipient)).toEqual([id(1), id(2), id(3)])
    for (const entry of read.value) {
      const decoded = decodeWrapEntry(entry.bytes)
      expect(decoded.ok && equalBytes(decoded.value.recipient, entry.recipient)).toBe(true)
    }
    const doubled = [wrap(1), wrap(2), wrap(1)].map(encodeWrapEntry)
    expect(readWraps(p, doubled, wrapsHash(p, [wrap(1)]))).toMatchObject({ error: { code: "chain-invalid" } })
    expect(readWraps(p, [utf8("none")], id(0))).toMatchObject({ error: { code: "chain-invalid" } })
    expect(readWraps(p, [encodeWrapEntry(wrap(1))], id(0))).toMatchObject({ error: { code: "chain-invalid" } })
  })

  test("[SY62] wraps are for exactly the recipients: one each, under its newest key", () => {
    const to = (byte: number, key = byte) => ({ id: id(byte), kemPkHash: p.sha256(id(key)) })
    expect(isForExactly([], [])).toBe(true)
    expect(isForExactly([wrap(2), wrap(1)], [to(1), to(2)])).toBe(true)
    expect(isForExactly([wrap(1)], [])).toBe(false)
    expect(isForExactly([], [to(1)])).toBe(false)
    expect(isForExactly([wrap(1), wrap(3)], [to(1), to(2)])).toBe(false)
    expect(isForExactly([wrap(1), wrap(2, 9)], [to(1), to(2)])).toBe(false)
    expect(isForExactly([wrap(1), wrap(2)], [to(1), to(3, 2)])).toBe(false)
  })

  test("[SY62] a sealed key is there exactly if it was spoken of, is one, and is that one", () => {
    const sealed = blindSealed()
    const bytes = sealedStruct.encode(sealed)
    const hash = sealedHash(p, sealed)
    expect(checkSealed(p, undefined, undefined)).toEqual({ ok: true, value: {} })
    expect(checkSealed(p, bytes, hash)).toEqual({ ok: true, value: { prevSealed: bytes } })
    const long = { ...sealed, ct: random.bytes(400) }
    for (const [given, expected] of [
      [bytes, undefined],
      [undefined, hash],
      [bytes, id(1)],
      [bytes, id(0)],
      [random.bytes(80), hash],
      [sealedStruct.encode(long), sealedHash(p, long)],
    ] as const)
      expect(checkSealed(p, given, expected)).toMatchObject({ error: { code: "chain-invalid" } })
  })
})
