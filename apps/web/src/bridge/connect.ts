import type { BrowserDevice } from "./contract.ts"
import { createBrowserDevice } from "./browser-device.ts"
import { readEnvironment } from "./environment.ts"
import type { Reply, Request } from "./messages.ts"
import type { Line } from "./proxy.ts"

/** This tab's device. Where the browser lacks something, no worker is started and the snapshot says what is missing. */
export const connect = (): BrowserDevice => {
  const environment = readEnvironment()
  return createBrowserDevice(environment.state === "ready" ? startWorker() : SILENT, environment)
}

const startWorker = (): Line<Request, Reply> => {
  const worker = new Worker(new URL("../worker/main.ts", import.meta.url), { type: "module", name: "keyferry" })
  return {
    send: (message) => worker.postMessage(message, []),
    listen: (onMessage) => worker.addEventListener("message", (event: MessageEvent<Reply>) => onMessage(event.data)),
  }
}

/** Nobody answers: the screens stop at what is missing before they ask anything. */
const SILENT: Line<Request, Reply> = { send: () => undefined, listen: () => undefined }
