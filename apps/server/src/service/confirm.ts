import { err, ok, type Result } from "@keyferry/base"
import { type Failure, failure, type JsonBody, type JsonReply } from "@keyferry/protocol"

import type { Context } from "./context.ts"
import { hashToken } from "./tokens.ts"

// The page is neutral about why a link fails; the waiting device, which is signed in, says which reason it is.
const NEUTRAL = failure("verify-link-not-valid")
const neutral = (error: Failure): Failure =>
  error.code.startsWith("verify-link-") || error.code === "not-found" ? NEUTRAL : error

export const describeLink = async (
  context: Context,
  body: JsonBody<"confirm.describe">,
): Promise<Result<JsonReply<"confirm.describe">, Failure>> => {
  const tokenHash = hashToken(body.token)
  if (tokenHash === undefined) return err(NEUTRAL)
  const described = await context.strongroom.call("confirmDescribe", { tokenHash })
  return described.ok ? ok(described.value) : err(neutral(described.error))
}

/** Link and code together confirm the device. Errors: verify-code-wrong, verify-link-not-valid */
export const confirmByCode = async (
  context: Context,
  body: JsonBody<"confirm.code">,
): Promise<Result<JsonReply<"confirm.code">, Failure>> => {
  const tokenHash = hashToken(body.token)
  if (tokenHash === undefined) return err(NEUTRAL)
  const confirmed = await context.strongroom.call("confirmCode", { tokenHash, code: body.code.replace(/[\s-]/g, "") })
  await context.events.catchUp()
  return confirmed.ok ? ok(confirmed.value) : err(neutral(confirmed.error))
}

export const denyLink = async (
  context: Context,
  body: JsonBody<"confirm.deny">,
): Promise<Result<JsonReply<"confirm.deny">, Failure>> => {
  const tokenHash = hashToken(body.token)
  if (tokenHash === undefined) return err(NEUTRAL)
  const denied = await context.strongroom.call("confirmDeny", { tokenHash })
  await context.events.catchUp()
  return denied.ok ? ok(denied.value) : err(neutral(denied.error))
}
