import { Defect } from "./result.ts"

const HEX_PAIRS: readonly string[] = Array.from({ length: 256 }, (_, b) => b.toString(16).padStart(2, "0"))
const textEncoder = new TextEncoder()
const textDecoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

const SHORT = 32

export const utf8 = (text: string): Uint8Array => {
  if (text.length > SHORT) return textEncoder.encode(text)
  // Names and labels: the encoder takes longer to be called than for its work.
  const out = new Uint8Array(text.length)
  for (let i = 0; i < out.length; i++) {
    const code = text.charCodeAt(i)
    if (code > 127) return textEncoder.encode(text)
    out[i] = code
  }
  return out
}

/** Strict UTF-8: `undefined` for invalid bytes, never a replacement character. */
export const utf8ToText = (bytes: Uint8Array): string | undefined => {
  try {
    return textDecoder.decode(bytes)
  } catch {
    return undefined
  }
}

export const concatBytes = (...parts: readonly Uint8Array[]): Uint8Array => {
  let length = 0
  for (const part of parts) length += part.length
  const out = new Uint8Array(length)
  let at = 0
  for (const part of parts) {
    out.set(part, at)
    at += part.length
  }
  return out
}

/**
 * Compares without an early exit. Lengths are public, contents are not.
 * Every equality of secret or authenticated bytes goes through here.
 */
export const equalBytes = (a: Uint8Array, b: Uint8Array): boolean => {
  if (a.length !== b.length) return false
  let difference = 0
  for (let i = 0; i < a.length; i++) difference |= (a[i] ?? 0) ^ (b[i] ?? 0)
  return difference === 0
}

/** Lexicographic order of unsigned bytes; shorter first where one is a prefix of the other. */
export const compareBytes = (a: Uint8Array, b: Uint8Array): number => {
  const n = Math.min(a.length, b.length)
  for (let i = 0; i < n; i++) {
    const d = (a[i] ?? 0) - (b[i] ?? 0)
    if (d !== 0) return d
  }
  return a.length - b.length
}

export const isZero = (bytes: Uint8Array): boolean => bytes.every((b) => b === 0)

/** Of the host, where it has one. */
const { toHex } = Uint8Array.prototype as { readonly toHex?: (this: Uint8Array) => string }

export const bytesToHex = (bytes: Uint8Array): string => {
  if (toHex !== undefined) return toHex.call(bytes)
  let out = ""
  for (let i = 0; i < bytes.length; i++) out += HEX_PAIRS[bytes[i] ?? 0] ?? ""
  return out
}

export const hexToBytes = (hex: string): Uint8Array | undefined => {
  if (hex.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(hex)) return undefined
  const out = new Uint8Array(hex.length / 2)
  for (let i = 0; i < out.length; i++) out[i] = Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16)
  return out
}

const B64U = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
const B64U_VALUE = new Map([...B64U].map((c, i) => [c, i]))

/** base64url without padding (RFC 4648 section 5). */
export const bytesToBase64url = (bytes: Uint8Array): string => {
  const native = (bytes as { toBase64?: (o: object) => string }).toBase64
  if (native) return native.call(bytes, { alphabet: "base64url", omitPadding: true })
  return encodeBits(bytes, 6, B64U)
}

/** `undefined` for a foreign character, padding, a wrong length or non-zero trailing bits. */
export const base64urlToBytes = (text: string): Uint8Array | undefined => decodeBits(text, 6, B64U_VALUE)

const B32 = "abcdefghijklmnopqrstuvwxyz234567"
const B32_VALUE = new Map([...B32].map((c, i) => [c, i]))

/** Lower-case base32 without padding (RFC 4648 section 6), the alphabet of printed ids. */
export const bytesToBase32 = (bytes: Uint8Array): string => encodeBits(bytes, 5, B32)
export const base32ToBytes = (text: string): Uint8Array | undefined => decodeBits(text, 5, B32_VALUE)

const CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
const CROCKFORD_VALUE = new Map([...CROCKFORD].map((c, i) => [c, i]))

/** Crockford base32, upper case, without check symbol: the alphabet of the kit code. */
export const bytesToCrockford = (bytes: Uint8Array): string => encodeBits(bytes, 5, CROCKFORD)

/** Accepts lower case, spaces and dashes; O reads as 0, I and L as 1. */
export const crockfordToBytes = (text: string): Uint8Array | undefined =>
  decodeBits(text.toUpperCase().replace(/[\s-]/g, "").replace(/O/g, "0").replace(/[IL]/g, "1"), 5, CROCKFORD_VALUE)

/** 4-byte big-endian. */
export const u32be = (value: number): Uint8Array => {
  const out = new Uint8Array(4)
  putU32(out, 0, value)
  return out
}

/** 8-byte big-endian. */
export const u64be = (value: number): Uint8Array => {
  const out = new Uint8Array(8)
  putU64(out, 0, value)
  return out
}

/** Writes 4 bytes big-endian at `at`. */
export const putU32 = (out: Uint8Array, at: number, value: number): void => {
  if (!Number.isInteger(value) || value < 0 || value > 0xffffffff) throw new Defect("u32 out of range")
  out[at] = value >>> 24
  out[at + 1] = value >>> 16
  out[at + 2] = value >>> 8
  out[at + 3] = value
}

/** Writes 8 bytes big-endian at `at`. */
export const putU64 = (out: Uint8Array, at: number, value: number): void => {
  if (!Number.isSafeInteger(value) || value < 0) throw new Defect("u64 out of range")
  putU32(out, at, Math.floor(value / 0x1_0000_0000))
  putU32(out, at + 4, value >>> 0)
}

/** Every two characters of an alphabet, by their value. */
const pairsOf = (alphabet: string): readonly string[] => {
  const known = pairsByAlphabet.get(alphabet)
  if (known !== undefined) return known
  const pairs = [...alphabet].flatMap((a) => [...alphabet].map((b) => a + b))
  pairsByAlphabet.set(alphabet, pairs)
  return pairs
}
const pairsByAlphabet = new Map<string, readonly string[]>()

const encodeBits = (bytes: Uint8Array, width: number, alphabet: string): string => {
  const pairs = pairsOf(alphabet)
  const mask = (1 << width) - 1
  let out = ""
  let buffer = 0
  let bits = 0
  for (let i = 0; i < bytes.length; i++) {
    buffer = (buffer << 8) | (bytes[i] ?? 0)
    bits += 8
    // Two characters at a time: the id of every item is written for a list.
    if (bits >= 2 * width) {
      bits -= 2 * width
      out += pairs[buffer >> bits] ?? ""
      buffer &= (1 << bits) - 1
    }
  }
  if (bits >= width) {
    bits -= width
    out += alphabet[buffer >> bits] ?? ""
    buffer &= (1 << bits) - 1
  }
  if (bits > 0) out += alphabet[(buffer << (width - bits)) & mask] ?? ""
  return out
}

const decodeBits = (text: string, width: number, values: ReadonlyMap<string, number>): Uint8Array | undefined => {
  const length = Math.floor((text.length * width) / 8)
  if (Math.ceil((length * 8) / width) !== text.length) return undefined
  const out = new Uint8Array(length)
  let buffer = 0
  let bits = 0
  let at = 0
  for (const c of text) {
    const value = values.get(c)
    if (value === undefined) return undefined
    buffer = (buffer << width) | value
    bits += width
    if (bits >= 8) {
      bits -= 8
      out[at++] = (buffer >> bits) & 255
    }
    buffer &= (1 << bits) - 1
  }
  // Trailing bits must be zero, or two texts would name the same bytes.
  return buffer === 0 ? out : undefined
}
