import type { Selectable } from "@keyferry/store"

import { statement } from "./statement.ts"
import type { Db, ServerStore, Tables, Tx } from "./tables.ts"

export type AuditRow = Selectable<Tables["audit"]>

export interface AuditLine {
  readonly atMs: number
  readonly accountUuid?: string
  readonly kind: string
  readonly deviceId?: Uint8Array
  /** Never an address, a token, or anything from inside a vault. */
  readonly detail?: string
}

const insert = statement<keyof AuditRow>((db, $) =>
  db.insertInto("audit").values({
    n: $("n"),
    at_ms: $("at_ms"),
    account_uuid: $("account_uuid"),
    kind: $("kind"),
    device_id: $("device_id"),
    detail: $("detail"),
  }),
)
export const appendAudit = async (store: ServerStore, tx: Tx, line: AuditLine): Promise<void> => {
  await insert.run(tx, {
    n: await store.nextNumber(tx, "audit"),
    at_ms: line.atMs,
    account_uuid: line.accountUuid ?? null,
    kind: line.kind,
    device_id: line.deviceId ?? null,
    detail: line.detail ?? null,
  })
}

export const listAudit = (db: Db, accountUuid: string, max: number): Promise<AuditRow[]> =>
  db
    .selectFrom("audit")
    .select(["n", "at_ms", "account_uuid", "kind", "device_id", "detail"])
    .where("account_uuid", "=", accountUuid)
    .orderBy("n", "desc")
    .limit(max)
    .execute()
