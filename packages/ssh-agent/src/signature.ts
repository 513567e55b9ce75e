import { sign as nodeSign, verify as nodeVerify } from "node:crypto"

import { concatBytes, err, ok, type Result } from "@keyferry/base"

import { CURVES, type CurveName, padLeft, type SshPublicKey } from "./public-key.ts"
import type { SshPrivateKey } from "./private-key.ts"
import { createReader, wireMpint, wireString } from "./wire.ts"

/*
 * Signatures as SSH writes them: string algorithm · string signature, where the second is
 *
 *   ssh-ed25519                64 bytes
 *   ecdsa-sha2-nistpNNN        mpint r · mpint s           (not DER)
 *   rsa-sha2-256, -512         PKCS#1 v1.5, as long as the modulus
 */

/** Bits of a sign request's flags (RFC 8332 by way of the agent protocol). Without one RSA would mean SHA-1. */
export const RSA_SHA2_256 = 2
export const RSA_SHA2_512 = 4

/** Errors: sha1-refused, for an RSA key when neither SHA-2 flag is set */
export const signWithKey = (
  key: SshPrivateKey,
  message: Uint8Array,
  flags: number,
): Result<Uint8Array, "sha1-refused"> => {
  if (key.algorithm === "ssh-ed25519") return ok(encode(key.algorithm, nodeSign(null, message, key.privateKey)))
  if (key.algorithm === "ssh-rsa") {
    const hash = flags & RSA_SHA2_512 ? "512" : flags & RSA_SHA2_256 ? "256" : undefined
    if (hash === undefined) return err("sha1-refused")
    return ok(encode(`rsa-sha2-${hash}`, nodeSign(`sha${hash}`, message, key.privateKey)))
  }
  const { hash, coordinateBytes } = CURVES[curveOf(key.algorithm)]
  const raw = nodeSign(hash, message, { key: key.privateKey, dsaEncoding: "ieee-p1363" })
  const r = raw.subarray(0, coordinateBytes)
  const s = raw.subarray(coordinateBytes)
  return ok(encode(key.algorithm, concatBytes(wireMpint(r), wireMpint(s))))
}

/** Whether `signature` is a signature of `message` by `key`. SHA-1 and anything malformed are not. */
export const verifySignature = (key: SshPublicKey, message: Uint8Array, signature: Uint8Array): boolean => {
  const reader = createReader(signature)
  const algorithm = reader.text()
  const bytes = reader.string()
  if (algorithm === undefined || bytes === undefined || !reader.isAtEnd()) return false
  if (key.algorithm === "ssh-rsa") {
    const hash = /^rsa-sha2-(256|512)$/.exec(algorithm)?.[1]
    return hash !== undefined && nodeVerify(`sha${hash}`, message, key.key, bytes)
  }
  if (algorithm !== key.algorithm) return false
  if (key.algorithm === "ssh-ed25519") return bytes.length === 64 && nodeVerify(null, message, key.key, bytes)
  const { hash, coordinateBytes } = CURVES[curveOf(key.algorithm)]
  const numbers = createReader(bytes)
  const r = numbers.mpint()
  const s = numbers.mpint()
  if (
    r === undefined ||
    s === undefined ||
    !numbers.isAtEnd() ||
    r.length > coordinateBytes ||
    s.length > coordinateBytes
  )
    return false
  const raw = concatBytes(padLeft(r, coordinateBytes), padLeft(s, coordinateBytes))
  return nodeVerify(hash, message, { key: key.key, dsaEncoding: "ieee-p1363" }, raw)
}

const encode = (algorithm: string, signature: Uint8Array): Uint8Array =>
  concatBytes(wireString(algorithm), wireString(new Uint8Array(signature)))

const curveOf = (algorithm: string): CurveName =>
  algorithm.endsWith("384") ? "nistp384" : algorithm.endsWith("521") ? "nistp521" : "nistp256"
