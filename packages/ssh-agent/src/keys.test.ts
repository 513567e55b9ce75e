import { createPrivateKey, generateKeyPairSync, type KeyObject } from "node:crypto"

import { concatBytes, u32be } from "@keyferry/base"
import fc from "fast-check"
import { describe, expect, test } from "vitest"

import {
  fingerprintOf,
  generateSshKey,
  parsePrivateKey,
  parsePublicKey,
  parsePublicKeyLine,
  publicKeyLine,
  RSA_SHA2_256,
  RSA_SHA2_512,
  type SshKeyType,
  signWithKey,
  verifySignature,
} from "./index.ts"
import { createReader, wireMpint, wireString } from "./wire.ts"

const TYPES: readonly SshKeyType[] = ["ed25519", "ecdsa-p256", "ecdsa-p384", "ecdsa-p521", "rsa-3072"]
const message = new Uint8Array([1, 2, 3])

const parsed = (text: string, passphrase?: string) => {
  const key = parsePrivateKey(text, passphrase)
  if (!key.ok) throw new Error(key.error.code)
  return key.value
}

const publicOf = (blob: Uint8Array) => {
  const key = parsePublicKey(blob)
  if (!key.ok) throw new Error(key.error)
  return key.value
}

describe.each(TYPES)("%s keys", (type) => {
  const generated = generateSshKey(type, "ada@example.com")
  const key = parsed(generated.privateKey)

  test("a generated key reads back, with its comment, public line and fingerprint", () => {
    expect(key.comment).toBe("ada@example.com")
    expect(key.fingerprint).toBe(generated.fingerprint)
    expect(publicKeyLine(key, key.comment)).toBe(generated.publicKey)
    expect(parsePublicKeyLine(generated.publicKey)).toMatchObject({
      ok: true,
      value: { comment: "ada@example.com", blob: key.blob },
    })
    expect(parsePublicKeyLine(`host.example,192.0.2.1 ${generated.publicKey}`).ok).toBe(true)
  })

  test("what it signs verifies, and nothing else does", () => {
    const signature = signWithKey(key, message, RSA_SHA2_512)
    if (!signature.ok) throw new Error(signature.error)
    const verifier = publicOf(key.blob)
    expect(verifySignature(verifier, message, signature.value)).toBe(true)
    expect(verifySignature(verifier, new Uint8Array([1, 2, 4]), signature.value)).toBe(false)
    expect(verifySignature(publicOf(parsed(generateSshKey(type, "").privateKey).blob), message, signature.value)).toBe(
      false,
    )
    for (let at = 0; at < signature.value.length; at += 7) {
      const changed = signature.value.slice()
      changed[at] = (changed[at] ?? 0) ^ 1
      expect(verifySignature(verifier, message, changed)).toBe(false)
    }
    for (let cut = 0; cut < signature.value.length; cut += 7) {
      expect(verifySignature(verifier, message, signature.value.subarray(0, cut))).toBe(false)
    }
  })

  test("any cut or changed file is refused or is the same key; none throws", () => {
    const lines = generated.privateKey.split("\n")
    const body = Buffer.from(lines.slice(1, -2).join(""), "base64")
    const wrap = (bytes: Uint8Array) => [lines[0], Buffer.from(bytes).toString("base64"), lines.at(-2), ""].join("\n")
    expect(parsePrivateKey(wrap(body)).ok).toBe(true)
    for (let cut = 0; cut < body.length; cut += 11) expect(parsePrivateKey(wrap(body.subarray(0, cut))).ok).toBe(false)
    for (let at = 0; at < body.length; at += 11) {
      const changed = new Uint8Array(body)
      changed[at] = (changed[at] ?? 0) ^ 1
      const result = parsePrivateKey(wrap(changed))
      if (result.ok) expect(result.value.blob).toEqual(key.blob)
    }
  })
})

describe("key files", () => {
  const pem = (key: KeyObject, type: "pkcs8" | "pkcs1" | "sec1", passphrase?: string) =>
    key.export({ format: "pem", type, ...(passphrase === undefined ? {} : { cipher: "aes-256-cbc", passphrase }) })
  const ed = generateKeyPairSync("ed25519").privateKey
  const ec = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey
  const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey

  test("PEM keys of every wrapping give the key that OpenSSH's own format gives", () => {
    for (const text of [pem(ed, "pkcs8"), pem(ec, "pkcs8"), pem(ec, "sec1"), pem(rsa, "pkcs8"), pem(rsa, "pkcs1")]) {
      const key = parsed(text)
      expect(parsePublicKey(key.blob)).toMatchObject({ ok: true, value: { algorithm: key.algorithm } })
    }
  })

  test("an encrypted PEM key opens with its passphrase and says what is missing without", () => {
    for (const text of [pem(ed, "pkcs8", "pw"), pem(rsa, "pkcs1", "pw")]) {
      expect(parsed(text, "pw").algorithm).toMatch(/^ssh-/)
      expect(parsePrivateKey(text, "wrong")).toEqual({ ok: false, error: { code: "key-passphrase-wrong" } })
      expect(parsePrivateKey(text)).toMatchObject({ ok: false, error: { code: "key-encrypted" } })
    }
  })

  test("an encrypted OpenSSH key tells how to decrypt it", () => {
    const plain = Buffer.from("openssh-key-v1\0")
    const body = concatBytes(
      plain,
      wireString("aes256-ctr"),
      wireString("bcrypt"),
      wireString(""),
      u32be(1),
      wireString(""),
      wireString(""),
    )
    const text = `-----BEGIN OPENSSH PRIVATE KEY-----\n${Buffer.from(body).toString("base64")}\n-----END OPENSSH PRIVATE KEY-----\n`
    const result = parsePrivateKey(text)
    expect(result).toMatchObject({ ok: false, error: { code: "key-encrypted" } })
    expect(!result.ok && result.error.code === "key-encrypted" && result.error.action).toContain("ssh-keygen -p")
  })

  test.each([
    ["nothing", "", "key-malformed"],
    ["a public key", generateSshKey("ed25519", "").publicKey, "key-malformed"],
    ["a PuTTY file", "PuTTY-User-Key-File-3: ssh-ed25519\n", "key-unsupported"],
    ["an X25519 key", pem(generateKeyPairSync("x25519").privateKey, "pkcs8"), "key-unsupported"],
    [
      "another curve",
      pem(generateKeyPairSync("ec", { namedCurve: "secp256k1" }).privateKey, "pkcs8"),
      "key-unsupported",
    ],
    ["a short RSA key", pem(generateKeyPairSync("rsa", { modulusLength: 1024 }).privateKey, "pkcs8"), "key-too-weak"],
  ])("%s is refused: %s", (_what, text, code) => {
    expect(parsePrivateKey(text)).toMatchObject({ ok: false, error: { code } })
  })

  test("an RSA key whose numbers contradict each other is refused, also where its signatures happen to fit", () => {
    const key = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey
    const numbers = key.export({ format: "jwk" })
    for (const name of ["p", "q", "d", "dp", "dq", "qi"] as const) {
      const der = key.export({ format: "der", type: "pkcs8" })
      const number = Buffer.from(numbers[name] ?? "", "base64url")
      // Odd and of the same length, as a stranger would choose it.
      const at = der.indexOf(number) + number.length - 2
      der[at] = (der[at] ?? 0) ^ 1
      const text = `-----BEGIN PRIVATE KEY-----\n${der.toString("base64")}\n-----END PRIVATE KEY-----\n`
      expect(parsePrivateKey(text), name).toEqual({ ok: false, error: { code: "key-malformed" } })
    }
  })

  test("a private key beside another's public key is refused", () => {
    const [a, b] = [generateSshKey("ed25519", ""), generateSshKey("ed25519", "")].map((key) => {
      const lines = key.privateKey.split("\n")
      return Buffer.from(lines.slice(1, -2).join(""), "base64")
    })
    if (a === undefined || b === undefined) throw new Error("no keys")
    // The outer public key lies at a fixed place: after the magic, three strings, and the count.
    const at = 15 + 8 + 8 + 4 + 4
    const mixed = Buffer.concat([a.subarray(0, at), b.subarray(at, at + 4 + 51), a.subarray(at + 4 + 51)])
    const text = `-----BEGIN OPENSSH PRIVATE KEY-----\n${mixed.toString("base64")}\n-----END OPENSSH PRIVATE KEY-----\n`
    expect(parsePrivateKey(text)).toEqual({ ok: false, error: { code: "key-malformed" } })
  })

  test("a file whose two check numbers differ, as after a wrong decryption, is refused", () => {
    const lines = generateSshKey("ed25519", "").privateKey.split("\n")
    const body = Buffer.from(lines.slice(1, -2).join(""), "base64")
    // The check numbers begin the private part, after the public key (4 + 51 bytes) and a length.
    const at = 15 + 8 + 8 + 4 + 4 + 55 + 4
    body[at] = (body[at] ?? 0) ^ 1
    const text = [lines[0], body.toString("base64"), lines.at(-2), ""].join("\n")
    expect(parsePrivateKey(text)).toEqual({ ok: false, error: { code: "key-malformed" } })
  })

  test("RSA signs with SHA-2 as the flags say, never with SHA-1", () => {
    const key = parsed(pem(rsa, "pkcs8"))
    expect(signWithKey(key, message, 0)).toEqual({ ok: false, error: "sha1-refused" })
    for (const [flags, name] of [
      [RSA_SHA2_256, "rsa-sha2-256"],
      [RSA_SHA2_512, "rsa-sha2-512"],
      [6, "rsa-sha2-512"],
    ] as const) {
      const signature = signWithKey(key, message, flags)
      expect(signature.ok && createReader(signature.value).text()).toBe(name)
    }
    const sha1 = concatBytes(wireString("ssh-rsa"), wireString(new Uint8Array(256)))
    expect(verifySignature(publicOf(key.blob), message, sha1)).toBe(false)
  })

  test("random bytes are no key and never throw", () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => !parsePublicKey(bytes).ok))
    for (const algorithm of ["ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256", "ssh-ed25519-cert-v01@openssh.com"]) {
      fc.assert(
        fc.property(
          fc.uint8Array({ maxLength: 200 }),
          (bytes) => !parsePublicKey(concatBytes(wireString(algorithm), bytes)).ok,
        ),
      )
    }
  })

  test("a fingerprint is that of the standard tools", () => {
    const line = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBERERERERERERERERERERERERERERERERERERERERER x"
    const key = parsePublicKeyLine(line)
    expect(key.ok && fingerprintOf(key.value.blob)).toMatch(/^SHA256:[A-Za-z0-9+/]{43}$/)
  })

  test("numbers keep their value through their wire form", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        const back = createReader(wireMpint(bytes)).mpint()
        expect(BigInt(`0x0${Buffer.from(back ?? []).toString("hex")}`)).toBe(
          BigInt(`0x0${Buffer.from(bytes).toString("hex")}`),
        )
      }),
    )
    expect(createReader(wireString(Uint8Array.of(0, 1))).mpint()).toBeUndefined()
    expect(createReader(wireString(Uint8Array.of(0x80))).mpint()).toBeUndefined()
  })

  test("the example of the ssh-key kind is not a key", () => {
    expect(() =>
      createPrivateKey(
        "-----BEGIN OPENSSH PRIVATE KEY-----\nbm90IGEgcmVhbCBrZXk=\n-----END OPENSSH PRIVATE KEY-----\n",
      ),
    ).toThrow()
  })
})
