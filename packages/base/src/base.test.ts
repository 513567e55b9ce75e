import { decode, encode, rfc8949EncodeOptions } from "cborg"
import { describe, expect, test } from "vitest"

import * as b from "./index.ts"

const point = b.struct({ x: [1, b.uint], name: [2, b.optional(b.textUpTo(5))], raw: [3, b.bytesOf(2)] })

describe("struct", () => {
  test("[RC1] encodes with integer keys in canonical order and decodes back", () => {
    const bytes = point.encode({ raw: Uint8Array.of(1, 2), x: 7 })
    expect(b.bytesToHex(bytes)).toBe("a2010703420102")
    expect(point.decode(bytes, 100)).toEqual({ ok: true, value: { x: 7, raw: Uint8Array.of(1, 2) } })
  })

  test.each([
    ["unknown key", "a3010703420102040a"],
    ["missing key", "a10107"],
    ["wrong order", "a2034201020107"],
    ["duplicate key", "a3010701070342 0102".replace(" ", "")],
    ["non-minimal integer", "a201180703420102"],
    ["indefinite map", "bf010703420102ff"],
    ["indefinite bytes", "a20107035f41014102ff"],
    ["trailing byte", "a201070342010200"],
    ["text key", "a2617807034201 02".replace(" ", "")],
    ["negative value", "a2012003420102"],
    ["float value", "a201f94700034201 02".replace(" ", "")],
    ["tag", "a201c10703420102"],
    ["undefined", "a201f703420102"],
    ["wrong length", "a201070341 01".replace(" ", "")],
    ["text too long", "a301070266616161616161034201 02".replace(" ", "")],
    ["empty", ""],
    ["2^53", "a2011b002000000000000003420102"],
  ])("[RC1] refuses %s", (_name, hex) => {
    expect(point.decode(b.hexToBytes(hex) ?? new Uint8Array(), 100)).toEqual({ ok: false, error: "malformed" })
  })

  test("[RC1] text that begins with U+FEFF comes back as it was, however long and however often", () => {
    const texts = [
      "\ufeff",
      "\ufeffa",
      "\ufeff\ufeffa",
      `\ufeff${"a".repeat(300)}`,
      `\ufeff${"ä".repeat(70_000)}`,
      "a\ufeff",
    ]
    const bytes = b.encodeCbor(new Map<number, b.CborValue>([[1, texts]]))
    expect(b.decodeCbor(bytes, 1_000_000)).toEqual({ ok: true, value: new Map([[1, texts]]) })
    // Bytes that only look like a mark across the end of a text are none.
    expect(b.decodeCbor(b.hexToBytes("8262efbb43bf0000") ?? new Uint8Array(), 100).ok).toBe(false)
  })

  test("[RC1] depth 10,000 is refused at once", () => {
    expect(b.decodeCbor(new Uint8Array(10_000).fill(0x81), 20_000).ok).toBe(false)
  })

  test("[RC1] nested maps and arrays keep their key checks", () => {
    const nested = b.encodeCbor(
      new Map<number, b.CborValue>([
        [1, [new Map([[2, "x"]]), 5, []]],
        [3, new Map()],
      ]),
    )
    expect(b.decodeCbor(nested, 100).ok).toBe(true)
    // {1: [{"a": 0}]}: a text key one level down
    expect(b.decodeCbor(b.hexToBytes("a10181a1616100") ?? new Uint8Array(), 100).ok).toBe(false)
  })
})

describe("canonical", () => {
  const holds = (bytes: Uint8Array): void => {
    const decoded = b.decodeCbor(bytes, 1000)
    if (decoded.ok) expect(b.bytesToHex(b.encodeCbor(decoded.value))).toBe(b.bytesToHex(bytes))
  }

  test("[RC1] of all inputs up to three bytes, what is accepted is what would be encoded", () => {
    for (let a = 0; a < 256; a++) {
      holds(Uint8Array.of(a))
      for (let c = 0; c < 256; c++) holds(Uint8Array.of(a, c))
    }
    for (let n = 0; n < 1 << 24; n += 251) holds(Uint8Array.of(n >> 16, n >> 8, n))
  })

  test("[RC1] of valid encodings with bytes changed, added and cut, too", () => {
    let seed = 7
    const random = (below: number): number => (seed = (seed * 48_271) % 0x7fffffff) % below
    const value = (depth: number): b.CborValue => {
      const kind = random(depth > 3 ? 5 : 8)
      if (kind === 0) return random(2) === 0 ? random(30) : random(2 ** 31) * 2 ** random(20)
      if (kind === 1) return new Uint8Array(random(40)).map(() => random(256))
      if (kind === 2) return ["", "a", "ä€", "kf1/x".repeat(random(10))][random(4)] ?? ""
      if (kind < 5) return [true, false, null][random(3)] ?? null
      if (kind === 5) return Array.from({ length: random(5) }, () => value(depth + 1))
      const keys = Array.from({ length: random(5) }, () => random(300)).toSorted((x, y) => x - y)
      return new Map([...new Set(keys)].map((key) => [key, value(depth + 1)] as const))
    }
    let accepted = 0
    for (let i = 0; i < 20_000; i++) {
      const made = value(0)
      const bytes = b.encodeCbor(made)
      // A library that knows nothing of ours writes the same bytes and reads the same value.
      expect(Buffer.from(encode(made, rfc8949EncodeOptions)).equals(bytes)).toBe(true)
      expect(decode(bytes, { useMaps: true, strict: true })).toEqual(made)
      expect(b.decodeCbor(bytes, 10_000).ok).toBe(true)
      const changed = Array.from(bytes)
      for (let n = random(3); n >= 0; n--) {
        const at = random(changed.length)
        if (random(3) === 0) changed.splice(at, random(2), random(256))
        else changed[at] = random(256)
      }
      holds(Uint8Array.from(changed))
      if (b.decodeCbor(Uint8Array.from(changed), 1000).ok) accepted++
    }
    // Not everything is refused, or this would prove nothing.
    expect(accepted).toBeGreaterThan(1000)
  })
})

describe("memory", () => {
  test.each([10, 200, 250, 300, 5000])(
    "%i encoded bytes are plain and own their memory, and so do decoded ones",
    (size) => {
      const bytes = b.encodeCbor(new Map([[1, new Uint8Array(size)]]))
      expect(Object.getPrototypeOf(bytes)).toBe(Uint8Array.prototype)
      expect(bytes.buffer.byteLength).toBe(bytes.length)
      const input = Buffer.from(bytes)
      const decoded = b.decodeCbor(input, 10_000)
      const inner = decoded.ok && decoded.value instanceof Map ? (decoded.value.get(1) as Uint8Array) : undefined
      expect(inner && Object.getPrototypeOf(inner)).toBe(Uint8Array.prototype)
      input.fill(1)
      expect(inner).toEqual(new Uint8Array(size))
    },
  )
})

describe("bytes", () => {
  test("base64url and base32 refuse non-zero trailing bits", () => {
    expect(b.base64urlToBytes("AA")).toEqual(Uint8Array.of(0))
    expect(b.base64urlToBytes("AB")).toBeUndefined()
    expect(b.base64urlToBytes("A")).toBeUndefined()
    expect(b.base32ToBytes(b.bytesToBase32(Uint8Array.of(1, 2, 3)))).toEqual(Uint8Array.of(1, 2, 3))
  })

  test("ids round-trip and refuse foreign prefixes", () => {
    const id = b.formatId("itm", new Uint8Array(16).fill(9))
    expect(b.parseId("itm", id)).toEqual({ ok: true, value: new Uint8Array(16).fill(9) })
    expect(b.parseId("dev", id).ok).toBe(false)
  })

  test("lp is length-prefixed with 4 bytes, integers as 8", () => {
    expect(b.bytesToHex(b.lp("kf1/x", 1, Uint8Array.of(9)))).toBe(
      "000000056b66312f780000000800000000000000010000000109",
    )
  })

  test("lpAtOnce gives the same bytes, of any size, and only for the moment", () => {
    for (const size of [0, 1, 3000, 70_000]) {
      const part = new Uint8Array(size).fill(7)
      const seen = b.lpAtOnce((bytes) => b.bytesToHex(bytes), "kf1/x", 5, part)
      expect(seen).toBe(b.bytesToHex(b.lp("kf1/x", 5, part)))
    }
  })

  test("what is decoded owns its memory unless the caller shares its own", () => {
    const bytes = b.encodeCbor([new Uint8Array(100).fill(1), new Uint8Array(16).fill(1)])
    const own = b.decodeCbor(bytes, 1000)
    const shared = b.decodeCbor(bytes, 1000, "shared")
    expect(shared).toEqual(own)
    bytes.fill(9)
    const firsts = [own, shared].map((one) => (one.ok ? (one.value as readonly Uint8Array[]).map((v) => v[0]) : []))
    // Short ones are always copies: an id that is kept must not keep a page of records.
    expect(firsts).toEqual([
      [1, 1],
      [9, 1],
    ])
    const cut = b.encodeCbor(new Uint8Array(100)).subarray(0, 60)
    expect(b.decodeCbor(cut, 1000, "shared").ok).toBe(false)
  })

  test("a secret never prints", () => {
    const s = b.secret<"VaultKey">(Uint8Array.of(1, 2, 3))
    expect(`${s} ${JSON.stringify({ s })}`).toBe('<secret> {"s":"<secret>"}')
    s.wipe()
    expect(() => s.reveal()).toThrow()
  })
})
