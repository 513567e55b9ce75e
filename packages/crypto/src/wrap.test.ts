import { readFileSync } from "node:fs"

import { describe, expect, test } from "vitest"

import { concatBytes, encodeCbor, type Random, secret, utf8 } from "@keyferry/base"

import { H, ZERO_ID } from "./hash.ts"
import { makeKemKeyPair } from "./kem.ts"
import { makeAccountSeed, makeVaultKey } from "./keys.ts"
import { systemRandom as random } from "./primitives/conformance.ts"
import { nodePrimitives as p } from "./primitives/node.ts"
import { decodeRescue, encodeRescue, openRescue, sealRescue } from "./rescue.ts"
import {
  decodeWrapEntry,
  encodeWrapEntry,
  makeWrap,
  MAX_WRAP_ENTRY,
  openWrap,
  type WrapContext,
  wrapEntryHash,
  wrapsHash,
  wrapsHashOfHashes,
} from "./wrap.ts"

const kem = await makeKemKeyPair(random)
const id = random.bytes(32)
const context: WrapContext<3> = {
  kind: 3,
  chainId: random.bytes(32),
  epoch: 2,
  byUid: random.bytes(32),
  by: random.bytes(16),
  seq: 9,
  prev: random.bytes(32),
}
const key = makeVaultKey(random)
const entry = await makeWrap(p, random, context, { id, kemPk: kem.publicKey }, key)
const flip = (bytes: Uint8Array, at: number): Uint8Array => bytes.with(at, (bytes[at] ?? 0) ^ 1)
const cannotOpen = { ok: false, error: "cannot-open" }

describe("wraps", () => {
  test("[KE12] the recipient opens its own entry", async () => {
    const opened = await openWrap(p, context, { id, kem }, entry)
    expect(opened.ok && opened.value.reveal()).toEqual(key.reveal())
  })

  test("[KE12] an account's genesis wraps to a holder with zeros for what cannot be known yet", async () => {
    const genesis: WrapContext<1> = {
      ...context,
      kind: 1,
      chainId: ZERO_ID,
      byUid: ZERO_ID,
      seq: 1,
      prev: ZERO_ID,
      epoch: 1,
    }
    const holder = random.bytes(16)
    const seed = makeAccountSeed(random)
    const wrap = await makeWrap(p, random, genesis, { id: holder, kemPk: kem.publicKey }, seed)
    const opened = await openWrap(p, genesis, { id: holder, kem }, wrap)
    expect(opened.ok && opened.value.reveal()).toEqual(seed.reveal())
  })

  test.each([
    ["chain", { chainId: random.bytes(32) }],
    ["epoch", { epoch: 3 }],
    ["author's account", { byUid: random.bytes(32) }],
    ["author's holder", { by: random.bytes(16) }],
    ["place in the chain", { seq: 10 }],
    ["predecessor", { prev: random.bytes(32) }],
  ])("[KE12] an entry copied to a link with another %s does not open", async (_name, changed) => {
    expect(await openWrap(p, { ...context, ...changed }, { id, kem }, entry)).toEqual(cannotOpen)
  })

  test("[KE12] an entry for a vault is not one for an account", async () => {
    expect(await openWrap(p, { ...context, kind: 1 }, { id, kem }, entry)).toEqual(cannotOpen)
  })

  test("[KE12] another recipient, another key pair and a changed byte do not open", async () => {
    const other = await makeKemKeyPair(random)
    expect(await openWrap(p, context, { id: random.bytes(32), kem }, entry)).toEqual(cannotOpen)
    expect(await openWrap(p, context, { id, kem: other }, entry)).toEqual(cannotOpen)
    const renamed = { ...entry, recipient: flip(id, 0) }
    expect(await openWrap(p, context, { id: flip(id, 0), kem }, renamed)).toEqual(cannotOpen)
    expect(await openWrap(p, context, { id, kem }, { ...entry, enc: flip(entry.enc, 3) })).toEqual(cannotOpen)
    expect(await openWrap(p, context, { id, kem }, { ...entry, enc: flip(entry.enc, 1_119) })).toEqual(cannotOpen)
    expect(await openWrap(p, context, { id, kem }, { ...entry, ct: flip(entry.ct, 3) })).toEqual(cannotOpen)
    expect(await openWrap(p, context, { id, kem }, { ...entry, ct: entry.ct.subarray(1) })).toEqual(cannotOpen)
    expect(await openWrap(p, context, { id, kem }, { ...entry, enc: entry.enc.subarray(1) })).toEqual(cannotOpen)
    // The right hash over the wrong private key: nothing but HPKE itself can refuse.
    const liar = { publicKey: kem.publicKey, seed: other.seed }
    expect(await openWrap(p, context, { id, kem: liar }, entry)).toEqual(cannotOpen)
  })

  test("[KE11] the same randomness makes the same entry, and 64 bytes of it are asked for", async () => {
    const asked: number[] = []
    const fixed: Random = { bytes: (n) => (asked.push(n), new Uint8Array(n).fill(5)) }
    const one = await makeWrap(p, fixed, context, { id, kemPk: kem.publicKey }, key)
    const two = await makeWrap(p, fixed, context, { id, kemPk: kem.publicKey }, key)
    expect(asked).toEqual([64, 64])
    expect(one).toEqual(two)
    expect(one.enc).not.toEqual(entry.enc)
  })

  test("[KE11] base mode only: no source names a sender key", () => {
    const source = readFileSync(new URL("./hazmat/hpke.ts", import.meta.url), "utf8")
    expect(source).not.toMatch(/senderKey|senderPublicKey|psk/)
    expect(source).toMatch(/createSenderContext/)
  })

  test("[KE12] the wire form is strict: four fields of fixed length", () => {
    const bytes = encodeWrapEntry(entry)
    expect(bytes.length).toBeLessThanOrEqual(MAX_WRAP_ENTRY)
    expect(decodeWrapEntry(bytes)).toEqual({ ok: true, value: entry })
    const holder = { ...entry, recipient: random.bytes(16) }
    expect(decodeWrapEntry(encodeWrapEntry(holder))).toEqual({ ok: true, value: holder })
    const of = (length: number): Uint8Array =>
      encodeCbor(
        new Map([
          [1, new Uint8Array(length)],
          [2, entry.kemPkHash],
          [3, entry.enc],
          [4, entry.ct],
        ]),
      )
    expect(decodeWrapEntry(of(32)).ok).toBe(true)
    for (const length of [0, 15, 17, 31, 33])
      expect(decodeWrapEntry(of(length))).toEqual({ ok: false, error: "malformed" })
    const short = encodeWrapEntry({ ...entry, ct: new Uint8Array(47) })
    expect(decodeWrapEntry(short)).toEqual({ ok: false, error: "malformed" })
  })

  test("[KE13] the hash of a set of wraps does not depend on their order, and is that of their hashes", async () => {
    const wraps = await Promise.all(
      [0, 1, 2].map((n) => makeWrap(p, random, context, { id: id.with(0, n), kemPk: kem.publicKey }, key)),
    )
    const hash = wrapsHash(p, wraps)
    expect(wrapsHash(p, wraps.toReversed())).toEqual(hash)
    expect(
      wrapsHashOfHashes(
        p,
        wraps.map((wrap) => wrapEntryHash(p, wrap)),
      ),
    ).toEqual(hash)
    expect(wrapsHash(p, wraps.slice(1))).not.toEqual(hash)
    const u32 = (n: number): Uint8Array => Uint8Array.of(0, 0, 0, n)
    const hashes = wraps.flatMap((wrap) => [u32(32), H(p, encodeWrapEntry(wrap))])
    expect(hash).toEqual(H(p, concatBytes(u32(9), utf8("kf1/wraps"), ...hashes)))
    expect(() => wrapsHash(p, [entry, entry])).toThrow("two wraps for a recipient")
  })

  test("[KE12] a key or a recipient of a wrong length is a defect", async () => {
    const short = secret<"VaultKey">(new Uint8Array(31))
    await expect(makeWrap(p, random, context, { id, kemPk: kem.publicKey }, short)).rejects.toThrow("wrong length")
    await expect(makeWrap(p, random, context, { id, kemPk: kem.publicKey.subarray(1) }, key)).rejects.toThrow(
      "wrong length",
    )
  })
})

describe("rescue", () => {
  const place = { uid: random.bytes(32), deviceId: random.bytes(16), slotId: random.bytes(16) }
  const localKeys = secret<"LocalKeys">(random.bytes(64))

  test("[KE21] the recovery slot opens a device's local keys, from its file", async () => {
    const box = await sealRescue(p, random, place, kem.publicKey, localKeys)
    const read = decodeRescue(encodeRescue(box))
    expect(read).toEqual({ ok: true, value: box })
    const opened = await openRescue(p, place, kem, box)
    expect(opened.ok && opened.value.reveal()).toEqual(localKeys.reveal())
  })

  test("[KE21] as many local keys as a device may have, and no more", async () => {
    const most = secret<"LocalKeys">(random.bytes(4096))
    const box = await sealRescue(p, random, place, kem.publicKey, most)
    const read = decodeRescue(encodeRescue(box))
    expect(read).toEqual({ ok: true, value: box })
    expect((await openRescue(p, place, kem, box)).ok).toBe(true)
    const above = secret<"LocalKeys">(random.bytes(4097))
    await expect(sealRescue(p, random, place, kem.publicKey, above)).rejects.toThrow("rescue of a wrong length")
    await expect(sealRescue(p, random, place, kem.publicKey.subarray(1), localKeys)).rejects.toThrow(
      "rescue of a wrong length",
    )
  })

  test("[KE21] another account, device, slot, kit and a changed byte do not open", async () => {
    const box = await sealRescue(p, random, place, kem.publicKey, localKeys)
    expect(await openRescue(p, { ...place, uid: random.bytes(32) }, kem, box)).toEqual(cannotOpen)
    expect(await openRescue(p, { ...place, deviceId: random.bytes(16) }, kem, box)).toEqual(cannotOpen)
    expect(await openRescue(p, { ...place, slotId: random.bytes(16) }, kem, box)).toEqual(cannotOpen)
    expect(await openRescue(p, place, await makeKemKeyPair(random), box)).toEqual(cannotOpen)
    expect(await openRescue(p, place, kem, { ...box, ct: flip(box.ct, 0) })).toEqual(cannotOpen)
    expect(await openRescue(p, place, kem, { ...box, enc: box.enc.subarray(1) })).toEqual(cannotOpen)
    expect(decodeRescue(encodeRescue(box).subarray(1))).toEqual({ ok: false, error: "malformed" })
  })
})
