import { bytesToBase64url, err, ok, type Result } from "@keyferry/base"
import { type Failure, failure, type JsonReply } from "@keyferry/protocol"

import { appendRelay, listRelay } from "../store/relay.ts"
import type { Context } from "./context.ts"

/** Which pairing a message belongs to: one new device of one account. */
export interface Pairing {
  readonly accountUuid: string
  readonly deviceId: Uint8Array
}

/**
 * Carries the messages of a pairing between the new device and the one that approves it. The server understands none of
 * them, and the words that both people compare show whether it changed any.
 * Errors: rate-limited, after too many messages for one device
 */
export const sendRelay = async (
  { store, clock }: Context,
  { accountUuid, deviceId }: Pairing,
  from: "new" | "approver",
  body: Uint8Array,
): Promise<Result<JsonReply<"enrol.relay-send">, Failure>> => {
  const n = await store.transaction((tx) =>
    appendRelay(tx, { account_uuid: accountUuid, device_id: deviceId, sender: from, body, created_ms: clock.nowMs() }),
  )
  return n === undefined ? err(failure("rate-limited", "Too many messages for one pairing.")) : ok({ n })
}

export const readRelay = async (
  { store }: Context,
  { accountUuid, deviceId }: Pairing,
  after: number,
): Promise<Result<JsonReply<"enrol.relay-read">, Failure>> => {
  const rows = await store.read((db) => listRelay(db, accountUuid, deviceId, after))
  return ok({
    messages: rows.map((row) => ({
      n: row.n,
      from: row.sender === "new" ? ("new" as const) : ("approver" as const),
      body: bytesToBase64url(row.body),
    })),
  })
}
