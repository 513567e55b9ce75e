import { createPrivateKey, type KeyObject, randomBytes, type webcrypto } from "node:crypto"

import {
  base64urlToBytes,
  bytesToBase64url,
  concatBytes,
  equalBytes,
  err,
  ok,
  type Result,
  u32be,
  utf8,
} from "@keyferry/base"

import type { KeyProblem, SshPrivateKey } from "./private-key.ts"
import { CURVES, padLeft, publicBlobOf } from "./public-key.ts"
import { createReader, type WireReader, wireMpint, wireString } from "./wire.ts"

/*
 * OpenSSH's private key file (PROTOCOL.key of OpenSSH), base64 between its marks:
 *
 *   "openssh-key-v1\0" · string cipher · string kdf · string kdf options · uint32 1 · string public key · string private part
 *
 * The private part, with cipher "none":
 *
 *   uint32 check · uint32 check again · string algorithm · the key's numbers · string comment · 1, 2, 3, … up to a
 *   multiple of 8
 *
 *   ssh-ed25519   string public (32) · string seed ‖ public (64)
 *   ecdsa-…       string curve · string 04 ‖ x ‖ y · mpint d
 *   ssh-rsa       mpint n · e · d · iqmp · p · q
 */
const MAGIC = "openssh-key-v1\0"
const BEGIN = "-----BEGIN OPENSSH PRIVATE KEY-----"
const END = "-----END OPENSSH PRIVATE KEY-----"

type Problem = KeyProblem | { readonly code: "key-encrypted" }
type Parsed = { readonly privateKey: KeyObject; readonly comment: string }

export const parseOpensshKey = (text: string): Result<Parsed, Problem> => {
  const malformed = err({ code: "key-malformed" } as const)
  const begin = text.indexOf(BEGIN)
  const end = text.indexOf(END)
  if (begin === -1 || end < begin) return malformed
  const base64 = text.slice(begin + BEGIN.length, end).replaceAll(/\s/g, "")
  if (!/^[A-Za-z0-9+/]+=*$/.test(base64)) return malformed
  const bytes = new Uint8Array(Buffer.from(base64, "base64"))
  if (!equalBytes(bytes.subarray(0, MAGIC.length), utf8(MAGIC))) return malformed
  const reader = createReader(bytes.subarray(MAGIC.length))
  const cipher = reader.text()
  const kdf = reader.text()
  reader.string()
  const count = reader.uint32()
  const publicBlob = reader.string()
  const secret = reader.string()
  if (cipher === undefined || kdf === undefined || count !== 1 || publicBlob === undefined || secret === undefined)
    return malformed
  if (cipher !== "none" || kdf !== "none") return err({ code: "key-encrypted" })
  return parseSecret(secret, publicBlob)
}

const parseSecret = (secret: Uint8Array, publicBlob: Uint8Array): Result<Parsed, Problem> => {
  const malformed = err({ code: "key-malformed" } as const)
  const reader = createReader(secret)
  const check = reader.uint32()
  const checkAgain = reader.uint32()
  const algorithm = reader.text()
  if (check === undefined || check !== checkAgain || algorithm === undefined) return malformed
  const jwk = readNumbers(algorithm, reader)
  if (jwk === "unsupported") return err({ code: "key-unsupported", what: algorithm })
  const comment = reader.text()
  if (jwk === undefined || comment === undefined) return malformed
  const padding = reader.rest()
  if (padding.length > 255 || !padding.every((byte, i) => byte === i + 1)) return malformed
  let privateKey: KeyObject
  try {
    privateKey = createPrivateKey({ key: jwk, format: "jwk" })
  } catch {
    return malformed
  }
  const found = publicBlobOf(privateKey)
  if (!found.ok) {
    return err(found.error === "too-weak" ? { code: "key-too-weak", what: algorithm } : { code: "key-malformed" })
  }
  // The file says its public key twice, and the agent shows the outer one: both must be the private key's own.
  return equalBytes(found.value.blob, publicBlob) ? ok({ privateKey, comment }) : malformed
}

const readNumbers = (algorithm: string, reader: WireReader): webcrypto.JsonWebKey | "unsupported" | undefined => {
  if (algorithm === "ssh-ed25519") {
    const point = reader.string()
    const both = reader.string()
    if (point?.length !== 32 || both?.length !== 64 || !equalBytes(both.subarray(32), point)) return undefined
    return { kty: "OKP", crv: "Ed25519", x: bytesToBase64url(point), d: bytesToBase64url(both.subarray(0, 32)) }
  }
  const curve = Object.entries(CURVES).find(([name]) => algorithm === `ecdsa-sha2-${name}`)
  if (curve !== undefined) {
    const [name, { crv, coordinateBytes: width }] = curve
    const named = reader.text()
    const point = reader.string()
    const d = reader.mpint()
    if (named !== name || point?.length !== 1 + 2 * width || point[0] !== 4 || d === undefined || d.length > width)
      return undefined
    return {
      kty: "EC",
      crv,
      x: bytesToBase64url(point.subarray(1, 1 + width)),
      y: bytesToBase64url(point.subarray(1 + width)),
      d: bytesToBase64url(padLeft(d, width)),
    }
  }
  if (algorithm !== "ssh-rsa") return "unsupported"
  const [n, e, d, qi, p, q] = [
    reader.mpint(),
    reader.mpint(),
    reader.mpint(),
    reader.mpint(),
    reader.mpint(),
    reader.mpint(),
  ]
  if (n === undefined || e === undefined || d === undefined || qi === undefined || p === undefined || q === undefined)
    return undefined
  if (toInteger(p) < 2n || toInteger(q) < 2n) return undefined
  const exponent = (prime: Uint8Array): string => bytesToBase64url(toBytes(toInteger(d) % (toInteger(prime) - 1n)))
  const numbers = { n, e, d, qi, p, q }
  const texts = Object.fromEntries(Object.entries(numbers).map(([name, bytes]) => [name, bytesToBase64url(bytes)]))
  return { kty: "RSA", ...texts, dp: exponent(p), dq: exponent(q) }
}

/** The text of an unencrypted key file, 70 characters a line as OpenSSH writes it. */
export const encodeOpensshKey = (key: SshPrivateKey): string => {
  const check = new Uint8Array(randomBytes(4))
  const numbers = writeNumbers(key)
  const secret = concatBytes(check, check, wireString(key.algorithm), numbers, wireString(key.comment))
  const padding = Uint8Array.from({ length: (8 - (secret.length % 8)) % 8 }, (_byte, i) => i + 1)
  const file = concatBytes(
    utf8(MAGIC),
    wireString("none"),
    wireString("none"),
    wireString(""),
    u32be(1),
    wireString(key.blob),
    wireString(concatBytes(secret, padding)),
  )
  const lines =
    Buffer.from(file)
      .toString("base64")
      .match(/.{1,70}/g) ?? []
  return `${[BEGIN, ...lines, END].join("\n")}\n`
}

const writeNumbers = (key: SshPrivateKey): Uint8Array => {
  const jwk = key.privateKey.export({ format: "jwk" })
  const number = (name: "n" | "e" | "d" | "qi" | "p" | "q" | "x"): Uint8Array =>
    base64urlToBytes(jwk[name] ?? "") ?? new Uint8Array(0)
  if (key.algorithm === "ssh-ed25519") {
    return concatBytes(wireString(number("x")), wireString(concatBytes(number("d"), number("x"))))
  }
  if (key.algorithm === "ssh-rsa") {
    return concatBytes(...(["n", "e", "d", "qi", "p", "q"] as const).map((name) => wireMpint(number(name))))
  }
  // The public blob already is: string algorithm · string curve · string point.
  return concatBytes(key.blob.subarray(wireString(key.algorithm).length), wireMpint(number("d")))
}

const toInteger = (bytes: Uint8Array): bigint => BigInt(`0x0${Buffer.from(bytes).toString("hex")}`)

const toBytes = (value: bigint): Uint8Array => {
  const hex = value.toString(16)
  return new Uint8Array(Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, "hex"))
}
