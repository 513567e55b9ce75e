import { readFileSync } from "node:fs"

import { describe, expect, test } from "vitest"

import { bytesToHex, concatBytes, utf8 } from "@keyferry/base"

import { H } from "./hash.ts"
import { hex, systemRandom as random } from "./primitives/conformance.ts"
import { nodePrimitives as p } from "./primitives/node.ts"
import {
  deviceKeysBytes,
  deviceKeysHash,
  fingerprintDigits,
  parseWords,
  sasCommit,
  sasReplyWords,
  sasTranscriptHash,
  sasWords,
  serverWords,
} from "./sas.ts"
import { WORDS } from "./words.ts"

const newKeys = { sigPk: random.bytes(32), kemPk: random.bytes(1216), authPk: random.bytes(32) }
const transcript = {
  uid: random.bytes(32),
  newKeys,
  approver: random.bytes(16),
  nonceApprover: random.bytes(32),
  nonceNew: random.bytes(32),
  head: random.bytes(32),
}
const u32 = (n: number): Uint8Array => Uint8Array.of(0, 0, n >> 8, n & 255)
const lengthThen = (bytes: Uint8Array): Uint8Array => concatBytes(u32(bytes.length), bytes)

describe("comparison words", () => {
  test("[KE19] 1,024 plain words, told apart by four letters, in their order for ever", () => {
    expect(WORDS.length).toBe(1_024)
    expect(new Set(WORDS.map((word) => word.slice(0, 4))).size).toBe(1_024)
    for (const word of WORDS) expect(word).toMatch(/^[a-z]{4,6}$/)
    expect(readFileSync(new URL("../../../spec/words.txt", import.meta.url), "utf8")).toBe(`${WORDS.join("\n")}\n`)
    expect(bytesToHex(H(p, utf8(WORDS.join(" "))))).toBe(
      "4fc7d9526a61448f7f94bf50bbd7beb73ece43e2ad069d4b79c8343e20b36272",
    )
  })

  test("[KE19] three words are the first thirty bits of the written hash, two reply words the first twenty of theirs", () => {
    const keys = concatBytes(...[newKeys.sigPk, newKeys.kemPk, newKeys.authPk].map(lengthThen))
    expect(deviceKeysBytes(newKeys)).toEqual(keys)
    const { uid, approver, nonceApprover, nonceNew, head } = transcript
    const hashOf = (label: string): Uint8Array =>
      H(p, concatBytes(...[utf8(label), uid, keys, approver, nonceApprover, nonceNew, head].map(lengthThen)))
    const firstWords = (hash: Uint8Array, count: number): readonly string[] => {
      const bits = [...hash].map((byte) => byte.toString(2).padStart(8, "0")).join("")
      return Array.from({ length: count }, (_, i) => WORDS[Number.parseInt(bits.slice(10 * i, 10 * i + 10), 2)] ?? "?")
    }
    expect(sasWords(p, transcript)).toEqual(firstWords(hashOf("kf1/sas"), 3))
    expect(sasReplyWords(p, transcript)).toEqual(firstWords(hashOf("kf1/sas-reply"), 2))
    expect(sasTranscriptHash(p, transcript)).toEqual(hashOf("kf1/sas-transcript"))
    expect(deviceKeysHash(p, newKeys)).toEqual(H(p, keys))
    const commit = concatBytes(...[utf8("kf1/sas-commit"), keys, nonceNew].map(lengthThen))
    expect(sasCommit(p, newKeys, nonceNew)).toEqual(H(p, commit))
  })

  test("[KE19] every part of the exchange changes what is compared", () => {
    const hash = sasTranscriptHash(p, transcript)
    for (const part of ["uid", "approver", "nonceApprover", "nonceNew", "head"] as const) {
      expect(sasTranscriptHash(p, { ...transcript, [part]: random.bytes(32) })).not.toEqual(hash)
    }
    const otherKeys = { ...newKeys, authPk: random.bytes(32) }
    expect(sasTranscriptHash(p, { ...transcript, newKeys: otherKeys })).not.toEqual(hash)
    expect(sasCommit(p, otherKeys, transcript.nonceNew)).not.toEqual(sasCommit(p, newKeys, transcript.nonceNew))
  })

  test("[KE19] typed words may be capital, abbreviated to four letters, and apart by anything", () => {
    const [a, b, c] = [WORDS[0] ?? "", WORDS[511] ?? "", WORDS[1_023] ?? ""]
    expect(parseWords(`  ${a.toUpperCase()} - ${b.slice(0, 4)},${c}\n`, 3)).toEqual({ ok: true, value: [a, b, c] })
    expect(parseWords(`${a} ${b}`, 3)).toEqual({ ok: false, error: "wrong-count" })
    expect(parseWords(`${a} ${b} ${c} ${c}`, 3)).toEqual({ ok: false, error: "wrong-count" })
    expect(parseWords(`${a} ${b} zzzz`, 3)).toEqual({ ok: false, error: "unknown-word" })
    expect(parseWords(`${a} ${b} ${c.slice(0, 3)}`, 3)).toEqual({ ok: false, error: "unknown-word" })
    expect(parseWords(`${a} ${b} ${c}s`, 3)).toEqual({ ok: false, error: "unknown-word" })
  })

  test("[KE20] four words name a server's key", () => {
    const key = new Uint8Array(32).fill(1)
    expect(serverWords(p, key)).toHaveLength(4)
    expect(serverWords(p, key)).not.toEqual(serverWords(p, new Uint8Array(32).fill(2)))
    expect(serverWords(p, key).join(" ")).toBe("derby peace basil stay")
  })

  test("[KE20] thirty digits in six groups: the account id as a number, modulo 10^30", () => {
    expect(fingerprintDigits(new Uint8Array(32))).toBe("00000 00000 00000 00000 00000 00000")
    expect(fingerprintDigits(new Uint8Array(32).with(31, 7))).toBe("00000 00000 00000 00000 00000 00007")
    // 10^30 + 12345 in hexadecimal.
    expect(fingerprintDigits(hex("000000000000000000000000000000000000000c9f2c9cd04674edea40003039"))).toBe(
      "00000 00000 00000 00000 00000 12345",
    )
    expect(fingerprintDigits(new Uint8Array(32).fill(255))).toBe("64056 40394 57584 00791 31296 39935")
    expect(() => fingerprintDigits(new Uint8Array(31))).toThrow("32 bytes")
  })
})
