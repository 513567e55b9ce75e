import { bytesToHex, err, ok, utf8ToText } from "@keyferry/base"
import type { Keyferry, PasskeyAuthenticator } from "@keyferry/sdk"
import { createNodeHttp } from "@keyferry/sdk/node"
import { createFakeAuthenticator } from "@keyferry/testkit"
import { afterAll, beforeAll, expect, test } from "vitest"

import { ADDRESS, createWorld, login, must, PASSWORD, signUpWithSync, type World } from "../../e2e/devices/world.ts"

/* A hostile server answers a new device that wants its keys by a passkey. The authenticator is a fake named so, in memory. */
const real = createNodeHttp()
const encoder = new TextEncoder()
let lie: ((body: Record<string, unknown>) => unknown) | undefined
/** What the authenticator was asked to evaluate, and for which address. */
const asked: string[] = []
let turn: ((prf: Uint8Array) => Uint8Array) | undefined

let world: World
let a: Keyferry
let b: Keyferry

/** An authenticator behind a browser, which refuses an address that is not the page's. */
const behindBrowser = (own: PasskeyAuthenticator): PasskeyAuthenticator => ({
  ...own,
  get: async (question) => {
    for (const { prfInput } of question.credentials)
      asked.push(`${question.rpId} ${prfInput === undefined ? "nothing" : bytesToHex(prfInput)}`)
    if (question.rpId !== "localhost") return err("not-used")
    const answer = await own.get(question)
    return answer.ok && answer.value.prf !== undefined && turn !== undefined
      ? ok({ ...answer.value, prf: turn(answer.value.prf) })
      : answer
  },
})

beforeAll(async () => {
  world = await createWorld()
  const authenticator = createFakeAuthenticator({ origin: world.origin() })
  const host = {
    passkeys: behindBrowser(authenticator),
    http: {
      ...real,
      send: async (request: Parameters<typeof real.send>[0]) => {
        const reply = await real.send(request)
        if (reply === undefined || lie === undefined || !new URL(request.url).pathname.endsWith("/enrol/passkeys"))
          return reply
        const body = JSON.parse(utf8ToText(reply.body) ?? "") as Record<string, unknown>
        return { ...reply, body: encoder.encode(JSON.stringify(lie(body))) }
      },
    },
  }
  a = await world.device("a", host)
  const { code } = await signUpWithSync(world, a)
  must(await a.add(login("carried over")))
  must(await a.syncNow())
  must(await a.confirmPassword(PASSWORD))
  must(await a.twoFactorCheck("totp", await code()))
  must(await a.passkeyAdd({ label: "Blue key", password: PASSWORD }))
  b = await world.device("b", host)
  must(await b.loginStart({ server: world.origin(), address: ADDRESS, password: PASSWORD, deviceName: "b" }))
  const waiting = must(await b.loginSecondFactor("totp", await code()))
  await world.confirm(await world.takeToken(), waiting.code ?? "")
  must(await b.confirmation())
})
afterAll(() => world.close())

test("KY-19 salt and address of a passkey slot are the client's own: what a server says about them opens nothing", async () => {
  const attempt = async (change: typeof lie): Promise<string> => {
    lie = change
    asked.length = 0
    const done = await b.finishWithPasskey()
    lie = undefined
    return done.ok ? "ok" : done.error.code
  }
  const withEach = (extra: object) => (body: Record<string, unknown>) => ({
    ...body,
    credentials: (body["credentials"] as object[]).map((one) => ({ ...one, ...extra })),
  })
  const EVIL = Buffer.alloc(32, 0x66).toString("base64url")

  // Another address: the browser refuses it, and the device says what to do instead.
  expect(await attempt((body) => ({ ...body, rpId: "evil.example" }))).toBe("passkey-not-used")
  expect(asked.every((line) => line.startsWith("evil.example"))).toBe(true)

  // An authenticator that evaluated something else: the key does not fit the link that added the slot.
  turn = (prf) => prf.map((byte) => byte ^ 1)
  expect(await attempt(undefined)).toBe("passkey-cannot-unlock")
  turn = undefined
  const honest = [...asked]
  expect(honest).toHaveLength(1)

  // A salt in every place where one could stand reaches the authenticator in none of them.
  for (const extra of [{ prfInput: EVIL }, { salt: EVIL }, { extensions: { prf: { eval: { first: EVIL } } } }]) {
    turn = (prf) => prf.map((byte) => byte ^ 1)
    expect(["passkey-cannot-unlock", "answer-malformed"]).toContain(await attempt(withEach(extra)))
    expect(asked.filter((line) => !honest.includes(line))).toEqual([])
    turn = undefined
  }
  // The truth still works.
  expect(await attempt(undefined)).toBe("ok")
})
