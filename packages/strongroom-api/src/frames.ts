import { anyCbor, type CborValue, concatBytes, decodeCbor, encodeCbor, fromParsed, u32be } from "@keyferry/base"

import { type CommitNotice, noticeStruct } from "./calls.ts"

/*
 * A frame is a 4-byte big-endian length and that many bytes of CBOR:
 *   request  [id, call name, params]          id ≥ 1, chosen by the caller
 *   answer   [id, 0, result] or [id, 1, code, detail, retry after seconds, strongroom's time in ms]
 *   notice   [0, notice]
 */
export const MAX_FRAME_BYTES = 80 * 1024 * 1024

export type Frame =
  | { readonly kind: "request"; readonly id: number; readonly name: string; readonly params: CborValue }
  | { readonly kind: "result"; readonly id: number; readonly result: CborValue }
  | {
      readonly kind: "error"
      readonly id: number
      readonly code: string
      readonly detail: string
      readonly retryAfterS: number
      readonly serverTimeMs: number
    }
  | { readonly kind: "notice"; readonly notice: CommitNotice }

export const encodeFrame = (frame: Frame): Uint8Array => {
  const bytes = encodeCbor(toCbor(frame))
  return concatBytes(u32be(bytes.length), bytes)
}

const toCbor = (frame: Frame): CborValue => {
  switch (frame.kind) {
    case "request":
      return [frame.id, frame.name, frame.params]
    case "result":
      return [frame.id, 0, frame.result]
    case "error":
      return [frame.id, 1, frame.code, frame.detail, frame.retryAfterS, frame.serverTimeMs]
    case "notice":
      return [0, noticeStruct.toCbor(frame.notice)]
  }
}

/** `undefined` for anything that is not a frame: the channel is then closed, never guessed at. */
export const decodeFrame = (bytes: Uint8Array): Frame | undefined => {
  const parsed = decodeCbor(bytes, MAX_FRAME_BYTES)
  if (!parsed.ok || !Array.isArray(parsed.value)) return undefined
  const value = parsed.value as readonly CborValue[]
  const [id, second, third, fourth, fifth, sixth] = value
  if (typeof id !== "number") return undefined
  if (id === 0 && value.length === 2) {
    const notice = fromParsed(noticeStruct, second ?? null)
    return notice.ok ? { kind: "notice", notice: notice.value } : undefined
  }
  if (typeof second === "string" && value.length === 3 && third !== undefined) {
    return { kind: "request", id, name: second, params: anyCbor.fromCbor(third) }
  }
  if (second === 0 && value.length === 3 && third !== undefined) return { kind: "result", id, result: third }
  if (
    second === 1 &&
    typeof third === "string" &&
    typeof fourth === "string" &&
    typeof fifth === "number" &&
    typeof sixth === "number"
  ) {
    return { kind: "error", id, code: third, detail: fourth, retryAfterS: fifth, serverTimeMs: sixth }
  }
  return undefined
}

/** Cuts a byte stream into frames. Throws when a length exceeds the limit: the peer is not ours. */
export const createFrameReader = (onFrame: (bytes: Uint8Array) => void): ((chunk: Uint8Array) => void) => {
  let parts: Uint8Array[] = []
  let held = 0
  const take = (n: number): Uint8Array => {
    const all = parts.length === 1 && parts[0] !== undefined ? parts[0] : concatBytes(...parts)
    const rest = all.subarray(n)
    parts = rest.length > 0 ? [rest] : []
    held = rest.length
    return all.subarray(0, n)
  }
  let want = -1
  return (chunk) => {
    parts.push(chunk)
    held += chunk.length
    for (;;) {
      if (want < 0) {
        if (held < 4) return
        const head = take(4)
        want = new DataView(head.buffer, head.byteOffset, 4).getUint32(0)
        if (want > MAX_FRAME_BYTES) throw new Error(`frame of ${want} bytes`)
      }
      if (held < want) return
      const body = take(want)
      want = -1
      onFrame(body)
    }
  }
}
