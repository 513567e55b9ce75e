import { createBrowserDevice } from "./browser-device.ts"
import type { BrowserDevice } from "./contract.ts"
import { readEnvironment } from "./environment.ts"
import { firstUp, type Try } from "./first-up.ts"
import type { Reply, Request } from "./messages.ts"
import { PROFILE } from "./profile.ts"
import { type Line, portLine } from "./proxy.ts"

/** This tab's device. Where the browser lacks something, nothing is started and the snapshot says what is missing. */
export const connect = (): BrowserDevice => {
  const environment = readEnvironment()
  if (environment.state !== "ready") return createBrowserDevice(SILENT, environment)
  return createBrowserDevice(openFrame(), environment)
}

/** The page's way to the worker. */
export interface WorkerFrame {
  readonly line: Line<Request, Reply>
  /** Whether this browser has a store of ours. */
  readonly hasStore: Promise<boolean>
  /** Has the browser keep the app's own files, so that it opens without a server. */
  readonly keepApp: () => void
  readonly end: () => void
}

/**
 * The worker is started by a frame of this origin, which says when it is up and gets the line then. In a browser that has no
 * store yet it starts when the page stands, or with the first thing that is asked of it.
 */
const openFrame = (): WorkerFrame => {
  const { port1, port2 } = new MessageChannel()
  const line = portLine<Request, Reply>(port1)
  let isStarted = false
  let isEnded = false
  let current: HTMLIFrameElement | undefined
  const start = (): void => {
    if (isStarted) return
    isStarted = true
    // Browsers sometimes never bring a worker that is started while the page before this one still goes away.
    void firstUp(beginFrame).then(({ frame }) => {
      if (isEnded) {
        frame.remove()
        return
      }
      current = frame
      frame.contentWindow?.postMessage("line", location.origin, [port2])
    })
  }
  const hasStore = indexedDB.databases().then(
    (found) => found.some(({ name }) => name === PROFILE),
    // A browser that does not tell is asked by the worker.
    () => true,
  )
  void hasStore.then((has) => (has ? start() : whenPageStands(start)))
  return {
    line: {
      send: (request) => {
        start()
        line.send(request)
      },
      listen: line.listen,
    },
    hasStore,
    keepApp: () => current?.contentWindow?.postMessage("keep", location.origin),
    end: () => {
      isEnded = true
      current?.remove()
    },
  }
}

interface FrameTry extends Try {
  readonly frame: HTMLIFrameElement
}

const beginFrame = (): FrameTry => {
  const frame = document.createElement("iframe")
  frame.src = "/device.html"
  frame.hidden = true
  frame.title = ""
  const { promise: up, resolve } = Promise.withResolvers<void>()
  const hear = (event: MessageEvent): void => {
    if (event.source !== frame.contentWindow || event.origin !== location.origin || event.data !== "up") return
    removeEventListener("message", hear)
    resolve()
  }
  addEventListener("message", hear)
  document.body.append(frame)
  return {
    frame,
    up,
    drop: () => {
      removeEventListener("message", hear)
      frame.remove()
    },
  }
}

const whenPageStands = (run: () => void): void => {
  const later = (): void => void setTimeout(run, AFTER_LOAD_MS)
  if (document.readyState === "complete") later()
  else addEventListener("load", later, { once: true })
}
/** Time for the first fields to be drawn and focused. */
const AFTER_LOAD_MS = 300

/** Nobody answers: the screens stop at what is missing before they ask anything. */
const SILENT: WorkerFrame = {
  line: { send: () => undefined, listen: () => undefined },
  hasStore: Promise.resolve(true),
  keepApp: () => undefined,
  end: () => undefined,
}
