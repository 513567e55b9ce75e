import { Defect, err, ok, type Result } from "@keyferry/base"

/** The most that one item may hold. Source   spec/records.md RC3 */
export const ITEM_LIMIT = 64 * 1024
const SMALLEST = 512
const LENGTH_PREFIX = 4

/** Padmé: at most 1/log2 of the length is added, and few lengths remain. */
const padme = (length: number): number => {
  const e = Math.floor(Math.log2(length))
  const lastBits = e - (Math.floor(Math.log2(e)) + 1)
  const mask = 2 ** lastBits - 1
  return Math.ceil(length / (mask + 1)) * (mask + 1)
}

/** The size that `pad` gives to `length` bytes. */
export const paddedLength = (length: number): number => Math.max(SMALLEST, padme(LENGTH_PREFIX + length))

/** The most that `pad` ever returns. */
export const PADDED_LIMIT: number = paddedLength(ITEM_LIMIT)

/** 4-byte length, the bytes, zeros. More than `ITEM_LIMIT` is a defect: whoever makes an item checks it first. Source   spec/records.md RC3 */
export const pad = (bytes: Uint8Array): Uint8Array => {
  if (bytes.length > ITEM_LIMIT) throw new Defect("item larger than its limit")
  const out = new Uint8Array(paddedLength(bytes.length))
  new DataView(out.buffer).setUint32(0, bytes.length)
  out.set(bytes, LENGTH_PREFIX)
  return out
}

/** Errors: malformed, for anything that `pad` does not make: another size, a length that does not fit, a byte after the end. */
export const unpad = (padded: Uint8Array): Result<Uint8Array, "malformed"> => {
  if (padded.length < SMALLEST) return err("malformed")
  const length = new DataView(padded.buffer, padded.byteOffset).getUint32(0)
  if (length > ITEM_LIMIT || paddedLength(length) !== padded.length) return err("malformed")
  for (let i = LENGTH_PREFIX + length; i < padded.length; i++) if (padded[i] !== 0) return err("malformed")
  return ok(padded.slice(LENGTH_PREFIX, LENGTH_PREFIX + length))
}
