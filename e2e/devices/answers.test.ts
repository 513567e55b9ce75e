import { bytesToBase64url } from "@keyferry/base"
import { createNodeHttp, openNodeKeyferry } from "@keyferry/sdk/node"
import { afterAll, beforeAll, expect, test } from "vitest"

import { ADDRESS, createWorld, must, PASSWORD, type World } from "./world.ts"

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
