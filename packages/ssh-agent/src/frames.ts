import { concatBytes, u32be } from "@keyferry/base"

/** Each message travels as uint32 length and that many bytes. Larger ones than this end the connection. */
export const MAX_FRAME_BYTES = 256 * 1024

export interface FrameReader {
  /** The messages that these bytes complete, or `undefined` for a length of zero or above the limit. */
  readonly push: (chunk: Uint8Array) => readonly Uint8Array[] | undefined
}

/** Holds at most one incomplete frame; a length is judged before any of its bytes are kept. */
export const createFrameReader = (): FrameReader => {
  let waiting: Uint8Array[] = []
  let waitingBytes = 0
  return Object.freeze({
    push: (chunk: Uint8Array) => {
      waiting.push(chunk)
      waitingBytes += chunk.length
      if (waitingBytes < neededBytes(waiting)) return neededBytes(waiting) === Number.POSITIVE_INFINITY ? undefined : []
      let bytes = concatBytes(...waiting)
      const messages: Uint8Array[] = []
      while (bytes.length >= 4) {
        const length = lengthAt(bytes)
        if (length === undefined) return undefined
        if (bytes.length < 4 + length) break
        messages.push(bytes.slice(4, 4 + length))
        bytes = bytes.subarray(4 + length)
      }
      waiting = bytes.length === 0 ? [] : [bytes]
      waitingBytes = bytes.length
      return messages
    },
  })
}

export const encodeFrame = (message: Uint8Array): Uint8Array => concatBytes(u32be(message.length), message)

const lengthAt = (bytes: Uint8Array): number | undefined => {
  const length = new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0)
  return length === 0 || length > MAX_FRAME_BYTES ? undefined : length
}

/** Bytes that the first frame takes, judged from its first chunk: joining on every byte would be quadratic. */
const neededBytes = (chunks: readonly Uint8Array[]): number => {
  const first = chunks[0]
  if (first === undefined || first.length < 4) return 0
  const length = lengthAt(first)
  return length === undefined ? Number.POSITIVE_INFINITY : 4 + length
}
