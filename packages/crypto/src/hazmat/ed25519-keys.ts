import { bytesToHex } from "@keyferry/base"

// y coordinates of the eight points of small order, little-endian, sign bit cleared. A signature under such a key can
// verify for any message.
const SMALL_ORDER_Y = new Set([
  "0000000000000000000000000000000000000000000000000000000000000000",
  "0100000000000000000000000000000000000000000000000000000000000000",
  "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
  "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
])

/**
 * Libraries disagree on non-canonical and small-order keys; two devices that disagree on a link would fork a chain.
 * So every adapter refuses them before it asks its library.
 * Source   spec/keys.md KE2
 */
export const isAcceptableEd25519Key = (publicKey: Uint8Array): boolean => {
  if (publicKey.length !== 32) return false
  const y = new Uint8Array(publicKey)
  y[31] = (y[31] ?? 0) & 0x7f
  return isBelowFieldPrime(y) && !SMALL_ORDER_Y.has(bytesToHex(y))
}

/** y < 2^255 - 19, little-endian. */
const isBelowFieldPrime = (y: Uint8Array): boolean => {
  if (y[31] !== 0x7f) return true
  for (let i = 30; i > 0; i--) if (y[i] !== 0xff) return true
  return (y[0] ?? 0) < 0xed
}
