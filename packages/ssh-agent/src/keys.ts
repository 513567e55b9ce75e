import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign as nodeSign,
  verify as nodeVerify,
} from "node:crypto"

import { err, ok, type Result, utf8 } from "@keyferry/base"

import { encodeOpensshKey, parseOpensshKey } from "./openssh-key.ts"
import type { KeyProblem, SshPrivateKey } from "./private-key.ts"
import { fingerprintOf, publicBlobOf, publicKeyLine, type PublicKeyProblem, type SshPublicKey } from "./public-key.ts"

const PROBE = utf8("a key that signs what it verifies")
const DECRYPT_OPENSSH =
  "Make a copy without passphrase: cp KEY COPY && ssh-keygen -p -f COPY, leave the new passphrase empty, add COPY, delete it."

/**
 * Reads an OpenSSH private key, or a PEM one (PKCS#8, PKCS#1, SEC1).
 * A PEM key may be encrypted with `passphrase`. OpenSSH's own encryption needs bcrypt_pbkdf, which Node lacks, so such
 * a key is refused with a way out: the vault encrypts it anyway.
 * Errors   key-malformed, key-unsupported, key-too-weak, key-encrypted, key-passphrase-wrong
 */
export const parsePrivateKey = (text: string, passphrase?: string): Result<SshPrivateKey, KeyProblem> => {
  if (text.startsWith("PuTTY-User-Key-File")) return err({ code: "key-unsupported", what: "PuTTY key file" })
  if (text.includes("-----BEGIN OPENSSH PRIVATE KEY-----")) {
    const parsed = parseOpensshKey(text)
    if (!parsed.ok) {
      return err(
        parsed.error.code === "key-encrypted" ? { code: "key-encrypted", action: DECRYPT_OPENSSH } : parsed.error,
      )
    }
    return toSshKey(parsed.value.privateKey, parsed.value.comment)
  }
  const isEncrypted = /-----BEGIN ENCRYPTED PRIVATE KEY-----|^Proc-Type: 4,ENCRYPTED$/m.test(text)
  if (isEncrypted && (passphrase === undefined || passphrase === "")) {
    return err({ code: "key-encrypted", action: "Give the key's passphrase with it." })
  }
  let privateKey: KeyObject
  try {
    privateKey = createPrivateKey({ key: text, format: "pem", ...(isEncrypted ? { passphrase } : {}) })
  } catch {
    // The library's words differ by version and may quote the input.
    return err(isEncrypted ? { code: "key-passphrase-wrong" } : { code: "key-malformed" })
  }
  return toSshKey(privateKey, "")
}

export type SshKeyType = "ed25519" | "ecdsa-p256" | "ecdsa-p384" | "ecdsa-p521" | "rsa-3072" | "rsa-4096"

export interface GeneratedSshKey {
  /** OpenSSH format, not encrypted, ends with a line end. */
  readonly privateKey: string
  /** One line without a line end. */
  readonly publicKey: string
  readonly fingerprint: string
}

/** A new key pair in the text forms that an `ssh-key` item holds. */
export const generateSshKey = (type: SshKeyType, comment: string): GeneratedSshKey => {
  const key = toSshKey(generate(type), comment)
  // A key that was just made is of a kind that is supported.
  if (!key.ok) throw new Error(`generated ${type}: ${key.error.code}`)
  return {
    privateKey: encodeOpensshKey(key.value),
    publicKey: publicKeyLine(key.value, comment),
    fingerprint: key.value.fingerprint,
  }
}

const generate = (type: SshKeyType): KeyObject => {
  if (type === "ed25519") return generateKeyPairSync("ed25519").privateKey
  if (type === "rsa-3072") return generateKeyPairSync("rsa", { modulusLength: 3072 }).privateKey
  if (type === "rsa-4096") return generateKeyPairSync("rsa", { modulusLength: 4096 }).privateKey
  const namedCurve = { "ecdsa-p256": "P-256", "ecdsa-p384": "P-384", "ecdsa-p521": "P-521" }[type]
  return generateKeyPairSync("ec", { namedCurve }).privateKey
}

const toSshKey = (privateKey: KeyObject, comment: string): Result<SshPrivateKey, KeyProblem> => {
  const type = privateKey.asymmetricKeyType ?? "unknown"
  if (type !== "ed25519" && type !== "ec" && type !== "rsa") return err({ code: "key-unsupported", what: type })
  const found = publicBlobOf(createPublicKey(privateKey))
  if (!found.ok) return err(keyProblem(found.error, type))
  const { algorithm, blob }: SshPublicKey = found.value
  // Node takes an RSA key whose numbers contradict each other; its signatures would be wrong, and a wrong one can give
  // the key away. It also signs around a wrong prime, and only one of its numbers would then survive being written.
  if (type === "rsa" && !areFactors(privateKey)) return err({ code: "key-malformed" })
  const made = nodeSign(type === "ed25519" ? null : "sha256", PROBE, privateKey)
  if (!nodeVerify(type === "ed25519" ? null : "sha256", PROBE, found.value.key, made))
    return err({ code: "key-malformed" })
  return ok({ algorithm, blob, fingerprint: fingerprintOf(blob), comment, privateKey })
}

const areFactors = (privateKey: KeyObject): boolean => {
  const { n, p, q, d, dp, dq, qi } = privateKey.export({ format: "jwk" })
  const [N, P, Q, D, DP, DQ, QI] = [n, p, q, d, dp, dq, qi].map((text) =>
    BigInt(`0x0${Buffer.from(text ?? "", "base64url").toString("hex")}`),
  ) as [bigint, bigint, bigint, bigint, bigint, bigint, bigint]
  return P > 1n && Q > 1n && P * Q === N && D % (P - 1n) === DP && D % (Q - 1n) === DQ && (QI * Q) % P === 1n
}

const keyProblem = (problem: PublicKeyProblem, what: string): KeyProblem =>
  problem === "too-weak"
    ? { code: "key-too-weak", what: `${what} below 2048 bits` }
    : problem === "unsupported"
      ? { code: "key-unsupported", what }
      : { code: "key-malformed" }
