import { err, ok, type Result } from "@keyferry/base"
import { type Failure, failure, type JsonBody, type JsonReply } from "@keyferry/protocol"

import type { SessionRow } from "../store/sessions.ts"
import type { Context } from "./context.ts"
import { bytesField, idField } from "./wire.ts"

/** Without a signature: 72 hours, or until another device opens it. The strongroom knows whether it is this device. */
export const waitForLeaseReset = async (
  context: Context,
  session: SessionRow,
  body: JsonBody<"lease.reset-wait">,
): Promise<Result<JsonReply<"lease.reset-wait">, Failure>> => {
  const deviceId = idField("dev", body.deviceId)
  if (!deviceId.ok) return err(failure("malformed"))
  if (session.auth_pk === null) return err(failure("not-allowed"))
  const waiting = await context.strongroom.call("leaseResetWait", {
    accountUuid: session.account_uuid,
    deviceId: deviceId.value,
    authPk: session.auth_pk,
  })
  await context.events.catchUp()
  return waiting.ok ? ok(waiting.value) : waiting
}

/** Unlocks a device after ten failed unlocks, with a signature that a slot key made. The strongroom judges it. */
export const resetLease = async (
  context: Context,
  session: SessionRow,
  body: JsonBody<"lease.reset">,
): Promise<Result<JsonReply<"lease.reset">, Failure>> => {
  const deviceId = idField("dev", body.deviceId)
  const leaseId = idField("lea", body.leaseId)
  const slotId = idField("slt", body.slotId)
  const signature = bytesField(body.signature, 64)
  if (!deviceId.ok || !leaseId.ok || !slotId.ok || !signature.ok) return err(failure("malformed"))
  // Signed in with the kit: that is the way of a device that is gone, not of one that is locked.
  if (session.auth_pk === null) return err(failure("not-allowed"))
  const reset = await context.strongroom.call("leaseReset", {
    accountUuid: session.account_uuid,
    deviceId: deviceId.value,
    leaseId: leaseId.value,
    attempt: body.attempt,
    slotId: slotId.value,
    signature: signature.value,
    authPk: session.auth_pk,
  })
  await context.events.catchUp()
  return reset.ok ? ok(reset.value) : reset
}
