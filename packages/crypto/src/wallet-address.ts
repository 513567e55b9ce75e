import { bytesToHex, hexToBytes } from "@keyferry/base"
import { secp256k1 } from "@noble/curves/secp256k1.js"
import { keccak_256 } from "@noble/hashes/sha3.js"

/**
 * The address of an Ethereum-like wallet: the last 20 bytes of the Keccak-256 of its public key, as `0x…` in lower case.
 * For comparing only; nothing is signed with it. `undefined` where the text is no private key of that curve.
 */
export const walletAddressOf = (privateKeyHex: string): string | undefined => {
  const key = hexToBytes(privateKeyHex.replace(/^0x/i, ""))
  if (key === undefined || !secp256k1.utils.isValidSecretKey(key)) return undefined
  const point = secp256k1.getPublicKey(key, false)
  return `0x${bytesToHex(keccak_256(point.subarray(1)).subarray(12))}`
}
