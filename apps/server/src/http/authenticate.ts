import { err, formatId, ok, parseId, type Result } from "@keyferry/base"
import { type Actor, type Failure, failure, parseSignatureInput, type Route } from "@keyferry/protocol"
import type { AuthenticatedActor, SignedRequest } from "@keyferry/strongroom-api"

import { levelOf, refuseDevice, refuseSession } from "../policy/may.ts"
import type { Context } from "../service/context.ts"
import { readSession } from "../service/sessions.ts"
import type { SessionRow } from "../store/sessions.ts"

/** Who acts, by the route's `actor`. */
export type ActorOf<A extends Actor> = A extends "session1" | "session2" | "session3"
  ? SessionRow
  : A extends "device"
    ? AuthenticatedActor
    : undefined

export interface Presented {
  readonly authorization: string | undefined
  readonly signed: () => SignedRequest
}

/**
 * Turns what a request presents into an actor, or says why not. A session proves a level; a device proves itself by its
 * signature, which only the strongroom judges.
 */
export const authenticate = async (
  context: Context,
  route: Route,
  presented: Presented,
): Promise<Result<SessionRow | AuthenticatedActor | undefined, Failure>> => {
  if (levelOf(route) > 0) return authenticateSession(context, route, presented)
  if (route.actor !== "device" || route.owner !== "server") return ok(undefined)
  const signer = await context.strongroom.call("authenticate", {
    request: presented.signed(),
    origins: context.settings.origins,
  })
  if (!signer.ok) return signer
  const refused = refuseDevice(route, signer.value, context.clock.nowMs())
  return refused === undefined ? signer : err(refused)
}

const authenticateSession = async (
  context: Context,
  route: Route,
  { authorization, signed }: Presented,
): Promise<Result<SessionRow, Failure>> => {
  const token = /^Bearer ([A-Za-z0-9_-]{43})$/.exec(authorization ?? "")?.[1]
  if (token === undefined) return err(failure("signed-out"))
  // What the strongroom has answered (a new password, a freeze, a removal) ended sessions, whether or not its event has come.
  await context.events.catchUp()
  const session = await readSession(context, token)
  if (!session.ok) return session
  const refused = refuseSession(route, session.value.level)
  if (refused !== undefined) return err(refused)
  // Level 3 also needs the signature of the very device that the session was raised for.
  if (route.actor === "session3" && keyIdOf(signed()) !== deviceKeyId(session.value))
    return err(failure("signature-invalid"))
  return session
}

const deviceKeyId = (session: SessionRow): string | undefined =>
  session.device_id === null ? undefined : formatId("dev", session.device_id)

const keyIdOf = (request: SignedRequest): string | undefined => {
  const header = request.headers.find(([name]) => name === "signature-input")?.[1]
  const parsed = header === undefined ? undefined : parseSignatureInput(header, request.body.length > 0)
  return parsed?.ok === true ? parsed.value.keyId : undefined
}

/** The device that a signed request names, not yet proven. */
export const namedDevice = (request: SignedRequest): Uint8Array | undefined => {
  const id = parseId("dev", keyIdOf(request) ?? "")
  return id.ok ? id.value : undefined
}
