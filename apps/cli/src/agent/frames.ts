import { Buffer } from "node:buffer"

/*
 * One frame: 4 bytes big-endian length, then that many bytes of UTF-8 JSON. Bytes inside travel as {"$bytes": base64}.
 * An object that really has the one key `$bytes` or `$object` travels inside {"$object": …}.
 */

/** Room for the largest archive that is imported through the agent. */
export const MAX_FRAME_BYTES = 256 * 1024 * 1024

export const encodeFrame = (message: unknown): Buffer => {
  const body = Buffer.from(JSON.stringify(pack(message)))
  if (body.length > MAX_FRAME_BYTES) throw new Error("frame too large")
  const frame = Buffer.allocUnsafe(4 + body.length)
  frame.writeUInt32BE(body.length, 0)
  body.copy(frame, 4)
  return frame
}

export interface FrameReader {
  /** Takes bytes as they come; gives the whole messages in them. Throws on a frame that nobody of ours would send. */
  readonly push: (chunk: Buffer) => readonly unknown[]
}

export const createFrameReader = (): FrameReader => {
  let chunks: Buffer[] = []
  let have = 0
  const take = (length: number): Buffer => {
    const all = chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks)
    chunks = all.length > length ? [all.subarray(length)] : []
    have -= length
    return all.subarray(0, length)
  }
  let wanted: number | undefined
  return Object.freeze({
    push: (chunk: Buffer) => {
      chunks.push(chunk)
      have += chunk.length
      const messages: unknown[] = []
      for (;;) {
        if (wanted === undefined) {
          if (have < 4) return messages
          wanted = take(4).readUInt32BE(0)
          if (wanted > MAX_FRAME_BYTES) throw new Error("frame too large")
        }
        if (have < wanted) return messages
        const parsed: unknown = JSON.parse(take(wanted).toString("utf8"))
        wanted = undefined
        messages.push(unpack(parsed))
      }
    },
  })
}

const pack = (value: unknown): unknown => {
  if (value instanceof Uint8Array)
    return { $bytes: Buffer.from(value.buffer, value.byteOffset, value.length).toString("base64") }
  if (Array.isArray(value)) return value.map(pack)
  if (typeof value !== "object" || value === null) return value
  const entries = Object.entries(value)
  const packed = Object.fromEntries(entries.map(([key, inner]) => [key, pack(inner)]))
  const [only] = entries
  return entries.length === 1 && (only?.[0] === "$bytes" || only?.[0] === "$object") ? { $object: packed } : packed
}

const unpack = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(unpack)
  if (typeof value !== "object" || value === null) return value
  const entries = Object.entries(value)
  const [only] = entries
  if (entries.length === 1 && only !== undefined) {
    const [key, inner] = only
    if (key === "$bytes" && typeof inner === "string") return new Uint8Array(Buffer.from(inner, "base64"))
    if (key === "$object" && typeof inner === "object" && inner !== null) {
      return Object.fromEntries(Object.entries(inner).map(([k, v]) => [k, unpack(v)]))
    }
  }
  return Object.fromEntries(entries.map(([key, inner]) => [key, unpack(inner)]))
}
