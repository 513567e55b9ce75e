import { METHODS, type Reply, type Request } from "../bridge/messages.ts"
import type { Line } from "../bridge/proxy.ts"

type Call = Extract<Request, { kind: "call" }>

/**
 * Between a page and whoever holds the device now. A call that the old holder took with it is asked again where asking twice
 * does no harm; else it answers `locked`, which is what the new holder is, and the page's next look shows what was done.
 */
export interface Router {
  /** From now on requests go there. */
  readonly routeTo: (send: (request: Request) => void) => void
  /** Everything that the holder says, on its way to the page. */
  readonly fromHolder: (reply: Reply) => void
}

export const createRouter = (page: Line<Reply, Request>): Router => {
  let send: ((request: Request) => void) | undefined
  /** Asked and not answered, by number. */
  const open = new Map<number, Call>()
  const promised = new Set<number>()

  page.listen((request) => {
    if (request.kind === "call") open.set(request.id, request)
    send?.(request)
  })

  return {
    routeTo: (next) => {
      const isFirst = send === undefined
      send = next
      for (const id of promised) page.send({ kind: "late", id, value: LOCKED })
      promised.clear()
      for (const [id, call] of open) {
        if (isFirst || METHODS[call.method] === "again") next(call)
        else {
          open.delete(id)
          page.send({ kind: "answer", id, value: LOCKED, hasLate: false })
        }
      }
    },
    fromHolder: (reply) => {
      if (reply.kind === "answer" || reply.kind === "defect") open.delete(reply.id)
      if (reply.kind === "answer" && reply.hasLate) promised.add(reply.id)
      if (reply.kind === "late") promised.delete(reply.id)
      page.send(reply)
    },
  }
}

const LOCKED = { ok: false, error: { code: "locked" } } as const
