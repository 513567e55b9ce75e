import type { Result } from "@keyferry/base"
import {
  type Failure,
  failure,
  type JsonBody,
  type JsonReply,
  type JsonRoute,
  type RouteName,
  type routes,
} from "@keyferry/protocol"
import type { SignedRequest } from "@keyferry/strongroom-api"

import { readActivity } from "../service/activity.ts"
import { confirmAddressChange, showAddress, startAddressChange } from "../service/address.ts"
import { confirmByCode, denyLink, describeLink } from "../service/confirm.ts"
import type { Context } from "../service/context.ts"
import { mailAgain, mailFirst, readEnrolment, startEnrolment } from "../service/enrol.ts"
import { freezeByLink, waitForThaw } from "../service/freeze.ts"
import {
  askPasskey,
  finishLogin,
  passSecondFactor,
  resetSecondFactor,
  startLogin,
  startRecovery,
} from "../service/login.ts"
import { resetLease, waitForLeaseReset } from "../service/lease.ts"
import { readRelay, sendRelay } from "../service/relay.ts"
import { startSignup } from "../service/signup.ts"
import { bytesField, idField } from "../service/wire.ts"
import type { ActorOf } from "./authenticate.ts"

/** Routes that the server itself carries out. */
export type ServerRoute = {
  [R in RouteName]: (typeof routes)[R]["owner"] extends "server" ? R : never
}[RouteName] &
  JsonRoute

/** One parsed and authenticated request. */
export interface Call<R extends ServerRoute> {
  readonly actor: ActorOf<(typeof routes)[R]["actor"]>
  readonly body: JsonBody<R>
  readonly query: URLSearchParams
  readonly signed: () => SignedRequest
  /** What the program calls itself, `kf/1.2.3`; empty when it does not say. */
  readonly client: string
}

/** A handler for every route of the server: a missing one does not compile. */
export type Handlers = {
  readonly [R in ServerRoute]: (call: Call<R>) => Promise<Result<JsonReply<R>, Failure>>
}

/** Writes of the server that may arrive twice, and whose answer holds no secret: a repeated one gets the first answer. */
export const REPEATABLE: ReadonlySet<ServerRoute> = new Set<ServerRoute>([
  "enrol.relay-send",
  "devices.relay-send",
  "address.start",
])

const MAX_RELAY_BYTES = 6_144

export const createHandlers = (context: Context): Handlers => ({
  "signup.start": ({ body }) => startSignup(context, body),
  "login.start": ({ body }) => startLogin(context, body),
  "login.finish": ({ body, client }) => finishLogin(context, body, client),
  "login.second-factor": ({ actor, body }) => passSecondFactor(context, actor, body),
  "login.passkey": ({ actor }) => askPasskey(context, actor),
  "login.second-factor-reset": ({ actor }) => resetSecondFactor(context, actor),
  "login.thaw-wait": ({ actor }) => waitForThaw(context, actor),
  "recovery.start": ({ signed, client }) => startRecovery(context, signed(), client),

  "enrol.start": ({ actor, body }) => startEnrolment(context, actor, body),
  "enrol.state": ({ actor }) => readEnrolment(context, actor),
  "enrol.mail": ({ actor }) => mailAgain(context, actor),
  "enrol.relay-send": async ({ actor, body }) => {
    const message = bytesField(body.body)
    if (!message.ok || message.value.length > MAX_RELAY_BYTES) return refuse("malformed")
    if (actor.device_id === null) return refuse("device-not-enrolled")
    const pairing = { accountUuid: actor.account_uuid, deviceId: actor.device_id }
    return sendRelay(context, pairing, "new", message.value)
  },
  "enrol.relay-read": async ({ actor, query }) => {
    const after = wholeNumber(query.get("after"))
    if (after === undefined) return refuse("malformed")
    if (actor.device_id === null) return refuse("device-not-enrolled")
    return readRelay(context, { accountUuid: actor.account_uuid, deviceId: actor.device_id }, after)
  },
  "first.mail": ({ actor, body }) => mailFirst(context, actor, body.running === true),

  "confirm.describe": ({ body }) => describeLink(context, body),
  "confirm.code": ({ body }) => confirmByCode(context, body),
  "confirm.deny": ({ body }) => denyLink(context, body),

  "freeze.link": ({ body }) => freezeByLink(context, body),

  "lease.reset": ({ actor, body }) => resetLease(context, actor, body),
  "lease.reset-wait": ({ actor, body }) => waitForLeaseReset(context, actor, body),

  "devices.relay-send": async ({ actor, body }) => {
    const message = bytesField(body.body)
    const deviceId = idField("dev", body.deviceId)
    if (!deviceId.ok || !message.ok || message.value.length > MAX_RELAY_BYTES) return refuse("malformed")
    return sendRelay(context, { accountUuid: actor.accountUuid, deviceId: deviceId.value }, "approver", message.value)
  },
  "devices.relay-read": async ({ actor, query }) => {
    const deviceId = idField("dev", query.get("device") ?? "")
    const after = wholeNumber(query.get("after"))
    if (!deviceId.ok || after === undefined) return refuse("malformed")
    return readRelay(context, { accountUuid: actor.accountUuid, deviceId: deviceId.value }, after)
  },

  "address.show": ({ actor }) => showAddress(context, actor),
  "address.start": ({ actor, body }) => startAddressChange(context, actor, body),
  "address.confirm": ({ body }) => confirmAddressChange(context, body),
  activity: ({ actor }) => readActivity(context, actor.accountUuid),
})

const refuse = (code: Failure["code"]): Result<never, Failure> => ({ ok: false, error: failure(code) })

const wholeNumber = (text: string | null): number | undefined => {
  if (text === null) return 0
  return /^\d{1,9}$/.test(text) ? Number(text) : undefined
}
