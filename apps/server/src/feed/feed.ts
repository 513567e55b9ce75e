import { bytesToHex } from "@keyferry/base"
import type { CommitNotice } from "@keyferry/strongroom-api"

/** One open stream. `send` gives false when the listener is too slow to be served. */
export interface FeedListener {
  readonly send: (commit: number, event: Uint8Array) => boolean
  /** `why` is told to the device before the stream ends. */
  readonly end: (why: "closed" | "behind" | "restart") => void
}

export interface Feed {
  /** Listens from now on; the caller fetches what was committed before. */
  readonly open: (deviceId: Uint8Array, listener: FeedListener) => { readonly close: () => void }
  /** Publishes in commit order: notices must be given in the order in which the strongroom sent them. */
  readonly publish: (notice: CommitNotice) => void
  /** Ends every stream, when what they would miss is unknown. Devices reconnect by themselves. */
  readonly endAll: (why: "closed" | "behind" | "restart") => void
  readonly endDevice: (deviceId: Uint8Array) => void
  readonly count: () => number
}

const MAX_STREAMS_PER_DEVICE = 4

/** Who is listening in this process. It decides nothing: the strongroom names the audience of every commit. */
export const createFeed = (): Feed => {
  const listenersByDevice = new Map<string, Set<FeedListener>>()

  const remove = (key: string, listener: FeedListener): void => {
    const set = listenersByDevice.get(key)
    set?.delete(listener)
    if (set?.size === 0) listenersByDevice.delete(key)
  }
  const endDevice = (key: string, why: "closed" | "behind" | "restart"): void => {
    const set = listenersByDevice.get(key)
    listenersByDevice.delete(key)
    for (const listener of set ?? []) listener.end(why)
  }
  return Object.freeze<Feed>({
    open: (deviceId, listener) => {
      const key = bytesToHex(deviceId)
      const set = listenersByDevice.get(key) ?? new Set()
      listenersByDevice.set(key, set)
      const [oldest] = set
      if (set.size >= MAX_STREAMS_PER_DEVICE && oldest !== undefined) {
        remove(key, oldest)
        oldest.end("behind")
        listenersByDevice.set(key, set)
      }
      set.add(listener)
      return { close: () => remove(key, listener) }
    },
    publish: ({ commit, audience, event, closed }) => {
      for (const deviceId of audience) {
        const key = bytesToHex(deviceId)
        for (const listener of listenersByDevice.get(key) ?? []) {
          if (listener.send(commit, event)) continue
          remove(key, listener)
          listener.end("behind")
        }
      }
      // Before any later commit is published, because this function does not give way.
      for (const deviceId of closed) endDevice(bytesToHex(deviceId), "closed")
    },
    endAll: (why) => {
      for (const key of listenersByDevice.keys()) endDevice(key, why)
    },
    endDevice: (deviceId) => endDevice(bytesToHex(deviceId), "closed"),
    count: () => [...listenersByDevice.values()].reduce((n, set) => n + set.size, 0),
  })
}
