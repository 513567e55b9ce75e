import { ed25519 } from "@noble/curves/ed25519.js"
import { sha512 } from "@noble/hashes/sha2.js"

import { concatBytes, equalBytes } from "@keyferry/base"

import { isAcceptableEd25519Key } from "../hazmat/ed25519-keys.ts"
import type { Primitives } from "./primitives.ts"

/** Ed25519 in plain JavaScript, which a browser's bundle has without the other primitives. */
export const nobleEd25519: Pick<Primitives, "ed25519PublicKey" | "ed25519Sign" | "ed25519Verify"> = {
  ed25519PublicKey: async (seed) => ed25519.getPublicKey(seed),
  ed25519Sign: async (seed, message) => ed25519.sign(message, seed),
  ed25519Verify: async (publicKey, message, signature) =>
    signature.length === 64 &&
    isAcceptableEd25519Key(publicKey) &&
    verifyWithoutCofactor(publicKey, message, signature),
}

/** The equation of OpenSSL and of the browsers; noble itself multiplies by the cofactor, which accepts more. */
const verifyWithoutCofactor = (publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean => {
  const { Point } = ed25519
  const r = signature.subarray(0, 32)
  const s = littleEndian(signature.subarray(32))
  if (s >= Point.Fn.ORDER) return false
  const a = pointOf(publicKey)
  if (a === undefined) return false
  const k = littleEndian(sha512(concatBytes(r, publicKey, message))) % Point.Fn.ORDER
  const expected = Point.BASE.multiplyUnsafe(s).subtract(a.multiplyUnsafe(k))
  return equalBytes(expected.toBytes(), r)
}

const pointOf = (publicKey: Uint8Array): InstanceType<typeof ed25519.Point> | undefined => {
  try {
    return ed25519.Point.fromBytes(publicKey)
  } catch {
    // Not on the curve: a key that no signature verifies under.
    return undefined
  }
}

const littleEndian = (bytes: Uint8Array): bigint => {
  let value = 0n
  for (let i = bytes.length - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[i] ?? 0)
  return value
}
