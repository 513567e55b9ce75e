/// <reference lib="webworker" />
import { err } from "@keyferry/base"
import { openBrowserKeyferry } from "@keyferry/sdk/browser"

import type { Reply, Request } from "../bridge/messages.ts"
import { PROFILE } from "../bridge/profile.ts"
import { type Line, portLine } from "../bridge/proxy.ts"
import { serveKeyferry } from "../bridge/serve.ts"
import { createAsker } from "./asker.ts"
import { channelLine, post } from "./channel.ts"
import { watchIdle } from "./idle.ts"
import { joinLobby, openLobby, whenLeading } from "./lobby.ts"
import { createRouter } from "./router.ts"

/*
 * Every tab has this worker. In one of them it leads: it holds the device's keys and plaintext, and answers all tabs. In the
 * others it hands requests on, and waits to lead.
 */
const handed = Promise.withResolvers<MessagePort>()
addEventListener("message", (event) => {
  const [port] = event.ports
  if (port !== undefined) handed.resolve(port)
})
// The frame waits for it. A worker's own line to its frame takes no target.
// oxlint-disable-next-line unicorn/require-post-message-target-origin
globalThis.postMessage("up")

const page = portLine<Reply, Request>(await handed.promise)
const router = createRouter(page)
let isHeard = false

const leave = joinLobby((channel) => {
  const line = channelLine<Request, Reply>(channel)
  let isNew = true
  line.listen((reply) => {
    // A leader answers each new line with its role; until then it may have nobody at the other end.
    if (reply.kind === "role") {
      if (isNew) router.routeTo(line.send)
      isNew = false
      isHeard = true
      page.send({ kind: "role", role: "follower" })
    } else if (reply.kind === "failed") page.send(reply)
    else router.fromHolder(reply)
  })
})

whenLeading(async () => {
  const asker = createAsker()
  let lookAgain = (): void => undefined
  const opened = await openBrowserKeyferry({
    client: "web/0.1.0",
    profile: PROFILE,
    passkeys: asker.authenticator,
    attention: (look) => {
      lookAgain = look
    },
  }).catch((error: unknown) => {
    // A defect, said where it is looked for; the page says that nothing opens, instead of waiting for ever.
    reportError(error)
    return err({ code: "internal" as const })
  })
  leave()
  if (!opened.ok) {
    const failed: Reply = { kind: "failed", failure: opened.error }
    page.send(failed)
    openLobby((channel) => {
      post(channel, failed)
      return () => undefined
    })
    return
  }
  const keyferry = opened.value
  const idle = watchIdle(() => void keyferry.lock())
  const activity = (): void => {
    idle.activity()
    lookAgain()
  }
  const toHere = localLine(router.fromHolder)
  serveKeyferry(keyferry, asker.through(toHere.holder).line, activity)
  router.routeTo(toHere.send)
  page.send({ kind: "role", role: "leader" })
  openLobby((channel) => {
    const line = channelLine<Reply, Request>(channel)
    const asked = asker.through(line)
    const stop = serveKeyferry(keyferry, asked.line, activity)
    line.send({ kind: "role", role: "leader" })
    return () => {
      stop()
      asked.gone()
    }
  })
})

if (!isHeard) page.send({ kind: "role", role: "waiting" })

/** A line whose two ends are both here. */
function localLine(onReply: (reply: Reply) => void): {
  readonly holder: Line<Reply, Request>
  readonly send: (request: Request) => void
} {
  const heard: ((request: Request) => void)[] = []
  return {
    holder: { send: onReply, listen: (onMessage) => void heard.push(onMessage) },
    send: (request) => {
      for (const hear of heard) hear(request)
    },
  }
}
