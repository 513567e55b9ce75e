import { concatBytes, u32be, utf8, utf8ToText } from "@keyferry/base"

/*
 * The types of RFC 4251 section 5 that the agent protocol and key files are made of:
 * byte, boolean (a byte), uint32 (big-endian), string (uint32 length and bytes), mpint (a string, two's complement).
 */

/** Reads from the front. Every method answers `undefined` once the bytes are used up or make no sense, and from then on. */
export interface WireReader {
  readonly byte: () => number | undefined
  readonly uint32: () => number | undefined
  readonly string: () => Uint8Array | undefined
  readonly text: () => string | undefined
  /** A positive integer as big-endian bytes without leading zeros. */
  readonly mpint: () => Uint8Array | undefined
  readonly rest: () => Uint8Array
  readonly isAtEnd: () => boolean
}

export const createReader = (bytes: Uint8Array): WireReader => {
  let at = 0
  let failed = false
  const take = (length: number): Uint8Array | undefined => {
    if (failed || at + length > bytes.length) {
      failed = true
      return undefined
    }
    at += length
    return bytes.subarray(at - length, at)
  }
  const uint32 = (): number | undefined => {
    const four = take(4)
    return four && new DataView(four.buffer, four.byteOffset, 4).getUint32(0)
  }
  const string = (): Uint8Array | undefined => {
    const length = uint32()
    return length === undefined ? undefined : take(length)
  }
  return Object.freeze({
    byte: () => take(1)?.[0],
    uint32,
    string,
    text: () => {
      const part = string()
      const text = part && utf8ToText(part)
      if (text === undefined) failed = true
      return text
    },
    mpint: () => {
      const part = string()
      if (part === undefined) return undefined
      // Negative numbers and needless zeros have no place in a key.
      const isMinimal = part[0] === 0 ? part.length > 1 && (part[1] ?? 0) >= 0x80 : (part[0] ?? 0) < 0x80
      if (part.length > 0 && !isMinimal) {
        failed = true
        return undefined
      }
      return part[0] === 0 ? part.subarray(1) : part
    },
    rest: () => bytes.subarray(failed ? bytes.length : at),
    isAtEnd: () => !failed && at === bytes.length,
  })
}

export const wireString = (value: Uint8Array | string): Uint8Array => {
  const bytes = typeof value === "string" ? utf8(value) : value
  return concatBytes(u32be(bytes.length), bytes)
}

/** From big-endian bytes; leading zeros are dropped, and one is put before a high bit. */
export const wireMpint = (bytes: Uint8Array): Uint8Array => {
  let start = 0
  while (start < bytes.length && bytes[start] === 0) start++
  const value = bytes.subarray(start)
  return wireString((value[0] ?? 0) >= 0x80 ? concatBytes(Uint8Array.of(0), value) : value)
}

export const wireBool = (value: boolean): Uint8Array => Uint8Array.of(value ? 1 : 0)
