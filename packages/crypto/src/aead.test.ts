import { describe, expect, test } from "vitest"

import { type Random, secret, utf8 } from "@keyferry/base"

import { openCommitting, sealCommitting, sealedHash, sealedStruct } from "./aead.ts"
import { systemRandom as random } from "./primitives/conformance.ts"
import { nodePrimitives as p } from "./primitives/node.ts"

const key = secret<"VaultKey">(random.bytes(32))
const header = utf8("a header")
const plaintext = random.bytes(100)
const label = "kf1/test"
const sealed = await sealCommitting(p, random, { key, label, header, plaintext })
const flip = (bytes: Uint8Array, at: number): Uint8Array => bytes.with(at, (bytes[at] ?? 0) ^ 1)

describe("committing AEAD", () => {
  test("[KE6] opens what it sealed, empty text and empty header too", async () => {
    expect(await openCommitting(p, { key, label, header, sealed })).toEqual({ ok: true, value: plaintext })
    const empty = await sealCommitting(p, random, { key, label, header: new Uint8Array(), plaintext: new Uint8Array() })
    expect(await openCommitting(p, { key, label, header: new Uint8Array(), sealed: empty })).toEqual({
      ok: true,
      value: new Uint8Array(),
    })
  })

  test.each([
    ["key", { key: secret<"VaultKey">(random.bytes(32)) }],
    ["label", { label: "kf1/tesu" }],
    ["header", { header: utf8("a headeR") }],
    ["salt", { sealed: { ...sealed, salt: flip(sealed.salt, 31) } }],
    ["short salt", { sealed: { ...sealed, salt: sealed.salt.subarray(0, 31) } }],
    ["commitment", { sealed: { ...sealed, commit: flip(sealed.commit, 0) } }],
    ["short commitment", { sealed: { ...sealed, commit: sealed.commit.subarray(0, 31) } }],
    ["empty commitment", { sealed: { ...sealed, commit: new Uint8Array() } }],
    ["text", { sealed: { ...sealed, ct: flip(sealed.ct, 0) } }],
    ["tag", { sealed: { ...sealed, ct: flip(sealed.ct, sealed.ct.length - 1) } }],
    ["missing tag", { sealed: { ...sealed, ct: sealed.ct.subarray(0, 10) } }],
  ])("[KE6] another %s does not open and does not say why", async (_name, changed) => {
    expect(await openCommitting(p, { key, label, header, sealed, ...changed })).toEqual({
      ok: false,
      error: "cannot-open",
    })
  })

  test("[KE6] two sealings of one text share nothing: the salt is fresh each time", async () => {
    const again = await sealCommitting(p, random, { key, label, header, plaintext })
    expect(again.salt).not.toEqual(sealed.salt)
    expect(again.ct).not.toEqual(sealed.ct)
    expect(again.commit).not.toEqual(sealed.commit)
  })

  test("[KE6] takes its salt from the given randomness and nothing else", async () => {
    const asked: number[] = []
    const fixed: Random = { bytes: (n) => (asked.push(n), new Uint8Array(n).fill(7)) }
    const one = await sealCommitting(p, fixed, { key, label, header, plaintext })
    const two = await sealCommitting(p, fixed, { key, label, header, plaintext })
    expect(asked).toEqual([32, 32])
    expect(one).toEqual(two)
  })

  test("[KE7] the sealed form is a map of three byte strings, strictly decoded", () => {
    const bytes = sealedStruct.encode(sealed)
    expect(bytes.subarray(0, 4)).toEqual(Uint8Array.of(0xa3, 0x01, 0x58, 0x20))
    expect(sealedStruct.decode(bytes, 1_000)).toEqual({ ok: true, value: sealed })
    expect(sealedStruct.decode(sealedStruct.encode({ ...sealed, salt: new Uint8Array(31) }), 1_000).ok).toBe(false)
  })

  test("[KE7] the sealed hash changes with each part and with a byte moved between parts", () => {
    const hash = sealedHash(p, sealed)
    expect(sealedHash(p, { ...sealed, salt: flip(sealed.salt, 0) })).not.toEqual(hash)
    expect(sealedHash(p, { ...sealed, commit: flip(sealed.commit, 0) })).not.toEqual(hash)
    expect(sealedHash(p, { ...sealed, ct: flip(sealed.ct, 0) })).not.toEqual(hash)
    const moved = {
      salt: sealed.salt,
      commit: sealed.commit.subarray(0, 31),
      ct: new Uint8Array([...sealed.commit.subarray(31), ...sealed.ct]),
    }
    expect(sealedHash(p, moved)).not.toEqual(hash)
  })
})
