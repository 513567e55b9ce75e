import { concatBytes, err, ok, type Result, utf8, utf8ToText } from "@keyferry/base"

/*
 * POSIX ustar, the part that plain files need. Each file is a 512-byte header and its bytes, padded to 512:
 *
 *   0 name (100) · 100 mode (8) · 108 uid (8) · 116 gid (8) · 124 size (12) · 136 mtime (12) · 148 checksum (8)
 *   156 type (1: "0" file, "5" folder) · 157 link name (100) · 257 "ustar\0" "00" · 345 name prefix (155)
 *
 * Numbers are octal text. Two empty headers end the archive. Written so that any `tar` reads it.
 */
export interface TarFile {
  readonly name: string
  readonly bytes: Uint8Array
}

export type TarProblem =
  | { readonly what: "damaged"; readonly at: string }
  | { readonly what: "unsafe"; readonly at: string }
  | { readonly what: "too-many" }

const BLOCK = 512
const MAX_FILES = 1000

/** Throws `RangeError` for a name above 100 characters: names are the caller's constants. */
export const writeTar = (files: readonly TarFile[], mtimeMs: number): Uint8Array => {
  const parts: Uint8Array[] = []
  for (const file of files) {
    parts.push(header(file, Math.floor(mtimeMs / 1000)), file.bytes, new Uint8Array(padding(file.bytes.length)))
  }
  return concatBytes(...parts, new Uint8Array(2 * BLOCK))
}

/**
 * Reads plain files; folders are passed over, a leading `./` is dropped.
 * Errors   damaged: wrong checksum, cut off, no end mark; unsafe: a name that leaves the archive, a link, a device,
 *          a name twice; too-many: more than 1000 entries
 */
export const readTar = (bytes: Uint8Array): Result<readonly TarFile[], TarProblem> => {
  const files = new Map<string, TarFile>()
  let at = 0
  for (let count = 0; ; count++) {
    const block = bytes.subarray(at, at + BLOCK)
    if (block.length < BLOCK) return err({ what: "damaged", at: `byte ${at}` })
    if (block.every((byte) => byte === 0)) return ok([...files.values()])
    if (count >= MAX_FILES) return err({ what: "too-many" })
    const size = octal(block, 124, 12)
    const name = nameOf(block)
    if (size === undefined || name === undefined || octal(block, 148, 8) !== checksum(block)) {
      return err({ what: "damaged", at: `byte ${at}` })
    }
    const type = String.fromCharCode(block[156] ?? 0)
    const place = `entry ${count + 1}`
    if (!isSafeName(name) || (type !== "0" && type !== "\0" && type !== "5")) return err({ what: "unsafe", at: place })
    at += BLOCK
    if (type !== "5") {
      if (files.has(name)) return err({ what: "unsafe", at: place })
      if (at + size > bytes.length) return err({ what: "damaged", at: place })
      files.set(name, { name, bytes: bytes.slice(at, at + size) })
    }
    at += size + padding(size)
  }
}

const padding = (size: number): number => (BLOCK - (size % BLOCK)) % BLOCK

const header = (file: TarFile, mtimeSeconds: number): Uint8Array => {
  const block = new Uint8Array(BLOCK)
  const name = utf8(file.name)
  if (name.length > 100) throw new RangeError("tar name above 100 bytes")
  block.set(name, 0)
  const number = (value: number, at: number, width: number): void => {
    block.set(utf8(`${value.toString(8).padStart(width - 1, "0")}\0`), at)
  }
  number(0o600, 100, 8)
  number(0, 108, 8)
  number(0, 116, 8)
  number(file.bytes.length, 124, 12)
  number(mtimeSeconds, 136, 12)
  block.set(utf8("0"), 156)
  block.set(utf8("ustar\x0000"), 257)
  block.set(utf8(`${checksum(block).toString(8).padStart(6, "0")}\0 `), 148)
  return block
}

/** The sum of the header's bytes with its own eight counted as spaces. */
const checksum = (block: Uint8Array): number => {
  let sum = 0
  for (const [i, byte] of block.entries()) sum += i >= 148 && i < 156 ? 32 : byte
  return sum
}

const octal = (block: Uint8Array, at: number, width: number): number | undefined => {
  const text = utf8ToText(block.subarray(at, at + width))
    ?.replaceAll("\0", " ")
    .trim()
  return text !== undefined && /^[0-7]{1,11}$/.test(text) ? Number.parseInt(text, 8) : undefined
}

const textAt = (block: Uint8Array, at: number, width: number): string | undefined => {
  const end = block.subarray(at, at + width).indexOf(0)
  return utf8ToText(block.subarray(at, end === -1 ? at + width : at + end))
}

const nameOf = (block: Uint8Array): string | undefined => {
  const name = textAt(block, 0, 100)
  // Only POSIX headers have a prefix; GNU's use the place for something else and end their mark with a space.
  const prefix = textAt(block, 257, 6) === "ustar" ? textAt(block, 345, 155) : ""
  if (name === undefined || prefix === undefined) return undefined
  return (prefix === "" ? name : `${prefix}/${name}`).replace(/^\.\//, "")
}

const isSafeName = (name: string): boolean =>
  name === "" || (/^[A-Za-z0-9._/-]+$/.test(name) && !name.startsWith("/") && !name.split("/").includes(".."))
