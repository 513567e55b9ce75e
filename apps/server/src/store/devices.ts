import type { Db, Tx } from "./tables.ts"

/** The server's copy of device states, as the strongroom's events told them. It decides nothing about keys. */
export const setDeviceState = async (
  tx: Tx,
  row: { readonly deviceId: Uint8Array; readonly accountUuid: string; readonly state: string; readonly nowMs: number },
): Promise<void> => {
  await tx
    .insertInto("device")
    .values({ device_id: row.deviceId, account_uuid: row.accountUuid, state: row.state, changed_ms: row.nowMs })
    .onConflict((c) => c.column("device_id").doUpdateSet({ state: row.state, changed_ms: row.nowMs }))
    .execute()
}

export const isActiveDevice = async (db: Db, accountUuid: string, deviceId: Uint8Array): Promise<boolean> => {
  const row = await db
    .selectFrom("device")
    .select("state")
    .where("device_id", "=", deviceId)
    .where("account_uuid", "=", accountUuid)
    .executeTakeFirst()
  return row?.state === "active"
}
