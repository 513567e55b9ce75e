import { base64urlToBytes, bytesToBase64url, equalBytes, err } from "@keyferry/base"
import { startOpaqueLogin } from "@keyferry/crypto"
import { afterAll, beforeAll, describe, expect, it } from "vitest"

import {
  codeOf,
  createWorld,
  json,
  makeActive,
  makeDevice,
  must,
  type Person,
  type Reach,
  random,
  reachOf,
  send,
  signIn,
  signUp,
  type World,
} from "../fixture.ts"
import { coreOnly } from "../fixture-core.ts"
import { prepareOpaqueRecord, storeOpaqueRecord } from "./opaque-records.ts"

let world: World
let reach: Reach
let person: Person
beforeAll(async () => {
  world = await createWorld(coreOnly)
  reach = reachOf(world)
  person = await signUp(reach, "correct horse battery staple")
  await makeActive(reach, person)
})
afterAll(() => world.close())

const authPk = async (): Promise<Uint8Array> => (await makeDevice()).keys.authPk

describe("signing in", () => {
  it("[ST15] the right password opens level 1 and names the factors", async () => {
    const done = await must(signIn(reach, person.accountUuid, person.password, await authPk()))
    expect(done.factors).toEqual(["totp"])
    expect(equalBytes(done.accountId, person.accountId)).toBe(true)
    expect(await codeOf(signIn(reach, person.accountUuid, "wrong password", await authPk()))).toBe("wrong-credentials")
  })

  it("[ST15] a login is finished once and within 60 seconds", async () => {
    const { deploymentId } = await must(reach.call("hello", {}))
    const begin = async () => {
      const login = await startOpaqueLogin(person.password)
      const started = await must(
        reach.call("loginStart", { accountUuid: person.accountUuid, startLoginRequest: login.request }),
      )
      const finished = await login.finish(started.loginResponse, {
        account: person.accountUuid,
        deployment: deploymentId,
      })
      if (!finished.ok) throw new Error("the client refused")
      return { loginId: started.loginId, finishLoginRequest: finished.value.finish }
    }
    const late = await begin()
    world.clock.add(60_000)
    const key = await authPk()
    expect(await codeOf(reach.call("loginFinish", { ...late, authPk: key, binding: random.bytes(32) }))).toBe(
      "wrong-credentials",
    )
    const once = await begin()
    expect(await codeOf(reach.call("loginFinish", { ...once, authPk: key, binding: random.bytes(32) }))).toBe(
      "wrong-credentials",
    )
    expect(await codeOf(reach.call("loginFinish", { ...once, authPk: key, binding: random.bytes(32) }))).toBe(
      "wrong-credentials",
    )
    expect(
      await codeOf(
        reach.call("loginFinish", {
          loginId: "invented",
          finishLoginRequest: once.finishLoginRequest,
          authPk: key,
          binding: random.bytes(32),
        }),
      ),
    ).toBe("wrong-credentials")
  })

  it("[ST16] an unknown account answers with the same lengths, and the same first bytes each time", async () => {
    const unknown = crypto.randomUUID()
    const login = await startOpaqueLogin("any password")
    const ask = (accountUuid: string) =>
      must(reach.call("loginStart", { accountUuid, startLoginRequest: login.request }))
    const [known, first, second] = [await ask(person.accountUuid), await ask(unknown), await ask(unknown)]
    expect([first.loginResponse.length, first.loginId.length]).toEqual([
      known.loginResponse.length,
      known.loginId.length,
    ])
    expect(equalBytes(first.loginResponse.subarray(0, 32), second.loginResponse.subarray(0, 32))).toBe(true)
    expect(equalBytes(first.loginResponse, second.loginResponse)).toBe(false)
    expect(await codeOf(signIn(reach, unknown, person.password, await authPk()))).toBe("wrong-credentials")
    expect(await codeOf(reach.call("loginStart", { accountUuid: unknown, startLoginRequest: random.bytes(7) }))).toBe(
      "malformed",
    )
    expect(
      await codeOf(reach.call("loginStart", { accountUuid: person.accountUuid, startLoginRequest: random.bytes(7) })),
    ).toBe("malformed")
  })

  it("[ST17] the login is bound to the authentication key of the device", async () => {
    const own = await authPk()
    const { deploymentId } = await must(reach.call("hello", {}))
    const { finishMac, sessionBinding } = await import("@keyferry/crypto")
    const { p } = await import("../fixture.ts")
    for (const swapped of [false, true]) {
      const login = await startOpaqueLogin(person.password)
      const started = await must(
        reach.call("loginStart", { accountUuid: person.accountUuid, startLoginRequest: login.request }),
      )
      const finished = await login.finish(started.loginResponse, {
        account: person.accountUuid,
        deployment: deploymentId,
      })
      if (!finished.ok) throw new Error("the client refused")
      const binding = await finishMac(p, await sessionBinding(p, finished.value.sessionKey), own)
      const sent = {
        loginId: started.loginId,
        finishLoginRequest: finished.value.finish,
        authPk: swapped ? await authPk() : own,
        binding,
      }
      expect(await codeOf(reach.call("loginFinish", sent))).toBe(swapped ? "wrong-credentials" : "ok")
    }
  })

  it("[ST15] a device proves its password again; nobody else can finish that", async () => {
    const { deploymentId } = await must(reach.call("hello", {}))
    const other = await signUp(reach)
    await makeActive(reach, other)
    world.clock.add(10 * 60_000)
    for (const finisher of [other.device, person.device]) {
      const login = await startOpaqueLogin(person.password)
      const started = await json(
        send(reach, person.device, "password.check-start", { startLoginRequest: bytesToBase64url(login.request) }),
      )
      const response = base64urlToBytes(String(started["loginResponse"])) ?? new Uint8Array()
      const finished = await login.finish(response, { account: person.accountUuid, deployment: deploymentId })
      if (!finished.ok) throw new Error("the client refused")
      const body = { loginId: String(started["loginId"]), finishLoginRequest: bytesToBase64url(finished.value.finish) }
      const answer = await send(reach, finisher, "password.check-finish", body)
      expect(answer.code).toBe(finisher === person.device ? undefined : "wrong-credentials")
      const half = {
        ...body,
        authPk: random.bytes(32),
        binding: random.bytes(32),
        finishLoginRequest: finished.value.finish,
      }
      expect(await codeOf(reach.call("loginFinish", half))).toBe("wrong-credentials")
    }
  })

  it("[ST18] a new record replaces the one that was read, and a replaced one never comes back", async () => {
    const { ctx } = world.room()
    const zero = new Uint8Array(32)
    const first = random.bytes(192)
    const prepared = await must(prepareOpaqueRecord(ctx, person.accountId, first, zero))
    const rival = await must(prepareOpaqueRecord(ctx, person.accountId, random.bytes(192), zero))
    const store = (p: typeof prepared): Promise<boolean> =>
      ctx.store.transaction((tx) => storeOpaqueRecord(tx, person.accountUuid, p))
    expect([await store(prepared), await store(rival)]).toEqual([true, false])
    const next = await must(prepareOpaqueRecord(ctx, person.accountId, random.bytes(192), zero))
    expect(next.replaced?.id).toEqual(ctx.primitives.sha256(first))
    await ctx.leases.kill([], next.replaced === undefined ? [] : [next.replaced])
    expect(await prepareOpaqueRecord(ctx, person.accountId, first, zero)).toEqual(err({ code: "holder-reused" }))
    expect(await prepareOpaqueRecord(ctx, person.accountId, random.bytes(191), zero)).toEqual(
      err({ code: "malformed" }),
    )
  })
})
