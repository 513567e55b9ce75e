import { bytesToBase64url, err, ok, type Result, type Secret } from "@keyferry/base"
import {
  answerOpaqueLogin,
  answerOpaqueRegistration,
  finishOpaqueLogin,
  type SessionKey,
  sessionBinding,
  verifyFinishMac,
} from "@keyferry/crypto"
import type { Failure } from "@keyferry/protocol"
import type { CallParams, CallResult } from "@keyferry/strongroom-api"

import type { StrongroomContext } from "../context.ts"
import type { Handler } from "../execute.ts"
import { fieldBytes } from "../execute.ts"
import { deploymentPlace } from "../places.ts"
import { statement } from "../store/statement.ts"
import type { MainTables } from "../store/tables.ts"
import { FRESH_MS } from "../verifier.ts"
import { readOpaqueRecord } from "./opaque-records.ts"
import { openFactorKinds } from "./second-factor.ts"

/*
 * OPAQUE, the strongroom's end. Between the two messages a state lies in memory: 60 seconds, used once.
 * An unknown account answers with the same shapes and does the same work. Source: spec/strongroom.md ST19–ST22
 */
export interface LoginStates {
  readonly put: (login: HalfLogin, nowMs: number) => string
  /** Gives it out once. */
  readonly take: (loginId: string, nowMs: number) => HalfLogin | undefined
}
interface HalfLogin {
  readonly accountUuid: string
  /** Set where a device of the account proves its password again; only that device may finish. */
  readonly deviceId?: Uint8Array
  readonly state: Secret<"OpaqueServerState">
}

const LOGIN_MS = 60_000
const MAX_LOGINS = 10_000

export const createLoginStates = (random: { readonly bytes: (n: number) => Uint8Array }): LoginStates => {
  const states = new Map<string, { readonly login: HalfLogin; readonly untilMs: number }>()
  const drop = (id: string): void => {
    states.get(id)?.login.state.wipe()
    states.delete(id)
  }
  return Object.freeze<LoginStates>({
    put: (login, nowMs) => {
      // In the order they were put: the first ones end first.
      for (const [id, { untilMs }] of states) {
        if (untilMs > nowMs && states.size < MAX_LOGINS) break
        drop(id)
      }
      const id = bytesToBase64url(random.bytes(16))
      states.set(id, { login, untilMs: nowMs + LOGIN_MS })
      return id
    },
    take: (id, nowMs) => {
      const found = states.get(id)
      states.delete(id)
      return found !== undefined && found.untilMs > nowMs ? found.login : undefined
    },
  })
}

const accountIdOf = statement<"accountUuid", Pick<MainTables["account"], "id">>((db, $) =>
  db.selectFrom("account").select("id").where("uuid", "=", $("accountUuid")),
)

/** Errors: malformed, kms-unavailable. Never tells whether the account exists. */
export const loginStart = async (
  ctx: StrongroomContext,
  logins: LoginStates,
  { accountUuid, startLoginRequest }: CallParams<"loginStart">,
  deviceId?: Uint8Array,
): Promise<Result<CallResult<"loginStart">, Failure>> => {
  const [account] = await ctx.store.read((db) => accountIdOf.rows(db, { accountUuid }))
  const found =
    account?.id === undefined || account.id === null
      ? await workWithoutRecord(ctx)
      : await readOpaqueRecord(ctx, account.id)
  if (!found.ok) return found
  const identifiers = { account: accountUuid, deployment: ctx.deploymentId }
  const answer = await answerOpaqueLogin(ctx.opaque, identifiers, found.value?.record, startLoginRequest)
  if (!answer.ok) return err({ code: "malformed" })
  const login = { accountUuid, state: answer.value.state, ...(deviceId === undefined ? {} : { deviceId }) }
  return ok({ loginId: logins.put(login, ctx.clock.nowMs()), loginResponse: answer.value.response })
}

/** What reading a record costs, for accounts that have none. */
const workWithoutRecord = async (ctx: StrongroomContext): Promise<Result<undefined, Failure>> => {
  const opened = await ctx.atRest.decrypt(deploymentPlace(ctx.primitives, "sentinel"), ctx.sentinel)
  return opened.ok ? ok(undefined) : opened
}

/** Errors: wrong-credentials, for everything that may be wrong. */
export const loginFinish = async (
  ctx: StrongroomContext,
  logins: LoginStates,
  { loginId, finishLoginRequest, authPk, binding }: CallParams<"loginFinish">,
): Promise<Result<CallResult<"loginFinish">, Failure>> => {
  const login = logins.take(loginId, ctx.clock.nowMs())
  if (login === undefined || login.deviceId !== undefined) return err({ code: "wrong-credentials" })
  const key = await finishOne(ctx, login, finishLoginRequest)
  if (!key.ok) return key
  const bound = await sessionBinding(ctx.primitives, key.value)
  if (!(await verifyFinishMac(ctx.primitives, bound, authPk, binding))) return err({ code: "wrong-credentials" })
  const { accountUuid } = login
  const [account] = await ctx.store.read((db) => accountIdOf.rows(db, { accountUuid }))
  if (account === undefined || account.id === null) return err({ code: "wrong-credentials" })
  return ok({
    accountUuid,
    accountId: account.id,
    factors: await openFactorKinds(ctx, accountUuid),
  })
}

const finishOne = async (
  ctx: StrongroomContext,
  login: HalfLogin,
  finish: Uint8Array,
): Promise<Result<SessionKey, Failure>> => {
  const identifiers = { account: login.accountUuid, deployment: ctx.deploymentId }
  const key = await finishOpaqueLogin(login.state, identifiers, finish)
  login.state.wipe()
  return key.ok ? key : err({ code: "wrong-credentials" })
}

/** A device in the chain proves the password again. */
export const passwordHandlers = (
  logins: LoginStates,
): {
  readonly "password.check-start": Handler<"password.check-start">
  readonly "password.check-finish": Handler<"password.check-finish">
  readonly "password.start": Handler<"password.start">
  readonly "enrol.password-start": Handler<"enrol.password-start">
} => ({
  "password.check-start": async (ctx, { device }, body) => {
    const startLoginRequest = fieldBytes(body.startLoginRequest)
    if (!startLoginRequest.ok) return startLoginRequest
    const { accountUuid, deviceId } = device
    const started = await loginStart(ctx, logins, { accountUuid, startLoginRequest: startLoginRequest.value }, deviceId)
    if (!started.ok) return started
    return ok({
      reply: { loginId: started.value.loginId, loginResponse: bytesToBase64url(started.value.loginResponse) },
    })
  },
  "password.check-finish": async (ctx, { device }, body) => {
    const finish = fieldBytes(body.finishLoginRequest)
    if (!finish.ok) return finish
    const nowMs = ctx.clock.nowMs()
    const login = logins.take(body.loginId, nowMs)
    const isOwn =
      login?.deviceId !== undefined && bytesToBase64url(login.deviceId) === bytesToBase64url(device.deviceId)
    if (login === undefined || !isOwn) return err({ code: "wrong-credentials" })
    const key = await finishOne(ctx, login, finish.value)
    if (!key.ok) return key
    key.value.wipe()
    await ctx.store.transaction((tx) =>
      tx.updateTable("device").set({ last_password_ms: nowMs }).where("id", "=", device.deviceId).execute(),
    )
    return ok({ reply: { freshUntilMs: nowMs + FRESH_MS } })
  },
  /** Only an answer to the request; the record itself comes with the link that replaces the password slot. */
  "password.start": async (ctx, { device }, body) => {
    const answer = await answerRegistration(ctx, device.accountUuid, body.registrationRequest)
    return answer.ok ? ok({ reply: { registrationResponse: answer.value } }) : answer
  },
  /** The same for a confirmed device that recovers with the kit: the record comes with `recovery.used`. */
  "enrol.password-start": async (ctx, { device }, body) => {
    const { accountUuid } = device
    const answer = await answerRegistration(ctx, accountUuid, body.registrationRequest)
    return answer.ok ? ok({ reply: { registrationResponse: answer.value, accountUuid } }) : answer
  },
})

const answerRegistration = async (
  ctx: StrongroomContext,
  accountUuid: string,
  registrationRequest: string,
): Promise<Result<string, Failure>> => {
  const request = fieldBytes(registrationRequest)
  if (!request.ok) return request
  const answer = await answerOpaqueRegistration(ctx.opaque, accountUuid, request.value)
  return answer.ok ? ok(bytesToBase64url(answer.value)) : err({ code: "malformed" })
}
