import { bytesToBase64url, utf8ToText } from "@keyferry/base"
import type { Keyferry } from "@keyferry/sdk"
import { createNodeHttp } from "@keyferry/sdk/node"
import { canaryOf, createCanarySearch, createFakeAuthenticator, type FakeAuthenticator } from "@keyferry/testkit"
import { afterAll, beforeAll, describe, expect, test } from "vitest"

import { ADDRESS, createWorld, login, must, PASSWORD, signUpWithSync, type World } from "./world.ts"

/*
 * Passkeys on a real server with its strongroom, and devices whose host has an authenticator. Everything that leaves a
 * device is written down.
 */
type Http = ReturnType<typeof createNodeHttp>
const real = createNodeHttp()
const sent: Uint8Array[] = []
const encoder = new TextEncoder()
/** Changes an answer of the server, for what a lying server could say. */
let lie: ((path: string, body: unknown) => unknown) | undefined

const recording: Http = {
  ...real,
  send: async (request) => {
    sent.push(encoder.encode(JSON.stringify([request.method, request.url, request.headers])))
    if (request.body !== undefined) sent.push(request.body)
    const reply = await real.send(request)
    if (reply === undefined || lie === undefined || reply.contentType !== "application/json") return reply
    const text = utf8ToText(reply.body)
    if (text === undefined) return reply
    const changed = lie(new URL(request.url).pathname, JSON.parse(text))
    return { ...reply, body: encoder.encode(JSON.stringify(changed)) }
  },
}

let world: World
let authenticator: FakeAuthenticator
let a: Keyferry
let kit: string
/** Each is good once, and needs no waiting for the next half minute. */
let codes: string[] = []
const nextCode = (): string => codes.pop() ?? ""
const open = (name: string, passkeys: FakeAuthenticator = authenticator): Promise<Keyferry> =>
  world.device(name, { http: recording, passkeys })

beforeAll(async () => {
  world = await createWorld()
  authenticator = createFakeAuthenticator({ origin: world.origin() })
  a = await open("a")
  ;({ kit } = await signUpWithSync(world, a))
  codes = [...must(await a.recoveryCodes()).codes]
})
afterAll(() => world.close())

const stepUp = async (): Promise<unknown> => must(await a.twoFactorCheck("recovery-code", nextCode()))
/** Up to where the keys are missing. */
const enter = async (kf: Keyferry, name: string, factor = () => kf.loginPasskey()): Promise<void> => {
  must(await kf.loginStart({ server: world.origin(), address: ADDRESS, password: PASSWORD, deviceName: name }))
  const waiting = must(await factor())
  expect(await world.confirm(await world.takeToken(), waiting.code ?? "")).toBe(200)
  expect(must(await kf.confirmation()).step).toBe("keys")
}

describe("a passkey with PRF", () => {
  test("[PK8] is added with its slot, and listed as signing in and unlocking", async () => {
    must(await a.add(login("carried over")))
    must(await a.syncNow())
    await stepUp()
    const added = must(await a.passkeyAdd({ label: "Blue key", password: PASSWORD }))
    expect(added).toEqual({ id: added.id, unlocks: true })
    expect(must(await a.passkeys())).toEqual([
      expect.objectContaining({ label: "Blue key", signsIn: true, unlocks: true, here: true, address: "localhost" }),
    ])
    expect((await a.status({ fresh: true })).account?.factors).toEqual(["passkey", "totp", "recovery-code"])
  })

  test("[PK9] brings the keys to a new device with the password, without the kit", async () => {
    const b = await open("b")
    await enter(b, "b")
    must(await b.finishWithPasskey())
    must(await b.syncOn({ items: "none", autoNew: true }))
    expect(must(await b.list()).map((item) => item.title)).toContain("carried over")
    const devices = must(await b.devices())
    expect(devices.find((device) => device.isThis)).toMatchObject({ how: "passkey", state: "active" })
    must(await a.syncNow())
    expect(must(await a.devices()).map((device) => device.how)).toContain("passkey")
    await b.close()
  })

  test("[PK10] its PRF output is nowhere in what was sent, and nowhere at the server", async () => {
    expect(authenticator.outputs.length).toBeGreaterThanOrEqual(2)
    const secrets = authenticator.outputs.map((output, i) => canaryOf(`PRF output ${i}`, output))
    const [passkey] = must(await a.passkeys())
    const control = canaryOf("a credential id, which is sent", Buffer.from(passkey?.id ?? "", "base64url"))
    const names = (findings: readonly { readonly canary: string }[]): readonly string[] => [
      ...new Set(findings.map(({ canary }) => canary)),
    ]
    const search = createCanarySearch([control, ...secrets])
    expect(names(sent.flatMap((bytes, i) => search.inBytes(bytes, `part ${i}`)))).toEqual([control.name])
    expect(names(search.inPath(world.folderOf("server")).findings)).toEqual([control.name])
  })

  test("[PK11] a server that names another slot, another passkey or another address gets nothing opened", async () => {
    if (must(await a.passkeys()).length === 0) {
      await stepUp()
      must(await a.passkeyAdd({ label: "Blue key", password: PASSWORD }))
    }
    const c = await open("c")
    await enter(c, "c")
    const other = createFakeAuthenticator({ origin: world.origin() })
    const d = await open("d", other)
    await enter(d, "d", () => d.loginSecondFactor("recovery-code", nextCode()))
    must(await d.finishWithKit(kit))
    must(await d.unlock(PASSWORD))
    must(await d.twoFactorCheck("recovery-code", nextCode()))
    expect(must(await d.passkeyAdd({ label: "Red key", password: PASSWORD })).unlocks).toBe(true)
    const answers: string[] = []
    const swap = (change: (credentials: Record<string, unknown>[]) => unknown) => async (): Promise<void> => {
      lie = (path, body) =>
        path.endsWith("/enrol/passkeys")
          ? {
              ...(body as object),
              credentials: change((body as { credentials: Record<string, unknown>[] }).credentials),
            }
          : body
      const done = await c.finishWithPasskey()
      answers.push(done.ok ? "ok" : done.error.code)
      lie = undefined
    }
    // The slots of two passkeys swapped; a slot that is in no chain; none at all.
    await swap(([x = {}, y = {}]) => [
      { ...x, slotId: y["slotId"] },
      { ...y, slotId: x["slotId"] },
    ])()
    await swap(([x = {}]) => [{ ...x, slotId: "slt_aaaaaaaaaaaaaaaaaaaaaaaaaa" }])()
    await swap(() => [])()
    expect(answers).toEqual(["passkey-cannot-unlock", "passkey-cannot-unlock", "passkey-cannot-unlock"])
    // The truth still works.
    must(await c.finishWithPasskey())
    await c.close()
    await d.close()
  })

  test("[PK7] is removed with its slot: listed no more, signs in no more, opens nothing more", async () => {
    const e = await open("e")
    await enter(e, "e")
    await stepUp()
    must(await a.syncNow())
    const all = must(await a.passkeys())
    const blue = all.find(({ label }) => label === "Blue key")
    must(await a.passkeyRemove({ id: blue?.id ?? "", password: PASSWORD }))
    expect(must(await a.passkeys()).map(({ label, unlocks }) => [label, unlocks])).toEqual([["Red key", true]])
    expect(await e.finishWithPasskey()).toMatchObject({ ok: false, error: { code: "passkey-not-used" } })
    expect(await a.twoFactorPasskey()).toMatchObject({ ok: false, error: { code: "passkey-not-used" } })
    must(await a.syncNow())
    await e.close()
  })
})

describe("a passkey without PRF", () => {
  let own: FakeAuthenticator

  test("[PK8] signs in and does not unlock, and says so", async () => {
    own = createFakeAuthenticator({ origin: world.origin(), hasPrf: false })
    await a.close()
    a = await open("a", own)
    must(await a.unlock(PASSWORD))
    await stepUp()
    const added = must(await a.passkeyAdd({ label: "Old key", password: PASSWORD }))
    expect(added).toMatchObject({ unlocks: false, cannotUnlock: "passkey-cannot-unlock" })
    expect(must(await a.passkeys()).find(({ id }) => id === added.id)).toMatchObject({ signsIn: true, unlocks: false })
    must(await a.twoFactorPasskey())
    const f = await open("f", own)
    await enter(f, "f")
    expect(await f.finishWithPasskey()).toMatchObject({ ok: false, error: { code: "passkey-not-used" } })
    must(await f.finishWithKit(kit))
    await f.close()
  })

  test("[PK4] is the second factor of a recovery, too", async () => {
    const g = await open("g", own)
    must(await g.recoverStart({ server: world.origin(), kitCode: kit, deviceName: "g" }))
    own.knobs.refuses = true
    expect(await g.loginPasskey()).toMatchObject({ ok: false, error: { code: "passkey-not-used" } })
    own.knobs.refuses = false
    expect(must(await g.loginPasskey()).step).toBe("confirm")
    await g.close()
  })
})

test("[PK8] a person who says no to the second question has a passkey that signs in", async () => {
  const shy = createFakeAuthenticator({ origin: world.origin() })
  const created = shy.create
  const once: FakeAuthenticator = {
    ...shy,
    create: async (options) => {
      const made = await created(options)
      shy.knobs.refuses = true
      return made
    },
  }
  await a.close()
  a = await open("a", once)
  must(await a.unlock(PASSWORD))
  await stepUp()
  const added = must(await a.passkeyAdd({ label: "Shy key", password: PASSWORD }))
  expect(added).toMatchObject({ unlocks: false, cannotUnlock: "passkey-not-used" })
})

test("[PK10] a host without passkeys says so, and one that adds results of extensions does not get them sent", async () => {
  const bare = await world.device("bare")
  expect(await bare.loginPasskey()).toMatchObject({ ok: false, error: { code: "signed-out" } })
  await bare.close()
  const honest = createFakeAuthenticator({ origin: world.origin(), evaluatesAtCreation: true })
  const leak = bytesToBase64url(new Uint8Array(32).fill(0x5a))
  const careless: FakeAuthenticator = {
    ...honest,
    create: async (options) => {
      const made = await honest.create(options)
      if (made.ok)
        Object.assign(made.value.credential, { clientExtensionResults: { prf: { results: { first: leak } } } })
      return made
    },
  }
  await a.close()
  a = await open("a", careless)
  must(await a.unlock(PASSWORD))
  await stepUp()
  const before = sent.length
  expect(must(await a.passkeyAdd({ label: "Careless", password: PASSWORD })).unlocks).toBe(true)
  const texts = sent.slice(before).map((bytes) => utf8ToText(bytes) ?? "")
  expect(texts.some((text) => text.includes("attestationObject"))).toBe(true)
  expect(texts.filter((text) => text.includes(leak) || text.includes('"prf"'))).toEqual([])
})

test("[PK12] a slot whose passkey went with the second factor is listed by itself, and removed", async () => {
  await stepUp()
  must(await a.twoFactorOff({ password: PASSWORD, suspendSync: true }))
  const left = must(await a.passkeys())
  expect(left.length).toBeGreaterThan(0)
  expect(left.every(({ id, signsIn, unlocks }) => id.startsWith("slt_") && !signsIn && unlocks)).toBe(true)
  for (const { id } of left) must(await a.passkeyRemove({ id, password: PASSWORD }))
  expect(must(await a.passkeys())).toEqual([])
  expect(await a.passkeyRemove({ id: left[0]?.id ?? "", password: PASSWORD })).toMatchObject({
    ok: false,
    error: { code: "not-found" },
  })
})
