import { createHash, createPublicKey, type KeyObject, type webcrypto } from "node:crypto"

import { base64urlToBytes, bytesToBase64url, concatBytes, err, ok, type Result } from "@keyferry/base"

import { createReader, type WireReader, wireMpint, wireString } from "./wire.ts"

/*
 * Public keys as SSH writes them (RFC 4253 section 6.6, RFC 5656, RFC 8709):
 *
 *   string "ssh-ed25519" · string point (32)
 *   string "ecdsa-sha2-nistp256" · string "nistp256" · string 04 ‖ x ‖ y
 *   string "ssh-rsa" · mpint e · mpint n
 *
 * A certificate (`…-cert-v01@openssh.com`) has a nonce after its name and its own fields after the key's.
 */
export interface SshPublicKey {
  /** `ssh-ed25519`, `ecdsa-sha2-nistp256|384|521` or `ssh-rsa`: the plain name, also for a certificate. */
  readonly algorithm: string
  /** The blob of the plain key. */
  readonly blob: Uint8Array
  readonly isCertificate: boolean
  readonly key: KeyObject
}

export type PublicKeyProblem = "malformed" | "unsupported" | "too-weak"

export const CURVES = {
  nistp256: { crv: "P-256", coordinateBytes: 32, hash: "sha256" },
  nistp384: { crv: "P-384", coordinateBytes: 48, hash: "sha384" },
  nistp521: { crv: "P-521", coordinateBytes: 66, hash: "sha512" },
} as const

export type CurveName = keyof typeof CURVES

export const MIN_RSA_BITS = 2048
const MAX_RSA_BITS = 16_384
const CERTIFICATE = "-cert-v01@openssh.com"

/** Errors: malformed; unsupported (DSA, security keys and the like); too-weak: RSA below 2048 bits */
export const parsePublicKey = (bytes: Uint8Array): Result<SshPublicKey, PublicKeyProblem> => {
  const reader = createReader(bytes)
  const name = reader.text()
  if (name === undefined) return err("malformed")
  const isCertificate = name.endsWith(CERTIFICATE)
  const algorithm = isCertificate ? name.slice(0, -CERTIFICATE.length) : name
  if (isCertificate) reader.string()
  const body = readBody(algorithm, reader)
  if (!body.ok) return body
  if (!isCertificate && !reader.isAtEnd()) return err("malformed")
  return ok({ algorithm, blob: body.value.blob, isCertificate, key: body.value.key })
}

/** The blob of a key that Node holds, private or public. Errors: unsupported, too-weak */
export const publicBlobOf = (key: KeyObject): Result<SshPublicKey, PublicKeyProblem> => {
  const jwk = key.export({ format: "jwk" })
  const curve = Object.entries(CURVES).find(([, entry]) => entry.crv === jwk.crv)
  if (jwk.kty === "OKP" && jwk.crv === "Ed25519") {
    return parsePublicKey(concatBytes(wireString("ssh-ed25519"), wireString(number(jwk.x))))
  }
  if (jwk.kty === "EC" && curve !== undefined) {
    const [name, { coordinateBytes }] = curve
    const point = concatBytes(
      Uint8Array.of(4),
      padLeft(number(jwk.x), coordinateBytes),
      padLeft(number(jwk.y), coordinateBytes),
    )
    return parsePublicKey(concatBytes(wireString(`ecdsa-sha2-${name}`), wireString(name), wireString(point)))
  }
  if (jwk.kty === "RSA") {
    return parsePublicKey(concatBytes(wireString("ssh-rsa"), wireMpint(number(jwk.e)), wireMpint(number(jwk.n))))
  }
  return err("unsupported")
}

/** `SHA256:` and base64 without padding, as `ssh-add -l` prints it. */
export const fingerprintOf = (blob: Uint8Array): string =>
  `SHA256:${createHash("sha256").update(blob).digest("base64").replaceAll("=", "")}`

/** One line of a `.pub` file, without a line end. */
export const publicKeyLine = (key: Pick<SshPublicKey, "algorithm" | "blob">, comment: string): string =>
  [key.algorithm, Buffer.from(key.blob).toString("base64"), comment.replaceAll(/\s+/g, " ").trim()]
    .filter(Boolean)
    .join(" ")

/** Reads a line of a `.pub`, `known_hosts` or `authorized_keys` file that holds a key and perhaps a comment. */
export const parsePublicKeyLine = (
  line: string,
): Result<SshPublicKey & { readonly comment: string }, PublicKeyProblem> => {
  const match = /(?:^|\s)((?:ssh|ecdsa|sk)-[\w.@-]+)\s+([A-Za-z0-9+/]+=*)(?:\s+(.*))?$/.exec(line.trim())
  if (match === null) return err("malformed")
  const blob = new Uint8Array(Buffer.from(match[2] ?? "", "base64"))
  const key = parsePublicKey(blob)
  if (!key.ok) return key
  if (createReader(blob).text() !== match[1]) return err("malformed")
  return ok({ ...key.value, comment: match[3] ?? "" })
}

export const padLeft = (bytes: Uint8Array, length: number): Uint8Array =>
  bytes.length >= length ? bytes : concatBytes(new Uint8Array(length - bytes.length), bytes)

const number = (text: string | undefined): Uint8Array => base64urlToBytes(text ?? "") ?? new Uint8Array(0)

type Body = Pick<SshPublicKey, "blob" | "key">

const readBody = (algorithm: string, reader: WireReader): Result<Body, PublicKeyProblem> => {
  if (algorithm === "ssh-ed25519") {
    const point = reader.string()
    if (point?.length !== 32) return err("malformed")
    const blob = concatBytes(wireString(algorithm), wireString(point))
    return importJwk(blob, { kty: "OKP", crv: "Ed25519", x: bytesToBase64url(point) })
  }
  if (algorithm === "ssh-rsa") {
    const e = reader.mpint()
    const n = reader.mpint()
    if (e === undefined || n === undefined || e.length === 0 || e.length > 8) return err("malformed")
    const bits = n.length * 8 - Math.clz32(n[0] ?? 0) + 24
    if (bits < MIN_RSA_BITS) return err("too-weak")
    if (bits > MAX_RSA_BITS) return err("malformed")
    const blob = concatBytes(wireString(algorithm), wireMpint(e), wireMpint(n))
    return importJwk(blob, { kty: "RSA", e: bytesToBase64url(e), n: bytesToBase64url(n) })
  }
  const name = /^ecdsa-sha2-(nistp(?:256|384|521))$/.exec(algorithm)?.[1]
  if (name === "nistp256" || name === "nistp384" || name === "nistp521") {
    const { crv, coordinateBytes } = CURVES[name]
    const named = reader.text()
    const point = reader.string()
    if (named !== name || point?.length !== 1 + 2 * coordinateBytes || point[0] !== 4) return err("malformed")
    const x = bytesToBase64url(point.subarray(1, 1 + coordinateBytes))
    const y = bytesToBase64url(point.subarray(1 + coordinateBytes))
    return importJwk(concatBytes(wireString(algorithm), wireString(name), wireString(point)), { kty: "EC", crv, x, y })
  }
  return err("unsupported")
}

const importJwk = (blob: Uint8Array, jwk: webcrypto.JsonWebKey): Result<Body, PublicKeyProblem> => {
  try {
    return ok({ blob, key: createPublicKey({ key: jwk, format: "jwk" }) })
  } catch {
    // A point off its curve, a modulus of zero: the library refuses with one of many wordings.
    return err("malformed")
  }
}
