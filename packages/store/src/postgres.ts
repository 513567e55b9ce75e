import { Defect } from "@keyferry/base"
import { CompiledQuery, PostgresDialect, type Dialect } from "kysely"
import pg from "pg"

const INT8 = 20
const BYTEA = 17

/**
 * PostgreSQL as this package speaks to it: integers are numbers, blobs plain byte arrays, and each store has a schema of
 * its own, so that server and strongroom may share a database with different roles.
 */
export const openPostgres = (url: string, schema: string): Dialect => {
  const pool = new pg.Pool({
    connectionString: url,
    max: 10,
    connectionTimeoutMillis: 5_000,
    statement_timeout: 30_000,
    lock_timeout: 10_000,
    idle_in_transaction_session_timeout: 30_000,
    types: { getTypeParser },
  })
  // An idle connection that breaks is replaced at its next use; without a listener it would end the process.
  pool.on("error", () => undefined)
  return new PostgresDialect({
    pool,
    onCreateConnection: async (connection) => {
      await connection.executeQuery(CompiledQuery.raw(`set search_path = "${schema}"`))
    },
  })
}

const getTypeParser = (oid: number, format?: "text" | "binary"): ((value: string) => unknown) => {
  if (format !== "binary" && oid === INT8) return parseInteger
  if (format !== "binary" && oid === BYTEA) return parseBytes
  return pg.types.getTypeParser(oid, format ?? "text")
}

const parseInteger = (text: string): number => {
  const value = Number(text)
  if (!Number.isSafeInteger(value)) throw new Defect("integer of the database is out of range")
  return value
}

// Buffer is a subclass whose slices share a pool; callers get bytes of their own, as from SQLite.
const parseBytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text.slice(2), "hex"))
