import { decode, encode, rfc8949EncodeOptions, Tokenizer, type Token } from "cborg"

import { equalBytes } from "./bytes.ts"
import { err, ok, type Result } from "./result.ts"

/**
 * Deterministic CBOR (RFC 8949 section 4.2) of the subset that Keyferry uses: unsigned integers up to 2^53-1,
 * byte strings, UTF-8 text, booleans, null, arrays, and maps whose keys are unsigned integers.
 * No floats, tags, negative or indefinite values. The only file that knows the CBOR library.
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

const MAX_DEPTH = 16
const STRICT = {
  strict: true,
  useMaps: true,
  allowIndefinite: false,
  allowUndefined: false,
  allowNaN: false,
  allowInfinity: false,
  allowBigInt: false,
  rejectDuplicateMapKeys: true,
}

/** Throws only for values outside `CborValue`, which is a defect of the caller. The bytes own their memory. */
export const encodeCbor = (value: CborValue): Uint8Array => {
  const bytes = encode(value, rfc8949EncodeOptions)
  // Under Node the library answers some sizes with a view into the pool that all buffers share, or with a Buffer.
  return isPlain(bytes) && bytes.byteLength === bytes.buffer.byteLength ? bytes : new Uint8Array(bytes)
}

/**
 * Strict: anything that would not be encoded to exactly the same bytes is refused, before it reaches a caller.
 * Shapes   bytes ≤ maxBytes; depth ≤ 16
 * Errors   not-canonical: malformed, non-canonical, duplicate or non-integer key, forbidden type, trailing bytes, too large
 */
export const decodeCbor = (bytes: Uint8Array, maxBytes: number): Result<CborValue, CborError> => {
  if (bytes.length === 0 || bytes.length > maxBytes) return err("not-canonical")
  try {
    const plain = isPlain(bytes) ? bytes : new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    const tokenizer = new BoundedTokenizer(plain, STRICT)
    const value = decode(plain, { ...STRICT, tokenizer }) as CborValue
    // The library reads invalid UTF-8 without a word: where there is text, encoding again finds it. All other rules the
    // tokenizer and the library's strict mode have checked; a property test holds them to what encoding again would say.
    return !tokenizer.hasText || equalBytes(encodeCbor(value), bytes) ? ok(value) : err("not-canonical")
  } catch {
    return err("not-canonical")
  }
}

/** A subclass such as Node's Buffer slices by reference, so a decoded value would share memory with its input. */
const isPlain = (bytes: Uint8Array): boolean => Object.getPrototypeOf(bytes) === Uint8Array.prototype

/** Refuses forbidden types, order of keys and nesting while reading, so that depth 10,000 costs nothing. */
class BoundedTokenizer extends Tokenizer {
  hasText = false
  readonly #open: number[] = []
  readonly #expectKey: boolean[] = []
  readonly #lastKey: number[] = []

  override next(): Token {
    const at = this.pos()
    const token = super.next()
    const name = token.type.name
    if (name === "negint" || name === "float" || name === "tag" || name === "undefined") throw new Error("type")
    if (name === "string") {
      this.hasText = true
      if (this.#hasMark(at)) token.value = `\ufeff${String(token.value)}`
    }
    const frame = this.#open.length - 1
    if (frame >= 0) {
      if (this.#expectKey[frame] === true && (this.#open[frame] ?? 0) % 2 === 0) {
        // Keys rise, so none comes twice.
        if (name !== "uint" || token.value <= (this.#lastKey[frame] ?? -1)) throw new Error("key")
        this.#lastKey[frame] = token.value as number
      }
      this.#open[frame] = (this.#open[frame] ?? 0) - 1
    }
    if (name === "array" || name === "map") {
      const count = token.value as number
      this.#open.push(name === "map" ? count * 2 : count)
      this.#expectKey.push(name === "map")
      this.#lastKey.push(-1)
      if (this.#open.length > MAX_DEPTH) throw new Error("depth")
    }
    while (this.#open.length > 0 && this.#open[this.#open.length - 1] === 0) {
      this.#open.pop()
      this.#expectKey.pop()
      this.#lastKey.pop()
    }
    return token
  }

  /** Whether the text at `at` begins with U+FEFF, which the library takes for a byte order mark and leaves out. */
  #hasMark(at: number): boolean {
    const minor = (this.data[at] ?? 0) & 31
    const first = at + (minor < 24 ? 1 : 1 + (1 << (minor - 24)))
    return (
      this.data[first] === 0xef && this.data[first + 1] === 0xbb && this.data[first + 2] === 0xbf && first < this.pos()
    )
  }
}
