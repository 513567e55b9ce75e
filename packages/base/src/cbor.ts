import { utf8, utf8ToText } from "./bytes.ts"
import { Defect, err, ok, type Result } from "./result.ts"

/*
 * Deterministic CBOR (RFC 8949 section 4.2) of the subset that Keyferry uses: unsigned integers up to 2^53-1, byte strings,
 * UTF-8 text, booleans, null, arrays, and maps whose keys are unsigned integers. No floats, tags, negative or indefinite
 * values. A head is 3 bits of major type and 5 bits that are the argument, or say how many bytes of it follow:
 *
 *   0 uint   2 bytes   3 text   4 array   5 map     argument: value, length in bytes, or number of members
 *   < 24 in the head itself, else 24: 1 byte, 25: 2, 26: 4, 27: 8, always the shortest that holds it
 *   f4 false   f5 true   f6 null
 */
export type CborValue =
  | number
  | string
  | boolean
  | null
  | Uint8Array
  | readonly CborValue[]
  | ReadonlyMap<number, CborValue>

export type CborError = "not-canonical"

/**
 * Where the byte strings of what was decoded lie. `shared`: longer ones are views of the input, which therefore must not
 * change and stays as long as one of them; for large inputs that are read once and dropped.
 */
export type DecodedMemory = "own" | "shared"

const MAX_DEPTH = 16
const UINT = 0
const BYTES = 2
const TEXT = 3
const ARRAY = 4
const MAP = 5
const FALSE = 0xf4
const TRUE = 0xf5
const NULL = 0xf6
const U32 = 0x1_0000_0000

/** Throws only for values outside `CborValue`, which is a defect of the caller. The bytes own their memory. */
export const encodeCbor = (value: CborValue): Uint8Array => {
  // Measured first, so that nothing secret is left behind in a buffer that grew.
  const out = new Uint8Array(sizeOf(value))
  write(out, 0, value)
  return out
}

/**
 * Strict: anything that would not be encoded to exactly the same bytes is refused, before it reaches a caller.
 * Shapes   bytes ≤ maxBytes; depth ≤ 16
 * Errors   not-canonical: malformed, non-canonical, duplicate or non-integer key, forbidden type, trailing bytes, too large
 */
export const decodeCbor = (
  bytes: Uint8Array,
  maxBytes: number,
  memory: DecodedMemory = "own",
): Result<CborValue, CborError> => {
  if (bytes.length === 0 || bytes.length > maxBytes) return err("not-canonical")
  const from: Reading = { bytes, at: 0, mayShare: memory === "shared" }
  const value = read(from, 0)
  return value === undefined || from.at !== bytes.length ? err("not-canonical") : ok(value)
}

// ── writing ──────────────────────────────────────────────────────────────────────────────────────────────────────

const sizeOf = (value: CborValue): number => {
  if (typeof value === "number") return headSize(value)
  if (value instanceof Uint8Array) return headSize(value.length) + value.length
  if (typeof value === "string") {
    const { length } = utf8(value)
    return headSize(length) + length
  }
  if (value === null || typeof value === "boolean") return 1
  if (value instanceof Map) {
    let size = headSize(value.size)
    for (const [key, member] of value as ReadonlyMap<number, CborValue>) size += headSize(key) + sizeOf(member)
    return size
  }
  if (!Array.isArray(value)) throw new Defect("a value that CBOR here does not have")
  let size = headSize(value.length)
  for (const member of value as readonly CborValue[]) size += sizeOf(member)
  return size
}

const headSize = (argument: number): number => {
  if (!Number.isSafeInteger(argument) || argument < 0) throw new Defect("a number that CBOR here does not have")
  if (argument < 24) return 1
  if (argument < 0x100) return 2
  if (argument < 0x1_0000) return 3
  return argument < U32 ? 5 : 9
}

/** Writes a value whose size was measured. Gives the place after it. */
const write = (out: Uint8Array, at: number, value: CborValue): number => {
  if (typeof value === "number") return writeHead(out, at, UINT, value)
  if (value instanceof Uint8Array) return writeBytes(out, at, BYTES, value)
  if (typeof value === "string") return writeBytes(out, at, TEXT, utf8(value))
  if (value === null || typeof value === "boolean") {
    out[at] = value === null ? NULL : value ? TRUE : FALSE
    return at + 1
  }
  if (value instanceof Map) {
    let next = writeHead(out, at, MAP, value.size)
    for (const [key, member] of inOrder(value as ReadonlyMap<number, CborValue>))
      next = write(out, writeHead(out, next, UINT, key), member)
    return next
  }
  const members = value as readonly CborValue[]
  let next = writeHead(out, at, ARRAY, members.length)
  for (const member of members) next = write(out, next, member)
  return next
}

/** Keys rise. Nearly every map is built so already. */
const inOrder = (map: ReadonlyMap<number, CborValue>): Iterable<readonly [number, CborValue]> => {
  let last = -1
  for (const key of map.keys()) {
    if (key < last) return [...map].sort(([a], [b]) => a - b)
    last = key
  }
  return map
}

const writeBytes = (out: Uint8Array, at: number, major: number, bytes: Uint8Array): number => {
  const next = writeHead(out, at, major, bytes.length)
  out.set(bytes, next)
  return next + bytes.length
}

const writeHead = (out: Uint8Array, at: number, major: number, argument: number): number => {
  const type = major << 5
  const size = headSize(argument)
  if (size === 1) {
    out[at] = type | argument
    return at + 1
  }
  out[at] = type | (size === 2 ? 24 : size === 3 ? 25 : size === 5 ? 26 : 27)
  let rest = argument
  for (let i = at + size - 1; i > at; i--) {
    out[i] = rest % 256
    rest = Math.floor(rest / 256)
  }
  return at + size
}

// ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────

interface Reading {
  readonly bytes: Uint8Array
  readonly mayShare: boolean
  at: number
}

/** `undefined` for whatever is not a value in its one form. */
const read = (from: Reading, depth: number): CborValue | undefined => {
  const head = from.bytes[from.at]
  if (head === undefined) return undefined
  if (head === FALSE || head === TRUE || head === NULL) {
    from.at++
    return head === NULL ? null : head === TRUE
  }
  const argument = readArgument(from, head & 31)
  if (argument === undefined) return undefined
  switch (head >> 5) {
    case UINT:
      return argument
    case BYTES:
      return readBytes(from, argument)
    case TEXT:
      return readText(from, argument)
    case ARRAY:
      return depth < MAX_DEPTH ? readArray(from, argument, depth + 1) : undefined
    case MAP:
      return depth < MAX_DEPTH ? readMap(from, argument, depth + 1) : undefined
    default:
      return undefined
  }
}

const readArgument = (from: Reading, short: number): number | undefined => {
  from.at++
  if (short < 24) return short
  if (short > 27) return undefined
  const size = 1 << (short - 24)
  let value = 0
  for (let i = 0; i < size; i++) {
    const byte = from.bytes[from.at++]
    if (byte === undefined) return undefined
    value = value * 256 + byte
  }
  // Shorter would have done, or it does not fit.
  return headSizeOf(value) === size + 1 ? value : undefined
}
const headSizeOf = (value: number): number => (Number.isSafeInteger(value) ? headSize(value) : 0)

const readBytes = (from: Reading, length: number): Uint8Array | undefined => {
  const end = from.at + length
  if (end > from.bytes.length) return undefined
  if (from.mayShare && length >= SMALL) {
    const view = new Uint8Array(from.bytes.buffer, from.bytes.byteOffset + from.at, length)
    from.at = end
    return view
  }
  // A copy of the plain kind: a Buffer would slice by reference, and what was decoded would change with its input.
  const out = new Uint8Array(length)
  if (length < SMALL) for (let i = 0; i < length; i++) out[i] = from.bytes[from.at + i] ?? 0
  else out.set(from.bytes.subarray(from.at, end))
  from.at = end
  return out
}
const SMALL = 40

const readText = (from: Reading, length: number): string | undefined => {
  const start = from.at
  const end = start + length
  if (end > from.bytes.length) return undefined
  from.at = end
  const short = length <= SHORT_TEXT ? asciiText(from.bytes, start, end) : undefined
  return short ?? utf8ToText(from.bytes.subarray(start, end))
}
/** So short that the decoder takes longer to be called than for its work. */
const SHORT_TEXT = 48

/** Eight at a time, for as many calls as there are bytes would be slower. `undefined` where not all are ASCII. */
const asciiText = (bytes: Uint8Array, start: number, end: number): string | undefined => {
  let out = ""
  let at = start
  for (; at + 8 <= end; at += 8) {
    const a = bytes[at] ?? 0
    const b = bytes[at + 1] ?? 0
    const c = bytes[at + 2] ?? 0
    const d = bytes[at + 3] ?? 0
    const e = bytes[at + 4] ?? 0
    const f = bytes[at + 5] ?? 0
    const g = bytes[at + 6] ?? 0
    const h = bytes[at + 7] ?? 0
    if ((a | b | c | d | e | f | g | h) > 127) return undefined
    out += String.fromCharCode(a, b, c, d, e, f, g, h)
  }
  for (; at < end; at++) {
    const code = bytes[at] ?? 0
    if (code > 127) return undefined
    out += String.fromCharCode(code)
  }
  return out
}

const readArray = (from: Reading, count: number, depth: number): readonly CborValue[] | undefined => {
  const out: CborValue[] = []
  for (let i = 0; i < count; i++) {
    const member = read(from, depth)
    // The end of the input comes before any count that is too large.
    if (member === undefined) return undefined
    out.push(member)
  }
  return out
}

const readMap = (from: Reading, count: number, depth: number): ReadonlyMap<number, CborValue> | undefined => {
  const out = new Map<number, CborValue>()
  let last = -1
  for (let i = 0; i < count; i++) {
    const head = from.bytes[from.at] ?? 0xff
    const key = head >> 5 === UINT ? readArgument(from, head & 31) : undefined
    // Keys rise, so none comes twice.
    if (key === undefined || key <= last) return undefined
    const member = read(from, depth)
    if (member === undefined) return undefined
    out.set(key, member)
    last = key
  }
  return out
}
