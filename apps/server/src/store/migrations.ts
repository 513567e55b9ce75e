import { type Migration, sql } from "@keyferry/store"

/** Append only: a released step never changes. */
export const migrations: readonly Migration[] = [
  {
    version: 1,
    name: "first",
    up: async ({ createTable, types: { blob, integer, text }, db }) => {
      await createTable("account")
        .addColumn("uuid", text, (c) => c.primaryKey())
        .addColumn("account_id", blob, (c) => c.unique())
        .addColumn("address", text, (c) => c.notNull())
        .addColumn("address_key", text, (c) => c.notNull())
        .addColumn("confirmed", integer, (c) => c.notNull())
        .addColumn("operator", integer, (c) => c.notNull())
        .addColumn("first_device", blob, (c) => c.notNull())
        .addColumn("invitation", blob)
        .addColumn("created_ms", integer, (c) => c.notNull())
        .addColumn("seen_ms", integer, (c) => c.notNull())
        .execute()
      // An address belongs to whoever confirmed it; unconfirmed sign-ups of the same address do not count.
      await sql`create unique index account_address on account (address_key) where confirmed = 1`.execute(db)
      await db.schema.createIndex("account_unconfirmed").on("account").columns(["confirmed", "seen_ms"]).execute()

      await createTable("device")
        .addColumn("device_id", blob, (c) => c.primaryKey())
        .addColumn("account_uuid", text, (c) => c.notNull())
        .addColumn("state", text, (c) => c.notNull())
        .addColumn("changed_ms", integer, (c) => c.notNull())
        .execute()
      await db.schema.createIndex("device_account").on("device").column("account_uuid").execute()

      await createTable("session")
        .addColumn("token_hash", blob, (c) => c.primaryKey())
        .addColumn("account_uuid", text, (c) => c.notNull())
        .addColumn("account_id", blob, (c) => c.notNull())
        .addColumn("level", integer, (c) => c.notNull())
        .addColumn("auth_pk", blob)
        .addColumn("device_id", blob)
        .addColumn("idle_ms", integer, (c) => c.notNull())
        .addColumn("created_ms", integer, (c) => c.notNull())
        .addColumn("used_ms", integer, (c) => c.notNull())
        .addColumn("ends_ms", integer, (c) => c.notNull())
        .execute()
      await db.schema.createIndex("session_account").on("session").columns(["account_uuid", "device_id"]).execute()
      await db.schema.createIndex("session_ends").on("session").column("ends_ms").execute()

      await createTable("invitation")
        .addColumn("token_hash", blob, (c) => c.primaryKey())
        .addColumn("first", integer, (c) => c.notNull())
        .addColumn("created_ms", integer, (c) => c.notNull())
        .addColumn("expires_ms", integer, (c) => c.notNull())
        .addColumn("claimed_by", text)
        .addColumn("claimed_until_ms", integer, (c) => c.notNull())
        .addColumn("used_ms", integer)
        .execute()

      await createTable("mail")
        .addColumn("id", text, (c) => c.primaryKey())
        .addColumn("account_uuid", text)
        .addColumn("template", text, (c) => c.notNull())
        .addColumn("recipient", text, (c) => c.notNull())
        .addColumn("fields", text, (c) => c.notNull())
        .addColumn("state", text, (c) => c.notNull())
        .addColumn("tries", integer, (c) => c.notNull())
        .addColumn("next_ms", integer, (c) => c.notNull())
        .addColumn("created_ms", integer, (c) => c.notNull())
        .addColumn("done_ms", integer)
        .execute()
      await db.schema.createIndex("mail_due").on("mail").columns(["state", "next_ms"]).execute()
      await db.schema.createIndex("mail_account").on("mail").columns(["account_uuid", "created_ms"]).execute()

      await createTable("dev_mail")
        .addColumn("id", text, (c) => c.primaryKey())
        .addColumn("recipient", text, (c) => c.notNull())
        .addColumn("subject", text, (c) => c.notNull())
        .addColumn("body", text, (c) => c.notNull())
        .addColumn("created_ms", integer, (c) => c.notNull())
        .execute()

      await createTable("audit")
        .addColumn("n", integer, (c) => c.primaryKey())
        .addColumn("at_ms", integer, (c) => c.notNull())
        .addColumn("account_uuid", text)
        .addColumn("kind", text, (c) => c.notNull())
        .addColumn("device_id", blob)
        .addColumn("detail", text)
        .execute()
      await db.schema.createIndex("audit_account").on("audit").columns(["account_uuid", "n"]).execute()

      await createTable("relay")
        .addColumn("account_uuid", text, (c) => c.notNull())
        .addColumn("device_id", blob, (c) => c.notNull())
        .addColumn("n", integer, (c) => c.notNull())
        .addColumn("sender", text, (c) => c.notNull())
        .addColumn("body", blob, (c) => c.notNull())
        .addColumn("created_ms", integer, (c) => c.notNull())
        .addPrimaryKeyConstraint("relay_key", ["account_uuid", "device_id", "n"] as never[])
        .execute()

      await createTable("address_change")
        .addColumn("token_hash", blob, (c) => c.primaryKey())
        .addColumn("account_uuid", text, (c) => c.notNull())
        .addColumn("address", text, (c) => c.notNull())
        .addColumn("address_key", text, (c) => c.notNull())
        .addColumn("expires_ms", integer, (c) => c.notNull())
        .execute()

      await createTable("limiter")
        .addColumn("bucket", text, (c) => c.primaryKey())
        .addColumn("points", integer, (c) => c.notNull())
        .addColumn("ends_ms", integer, (c) => c.notNull())
        .execute()

      await createTable("idempotency")
        .addColumn("account_uuid", text, (c) => c.notNull())
        .addColumn("request_key", text, (c) => c.notNull())
        .addColumn("fingerprint", blob, (c) => c.notNull())
        .addColumn("reply", text, (c) => c.notNull())
        .addColumn("created_ms", integer, (c) => c.notNull())
        .addPrimaryKeyConstraint("idempotency_key", ["account_uuid", "request_key"] as never[])
        .execute()

      await createTable("progress")
        .addColumn("id", integer, (c) => c.primaryKey())
        .addColumn("log_id", blob, (c) => c.notNull())
        .addColumn("n", integer, (c) => c.notNull())
        .execute()

      await createTable("secret")
        .addColumn("name", text, (c) => c.primaryKey())
        .addColumn("value", blob, (c) => c.notNull())
        .execute()
    },
  },
  {
    version: 2,
    name: "freeze links",
    up: async ({ createTable, types: { blob, integer, text }, db }) => {
      await createTable("freeze_link")
        .addColumn("token_hash", blob, (c) => c.primaryKey())
        .addColumn("account_uuid", text, (c) => c.notNull())
        .addColumn("expires_ms", integer, (c) => c.notNull())
        .execute()
      await db.schema.createIndex("freeze_link_account").on("freeze_link").column("account_uuid").execute()
    },
  },
]
