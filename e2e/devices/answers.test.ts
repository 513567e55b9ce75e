import { bytesToBase64url } from "@keyferry/base"
import { createNodeHttp, openNodeKeyferry } from "@keyferry/sdk/node"
import { afterAll, beforeAll, expect, test } from "vitest"

import { ADDRESS, createWorld, must, PASSWORD, signUpWithSync, type World } from "./world.ts"

let world: World
beforeAll(async () => {
  world = await createWorld()
})
afterAll(() => world.close())

const http = createNodeHttp()
const signIn = (kf: Awaited<ReturnType<World["device"]>>) =>
  kf.loginStart({ server: world.origin(), address: ADDRESS, password: PASSWORD, deviceName: "Desk" })

test("[server-identity-changed] a server that answers with another static key than it announces is refused", async () => {
  const a = await world.device("a")
  must(await a.signUp({ link: world.firstLink(), address: ADDRESS, password: PASSWORD, deviceName: "Laptop" }))
  const folder = world.folderOf("b")
  const changed = must(
    await openNodeKeyferry({
      folder,
      http: {
        ...http,
        send: async (request) => {
          const reply = await http.send(request)
          if (reply === undefined || !request.url.endsWith("/.well-known/keyferry")) return reply
          const announced = {
            ...JSON.parse(Buffer.from(reply.body).toString()),
            opaquePk: bytesToBase64url(new Uint8Array(32).fill(9)),
          }
          return { ...reply, body: new Uint8Array(Buffer.from(JSON.stringify(announced))) }
        },
      },
    }),
  )
  expect(await signIn(changed)).toMatchObject({ ok: false, error: { code: "server-identity-changed" } })
  await changed.close()
})

test("[timed-out] a gateway that gave up is told as that", async () => {
  const folder = world.folderOf("c")
  const slow = must(
    await openNodeKeyferry({
      folder,
      http: {
        ...http,
        send: async (request) =>
          request.url.endsWith("/login/start")
            ? { status: 504, contentType: "text/html", body: new Uint8Array() }
            : http.send(request),
      },
    }),
  )
  expect(await signIn(slow)).toMatchObject({ ok: false, error: { code: "timed-out" } })
  await slow.close()
})

test("[SY99] a server that falls silent after the unlock holds up neither who looks nor who saves", async () => {
  const own = await createWorld()
  const first = await own.device("quiet")
  await signUpWithSync(own, first)
  const note = { kind: "note", title: "Wi-Fi", fields: [{ name: "text", value: "x", secret: true }] } as const
  const { id } = must(await first.add(note))
  await first.close()
  let unanswered = 0
  const silent = must(
    await openNodeKeyferry({
      folder: own.folderOf("quiet"),
      http: {
        ...http,
        send: (request) => {
          const { pathname } = new URL(request.url)
          if (!pathname.endsWith("/lease/unlocked") && !pathname.endsWith("/sync")) return http.send(request)
          unanswered++
          return new Promise(() => undefined)
        },
      },
    }),
  )
  expect(must(await silent.unlock(PASSWORD)).lock).toBe("unlocked")
  await expect.poll(() => unanswered).toBe(1)
  // Whoever looks waits for nothing: if they did, what hangs would be given up for them, and the next would be asked.
  expect(must(await silent.list()).map(({ title }) => title)).toEqual(["Wi-Fi"])
  expect(must(await silent.get(id)).title).toBe("Wi-Fi")
  expect(unanswered).toBe(1)
  const began = performance.now()
  must(await silent.edit(id, { title: "Wi-Fi at home" }))
  // Far from the half minute that a request may take.
  expect(performance.now() - began).toBeLessThan(15_000)
  expect(must(await silent.list()).map(({ title }) => title)).toEqual(["Wi-Fi at home"])
  await silent.close()
  await own.close()
})
