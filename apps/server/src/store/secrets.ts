import type { Random } from "@keyferry/base"

import type { ServerStore } from "./tables.ts"

/** A 32-byte secret of this server that is made once and lives in its store. */
export const readOrMakeSecret = (store: ServerStore, name: string, random: Random): Promise<Uint8Array> =>
  store.transaction(async (tx) => {
    await tx
      .insertInto("secret")
      .values({ name, value: random.bytes(32) })
      .onConflict((c) => c.doNothing())
      .execute()
    const row = await tx.selectFrom("secret").select("value").where("name", "=", name).executeTakeFirstOrThrow()
    return row.value
  })
