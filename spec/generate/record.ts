import { encodeCbor, secret } from "@keyferry/base"
import {
  ctHash,
  decodeRecord,
  encodeRecord,
  openRecord,
  pad,
  RECORD_KIND,
  sealCommitting,
  type SealedRecord,
  sealRecord,
} from "@keyferry/crypto"
import { nodePrimitives as p } from "@keyferry/crypto/node"

import { compare, fixedRandom, flip, spoiled, type Topic, type Vector, vector } from "./vector.ts"

const CANNOT_OPEN = "cannot-open"

/** Source   spec/records.md RC2, RC4, RC5, RC6 */
export const record: Topic = {
  name: "record",
  generate: async () => {
    const random = fixedRandom("record")
    const key = random.bytes(32)
    const vid = random.bytes(32)
    const itemId = random.bytes(16)
    const byUid = random.bytes(32)
    const by = random.bytes(16)
    const prevCtHash = new Uint8Array(32)
    const header = { kind: RECORD_KIND.item, vid, epoch: 1, itemId, rev: 1, byUid, by, prevCtHash }
    const vaultKey = secret<"VaultKey">(key)
    const file = (comment: string, sealed: SealedRecord, plaintext: Uint8Array): Vector =>
      vector(comment, {
        key,
        vid,
        item_id: itemId,
        record: encodeRecord(sealed),
        plaintext,
        ct_hash: ctHash(p, sealed),
      })
    const out = new Map<string, Vector>()
    const first = await sealRecord(p, random, { key: vaultKey, header, plaintext: random.bytes(300) })
    const add = async (name: string, changes: Partial<Parameters<typeof sealRecord>[2]["header"]>, length: number) => {
      const plaintext = random.bytes(length)
      const sealed = await sealRecord(p, random, { key: vaultKey, header: { ...header, ...changes }, plaintext })
      out.set(name, file(`[RC4] ${name.replaceAll("-", " ")}`, sealed, plaintext))
      return sealed
    }
    const good = await add("first-revision", {}, 300)
    await add("second-revision", { rev: 2, epoch: 2, prevCtHash: ctHash(p, first) }, 120)
    await add("empty", {}, 0)
    await add("vault-profile", { kind: RECORD_KIND.vaultProfile }, 40)
    await add("peer-pin", { kind: RECORD_KIND.peerPin }, 40)
    await add("api-credential", { kind: RECORD_KIND.apiCredential }, 40)
    await add("device-label", { kind: RECORD_KIND.deviceLabel }, 40)
    await add("large", {}, 20_000)

    const base = out.get("first-revision")
    if (base === undefined) throw new Error("no base vector")
    const bad = (name: string, comment: string, changes: Record<string, Uint8Array>, expect = CANNOT_OPEN): void => {
      out.set(`bad-${name}`, spoiled(base, comment, changes, expect))
    }
    bad("key", "[RC4] the key of another epoch", { key: flip(key, 0) })
    bad("item", "[RC4] moved to another item", { item_id: flip(itemId, -1) })
    bad("vault", "[RC4] moved to another vault", { vid: flip(vid, 0) })
    for (const part of ["header", "salt", "commit", "ct"] as const) {
      const changed = encodeRecord({ ...good, [part]: flip(good[part], -1) })
      bad(part, `[RC4] a changed byte in ${part}`, { record: changed })
    }
    const encoded = encodeRecord(good)
    bad("trailing", "[RC5] a byte after the end", { record: new Uint8Array([...encoded, 0]) }, "malformed")
    bad(
      "short-salt",
      "[RC5] a salt of 31 bytes",
      { record: encodeRecord({ ...good, salt: good.salt.slice(1) }) },
      "malformed",
    )

    // Properly sealed under the right key, by a writer that does not keep the rules of the header or of the padding.
    const hostile = async (headerBytes: Uint8Array, text: Uint8Array): Promise<Uint8Array> => {
      const sealed = await sealCommitting(p, random, {
        key: vaultKey,
        label: "kf1/item",
        header: headerBytes,
        plaintext: text,
      })
      return encodeRecord({ header: headerBytes, ...sealed })
    }
    const headerWith = (changes: readonly (readonly [number, number | Uint8Array])[]): Uint8Array => {
      const fields: [number, number | Uint8Array][] = [
        [1, 1],
        [2, 1],
        [3, 1],
        [4, vid],
        [5, 1],
      ]
      fields.push([6, itemId], [7, 1], [8, byUid], [9, by], [10, prevCtHash])
      return encodeCbor(new Map([...fields, ...changes]))
    }
    const text = pad(random.bytes(50))
    bad("suite", "[RC2] suite 2", { record: await hostile(headerWith([[2, 2]]), text) })
    bad("kind", "[RC2] kind 6", { record: await hostile(headerWith([[3, 6]]), text) })
    bad("epoch", "[RC2] epoch 0", { record: await hostile(headerWith([[5, 0]]), text) })
    bad("rev", "[RC2] revision 2 without a predecessor", { record: await hostile(headerWith([[7, 2]]), text) })
    bad("prev", "[RC2] revision 1 with one", { record: await hostile(headerWith([[10, random.bytes(32)]]), text) })
    bad("field", "[RC2] an eleventh field", { record: await hostile(headerWith([[11, 0]]), text) })
    bad("padding", "[RC3] a byte after the plaintext", { record: await hostile(headerWith([]), flip(text, -1)) })
    bad("unpadded", "[RC3] no padding", { record: await hostile(headerWith([]), random.bytes(50)) })
    return out
  },
  check: async (fields) => {
    const decoded = decodeRecord(fields.bytes("record"))
    if (!decoded.ok) return decoded.error
    const place = { vid: fields.bytes("vid"), itemId: fields.bytes("item_id") }
    const opened = await openRecord(p, {
      key: secret<"VaultKey">(fields.bytes("key")),
      ...place,
      record: decoded.value,
    })
    if (!opened.ok) return opened.error
    return compare(fields, { plaintext: opened.value.plaintext, ct_hash: ctHash(p, decoded.value) })
  },
}
