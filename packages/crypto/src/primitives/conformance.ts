import { randomBytes } from "node:crypto"

import { describe, expect, test } from "vitest"

import { bytesToHex, hexToBytes, type Random, utf8 } from "@keyferry/base"

import type { Primitives } from "./primitives.ts"

/** The operating system's randomness, for tests. */
export const systemRandom: Random = { bytes: (length) => new Uint8Array(randomBytes(length)) }

export const hex = (text: string): Uint8Array => {
  const bytes = hexToBytes(text)
  if (bytes === undefined) throw new Error(`not hexadecimal: ${text}`)
  return bytes
}

/** Every adapter must pass all of this, and agree with `reference` on random inputs. */
export const conformance = (name: string, p: Primitives, reference: Primitives): void => {
  describe(`primitives: ${name}`, () => {
    test("[KE1] SHA-256 of the standard's two messages", () => {
      expect(bytesToHex(p.sha256(utf8("abc")))).toBe("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
      expect(bytesToHex(p.sha256(utf8("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")))).toBe(
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
      )
    })

    test("[KE1] HMAC-SHA-256, RFC 4231 cases 1 and 2", async () => {
      expect(bytesToHex(await p.hmacSha256(new Uint8Array(20).fill(11), utf8("Hi There")))).toBe(
        "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
      )
      expect(bytesToHex(await p.hmacSha256(utf8("Jefe"), utf8("what do ya want for nothing?")))).toBe(
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
      )
    })

    test("[KE1] HMAC, HKDF and AES-GCM agree with the reference on random inputs of every length", async () => {
      for (const length of [0, 1, 31, 32, 33, 64, 127, 128, 129, 200, 4_096]) {
        const ikm = systemRandom.bytes(length)
        const salt = systemRandom.bytes(length % 70)
        const info = systemRandom.bytes((length * 7) % 90)
        expect(await p.hmacSha256(salt, ikm)).toEqual(await reference.hmacSha256(salt, ikm))
        expect(await p.hkdfSha512(ikm, salt, info, 76)).toEqual(await reference.hkdfSha512(ikm, salt, info, 76))
        const key = systemRandom.bytes(32)
        const nonce = systemRandom.bytes(12)
        const ct = await p.aesGcmSeal(key, nonce, info, ikm)
        expect(ct).toEqual(await reference.aesGcmSeal(key, nonce, info, ikm))
        expect(await p.aesGcmOpen(key, nonce, info, ct)).toEqual(ikm)
      }
    })

    test("[KE1] AES-256-GCM refuses a changed tag, text, header, nonce and key, and what is too short for a tag", async () => {
      const key = systemRandom.bytes(32)
      const nonce = systemRandom.bytes(12)
      const aad = systemRandom.bytes(9)
      const ct = await p.aesGcmSeal(key, nonce, aad, systemRandom.bytes(40))
      const flip = (bytes: Uint8Array, at: number): Uint8Array => bytes.with(at, (bytes[at] ?? 0) ^ 1)
      expect(await p.aesGcmOpen(key, nonce, aad, flip(ct, 0))).toBeUndefined()
      expect(await p.aesGcmOpen(key, nonce, aad, flip(ct, ct.length - 1))).toBeUndefined()
      expect(await p.aesGcmOpen(key, nonce, flip(aad, 3), ct)).toBeUndefined()
      expect(await p.aesGcmOpen(key, flip(nonce, 3), aad, ct)).toBeUndefined()
      expect(await p.aesGcmOpen(flip(key, 31), nonce, aad, ct)).toBeUndefined()
      expect(await p.aesGcmOpen(key, nonce, aad, ct.subarray(0, 15))).toBeUndefined()
      expect(await p.aesGcmOpen(key, nonce, aad, new Uint8Array())).toBeUndefined()
    })

    test("[KE1] works on views into a larger buffer and returns bytes of its own", async () => {
      const large = systemRandom.bytes(200)
      const key = large.subarray(3, 35)
      const nonce = large.subarray(40, 52)
      const text = large.subarray(60, 100)
      const before = large.slice()
      const ct = await p.aesGcmSeal(key, nonce, text, text)
      expect(ct).toEqual(await reference.aesGcmSeal(key.slice(), nonce.slice(), text.slice(), text.slice()))
      expect(p.sha256(text)).toEqual(reference.sha256(text.slice()))
      expect(await p.ed25519PublicKey(key)).toEqual(await reference.ed25519PublicKey(key.slice()))
      expect(await p.ed25519Sign(key, text)).toEqual(await reference.ed25519Sign(key.slice(), text.slice()))
      expect(large).toEqual(before)
      expect(Object.getPrototypeOf(ct)).toBe(Uint8Array.prototype)
      expect(Object.getPrototypeOf(p.sha256(text))).toBe(Uint8Array.prototype)
    })

    test("[KE1] Argon2id gives the published value of the reference implementation", async () => {
      const options = { memoryKiB: 65_536, passes: 2, parallelism: 1, length: 32 }
      expect(bytesToHex(await p.argon2id(utf8("password"), utf8("somesalt"), options))).toBe(
        "09316115d5cf24ed5a15a31a3ba326e5cf32edc24702987c02b6566f61913cf7",
      )
    })

    test("scrypt gives the published value of RFC 7914, and the same as the reference at the block size of age", async () => {
      const published = await p.scrypt(utf8("password"), utf8("NaCl"), {
        cost: 1_024,
        blockSize: 8,
        parallelism: 16,
        length: 64,
      })
      expect(bytesToHex(published)).toBe(
        "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b3731622eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640",
      )
      const options = { cost: 2 ** 8, blockSize: 8, parallelism: 1, length: 32 }
      for (const length of [1, 64, 65, 200]) {
        const [password, salt] = [systemRandom.bytes(length), systemRandom.bytes(44)]
        expect(await p.scrypt(password, salt, options)).toEqual(await reference.scrypt(password, salt, options))
      }
    })

    test("[KE2] Ed25519 signs as the reference does and verifies it", async () => {
      for (const length of [0, 1, 64, 1_000]) {
        const seed = systemRandom.bytes(32)
        const message = systemRandom.bytes(length)
        const publicKey = await p.ed25519PublicKey(seed)
        const signature = await p.ed25519Sign(seed, message)
        expect(publicKey).toEqual(await reference.ed25519PublicKey(seed))
        expect(signature).toEqual(await reference.ed25519Sign(seed, message))
        expect(await p.ed25519Verify(publicKey, message, signature)).toBe(true)
        expect(await p.ed25519Verify(publicKey, message, signature.with(5, (signature[5] ?? 0) ^ 1))).toBe(false)
        expect(await p.ed25519Verify(publicKey, systemRandom.bytes(33), signature)).toBe(false)
        expect(await p.ed25519Verify(publicKey, message, signature.subarray(0, 63))).toBe(false)
        expect(await p.ed25519Verify(publicKey.subarray(0, 31), message, signature)).toBe(false)
      }
    })

    test.each(HOSTILE_KEYS)("[KE2] no signature verifies under %s", async (_name, key) => {
      // R = identity, S = 0 satisfies the equation for every message under a key of small order.
      const zero = hex(`01${"00".repeat(63)}`)
      expect(await p.ed25519Verify(hex(key), utf8("any message"), zero)).toBe(false)
      expect(await p.ed25519Verify(hex(key), utf8("any message"), hex(key + "00".repeat(32)))).toBe(false)
    })

    test("[KE2] bytes that are no point of the curve verify nothing, and are refused like any other key", async () => {
      // About every second y has no x.
      for (let y = 2; y < 22; y++)
        expect(await p.ed25519Verify(new Uint8Array(32).with(0, y), utf8("any message"), new Uint8Array(64))).toBe(
          false,
        )
    })

    test("[KE2] S is below the group order", async () => {
      const seed = systemRandom.bytes(32)
      const message = utf8("kf1")
      const signature = await p.ed25519Sign(seed, message)
      const publicKey = await p.ed25519PublicKey(seed)
      expect(await p.ed25519Verify(publicKey, message, signature)).toBe(true)
      expect(await p.ed25519Verify(publicKey, message, addOrder(signature))).toBe(false)
      const order = hex("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010")
      const atOrder = new Uint8Array([...signature.subarray(0, 32), ...order])
      expect(await p.ed25519Verify(publicKey, message, atOrder)).toBe(false)
    })

    test("[KE2] a signature that only the equation with cofactor accepts is refused", async () => {
      const { publicKey, message, signature } = MIXED_ORDER
      expect(await p.ed25519Verify(hex(publicKey), utf8(message), hex(signature))).toBe(false)
    })
  })
}

const HOSTILE_KEYS: readonly (readonly [string, string])[] = [
  ["the identity", `01${"00".repeat(31)}`],
  ["the identity with the sign bit", `01${"00".repeat(30)}80`],
  ["a point of order two", `ec${"ff".repeat(30)}7f`],
  ["a point of order four", "00".repeat(32)],
  ["the other point of order four", `${"00".repeat(31)}80`],
  ["a point of order eight", "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"],
  ["another point of order eight", "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85"],
  ["a third point of order eight", "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"],
  ["a fourth point of order eight", "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa"],
  ["zero written as the prime", `ed${"ff".repeat(30)}7f`],
  ["one written above the prime", `ee${"ff".repeat(30)}7f`],
  ["the largest number of 255 bits", `${"ff".repeat(31)}7f`],
]

/** S + L: the same residue, another encoding. */
const addOrder = (signature: Uint8Array): Uint8Array => {
  const order = hex("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010")
  const out = signature.slice()
  let carry = 0
  for (let i = 0; i < 32; i++) {
    carry += (out[32 + i] ?? 0) + (order[i] ?? 0)
    out[32 + i] = carry & 255
    carry >>= 8
  }
  return out
}

// A = aB + T with T of order eight, made so that the two equations disagree. From a hash of fixed text.
const MIXED_ORDER = {
  publicKey: "82c2c29e54d1ce8b674614ebe3886aa543863e7043cfa480c6906f6791194ead",
  message: "a message for a key of mixed order 0",
  signature:
    "097639b09d874d7c06f06d9552f603502bcb3091c71fbe586d53edda70858572dea13717bf643f677c79b04022167ef2ff58d939ff43c39f65daaae1c65ba307",
}
