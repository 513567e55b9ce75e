import { formatId, ok, type Result } from "@keyferry/base"
import type { Failure, JsonReply } from "@keyferry/protocol"

import { listAudit } from "../store/audit.ts"
import type { Context } from "./context.ts"

const MAX_LINES = 200

/** The newest lines of the account's log, newest first. */
export const readActivity = async (
  { store, events }: Context,
  accountUuid: string,
): Promise<Result<JsonReply<"activity">, Failure>> => {
  await events.catchUp()
  const rows = await store.read((db) => listAudit(db, accountUuid, MAX_LINES))
  return ok({
    events: rows.map((row) => ({
      atMs: row.at_ms,
      kind: row.kind,
      ...(row.device_id === null ? {} : { deviceId: formatId("dev", row.device_id) }),
      ...(row.detail === null ? {} : { detail: row.detail.slice(0, 200) }),
    })),
  })
}
