import { err, ok, type Result } from "@keyferry/base"
import { type Failure, failure, type JsonBody, type JsonReply } from "@keyferry/protocol"

import type { SessionRow } from "../store/sessions.ts"
import type { Context } from "./context.ts"
import { bytesField, idField } from "./wire.ts"

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
  const reset = await context.strongroom.call("leaseReset", {
    accountUuid: session.account_uuid,
    deviceId: deviceId.value,
    leaseId: leaseId.value,
    attempt: body.attempt,
    slotId: slotId.value,
    signature: signature.value,
  })
  await context.events.catchUp()
  return reset.ok ? ok(reset.value) : reset
}
