import { err, ok } from "@keyferry/base"
import type { Keyferry } from "@keyferry/sdk"
import { expect, test, vi } from "vitest"

import { createBrowserDevice } from "../../apps/web/src/bridge/browser-device.ts"
import { type Line, createRemote } from "../../apps/web/src/bridge/proxy.ts"
import type { Reply, Request } from "../../apps/web/src/bridge/messages.ts"
import { serveKeyferry } from "../../apps/web/src/bridge/serve.ts"
import { createAsker } from "../../apps/web/src/worker/asker.ts"

/* The line between a page and its worker, with a device, another tab or a page at one end that does what it should not. */
const linePair = (): readonly [Line<Request, Reply>, Line<Reply, Request>] => {
  const toPage: ((reply: Reply) => void)[] = []
  const toWorker: ((request: Request) => void)[] = []
  return [
    {
      send: (request) => queueMicrotask(() => toWorker.forEach((hear) => hear(structuredClone(request)))),
      listen: (hear) => void toPage.push(hear),
    },
    {
      send: (reply) => queueMicrotask(() => toPage.forEach((hear) => hear(structuredClone(reply)))),
      listen: (hear) => void toWorker.push(hear),
    },
  ]
}
const connected = (device: Partial<Keyferry>) => {
  const [page, worker] = linePair()
  const keyferry = { onChange: () => () => undefined, ...device } as Keyferry
  serveKeyferry(keyferry, worker, () => undefined)
  return { page, remote: createRemote(page, () => undefined).keyferry }
}

test("X-104 defect: what an approval promised to tell ends in an answer for the page, also where it was thrown", async () => {
  const { remote } = connected({
    approve: async () => ok({ reply: ["one", "two"], done: Promise.reject(new TypeError("a defect")) }),
  })
  const answer = await remote.approve("dev", "words")
  expect(answer).toMatchObject({ ok: true, value: { reply: ["one", "two"] } })
  if (answer.ok) expect(await answer.value.done).toEqual(err({ code: "internal" }))
})

test("X-104 defect: a question to a passkey that the page cannot ask is answered all the same: the worker waits for it", async () => {
  vi.stubGlobal("location", { origin: "https://keys.example" })
  vi.stubGlobal("addEventListener", () => undefined)
  const reported: unknown[] = []
  vi.stubGlobal("reportError", (error: unknown) => void reported.push(error))
  const [line, worker] = linePair()
  const answers: unknown[] = []
  worker.listen((request) => {
    if (request.kind === "passkey") answers.push(request.answer)
  })
  const frame = { line, hasStore: Promise.resolve(true), keepApp: () => undefined, end: () => undefined }
  createBrowserDevice(frame, { state: "ready" })
  // No browser has this, and some have no passkeys at all.
  for (const [id, what] of (["create", "get"] as const).entries())
    worker.send({ kind: "passkey", id, what, options: { rpId: "keys.example" } })
  await expect.poll(() => answers).toEqual([err("not-used"), err("not-used")])
  expect(reported).toHaveLength(2)
  vi.unstubAllGlobals()
})

test("X-104 other tab: requests of no shape, methods that are none and answers to nobody's question reach nothing and hold nobody up", async () => {
  const { page, remote } = connected({ status: async () => ({ mode: "none", lock: "no-vault" }) as never })
  for (const method of ["close", "onChange", "constructor", "__proto__", "then", ""])
    page.send({ kind: "call", id: 7_000, method, args: [] } as unknown as Request)
  for (const args of [undefined, null, 1, "x", {}])
    page.send({ kind: "call", id: 7_001, method: "status", args } as unknown as Request)
  page.send({ kind: "passkey", id: 1, answer: ok({}) })
  page.send({ kind: "anything" } as unknown as Request)
  expect(await remote.status()).toEqual({ mode: "none", lock: "no-vault" })
})

test("X-104 other tab: the answer to a passkey question counts only from the tab that was asked; one that leaves did not use it", async () => {
  const asker = createAsker()
  const [askedPage, askedLine] = linePair()
  const [otherPage, otherLine] = linePair()
  const asked = asker.through(askedLine)
  const questions: number[] = []
  askedPage.listen((reply) => {
    if (reply.kind === "passkey") questions.push(reply.id)
  })
  asked.line.listen(() => undefined)
  asker.through(otherLine).line.listen(() => undefined)
  askedPage.send({ kind: "call", id: 1, method: "passkeyAdd", args: [] })
  await Promise.resolve()
  let answer: unknown
  const question = { rpId: "localhost", challenge: "", credentials: [] }
  const asking = asker.authenticator.get(question).then((given) => (answer = given))
  await expect.poll(() => questions).toHaveLength(1)
  otherPage.send({ kind: "passkey", id: questions[0] ?? 0, answer: ok({ assertion: "forged" }) })
  await new Promise((resolve) => setTimeout(resolve, 10))
  expect(answer).toBeUndefined()
  asked.gone()
  await asking
  expect(answer).toEqual(err("not-used"))
})
