import fc from "fast-check"
import { describe, expect, test } from "vitest"

import { concatBytes, secret, utf8 } from "@keyferry/base"

import {
  deriveRecoveryAuth,
  deriveSecretKey,
  formatKitCode,
  makeRecoveryCode,
  parseKitCode,
  recoverySlotSecret,
} from "./kit.ts"
import { systemRandom as random } from "./primitives/conformance.ts"
import { noblePrimitives } from "./primitives/noble.ts"
import { nodePrimitives as p } from "./primitives/node.ts"

const code = secret<"RecoveryCode">(new Uint8Array(20).map((_, i) => i * 13))
const text = formatKitCode(p, code)
const read = (typed: string): Uint8Array | string => {
  const parsed = parseKitCode(p, typed)
  return parsed.ok ? parsed.value.reveal() : parsed.error
}

describe("kit code", () => {
  test("[KE15] KF1 and nine groups of four characters", () => {
    expect(text).toMatch(/^KF1(-[0-9A-HJKMNP-TV-Z]{4}){9}$/)
    expect(text).toBe(formatKitCode(noblePrimitives, code))
  })

  test("[KE15] every code comes back", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 20, maxLength: 20 }), (bytes) => {
        expect(read(formatKitCode(p, secret<"RecoveryCode">(bytes)))).toEqual(bytes)
      }),
    )
  })

  test.each([
    ["lower case", text.toLowerCase()],
    ["no dashes", text.replaceAll("-", "")],
    ["spaces and line breaks", ` ${text.replaceAll("-", " \n")}\t`],
    ["typographic dashes", text.replaceAll("-", "\u2013")],
    ["no prefix", text.slice(4)],
    ["O for zero and I or l for one", text.replaceAll("0", "O").replaceAll("1", "l")],
  ])("[KE15] reads %s", (_name, typed) => {
    expect(read(typed)).toEqual(code.reveal())
  })

  test("[KE15] a code whose first characters look like the prefix is read without it, and with it", () => {
    // KF1 is 10011 01111 00001 in five-bit characters.
    const bytes = new Uint8Array(20).fill(0x55).with(0, 0b10011_011).with(1, 0b11_00001_0)
    const own = formatKitCode(p, secret<"RecoveryCode">(bytes)).replaceAll("-", "")
    expect(own.slice(0, 6)).toBe("KF1KF1")
    expect(read(own)).toEqual(bytes)
    expect(read(own.slice(3))).toEqual(bytes)
  })

  test.each([
    ["", "wrong-length"],
    [text.slice(0, -1), "wrong-length"],
    [`${text}0`, "wrong-length"],
    [text.replace("KF1", "KF2"), "wrong-length"],
    [`${text.slice(0, -1)}U`, "bad-character"],
    [`${text.slice(0, -1)}é`, "bad-character"],
    [`${text.slice(0, -1)}ı`, "bad-character"],
  ])("[KE15] %j is refused: %s", (typed, error) => {
    expect(read(typed)).toBe(error)
  })

  test("[KE15] one wrong character or two swapped ones are noticed", () => {
    const plain = text.slice(4).replaceAll("-", "")
    for (let i = 0; i < plain.length; i++) {
      const other = plain[i] === "7" ? "8" : "7"
      expect(read(plain.slice(0, i) + other + plain.slice(i + 1))).toBe("check-failed")
      const swapped = plain.slice(0, i) + (plain[i + 1] ?? "") + (plain[i] ?? "") + plain.slice(i + 2)
      if (i + 1 < plain.length && plain[i] !== plain[i + 1]) expect(read(swapped)).toBe("check-failed")
    }
  })
})

describe("what a kit derives", () => {
  const accountSalt = random.bytes(32)
  const label = (name: string): Uint8Array => concatBytes(Uint8Array.of(0, 0, 0, name.length), utf8(name))

  test("[KE15] the Secret Key depends on the account, the authentication key does not", async () => {
    const secretKey = await deriveSecretKey(p, code, accountSalt)
    const expected = await noblePrimitives.hkdfSha512(code.reveal(), accountSalt, label("kf1/secret-key"), 16)
    expect(secretKey.reveal()).toEqual(expected)
    const { seed, recPk } = await deriveRecoveryAuth(p, code)
    expect(seed.reveal()).toEqual(
      await noblePrimitives.hkdfSha512(code.reveal(), new Uint8Array(), label("kf1/recovery-auth"), 32),
    )
    expect(recPk).toEqual(await p.ed25519PublicKey(seed.reveal()))
  })

  test("[KE9] the recovery slot's secret is the code, in bytes of its own", () => {
    const fresh = makeRecoveryCode(random)
    const slotSecret = recoverySlotSecret(fresh)
    expect(slotSecret.reveal()).toEqual(fresh.reveal())
    slotSecret.wipe()
    expect(fresh.reveal().every((b) => b === 0)).toBe(false)
  })
})
