import { Defect, err, ok, type Result } from "@keyferry/base"
import { type ColumnDataType, type CreateTableBuilder, type Kysely, sql, type Transaction } from "kysely"

import type { StoreFailure } from "./errors.ts"

export type DialectName = "sqlite" | "postgres"

/** The column types of one dialect. Integers are safe integers, booleans 0 or 1, times milliseconds, JSON is text. */
export interface ColumnTypes {
  readonly integer: ColumnDataType
  readonly text: ColumnDataType
  readonly blob: ColumnDataType
}

export interface MigrationContext {
  readonly db: Kysely<unknown>
  readonly dialect: DialectName
  readonly types: ColumnTypes
  /** `create table`, strictly typed in SQLite too. */
  readonly createTable: (name: string) => CreateTableBuilder<string, never>
}

/** One step. Steps are numbered from 1 without gaps and never changed once released: append a new one. */
export interface Migration {
  readonly version: number
  readonly name: string
  readonly up: (context: MigrationContext) => Promise<void>
}

export const columnTypes = (dialect: DialectName): ColumnTypes => ({
  integer: dialect === "sqlite" ? "integer" : "bigint",
  text: "text",
  blob: dialect === "sqlite" ? "blob" : "bytea",
})

export interface MigrationRun {
  readonly from: number
  readonly to: number
}

/** The two tables that every store has. */
export interface StoreTables {
  schema_version: { version: number; name: string; applied_ms: number }
  counter: { name: string; value: number }
}

/**
 * Brings a store to the newest schema; `beforeFirst` runs once, before an existing store is changed.
 * Errors: schema-newer, where a later program wrote it; schema-foreign, where its steps are not these.
 */
export const migrate = async (
  db: Kysely<StoreTables>,
  dialect: DialectName,
  migrations: readonly Migration[],
  nowMs: () => number,
  beforeFirst: (version: number) => void,
): Promise<Result<MigrationRun, StoreFailure>> => {
  migrations.forEach((migration, i) => {
    if (migration.version !== i + 1) throw new Defect(`migration ${migration.name} must have version ${i + 1}`)
  })
  await db.transaction().execute(async (tx) => {
    await lockSchema(tx, dialect)
    await createOwnTables(tx, dialect)
  })
  const applied = await db.selectFrom("schema_version").select(["version", "name"]).orderBy("version").execute()
  const from = applied.at(-1)?.version ?? 0
  if (from > migrations.length) return err(newer(from, migrations.length))
  const foreign = applied.find((row, i) => migrations[i]?.name !== row.name)
  if (foreign !== undefined)
    return err({ code: "schema-foreign", detail: `Step ${foreign.version} of this store is not one of this program.` })
  if (from > 0 && from < migrations.length) beforeFirst(from)
  for (const migration of migrations.slice(from))
    await db.transaction().execute((tx) => applyOne(tx, dialect, migration, nowMs()))
  return ok({ from, to: migrations.length })
}

const applyOne = async (
  tx: Transaction<StoreTables>,
  dialect: DialectName,
  migration: Migration,
  nowMs: number,
): Promise<void> => {
  await lockSchema(tx, dialect)
  // Another instance that starts at the same moment may have been first.
  const done = await tx
    .selectFrom("schema_version")
    .select("version")
    .where("version", "=", migration.version)
    .executeTakeFirst()
  if (done !== undefined) return
  await migration.up({
    db: tx as unknown as Kysely<unknown>,
    dialect,
    types: columnTypes(dialect),
    createTable: (name) => createTable(tx as unknown as Kysely<unknown>, dialect, name),
  })
  await tx
    .insertInto("schema_version")
    .values({ version: migration.version, name: migration.name, applied_ms: nowMs })
    .execute()
}

const newer = (found: number, known: number): StoreFailure => ({
  code: "schema-newer",
  detail: `This store was written by a newer version (schema ${found}, this program knows ${known}).`,
})

const createOwnTables = async (tx: Transaction<StoreTables>, dialect: DialectName): Promise<void> => {
  const { integer, text } = columnTypes(dialect)
  const db = tx as unknown as Kysely<unknown>
  await createTable(db, dialect, "schema_version", true)
    .addColumn("version", integer, (c) => c.primaryKey())
    .addColumn("name", text, (c) => c.notNull())
    .addColumn("applied_ms", integer, (c) => c.notNull())
    .execute()
  await createTable(db, dialect, "counter", true)
    .addColumn("name", text, (c) => c.primaryKey())
    .addColumn("value", integer, (c) => c.notNull())
    .execute()
}

const createTable = (
  db: Kysely<unknown>,
  dialect: DialectName,
  name: string,
  ifNotExists = false,
): CreateTableBuilder<string, never> => {
  const builder = ifNotExists ? db.schema.createTable(name).ifNotExists() : db.schema.createTable(name)
  return dialect === "sqlite" ? builder.modifyEnd(sql`strict`) : builder
}

// Instances that start together take turns; on SQLite `begin immediate` does the same.
const lockSchema = async (tx: Transaction<StoreTables>, dialect: DialectName): Promise<void> => {
  if (dialect === "postgres") await sql`select pg_advisory_xact_lock(hashtext(current_schema()))`.execute(tx)
}
