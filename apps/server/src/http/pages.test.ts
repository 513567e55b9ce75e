import { afterEach, expect, test } from "vitest"

import { noTransport } from "../mail/transport.ts"
import { createWorld, type World } from "../testing/world.ts"

let world: World | undefined
afterEach(() => world?.close())

test("the description covers every route and validates what it names", async () => {
  world = await createWorld()
  const reply = await world.app.inject({ method: "GET", url: "/api/openapi.json" })
  const document = JSON.parse(reply.body) as {
    openapi: string
    paths: Record<string, Record<string, { operationId: string }>>
  }
  expect(document.openapi).toBe("3.1.0")
  const ids = Object.values(document.paths).flatMap((path) => Object.values(path).map((o) => o.operationId))
  expect(ids).toContain("login.start")
  expect(ids).toContain("sync")
  expect(new Set(ids).size).toBe(ids.length)
  expect(reply.body).toContain('"additionalProperties":false')
})

test("discovery says who this server is", async () => {
  world = await createWorld()
  const reply = await world.app.inject({ method: "GET", url: "/.well-known/keyferry" })
  expect(JSON.parse(reply.body)).toEqual({
    api: "/api/v1",
    protocol: { current: 1, minimum: 1 },
    deploymentId: "dep-test",
    opaquePk: "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE",
    leaseTokenPk: "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI",
    origin: "http://localhost:8420",
    registration: "invite",
    mail: "development",
    version: "0.0.0",
  })
})

test("health and readiness are two things", async () => {
  world = await createWorld()
  const get = (url: string) => world?.app.inject({ method: "GET", url })
  expect((await get("/healthz"))?.body).toBe("ok\n")
  expect((await get("/readyz"))?.body).toBe("ok\n")
  world.fake.failNext("health", { code: "strongroom-unavailable" })
  const down = await get("/readyz")
  expect([down?.statusCode, down?.body]).toEqual([503, '{"ready":false,"missing":["strongroom"]}'])
  expect((await get("/healthz"))?.statusCode).toBe(200)
})

test("pages run no foreign script and cannot be framed", async () => {
  world = await createWorld()
  for (const url of ["/", "/v/", "/address/", "/freeze/", "/setup", "/errors"]) {
    const reply = await world.app.inject({ method: "GET", url })
    expect(reply.statusCode).toBe(200)
    const policy = String(reply.headers["content-security-policy"])
    expect(policy).toContain("default-src 'none'")
    expect(policy).toContain("frame-ancestors 'none'")
    expect(policy).not.toContain("unsafe")
    // Or the browser asks for one by itself, which the policy would have to refuse and report.
    expect(policy).toContain("img-src 'self'")
    expect(reply.body).toMatch(/<link rel="icon" href="\/icon\.svg"/)
    expect(reply.body).not.toMatch(/<script>|<style>| on\w+=| style=/)
  }
})

test("the development mailbox answers to this machine and by our own name only", async () => {
  world = await createWorld()
  await world.context.store.transaction((tx) =>
    tx
      .insertInto("dev_mail")
      .values({
        id: "1",
        recipient: "<b>@x",
        subject: "S",
        body: "see http://localhost:8420/v/#abc <script>",
        created_ms: 1,
      })
      .execute(),
  )
  const get = (headers: Record<string, string>, remoteAddress = "127.0.0.1") =>
    world?.app.inject({
      method: "GET",
      url: "/dev/mailbox",
      headers: { host: "localhost:8420", ...headers },
      remoteAddress,
    })
  const page = await get({})
  expect(page?.statusCode).toBe(200)
  expect(page?.body).toContain('<a href="http://localhost:8420/v/#abc">')
  expect(page?.body).toContain("&lt;script&gt;")
  expect((await get({ host: "evil.example" }))?.statusCode).toBe(404)
  expect((await get({ "x-forwarded-for": "192.0.2.1" }))?.statusCode).toBe(404)
  expect((await get({}, "192.0.2.1"))?.statusCode).toBe(404)
})

test("without development mail there is no mailbox", async () => {
  world = await createWorld({ transport: noTransport })
  const reply = await world.app.inject({ method: "GET", url: "/dev/mailbox", headers: { host: "localhost:8420" } })
  expect(reply.statusCode).toBe(404)
})
