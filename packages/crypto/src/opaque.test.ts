import { describe, expect, test } from "vitest"

import { secret, utf8 } from "@keyferry/base"

import { type LoginResult, startOpaqueLogin, startOpaqueRegistration } from "./opaque-client.ts"
import {
  answerOpaqueLogin,
  answerOpaqueRegistration,
  finishOpaqueLogin,
  makeOpaqueSetup,
  opaqueStaticPk,
  pseudoAccount,
} from "./opaque-server.ts"
import { finishMac, sessionBinding, verifyFinishMac } from "./opaque-session.ts"
import { systemRandom as random } from "./primitives/conformance.ts"
import { noblePrimitives } from "./primitives/noble.ts"
import { nodePrimitives as p } from "./primitives/node.ts"

const account = "6f1c1f0e-7f1b-4a51-9a0f-0a3a5c0f2d11"
const who = { account, deployment: "dep-1" }
const setup = await makeOpaqueSetup()

const register = async (password: string) => {
  const started = await startOpaqueRegistration(password)
  const response = await answerOpaqueRegistration(setup, account, started.request)
  if (!response.ok) throw new Error("registration refused")
  const done = await started.finish(response.value, who)
  if (!done.ok) throw new Error("registration refused")
  return done.value
}
const registered = await register("p\u00e4ssword")

const login = async (password: string, record: Uint8Array | undefined, claimed = who) => {
  const started = await startOpaqueLogin(password)
  const answer = await answerOpaqueLogin(setup, who, record, started.request)
  if (!answer.ok) throw new Error("login refused")
  return { answer: answer.value, result: await started.finish(answer.value.response, claimed) }
}
const expectLogin = async (
  password: string,
): Promise<{ state: Awaited<ReturnType<typeof login>>["answer"]["state"]; result: LoginResult }> => {
  const { answer, result } = await login(password, registered.record)
  if (!result.ok) throw new Error("login refused")
  return { state: answer.state, result: result.value }
}

describe("OPAQUE", () => {
  test("[KE5] a login gives the export key of the registration, and one session key to both ends", async () => {
    const { state, result } = await expectLogin("p\u00e4ssword")
    expect(result.exportKey.length).toBe(64)
    expect(result.exportKey.reveal()).toEqual(registered.exportKey.reveal())
    expect(result.serverStaticPk).toEqual(await opaqueStaticPk(setup))
    expect(registered.serverStaticPk).toEqual(result.serverStaticPk)
    const sessionKey = await finishOpaqueLogin(state, who, result.finish)
    expect(sessionKey.ok && sessionKey.value.reveal()).toEqual(result.sessionKey.reveal())
  })

  test("[KE5] registered anew, the same password gives another record and another export key", async () => {
    const again = await register("p\u00e4ssword")
    expect(again.record).toHaveLength(registered.record.length)
    expect(again.record).not.toEqual(registered.record)
    expect(again.exportKey.reveal()).not.toEqual(registered.exportKey.reveal())
    expect(again.serverStaticPk).toEqual(registered.serverStaticPk)
  })

  test("[KE5] the same password from another keyboard logs in", async () => {
    const { result } = await expectLogin("pa\u0308ssword")
    expect(result.exportKey.reveal()).toEqual(registered.exportKey.reveal())
  })

  test("[KE5] a wrong password, another deployment and no record are refused alike", async () => {
    const refused = { ok: false, error: "refused" }
    expect((await login("password", registered.record)).result).toEqual(refused)
    expect((await login("p\u00e4ssword", registered.record, { ...who, deployment: "dep-2" })).result).toEqual(refused)
    expect((await login("p\u00e4ssword", registered.record, { ...who, account: "other" })).result).toEqual(refused)
    const known = await login("password", registered.record)
    const unknown = await login("password", undefined)
    expect(unknown.result).toEqual(refused)
    expect(unknown.answer.response.length).toBe(known.answer.response.length)
  })

  test("[KE5] a last message of somebody else does not finish, nor does one for another deployment", async () => {
    const one = await expectLogin("p\u00e4ssword")
    const two = await expectLogin("p\u00e4ssword")
    const refused = { ok: false, error: "refused" }
    expect(await finishOpaqueLogin(one.state, who, two.result.finish)).toEqual(refused)
    expect(await finishOpaqueLogin(one.state, who, new Uint8Array(64))).toEqual(refused)
    expect(await finishOpaqueLogin(one.state, who, new Uint8Array())).toEqual(refused)
  })

  test("[KE5] messages that do not parse are refused at both ends", async () => {
    const malformed = { ok: false, error: "malformed" }
    expect(await answerOpaqueRegistration(setup, account, new Uint8Array(5))).toEqual(malformed)
    expect(await answerOpaqueLogin(setup, who, registered.record, new Uint8Array(5))).toEqual(malformed)
    const registration = await startOpaqueRegistration("x")
    expect(await registration.finish(new Uint8Array(5), who)).toEqual({ ok: false, error: "refused" })
    const started = await startOpaqueLogin("x")
    expect(await started.finish(new Uint8Array(5), who)).toEqual({ ok: false, error: "refused" })
  })

  test("[KE5] the binding is the written formula and its code proves one authentication key", async () => {
    const sessionKey = secret<"SessionKey">(random.bytes(64))
    const binding = await sessionBinding(p, sessionKey)
    const expected = await noblePrimitives.hkdfSha512(sessionKey.reveal(), new Uint8Array(), utf8("kf1/session"), 32)
    expect(binding.reveal()).toEqual(expected)
    const authPk = random.bytes(32)
    const mac = await finishMac(p, binding, authPk)
    expect(await verifyFinishMac(p, binding, authPk, mac)).toBe(true)
    expect(await verifyFinishMac(p, binding, random.bytes(32), mac)).toBe(false)
    expect(await verifyFinishMac(p, await sessionBinding(p, secret(random.bytes(64))), authPk, mac)).toBe(false)
  })

  test("[KE5] an address that nobody has always gets the same account, whatever its case and form", async () => {
    const key = secret<"EnumerationKey">(random.bytes(32))
    const one = await pseudoAccount(p, key, "Ada@Example.org")
    expect(one).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
    expect(await pseudoAccount(p, key, "ada@example.org")).toBe(one)
    expect(await pseudoAccount(p, key, "\uff21da@example.org")).toBe(one)
    expect(await pseudoAccount(p, key, "bda@example.org")).not.toBe(one)
    expect(await pseudoAccount(p, secret<"EnumerationKey">(random.bytes(32)), "ada@example.org")).not.toBe(one)
  })
})
