import { ok, type Result } from "@keyferry/base"
import type { Failure } from "@keyferry/protocol"

import { answering } from "./answering.ts"
import type { Device } from "./device.ts"
import { type FeedListener, openFeed } from "./feed.ts"

/** At most one open feed, however often it is asked for while it opens, and none after `close`. */
export interface OneStream {
  /** Opens it unless it is open. Errors: what the server says, and what the device's own store says */
  readonly open: () => Promise<Result<void, Failure>>
  readonly close: () => void
}

/** `onEnded` hears of a stream that the other end, or the way to it, ended; not of one that was closed here. */
export const oneStream = (device: Device, listener: FeedListener, onEnded: (lastedMs: number) => void): OneStream => {
  let current: { close: () => void } | undefined
  return Object.freeze<OneStream>({
    open: async () => {
      if (current !== undefined) return ok(undefined)
      // Closed before it was open: it is ended as soon as it is.
      const mine = { close: (): void => undefined }
      current = mine
      const opened = await answering(device.ports, () => openFeed(device, listener))
      if (!opened.ok) {
        if (current === mine) current = undefined
        return opened
      }
      if (current !== mine) {
        opened.value.close()
        return ok(undefined)
      }
      mine.close = opened.value.close
      const openedMs = device.ports.clock.monotonicMs()
      void opened.value.closed.then((failure) => {
        if (current !== mine) return
        current = undefined
        if (failure !== undefined) listener.onFailure(failure)
        onEnded(device.ports.clock.monotonicMs() - openedMs)
      })
      return ok(undefined)
    },
    close: () => {
      const ended = current
      current = undefined
      ended?.close()
    },
  })
}
