import { secret, utf8 } from "@keyferry/base"
import { openCommitting, sealCommitting, sealedHash, sealedStruct } from "@keyferry/crypto"
import { nodePrimitives as p } from "@keyferry/crypto/node"

import { compare, fixedRandom, flip, spoiled, type Topic, vector } from "./vector.ts"

const CANNOT_OPEN = "cannot-open"

/** Source   spec/keys.md KE6, KE7 */
export const aead: Topic = {
  name: "aead",
  generate: async () => {
    const random = fixedRandom("aead")
    const make = async (comment: string, key: Uint8Array, label: string, header: Uint8Array, plaintext: Uint8Array) => {
      const sealed = await sealCommitting(p, random, { key: secret(key), label, header, plaintext })
      const encoded = sealedStruct.encode(sealed)
      return vector(comment, { key, label, header, sealed: encoded, plaintext, hash: sealedHash(p, sealed) })
    }
    const good = await make("[KE6] an ordinary text", random.bytes(32), "kf1/test", utf8("header"), utf8("plaintext"))
    const sealed = sealedStruct.decode(good.fields.get("sealed") ?? new Uint8Array(), 1_000)
    if (!sealed.ok) throw new Error("not sealed")
    const parts = sealed.value
    const changed = (part: "salt" | "commit" | "ct", at: number): Uint8Array =>
      sealedStruct.encode({ ...parts, [part]: flip(parts[part], at) })
    const bad = (what: string, changes: Record<string, Uint8Array | string>) =>
      spoiled(good, `[KE6] ${what}`, changes, CANNOT_OPEN)
    return new Map([
      ["ordinary", good],
      ["empty-text", await make("[KE6] an empty text", random.bytes(32), "kf1/test", utf8("header"), new Uint8Array())],
      ["empty-header", await make("[KE6] an empty header", random.bytes(32), "kf1/test", new Uint8Array(), utf8("x"))],
      ["long-text", await make("[KE6] 1,000 bytes", random.bytes(32), "kf1/test", utf8("h"), random.bytes(1_000))],
      ["short-key", await make("[KE6] a key of 16 bytes", random.bytes(16), "kf1/test", utf8("h"), utf8("x"))],
      ["bad-key", bad("another key", { key: flip(good.fields.get("key") ?? new Uint8Array(1), 0) })],
      ["bad-label", bad("another label", { label: "kf1/tesu" })],
      ["bad-header", bad("another header", { header: "headeR" })],
      ["bad-salt", bad("a changed salt", { sealed: changed("salt", 0) })],
      ["bad-commit", bad("a changed commitment", { sealed: changed("commit", -1) })],
      ["bad-text", bad("a changed ciphertext", { sealed: changed("ct", 0) })],
      ["bad-tag", bad("a changed tag", { sealed: changed("ct", -1) })],
      [
        "bad-short",
        bad("shorter than a tag", { sealed: sealedStruct.encode({ ...parts, ct: parts.ct.slice(0, 15) }) }),
      ],
    ])
  },
  check: async (fields) => {
    const sealed = sealedStruct.decode(fields.bytes("sealed"), 1 << 20)
    if (!sealed.ok) return "malformed"
    const key = secret(fields.bytes("key"))
    const input = { key, label: fields.text("label"), header: fields.bytes("header"), sealed: sealed.value }
    const opened = await openCommitting(p, input)
    if (!opened.ok) return opened.error
    return compare(fields, { plaintext: opened.value, hash: sealedHash(p, sealed.value) })
  },
}
