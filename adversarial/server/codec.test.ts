import { bytesToHex, decodeCbor, encodeCbor, lp, secret } from "@keyferry/base"
import { processorTimer } from "@keyferry/testkit"
import {
  ACCOUNT_POLICY_SET,
  accountPayload,
  createTrie,
  decodeLink,
  emptyRoot,
  encodeLink,
  type Leaf,
  policySetStruct,
  signPayload,
  verifyAccountLink,
} from "@keyferry/chain"
import {
  decodeRecord,
  decodeWrapEntry,
  encodeRecord,
  kemKeyPairFromSeed,
  makeKemKeyPair,
  makeVaultKey,
  makeWrap,
  openRecord,
  openWrap,
  type SealedRecord,
  sealRecord,
  type VaultKey,
} from "@keyferry/crypto"
import { nodePrimitives as p } from "@keyferry/crypto/node"
import { feedEventStruct, syncReplyStruct } from "@keyferry/protocol"
import { XWing } from "@hpke/hybridkem-x-wing"
import { Aes256Gcm, CipherSuite, HkdfSha256 } from "@hpke/core"
import { describe, expect, test } from "vitest"

import { createFixture, writerOf } from "../../packages/chain/src/fixture.ts"

/*
 * What stands behind the first refusal. The hash in the signed link is not asked here: records, wraps, links and encodings
 * come as a hostile server would like them to be, straight to the function that opens them. Quick; part of the default suite.
 */
const random = { bytes: (length: number) => crypto.getRandomValues(new Uint8Array(length)) }
const vid = random.bytes(32)
const itemId = random.bytes(16)
const header = {
  kind: 1,
  vid,
  epoch: 1,
  itemId,
  rev: 1,
  byUid: random.bytes(32),
  by: random.bytes(16),
  prevCtHash: new Uint8Array(32),
} as const
const sealed = async (
  key: VaultKey,
  over: Partial<{ rev: number; itemId: Uint8Array; prevCtHash: Uint8Array; kind: 1 | 5 }> = {},
  text = "plain text of an item",
): Promise<SealedRecord> =>
  sealRecord(p, random, { key, header: { ...header, ...over }, plaintext: new TextEncoder().encode(text) })
const open = (key: VaultKey, record: SealedRecord, at: { vid?: Uint8Array; itemId?: Uint8Array } = {}) =>
  openRecord(p, { key, vid: at.vid ?? vid, itemId: at.itemId ?? itemId, record })
const refused = { ok: false, error: "cannot-open" }

describe("records", () => {
  test("CT-01 hostile server (codec): a record asked for as another item's, or of another vault, does not open", async () => {
    const key = makeVaultKey(random)
    const record = await sealed(key)
    expect((await open(key, record)).ok).toBe(true)
    expect(await open(key, record, { itemId: random.bytes(16) })).toEqual(refused)
    expect(await open(key, record, { vid: random.bytes(32) })).toEqual(refused)
  })

  test("CT-02 hostile server (codec): 16 bytes of the ciphertext over 16 others, at every place", async () => {
    const key = makeVaultKey(random)
    const record = await sealed(key)
    for (let to = 0; to + 16 <= record.ct.length; to += 16) {
      const ct = record.ct.slice()
      ct.copyWithin(to, (to + 48) % (ct.length - 16), ((to + 48) % (ct.length - 16)) + 16)
      if (bytesToHex(ct) === bytesToHex(record.ct)) continue
      expect(await open(key, { ...record, ct })).toEqual(refused)
    }
  })

  test("CT-03 hostile server (codec): every single bit of header, salt, commitment, ciphertext and tag, with one answer for all", async () => {
    const key = makeVaultKey(random)
    const record = await sealed(key)
    for (const part of ["header", "salt", "commit", "ct"] as const)
      for (let bit = 0; bit < record[part].length * 8; bit++) {
        const changed = record[part].slice()
        const at = bit >> 3
        changed[at] = (changed[at] ?? 0) ^ (1 << (bit & 7))
        expect(await open(key, { ...record, [part]: changed })).toEqual(refused)
      }
  })

  test("CT-06 hostile server (codec): a ciphertext crafted to be valid under two keys opens with neither", async () => {
    // With AES-GCM alone two keys can share a ciphertext; the commitment takes that away. The adversary knows both keys and
    // gives the record the one-time key material of either, and any commitment.
    const [k1, k2] = [makeVaultKey(random), makeVaultKey(random)]
    const [r1, r2] = [await sealed(k1), await sealed(k2)]
    const hybrids: SealedRecord[] = [
      { ...r1, commit: r2.commit },
      { ...r1, salt: r2.salt },
      { ...r1, salt: r2.salt, commit: r2.commit },
      { ...r1, ct: r2.ct },
      { ...r1, commit: r1.commit.map((x, i) => (i < 16 ? x : (r2.commit[i] ?? 0))) },
    ]
    for (const record of hybrids)
      expect([await open(k1, record), await open(k2, record)].filter((r) => r.ok)).toEqual([])
    // And what opens under one never opens under the other.
    expect(await open(k2, r1)).toEqual(refused)
    expect(await open(k1, r2)).toEqual(refused)
  })

  test("CT-06 hostile server (codec): the salamander itself: AES-GCM accepts one ciphertext under two keys, our opening does not", async () => {
    const salt = random.bytes(32)
    const records = await Promise.all(
      [makeVaultKey(random), makeVaultKey(random)].map(async (key) => ({ key, record: await sealed(key) })),
    )
    const [first, second] = records
    if (first === undefined || second === undefined) throw new Error("two keys")
    // Same salt, header and ciphertext for both: the commitment is derived with the key, so at most one of them can match it.
    for (const commit of [first.record.commit, second.record.commit]) {
      const shared: SealedRecord = { ...first.record, salt, commit }
      const opens = [await open(first.key, shared), await open(second.key, shared)].filter((r) => r.ok)
      expect(opens).toEqual([])
    }
  })

  test("CT-07 hostile server (codec): the ciphertext of revision 3 under the header of revision 4", async () => {
    const key = makeVaultKey(random)
    const prevCtHash = random.bytes(32)
    const [three, four] = [await sealed(key, { rev: 3, prevCtHash }), await sealed(key, { rev: 4, prevCtHash })]
    expect(await open(key, { ...three, header: four.header })).toEqual(refused)
    expect(await open(key, { ...four, ct: three.ct, salt: three.salt, commit: three.commit })).toEqual(refused)
  })

  test("X-19 hostile server (codec): a record of one kind cannot be read as another: the kind is inside what is authenticated", async () => {
    const key = makeVaultKey(random)
    const [item, label] = [await sealed(key), await sealed(key, { kind: 5 })]
    expect(await open(key, { ...item, header: label.header })).toEqual(refused)
  })
})

describe("encodings", () => {
  const nested = (depth: number): Uint8Array => {
    const out = new Uint8Array(depth + 1).fill(0x81)
    out[depth] = 0
    return out
  }
  const bad: readonly (readonly [string, Uint8Array])[] = [
    ["a longer form of a number", Uint8Array.of(0x18, 0x01)],
    ["a number of eight bytes that needs one", Uint8Array.of(0x1b, 0, 0, 0, 0, 0, 0, 0, 1)],
    ["a key twice", Uint8Array.of(0xa2, 0x01, 0x01, 0x01, 0x02)],
    ["keys out of order", Uint8Array.of(0xa2, 0x02, 0x01, 0x01, 0x02)],
    ["a text key", Uint8Array.of(0xa1, 0x61, 0x61, 0x01)],
    ["a negative key", Uint8Array.of(0xa1, 0x20, 0x01)],
    ["trailing bytes", Uint8Array.of(0x01, 0x00)],
    ["an indefinite array", Uint8Array.of(0x9f, 0x01, 0xff)],
    ["an indefinite byte string", Uint8Array.of(0x5f, 0x41, 0x61, 0xff)],
    ["a tag", Uint8Array.of(0xc0, 0x01)],
    ["a float", Uint8Array.of(0xfb, 0x3f, 0xf0, 0, 0, 0, 0, 0, 0)],
    ["undefined", Uint8Array.of(0xf7)],
    ["a negative number", Uint8Array.of(0x20)],
    ["an array that says it has 2^32 items", Uint8Array.of(0x9a, 0xff, 0xff, 0xff, 0xff)],
    ["a byte string that says it has 2^53 bytes", Uint8Array.of(0x5b, 0, 0x20, 0, 0, 0, 0, 0, 0)],
    ["a map that says it has 2^60 entries", Uint8Array.of(0xbb, 0x10, 0, 0, 0, 0, 0, 0, 0)],
    ["depth 10,000", nested(10_000)],
    ["text that is no UTF-8", Uint8Array.of(0x62, 0xff, 0xfe)],
    ["nothing", new Uint8Array()],
  ]
  test.each(bad)("CT-08 hostile server (codec): %s is refused at once, by every decoder", (_, bytes) => {
    const tookMs = processorTimer()
    expect(decodeCbor(bytes, 1 << 20)).toEqual({ ok: false, error: "not-canonical" })
    expect(decodeRecord(bytes).ok).toBe(false)
    expect(decodeLink(bytes).ok).toBe(false)
    expect(decodeWrapEntry(bytes).ok).toBe(false)
    expect(syncReplyStruct.decode(bytes, 1 << 20).ok).toBe(false)
    expect(feedEventStruct.decode(bytes, 1 << 20).ok).toBe(false)
    expect(tookMs()).toBeLessThan(1000)
  })

  test("CT-08 hostile server (codec): an unknown key, a missing one, another length, one byte too many in any place of a record", async () => {
    const record = await sealed(makeVaultKey(random))
    const bytes = encodeRecord(record)
    const map = decodeCbor(bytes, 1 << 20)
    if (!map.ok || !(map.value instanceof Map)) throw new Error("not a map")
    const with9 = new Map([...(map.value as ReadonlyMap<number, Uint8Array>), [9, 1]] as [
      number,
      number | Uint8Array,
    ][])
    expect(decodeRecord(encodeCbor(with9)).ok).toBe(false)
    for (const key of [1, 2, 3, 4]) {
      const without = new Map([...(map.value as ReadonlyMap<number, Uint8Array>)].filter(([k]) => k !== key))
      expect(decodeRecord(encodeCbor(without)).ok).toBe(false)
    }
    expect(decodeRecord(encodeRecord({ ...record, salt: new Uint8Array(31) })).ok).toBe(false)
    expect(decodeRecord(Uint8Array.from([...bytes, 0])).ok).toBe(false)
    expect(decodeRecord(encodeRecord({ ...record, ct: new Uint8Array(200_000) })).ok).toBe(false)
  })

  test("CT-08 hostile server (codec): a hundred thousand decodes of rubbish leave nothing behind and take no time", () => {
    const before = process.memoryUsage().heapUsed
    const tookMs = processorTimer()
    const rubbish = random.bytes(64)
    for (let i = 0; i < 100_000; i++) {
      rubbish[i % 64] = i & 255
      decodeCbor(rubbish, 64)
    }
    expect(tookMs()).toBeLessThan(10_000)
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(200 * 1024 * 1024)
  })
})

describe("wraps", () => {
  const context = {
    kind: 3,
    chainId: vid,
    epoch: 2,
    byUid: random.bytes(32),
    by: random.bytes(16),
    seq: 7,
    prev: random.bytes(32),
  } as const

  test("KY-11 hostile server (codec): a wrap made in authenticated mode, claiming somebody as its sender, does not open", async () => {
    const pair = await makeKemKeyPair(random)
    const id = random.bytes(32)
    const key = makeVaultKey(random)
    const entry = await makeWrap<3>(p, random, context, { id, kemPk: pair.publicKey }, key)
    const kem = await kemKeyPairFromSeed(pair.seed)
    expect((await openWrap<3>(p, context, { id, kem }, entry)).ok).toBe(true)
    // The library lets the mode byte be set with this key type and checks nothing: the trap.
    const suite = new CipherSuite({ kem: new XWing(), kdf: new HkdfSha256(), aead: new Aes256Gcm() })
    const sender = await suite.kem.generateKeyPair()
    const recipientPublicKey = await suite.kem.deserializePublicKey(pair.publicKey)
    const infoOfWrap = lp(
      "kf1/wrap",
      3,
      context.chainId,
      context.epoch,
      id,
      p.sha256(pair.publicKey),
      context.byUid,
      context.by,
    )
    const aad = lp("kf1/wrap-aad", context.chainId, context.seq, context.prev)
    const forge = async (options: object): Promise<Uint8Array[]> => {
      const evil = await suite.createSenderContext({ recipientPublicKey, info: infoOfWrap, ...options })
      return [new Uint8Array(evil.enc), new Uint8Array(await evil.seal(random.bytes(32), aad))]
    }
    const [enc = new Uint8Array(), ct = new Uint8Array()] = await forge({ senderKey: sender })
    expect(
      (await openWrap<3>(p, context, { id, kem }, { recipient: id, kemPkHash: p.sha256(pair.publicKey), enc, ct })).ok,
    ).toBe(false)
  })

  test("X-20 hostile server (codec): a wrap moved to another link, epoch, recipient or author does not open", async () => {
    const pair = await makeKemKeyPair(random)
    const id = random.bytes(32)
    const entry = await makeWrap<3>(p, random, context, { id, kemPk: pair.publicKey }, makeVaultKey(random))
    const kem = await kemKeyPairFromSeed(pair.seed)
    for (const over of [
      { seq: 8 },
      { epoch: 3 },
      { prev: random.bytes(32) },
      { by: random.bytes(16) },
      { byUid: random.bytes(32) },
      { chainId: random.bytes(32) },
    ])
      expect((await openWrap<3>(p, { ...context, ...over }, { id, kem }, entry)).ok).toBe(false)
    const other = random.bytes(32)
    expect((await openWrap<3>(p, context, { id: other, kem }, { ...entry, recipient: other })).ok).toBe(false)
    const asAccountKey = { ...context, kind: 1 } as const
    expect((await openWrap<1>(p, asAccountKey, { id, kem }, entry)).ok).toBe(false)
  })
})

describe("suites", () => {
  test("DG-02, DG-04 hostile server (codec): suite 0, a suite of tomorrow and one below the signed floor are refused", async () => {
    const fixture = createFixture(p, "suites")
    const { state, device } = await fixture.makeAccount()
    const policy = { minSuite: 1, graceMaxS: 60, requireDeviceApproval: false, reloginMaxS: 60, unlockMaxS: 60 }
    const good = accountPayload(state, ACCOUNT_POLICY_SET, policySetStruct, policy, writerOf(device))
    const withSuite = (suite: number): Uint8Array => {
      const map = decodeCbor(good, 1 << 20)
      if (!map.ok) throw new Error("not a payload")
      return encodeCbor(
        new Map(
          [...(map.value as ReadonlyMap<number, never>)].map(([k, v]) => (k === 2 ? [k, suite as never] : [k, v])),
        ),
      )
    }
    for (const [suite, code] of [
      [0, "suite-below-floor"],
      [2, "suite-unknown"],
      [255, "suite-unknown"],
    ] as const) {
      const verified = await verifyAccountLink(p, state, await signPayload(device.signer, withSuite(suite)))
      expect([suite, verified.ok ? "ok" : verified.error.code]).toEqual([
        suite,
        code === "suite-below-floor" ? expect.stringMatching(/suite/) : code,
      ])
    }
    // A floor that this version could not follow is not set, and one that is set never comes down.
    const high = accountPayload(
      state,
      ACCOUNT_POLICY_SET,
      policySetStruct,
      { ...policy, minSuite: 2 },
      writerOf(device),
    )
    expect((await verifyAccountLink(p, state, await signPayload(device.signer, high))).ok).toBe(false)
    const raised = {
      ...state,
      policy: { ...state.policy, minSuite: 2 },
      suiteFloors: [...state.suiteFloors, [1, 2] as const],
    }
    const below = await verifyAccountLink(
      p,
      raised,
      await signPayload(
        device.signer,
        accountPayload(raised, ACCOUNT_POLICY_SET, policySetStruct, policy, writerOf(device)),
      ),
    )
    expect(below.ok ? "ok" : below.error.code).toBe("suite-below-floor")
  })

  test("DG-02 hostile server (codec): a record without a suite, with suite 0 or one of tomorrow never reaches its key", async () => {
    let asked = 0
    const key = makeVaultKey(random)
    const watched = new Proxy(key, {
      get: (target, name) => {
        if (name === "reveal") asked++
        const value: unknown = Reflect.get(target, name)
        return typeof value === "function" ? value.bind(target) : value
      },
    })
    const record = await sealed(key)
    for (const suite of [0, 2, 99]) {
      const map = decodeCbor(record.header, 1 << 20)
      if (!map.ok) throw new Error("not a header")
      const changed = encodeCbor(
        new Map(
          [...(map.value as ReadonlyMap<number, never>)].map(([k, v]) => (k === 2 ? [k, suite as never] : [k, v])),
        ),
      )
      expect(await open(watched, { ...record, header: changed })).toEqual(refused)
    }
    expect(asked).toBeLessThanOrEqual(3)
  })
})

describe("tries", () => {
  const leaf = (id: Uint8Array, over: Partial<Leaf> = {}): Leaf => ({
    itemId: id,
    rev: 1,
    epoch: 1,
    ctHash: random.bytes(32),
    tombstone: false,
    ...over,
  })
  const idAt = (...bits: number[]): Uint8Array => {
    const id = new Uint8Array(16)
    for (const bit of bits) id[bit >> 3] = (id[bit >> 3] ?? 0) | (0x80 >> (bit & 7))
    return id
  }

  test("X-21 hostile server (codec): ids that differ only in the last bit, the first bit, or are a prefix of zeros keep their own leaves", () => {
    const ids = [idAt(), idAt(127), idAt(126), idAt(0), idAt(0, 127), idAt(...Array.from({ length: 128 }, (_, i) => i))]
    const leaves = ids.map((id) => leaf(id))
    const trie = createTrie(p, leaves)
    for (const one of leaves) expect(trie.get(one.itemId)).toEqual(one)
    const root = bytesToHex(trie.root())
    // Any order, same root; any leaf left out, changed or doubled with another value: another root.
    expect(bytesToHex(createTrie(p, leaves.toReversed()).root())).toBe(root)
    for (const [i, one] of leaves.entries()) {
      expect(
        bytesToHex(
          createTrie(
            p,
            leaves.filter((_, j) => j !== i),
          ).root(),
        ),
      ).not.toBe(root)
      for (const over of [{ rev: 2 }, { epoch: 2 }, { tombstone: true }, { ctHash: new Uint8Array(32) }] as const)
        expect(
          bytesToHex(
            createTrie(
              p,
              leaves.map((l, j) => (j === i ? { ...one, ...over } : l)),
            ).root(),
          ),
        ).not.toBe(root)
    }
  })

  test("X-22 hostile server (codec): one leaf's hash is not a node's, an empty vault's root is not a leaf's, and a leaf is no root of another set", () => {
    const one = leaf(idAt(5))
    const single = createTrie(p, [one]).root()
    const two = createTrie(p, [one, leaf(idAt(6))]).root()
    expect(new Set([bytesToHex(single), bytesToHex(two), bytesToHex(emptyRoot(p))]).size).toBe(3)
    // A leaf whose ct_hash is somebody's node hash does not become that node.
    const disguised = createTrie(p, [leaf(idAt(5), { ctHash: two })]).root()
    expect(bytesToHex(disguised)).not.toBe(bytesToHex(two))
  })

  test("X-23 hostile server (codec): a link that is decoded and encoded again is the same bytes, so that no second form can carry the signature", () => {
    expect(encodeLink({ payload: new Uint8Array([1]), signature: new Uint8Array(64) }).length).toBeGreaterThan(64)
    for (const link of [
      { payload: random.bytes(40), signature: random.bytes(64) },
      {
        payload: random.bytes(40),
        signature: random.bytes(64),
        countersignatures: [[new Uint8Array(16).fill(1), random.bytes(64)] as const],
      },
    ]) {
      const bytes = encodeLink(link)
      const again = decodeLink(bytes)
      expect(again.ok && bytesToHex(encodeLink(again.value))).toBe(bytesToHex(bytes))
    }
    const unsorted = {
      payload: random.bytes(4),
      signature: random.bytes(64),
      countersignatures: [
        [new Uint8Array(16).fill(2), random.bytes(64)],
        [new Uint8Array(16).fill(1), random.bytes(64)],
      ] as const,
    }
    expect(decodeLink(encodeLink(unsorted)).ok).toBe(false)
    const doubled = {
      ...unsorted,
      countersignatures: [
        [new Uint8Array(16).fill(2), random.bytes(64)],
        [new Uint8Array(16).fill(2), random.bytes(64)],
      ] as const,
    }
    expect(decodeLink(encodeLink(doubled)).ok).toBe(false)
  })
})

test("X-24 hostile server (codec): a secret never prints itself", () => {
  const key = secret<"VaultKey">(new Uint8Array(32).fill(0x41))
  for (const text of [String(key), JSON.stringify({ key }), JSON.stringify([key])])
    expect(text).not.toMatch(/65|QUFB|AAAA|4141/)
})
