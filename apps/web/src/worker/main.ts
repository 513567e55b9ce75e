/// <reference lib="webworker" />
import { openBrowserKeyferry } from "@keyferry/sdk/browser"

import type { Reply, Request } from "../bridge/messages.ts"
import { portLine } from "../bridge/proxy.ts"
import { serveKeyferry } from "../bridge/serve.ts"

/** The one place in this tab where keys and plaintext of the vault are held. */
const handed = Promise.withResolvers<MessagePort>()
addEventListener("message", (event) => {
  const [port] = event.ports
  if (port !== undefined) handed.resolve(port)
})

const opened = await openBrowserKeyferry({ client: "web/0.1.0", profile: "keyferry" })
if (!opened.ok) throw new Error(opened.error.code)
const page = portLine<Reply, Request>(await handed.promise)
serveKeyferry(opened.value, page, () => undefined)
page.send({ kind: "role", role: "leader" })
