import { err, type Result } from "@keyferry/base"
import type { PasskeyAuthenticator } from "@keyferry/sdk"

import type { Reply, Request } from "../bridge/messages.ts"
import type { Line } from "../bridge/proxy.ts"

/** Has a passkey asked for by the tab whose call needs it: only a page can, and only there a person looks. */
export interface Asker {
  readonly authenticator: PasskeyAuthenticator
  /** The same line, listened to for its calls and answers. `gone`: whatever is open there was not used. */
  readonly through: (line: Line<Reply, Request>) => { readonly line: Line<Reply, Request>; readonly gone: () => void }
}

type Answered = Result<never, "not-used">

export const createAsker = (): Asker => {
  let newest: Line<Reply, Request> | undefined
  let last = 0
  const open = new Map<number, { readonly at: Line<Reply, Request>; readonly tell: (answer: Answered) => void }>()

  const ask = (what: "create" | "get", options: unknown): Promise<Answered> => {
    const at = newest
    if (at === undefined) return Promise.resolve(err("not-used"))
    return new Promise((tell) => {
      const id = ++last
      open.set(id, { at, tell })
      at.send({ kind: "passkey", id, what, options })
    })
  }

  return {
    authenticator: { create: (options) => ask("create", options), get: (question) => ask("get", question) },
    through: (line) => ({
      line: {
        send: line.send,
        listen: (onMessage) =>
          line.listen((request) => {
            if (request.kind === "call" && /passkey/i.test(request.method)) newest = line
            if (request.kind !== "passkey") {
              onMessage(request)
              return
            }
            const question = open.get(request.id)
            if (question?.at !== line) return
            open.delete(request.id)
            question.tell(request.answer as Answered)
          }),
      },
      gone: () => {
        for (const [id, { at, tell }] of open) {
          if (at !== line) continue
          open.delete(id)
          tell(err("not-used"))
        }
      },
    }),
  }
}
