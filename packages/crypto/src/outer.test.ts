import { describe, expect, test } from "vitest"

import { secret } from "@keyferry/base"

import { decodeOuter, encodeOuter, openOuter, type OuterPlace, sealOuter } from "./outer.ts"
import { systemRandom as random } from "./primitives/conformance.ts"
import { nodePrimitives as p } from "./primitives/node.ts"

const key = secret<"OuterKey">(random.bytes(32))
const dekId = random.bytes(16)
const plaintext = random.bytes(700)
const place: OuterPlace = {
  deployment: "dep_example",
  tenant: random.bytes(32),
  purpose: "record",
  chainId: random.bytes(32),
  recordId: random.bytes(16),
  rev: 4,
}
const record = await sealOuter(p, random, { key, dekId, place, plaintext })
const cannotOpen = { ok: false, error: "cannot-open" }

describe("outer layer", () => {
  test("[RC7] opens in its place and survives its wire form", async () => {
    const decoded = decodeOuter(encodeOuter(record))
    expect(decoded).toEqual({ ok: true, value: record })
    expect(record.dekId).toEqual(dekId)
    expect(await openOuter(p, { key, place, record })).toEqual({ ok: true, value: plaintext })
  })

  test.each([
    ["deployment", { deployment: "dep_exampld" }],
    ["tenant", { tenant: random.bytes(32) }],
    ["purpose", { purpose: "lease" }],
    ["chain", { chainId: random.bytes(32) }],
    ["record", { recordId: random.bytes(16) }],
    ["revision", { rev: 5 }],
  ] as const)("[RC7] a row moved to another %s does not open", async (_name, changed) => {
    expect(await openOuter(p, { key, place: { ...place, ...changed }, record })).toEqual(cannotOpen)
  })

  test("[RC7] another data key, another data key id and a changed byte do not open", async () => {
    expect(await openOuter(p, { key: secret<"OuterKey">(random.bytes(32)), place, record })).toEqual(cannotOpen)
    expect(await openOuter(p, { key, place, record: { ...record, dekId: random.bytes(16) } })).toEqual(cannotOpen)
    const ct = record.ct.with(9, (record.ct[9] ?? 0) ^ 1)
    expect(await openOuter(p, { key, place, record: { ...record, ct } })).toEqual(cannotOpen)
  })

  test("[RC7] bytes of another form are malformed", () => {
    expect(decodeOuter(encodeOuter(record).subarray(1))).toEqual({ ok: false, error: "malformed" })
    const largest = { ...record, ct: new Uint8Array(1 << 20) }
    expect(decodeOuter(encodeOuter(largest))).toEqual({ ok: true, value: largest })
    expect(decodeOuter(encodeOuter({ ...record, ct: new Uint8Array((1 << 20) + 1) })).ok).toBe(false)
    expect(decodeOuter(new Uint8Array())).toEqual({ ok: false, error: "malformed" })
  })
})
