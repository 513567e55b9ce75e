import { createBrowserDevice } from "./browser-device.ts"
import type { BrowserDevice } from "./contract.ts"
import { readEnvironment } from "./environment.ts"
import type { Reply, Request } from "./messages.ts"
import { type Line, portLine } from "./proxy.ts"

/** This tab's device. Where the browser lacks something, nothing is started and the snapshot says what is missing. */
export const connect = (): BrowserDevice => {
  const environment = readEnvironment()
  if (environment.state !== "ready") return createBrowserDevice(SILENT, environment, () => undefined)
  const { line, end } = openLine()
  return createBrowserDevice(line, environment, end)
}

/** The worker is started by a frame of this origin; it waits for the line as long as that takes. */
const openLine = (): { readonly line: Line<Request, Reply>; readonly end: () => void } => {
  const { port1, port2 } = new MessageChannel()
  const frame = document.createElement("iframe")
  frame.src = "/device.html"
  frame.hidden = true
  frame.title = ""
  frame.addEventListener("load", () => frame.contentWindow?.postMessage("line", location.origin, [port2]), {
    once: true,
  })
  document.body.append(frame)
  return { line: portLine(port1), end: () => frame.remove() }
}

/** Nobody answers: the screens stop at what is missing before they ask anything. */
const SILENT: Line<Request, Reply> = { send: () => undefined, listen: () => undefined }
