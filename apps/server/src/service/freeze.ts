import { err, ok, type Result } from "@keyferry/base"
import { type Failure, failure, type JsonBody, type JsonReply } from "@keyferry/protocol"

import { findFreezeLink } from "../store/freeze-links.ts"
import type { SessionRow } from "../store/sessions.ts"
import type { Context } from "./context.ts"
import { hashToken } from "./tokens.ts"

/**
 * "This was not me" of a security mail, pressed by a person on its page; nobody is signed in. It only freezes.
 * Errors: verify-link-not-valid
 */
export const freezeByLink = async (
  context: Context,
  body: JsonBody<"freeze.link">,
): Promise<Result<JsonReply<"freeze.link">, Failure>> => {
  const tokenHash = hashToken(body.token)
  // A thaw that the strongroom has answered ended this link, whether or not its event has come.
  if (tokenHash !== undefined) await context.events.catchUp()
  const link = tokenHash === undefined ? undefined : await context.store.read((db) => findFreezeLink(db, tokenHash))
  if (link === undefined || link.expires_ms <= context.clock.nowMs()) return err(failure("verify-link-not-valid"))
  const frozen = await context.strongroom.call("freeze", { accountUuid: link.account_uuid, by: "mail" })
  await context.events.catchUp()
  if (frozen.ok) return frozen
  return err(frozen.error.code === "not-found" ? failure("verify-link-not-valid") : frozen.error)
}

/** The way back without a device: at level 2, 72 hours of which the mailbox is told. */
export const waitForThaw = async (
  context: Context,
  session: SessionRow,
): Promise<Result<JsonReply<"login.thaw-wait">, Failure>> => {
  const waiting = await context.strongroom.call("thawWait", { accountUuid: session.account_uuid })
  await context.events.catchUp()
  return waiting.ok ? ok(waiting.value) : waiting
}
