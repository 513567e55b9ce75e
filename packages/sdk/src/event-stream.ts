import { utf8ToText } from "@keyferry/base"

/** Bytes: base64url of the largest event that a server of ours sends. */
const MAX_EVENT_BYTES = 32 * 1024 * 1024
const FIRST_ROOM = 4096
/** Bytes of room that an idle stream keeps: a large event is seldom followed by another. */
const KEPT_ROOM = 65_536
const PART_BYTES = 1024 * 1024
const LINE_END = 0x0a

/** Takes the next chunk of a stream; false when an event grew past 32 MiB, after which nothing more is taken. */
export type EventReader = (chunk: Uint8Array) => boolean

/**
 * Reads server-sent events (HTML standard, section 9.2) as far as our server sends them: `event` and `data`, lines ended
 * by one U+000A. An event without data is told by its name alone, if that is `closed`; one that is no UTF-8 is passed over.
 *
 * Works on bytes in room that doubles: each byte is looked at once and moved a constant number of times, however small
 * the chunks are. A text that grew by each chunk would be copied whole for each, and a server could keep a device busy
 * for minutes by an event that never ends.
 */
export const createEventReader = (onEvent: (data: string, name: string) => void): EventReader => {
  let room = new Uint8Array(FIRST_ROOM)
  let size = 0
  const take: EventReader = (chunk) => {
    if (size > MAX_EVENT_BYTES) return false
    if (size + chunk.length > room.length) {
      const wider = new Uint8Array(
        Math.max(Math.min(2 * room.length, MAX_EVENT_BYTES + PART_BYTES), size + chunk.length),
      )
      wider.set(room.subarray(0, size))
      room = wider
    }
    room.set(chunk, size)
    const held = room.subarray(0, size + chunk.length)
    let from = 0
    let at = held.indexOf(LINE_END, Math.max(0, size - 1))
    while (at >= 0) {
      const isEnd = held[at + 1] === LINE_END
      if (isEnd) {
        tell(held.subarray(from, at), onEvent)
        from = at + 2
      }
      at = held.indexOf(LINE_END, isEnd ? from : at + 1)
    }
    size = held.length - from
    if (size === 0 && room.length > KEPT_ROOM) room = new Uint8Array(FIRST_ROOM)
    else if (from > 0) room.copyWithin(0, from, held.length)
    if (size <= MAX_EVENT_BYTES) return true
    room = new Uint8Array(0)
    return false
  }
  return (chunk) => {
    // In parts, so that one chunk of any size takes no more room than many small ones.
    let at = 0
    for (; chunk.length - at > PART_BYTES; at += PART_BYTES)
      if (!take(chunk.subarray(at, at + PART_BYTES))) return false
    return take(chunk.subarray(at))
  }
}

const tell = (block: Uint8Array, onEvent: (data: string, name: string) => void): void => {
  const text = utf8ToText(block) ?? ""
  const payload = text
    .split("\n")
    .filter((line) => line.startsWith("data:"))
    .map((line) => line.slice(5).trim())
    .join("")
  const name = /^event:\s*(\S+)/m.exec(text)?.[1] ?? "message"
  if (payload !== "" || name === "closed") onEvent(payload, name)
}
