import { secret } from "@keyferry/base"
import { decodeOuter, encodeOuter, openOuter, type OuterPlace, type OuterPurpose, sealOuter } from "@keyferry/crypto"
import { nodePrimitives as p } from "@keyferry/crypto/node"

import { compare, type Fields, fixedRandom, flip, spoiled, type Topic, type Vector, vector } from "./vector.ts"

const PURPOSES: readonly OuterPurpose[] = ["record", "lease", "totp", "opaque", "mail"]

/** Source   spec/records.md RC7 */
export const outer: Topic = {
  name: "outer",
  generate: async () => {
    const random = fixedRandom("outer")
    const out = new Map<string, Vector>()
    for (const purpose of PURPOSES) {
      const key = random.bytes(32)
      const tenant = random.bytes(purpose === "lease" ? 16 : 32)
      const place = {
        deployment: "dep-1",
        tenant,
        purpose,
        chainId: random.bytes(32),
        recordId: random.bytes(16),
        rev: 3,
      }
      const plaintext = random.bytes(90)
      const sealed = await sealOuter(p, random, { key: secret(key), dekId: random.bytes(16), place, plaintext })
      const fields = {
        key,
        deployment: "dep-1",
        tenant,
        purpose,
        chain_id: place.chainId,
        record_id: place.recordId,
        rev: 3,
      }
      out.set(purpose, vector(`[RC7] purpose ${purpose}`, { ...fields, outer: encodeOuter(sealed), plaintext }))
    }
    const good = out.get("record")
    if (good === undefined) throw new Error("no base vector")
    const bytes = (name: string): Uint8Array => good.fields.get(name) ?? new Uint8Array()
    const sealed = decodeOuter(bytes("outer"))
    if (!sealed.ok) throw new Error("not decoded")
    const bad = (name: string, changes: Record<string, Uint8Array | number | string>): void => {
      out.set(`bad-${name}`, spoiled(good, `[RC7] another ${name.replaceAll("-", " ")}`, changes, "cannot-open"))
    }
    bad("key", { key: flip(bytes("key"), 0) })
    bad("deployment", { deployment: "dep-2" })
    bad("tenant", { tenant: flip(bytes("tenant"), 0) })
    bad("purpose", { purpose: "totp" })
    bad("chain", { chain_id: flip(bytes("chain_id"), 0) })
    bad("record", { record_id: flip(bytes("record_id"), 0) })
    bad("revision", { rev: 4 })
    bad("data-key-id", { outer: encodeOuter({ ...sealed.value, dekId: flip(sealed.value.dekId, 0) }) })
    return out
  },
  check: async (fields) => {
    const sealed = decodeOuter(fields.bytes("outer"))
    if (!sealed.ok) return sealed.error
    const purpose = PURPOSES.find((known) => known === fields.text("purpose"))
    if (purpose === undefined) return "malformed"
    const place = placeOf(fields, purpose)
    const opened = await openOuter(p, { key: secret<"OuterKey">(fields.bytes("key")), place, record: sealed.value })
    return opened.ok ? compare(fields, { plaintext: opened.value }) : opened.error
  },
}

const placeOf = (fields: Fields, purpose: OuterPurpose): OuterPlace => ({
  deployment: fields.text("deployment"),
  tenant: fields.bytes("tenant"),
  purpose,
  chainId: fields.bytes("chain_id"),
  recordId: fields.bytes("record_id"),
  rev: fields.int("rev"),
})
