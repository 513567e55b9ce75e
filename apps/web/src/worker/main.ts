/// <reference lib="webworker" />
import { openBrowserKeyferry } from "@keyferry/sdk/browser"

import type { Reply, Request } from "../bridge/messages.ts"
import type { Line } from "../bridge/proxy.ts"
import { serveKeyferry } from "../bridge/serve.ts"

/** The one place in this tab where keys and plaintext of the vault are held. */
const page: Line<Reply, Request> = {
  send: (message) => postMessage(message),
  listen: (onMessage) => addEventListener("message", (event: MessageEvent<Request>) => onMessage(event.data)),
}

const opened = await openBrowserKeyferry({ client: "web/0.1.0", profile: "keyferry" })
if (!opened.ok) throw new Error(opened.error.code)
serveKeyferry(opened.value, page, () => undefined)
page.send({ kind: "role", role: "leader" })
