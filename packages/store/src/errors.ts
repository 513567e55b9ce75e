/** What can be wrong with a store itself, as opposed to what is asked of it. */
export type StoreFailureCode =
  | "store-locked"
  | "store-corrupt"
  | "store-full"
  | "store-unavailable"
  | "schema-newer"
  | "schema-foreign"

/** A failure of `openStore`: the code and one sentence for an operator, without any stored content. */
export interface StoreFailure {
  readonly code: StoreFailureCode
  readonly detail: string
}

/**
 * A store that broke while it was in use. It is thrown, because no caller in the middle of a request can mend it; the top
 * of a request answers `503` or `507` with `code`.
 */
export class StoreError extends Error {
  override readonly name = "StoreError"
  readonly code: StoreFailureCode

  constructor(failure: StoreFailure, cause?: unknown) {
    super(failure.detail, cause === undefined ? undefined : { cause })
    this.code = failure.code
  }
}

/**
 * Says whether an exception of a driver means that the store is broken, full, locked or away.
 * `undefined` for everything else, such as a violated constraint or a defect in a statement.
 */
export const storeFailureOf = (error: unknown): StoreFailure | undefined => {
  if (error instanceof StoreError) return { code: error.code, detail: error.message }
  const code = property(error, "code")
  if (code === "ERR_SQLITE_ERROR") return sqliteFailure(Number(property(error, "errcode")))
  if (code === "ENOSPC" || code === "EDQUOT") return { code: "store-full", detail: "The disk of the store is full." }
  if (code === "EROFS" || code === "EACCES" || code === "EPERM")
    return { code: "store-unavailable", detail: "The folder of the store cannot be written." }
  if (typeof code === "string") return NETWORK.has(code) ? UNREACHABLE : postgresFailure(code)
  // The connection pool reports its own time-out without a code.
  return error instanceof Error && /timeout exceeded when trying to connect|Connection terminated/.test(error.message)
    ? UNREACHABLE
    : undefined
}

/** Turns a driver's exception into `StoreError` where it is one, and gives every other exception back as it is. */
export const asStoreError = (error: unknown): unknown => {
  if (error instanceof StoreError) return error
  const failure = storeFailureOf(error)
  return failure === undefined ? error : new StoreError(failure, error)
}

/** True for a violated unique or primary key, in both dialects. PostgreSQL then needs its savepoint rolled back. */
export const isUniqueViolation = (error: unknown): boolean => {
  const code = property(error, "code")
  if (code === "23505") return true
  // SQLITE_CONSTRAINT_PRIMARYKEY, _UNIQUE, _ROWID
  return code === "ERR_SQLITE_ERROR" && [1555, 2067, 2579].includes(Number(property(error, "errcode")))
}

/** PostgreSQL chose this transaction as the victim of a deadlock or of a serialisation conflict: run it again. */
export const isRetryable = (error: unknown): boolean => ["40001", "40P01"].includes(String(property(error, "code")))

const NETWORK = new Set(["ECONNREFUSED", "ECONNRESET", "ENOENT", "ENOTFOUND", "EPIPE", "ETIMEDOUT", "EAI_AGAIN"])
const UNREACHABLE: StoreFailure = { code: "store-unavailable", detail: "The database does not answer." }

// The low byte is the primary result code, https://sqlite.org/rescode.html
const sqliteFailure = (errcode: number): StoreFailure | undefined => {
  switch (errcode & 0xff) {
    case 5:
    case 6:
      return { code: "store-locked", detail: "Another process holds the database." }
    case 8:
      return { code: "store-unavailable", detail: "The database file is read-only." }
    case 10:
      return { code: "store-unavailable", detail: "The disk of the database reports an error." }
    case 11:
      return { code: "store-corrupt", detail: "The database file is damaged." }
    case 13:
      return { code: "store-full", detail: "The disk of the store is full." }
    case 14:
      return { code: "store-unavailable", detail: "The database file cannot be opened." }
    case 26:
      return { code: "store-corrupt", detail: "The file is not a database." }
    default:
      return undefined
  }
}

// https://www.postgresql.org/docs/current/errcodes-appendix.html
const postgresFailure = (sqlstate: string): StoreFailure | undefined => {
  if (sqlstate === "53100") return { code: "store-full", detail: "The disk of the database is full." }
  if (sqlstate === "55P03") return { code: "store-locked", detail: "Another transaction holds the row for too long." }
  if (sqlstate === "XX001" || sqlstate === "XX002") return { code: "store-corrupt", detail: "The database is damaged." }
  if (sqlstate === "28P01" || sqlstate === "28000" || sqlstate === "3D000")
    return { code: "store-unavailable", detail: "The database refuses this login or does not exist." }
  return /^(08|53|57P|57014|58)/.test(sqlstate) ? UNREACHABLE : undefined
}

const property = (error: unknown, name: string): unknown =>
  typeof error === "object" && error !== null && name in error ? (error as Record<string, unknown>)[name] : undefined
