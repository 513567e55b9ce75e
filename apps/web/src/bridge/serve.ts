import type { ItemSummary, Keyferry, Status } from "@keyferry/sdk"

import { createListTeller } from "./list-line.ts"
import { isOpen } from "./is-open.ts"
import { isMethod, type Reply, type Request } from "./messages.ts"
import type { Line } from "./proxy.ts"

/** The other end of `createRemote`: answers calls from the device that is really here. */
export const serveKeyferry = (keyferry: Keyferry, line: Line<Reply, Request>, onActivity: () => void): (() => void) => {
  const list = createListTeller()
  const answer = async (request: Extract<Request, { kind: "call" }>): Promise<void> => {
    const { id, method } = request
    try {
      if (!isMethod(method)) throw new Error(`there is no method ${String(method)}`)
      const args = request.args.map((arg) =>
        isCallback(arg) ? (value: unknown) => line.send({ kind: "progress", id, value }) : arg,
      )
      const run = keyferry[method] as (...given: readonly unknown[]) => Promise<unknown>
      const { value, late } = splitLate(await run(...args))
      if (method === "list" && isListed(value)) {
        const end = list.tell(value.value, (text) => line.send({ kind: "listed", id, text }))
        line.send({ kind: "answer", id, value: { ok: true, value: end }, hasLate: false })
        return
      }
      // What a locked device told is not kept either.
      if (method === "status" && !isOpen(value as Status)) list.forget()
      line.send({ kind: "answer", id, value, hasLate: late !== undefined })
      // The page asks for it next, and draws its frame first: what takes long of a list is done by then, and kept. What fails
      // here fails again when it asks.
      if (method === "unlock") keyferry.list().catch(() => undefined)
      // What ends in a defect ends all the same: the page waits for this alone, and the call itself was answered.
      if (late !== undefined) line.send({ kind: "late", id, value: await late.catch(() => DEFECT) })
    } catch (error) {
      line.send({ kind: "defect", id, message: error instanceof Error ? error.message : "unknown" })
    }
  }
  line.listen((request) => {
    if (request.kind === "activity") onActivity()
    else if (request.kind === "call") void answer(request)
  })
  return keyferry.onChange(() => line.send({ kind: "changed" }))
}

const DEFECT = { ok: false, error: { code: "internal" } } as const

const isListed = (value: unknown): value is { readonly ok: true; readonly value: readonly ItemSummary[] } =>
  (value as { readonly ok?: boolean } | undefined)?.ok === true

const isCallback = (arg: unknown): boolean =>
  typeof arg === "object" && arg !== null && "callback" in arg && arg.callback === true

/** A promise inside an answer cannot cross; what it brings is sent afterwards. */
const splitLate = (result: unknown): { readonly value: unknown; readonly late: Promise<unknown> | undefined } => {
  const value = (result as { readonly value?: { readonly done?: unknown } } | undefined)?.value
  if (typeof value !== "object" || value === null || !(value.done instanceof Promise))
    return { value: result, late: undefined }
  const { done, ...rest } = value
  return { value: { ...(result as object), value: rest }, late: done as Promise<unknown> }
}
