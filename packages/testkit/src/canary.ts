import { lstatSync, openSync, readdirSync, readSync, closeSync } from "node:fs"
import { basename, join } from "node:path"
import { bytesToBase32, type Random, utf8 } from "@keyferry/base"

/**
 * Planted values and the search for them: whatever is secret in a story contains a canary, and afterwards every store, log,
 * mail and captured byte is searched for it in every form a program might have written it in.
 */
export interface Canary {
  /** What the value stands for, e.g. "secret of the exchange key". Printed in findings; the value itself never is. */
  readonly name: string
  /** The value as text. Of a made canary: 24 printable ASCII characters, so that it can be a password, a field or a name. */
  readonly text: string
  readonly bytes: Uint8Array
}

export interface CanaryFinding {
  readonly canary: string
  readonly form: string
  /** A path, or the label given with the buffer. */
  readonly place: string
  readonly offset: number
}

export interface CanarySearch {
  /** Looks through bytes in memory. */
  readonly inBytes: (bytes: Uint8Array, place: string) => readonly CanaryFinding[]
  /** Looks through a file, or a folder with everything in it, names included. Throws if the path does not exist. */
  readonly inPath: (path: string) => CanaryReport
}

export interface CanaryReport {
  readonly findings: readonly CanaryFinding[]
  readonly files: number
  readonly sizeBytes: number
}

/** `kfc` and 21 random characters: 24 in all, 105 bits. */
export const makeCanary = (name: string, random: Random): Canary =>
  canaryOf(name, utf8(`kfc${bytesToBase32(random.bytes(14)).slice(0, 21)}`))

/** Turns any secret of at least 12 bytes into something to search for: a key, a kit code, a password. */
export const canaryOf = (name: string, bytes: Uint8Array): Canary => {
  if (bytes.length < 12) throw new RangeError("fewer than 12 bytes may appear anywhere by chance")
  return { name, bytes, text: Buffer.from(bytes).toString("latin1") }
}

interface Pattern {
  readonly canary: string
  readonly form: string
  readonly bytes: Buffer
}

const CHUNK_BYTES = 4 * 1024 * 1024
const TABLE_BITS = 16

/** Prepares one search for many canaries; its time depends on the bytes searched, hardly on how many canaries there are. */
export const createCanarySearch = (canaries: readonly Canary[]): CanarySearch => {
  const patterns = canaries.flatMap((canary) =>
    formsOf(canary.bytes).map(({ form, bytes }) => ({ canary: canary.name, form, bytes })),
  )
  const longest = Math.max(0, ...patterns.map((pattern) => pattern.bytes.length))
  const match = createMatcher(patterns)

  const inBytes = (bytes: Uint8Array, place: string): readonly CanaryFinding[] => {
    const found: CanaryFinding[] = []
    const seen = new Set<string>()
    match(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length), ({ canary, form }, offset) => {
      seen.add(`${canary} ${form}`)
      found.push({ canary, form, place, offset })
    })
    // The same once more without line ends, for values that a mail or a PEM file has broken in two.
    const joined = withoutLineEnds(bytes)
    if (joined === undefined) return found
    match(joined, ({ canary, form }, offset) => {
      if (!seen.has(`${canary} ${form}`)) found.push({ canary, form: `${form}, wrapped`, place, offset })
    })
    return found
  }

  const inFile = (path: string, sizeBytes: number): readonly CanaryFinding[] => {
    const found: CanaryFinding[] = []
    const chunk = Buffer.alloc(Math.min(CHUNK_BYTES, sizeBytes) + 2 * longest)
    const file = openSync(path, "r")
    try {
      for (let at = 0, kept = 0; ;) {
        const read = readSync(file, chunk, kept, chunk.length - kept, at)
        if (read === 0) break
        const end = kept + read
        found.push(...inBytes(chunk.subarray(0, end), path).map((one) => ({ ...one, offset: one.offset + at - kept })))
        at += read
        // A value may lie across the border of two chunks (twice its length, for line ends in between).
        kept = Math.min(end, 2 * longest)
        chunk.copyWithin(0, end - kept, end)
      }
    } finally {
      closeSync(file)
    }
    return uniqueFindings(found)
  }

  const inPath = (path: string): CanaryReport => {
    const findings: CanaryFinding[] = [...inBytes(utf8(basename(path)), `name of ${path}`)]
    const stat = lstatSync(path)
    if (stat.isFile()) {
      return { findings: [...findings, ...inFile(path, stat.size)], files: 1, sizeBytes: stat.size }
    }
    let [files, sizeBytes] = [0, 0]
    // Sockets, pipes and links have no bytes of their own.
    for (const name of stat.isDirectory() ? readdirSync(path) : []) {
      const inside = inPath(join(path, name))
      findings.push(...inside.findings)
      files += inside.files
      sizeBytes += inside.sizeBytes
    }
    return { findings, files, sizeBytes }
  }

  return Object.freeze({ inBytes, inPath })
}

/**
 * One document per form with the canary inside, made by other code than the patterns are: the search must find all of them
 * before its silence elsewhere means anything.
 */
export const plantControls = (canary: Canary): readonly { readonly form: string; readonly bytes: Uint8Array }[] => {
  const { text } = canary
  const shifted = [0, 1, 2, 3, 4].map((n) => Buffer.from(`${"~".repeat(n)}${text}${"~".repeat(7)}`))
  const wrapped = (encoded: string): string => encoded.replace(/.{19}/g, "$&\r\n")
  const escaped = [...text].map((c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`).join("")
  const documents: readonly (readonly [string, string | Uint8Array])[] = [
    ["raw", `{"secret":"${text}"}`],
    ["hex", shifted[1]?.toString("hex") ?? ""],
    ["hex upper case", shifted[1]?.toString("hex").toUpperCase() ?? ""],
    ...shifted.map((bytes, n) => [`base64 at ${n}`, bytes.toString("base64")] as const),
    ...shifted.map((bytes, n) => [`base64url at ${n}`, bytes.toString("base64url")] as const),
    ...shifted.map((bytes, n) => [`base32 at ${n}`, bytesToBase32(bytes)] as const),
    ...shifted.map((bytes, n) => [`base32 upper case at ${n}`, bytesToBase32(bytes).toUpperCase()] as const),
    ["UTF-16LE", Buffer.from(text, "utf16le")],
    ["UTF-16BE", Buffer.from(text, "utf16le").swap16()],
    ["JSON escapes", `{"secret":"${escaped}"}`],
    ["percent escapes", Buffer.from(text).toString("hex").replace(/../g, "%$&")],
    ["base64, wrapped", wrapped(shifted[2]?.toString("base64") ?? "")],
    ["raw, wrapped as quoted-printable", `${text.slice(0, 9)}=\r\n${text.slice(9)}`],
  ]
  return documents.map(([form, document]) => ({ form, bytes: Buffer.from(document) }))
}

const formsOf = (value: Uint8Array): readonly { readonly form: string; readonly bytes: Buffer }[] => {
  const raw = Buffer.from(value)
  const text = raw.toString("latin1")
  const units = [...text].map((c) => c.charCodeAt(0).toString(16).padStart(4, "0"))
  const hex = raw.toString("hex")
  const forms: (readonly [string, string | Buffer])[] = [
    ["raw", raw],
    ["hex", hex],
    ["hex", hex.toUpperCase()],
    ["UTF-16LE", Buffer.from(text, "utf16le")],
    ["UTF-16BE", Buffer.from(text, "utf16le").swap16()],
    ["JSON escapes", units.map((unit) => `\\u${unit}`).join("")],
    ["JSON escapes", units.map((unit) => `\\u${unit.toUpperCase()}`).join("")],
    ["JSON", JSON.stringify(text).slice(1, -1)],
    ["percent escapes", hex.replace(/../g, "%$&")],
    ["percent escapes", hex.toUpperCase().replace(/../g, "%$&")],
  ]
  for (const [form, width, alphabet] of ALPHABETS) {
    const period = width === 6 ? 3 : 5
    for (let shift = 0; shift < period; shift++) forms.push([form, insideOf(raw, shift, width, alphabet)])
  }
  const seen = new Set<string>()
  return forms.flatMap(([form, written]) => {
    const bytes = Buffer.from(written)
    const key = bytes.toString("latin1")
    if (seen.has(key)) return []
    seen.add(key)
    return [{ form, bytes }]
  })
}

const BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
const ALPHABETS = [
  ["base64", 6, `${BASE64}+/`],
  ["base64url", 6, `${BASE64}-_`],
  ["base32", 5, "abcdefghijklmnopqrstuvwxyz234567"],
  ["base32", 5, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"],
  ["base32 (Crockford)", 5, "0123456789ABCDEFGHJKMNPQRSTVWXYZ"],
] as const

/** The characters that depend on nothing but the value when `shift` unknown bytes stand before it and others behind it. */
const insideOf = (value: Uint8Array, shift: number, width: number, alphabet: string): string => {
  const from = Math.ceil((shift * 8) / width)
  const to = Math.floor(((shift + value.length) * 8) / width)
  let out = ""
  for (let n = from; n < to; n++) {
    let digit = 0
    for (let bit = n * width; bit < (n + 1) * width; bit++) {
      const byte = value[(bit >> 3) - shift] ?? 0
      digit = (digit << 1) | ((byte >> (7 - (bit & 7))) & 1)
    }
    out += alphabet[digit] ?? ""
  }
  return out
}

/** Finds all patterns in one pass: four bytes are hashed into a table, and only where it says so the patterns are compared. */
const createMatcher = (
  patterns: readonly Pattern[],
): ((bytes: Buffer, found: (pattern: Pattern, offset: number) => void) => void) => {
  const table = new Uint8Array(1 << TABLE_BITS)
  const byStart = new Map<number, Pattern[]>()
  const slot = (word: number): number => Math.imul(word, 0x9e3779b1) >>> (32 - TABLE_BITS)
  for (const pattern of patterns) {
    const word = pattern.bytes.readInt32BE(0)
    table[slot(word)] = 1
    byStart.set(word, [...(byStart.get(word) ?? []), pattern])
  }
  return (bytes, found) => {
    let word = 0
    for (let i = 0; i < bytes.length; i++) {
      word = (word << 8) | (bytes[i] ?? 0)
      if (i < 3 || table[slot(word)] === 0) continue
      const start = i - 3
      for (const pattern of byStart.get(word) ?? []) {
        const end = start + pattern.bytes.length
        if (end <= bytes.length && pattern.bytes.equals(bytes.subarray(start, end))) found(pattern, start)
      }
    }
  }
}

const LF = 0x0a
const CR = 0x0d
const EQUALS = 0x3d

/** Without line ends, soft line breaks of quoted-printable included; `undefined` where there are none. */
const withoutLineEnds = (bytes: Uint8Array): Buffer | undefined => {
  if (!bytes.includes(LF)) return undefined
  const out = Buffer.alloc(bytes.length)
  let length = 0
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i] ?? 0
    if (byte === LF || byte === CR) continue
    const next = bytes[i + 1]
    if (byte === EQUALS && (next === LF || (next === CR && bytes[i + 2] === LF))) continue
    out[length++] = byte
  }
  return out.subarray(0, length)
}

const uniqueFindings = (findings: readonly CanaryFinding[]): readonly CanaryFinding[] => [
  ...new Map(findings.map((one) => [`${one.canary} ${one.form} ${one.offset}`, one])).values(),
]
