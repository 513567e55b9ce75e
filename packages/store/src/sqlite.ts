import { chmodSync, closeSync, openSync, rmSync, statSync } from "node:fs"
import { constants, DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite"

import { SqliteDialect, type Dialect, type SqliteDatabase, type SqliteStatement } from "kysely"

import { moveDurably } from "./durable-file.ts"
import { StoreError } from "./errors.ts"

/**
 * The only module that opens SQLite. The runtime's permission model does not restrict SQLite, so what one connection may
 * do is closed here: no other file can be attached, no extension loaded, no schema written by hand.
 */
export interface SqliteOptions {
  /** A file path, or `:memory:`. */
  readonly path: string
  /** Overwrites deleted content, for stores whose rows are keys. */
  readonly secureDelete: boolean
}

export interface SqliteConnection {
  readonly dialect: Dialect
  /** Writes a consistent copy. Only before the connection is sealed, because it needs what `seal` takes away. */
  readonly copyTo: (path: string) => void
  /** Forbids ATTACH and everything else that reaches another file. Cannot be undone. */
  readonly seal: () => void
  readonly run: (sql: string) => readonly Record<string, unknown>[]
  /** Runs a statement at once. Its rows have no prototype. */
  readonly execute: <R>(sql: string, parameters: readonly unknown[]) => Executed<R>
  readonly isInTransaction: () => boolean
  /** Whether the file that is open is still the one at its path. */
  readonly isInPlace: () => boolean
  readonly close: () => void
}

export interface Executed<R> {
  readonly rows: readonly R[]
  /** How many rows it changed; 0 for one that reads. */
  readonly changes: number
}

const BUSY_TIMEOUT_MS = 5_000
const MAX_STATEMENTS = 500

/** Opens, with full durability: a commit that returned survives a power cut. Throws the driver's errors. */
export const openSqlite = ({ path, secureDelete }: SqliteOptions): SqliteConnection => {
  if (path !== ":memory:") {
    // Created here, because SQLite would create it readable for others; the -wal and -shm files take the same mode.
    closeSync(openSync(path, "a", 0o600))
    chmodSync(path, 0o600)
  }
  const db = new DatabaseSync(path, {
    timeout: BUSY_TIMEOUT_MS,
    enableForeignKeyConstraints: true,
    enableDoubleQuotedStringLiterals: false,
    allowExtension: false,
    defensive: true,
  })
  try {
    for (const pragma of [
      "journal_mode = WAL",
      "synchronous = FULL",
      "fullfsync = ON",
      "trusted_schema = OFF",
      "cell_size_check = ON",
      "temp_store = MEMORY",
      "cache_size = -32768",
      "journal_size_limit = 67108864",
      // Larger checkpoints write a page that changed often only once.
      "wal_autocheckpoint = 8000",
      `secure_delete = ${secureDelete ? "ON" : "OFF"}`,
    ])
      db.exec(`PRAGMA ${pragma}`)
    // The first statement that really reads the file, so that a damaged one is found now.
    db.prepare("SELECT count(*) FROM sqlite_schema").all()
  } catch (error) {
    db.close()
    throw error
  }
  const place = path === ":memory:" ? undefined : placeOf(path)
  const isInPlace = (): boolean => path === ":memory:" || placeOf(path) === place
  const close = (): void => {
    const isLogOfAnother = !isInPlace()
    db.close()
    // Another file lies there. What the log beside it holds follows upon the one that is gone, and would be mixed into it.
    if (isLogOfAnother) for (const suffix of ["-wal", "-shm"]) rmSync(path + suffix, { force: true })
  }
  const { database, execute } = adapt(db, close)
  return Object.freeze({
    dialect: new SqliteDialect({ database }),
    execute,
    isInTransaction: () => db.isTransaction,
    copyTo: (target: string) => copy(db, target),
    seal: () => seal(db),
    run: (sql: string) => db.prepare(sql).all(),
    isInPlace,
    close,
  })
}

/** Which file a path names now; `undefined` where there is none. */
const placeOf = (path: string): string | undefined => {
  const found = statSync(path, { bigint: true, throwIfNoEntry: false })
  return found === undefined ? undefined : `${found.dev} ${found.ino}`
}

/**
 * Takes SQLite's exclusive lock on a file of its own and keeps it until `release` or the end of the process.
 * Throws the driver's busy error where another process, or this one, holds it.
 */
export const holdExclusive = (path: string): { readonly release: () => void } => {
  closeSync(openSync(path, "a", 0o600))
  const db = new DatabaseSync(path, { timeout: 0, allowExtension: false, defensive: true })
  try {
    db.exec("PRAGMA journal_mode = MEMORY")
    db.exec("BEGIN EXCLUSIVE")
  } catch (error) {
    db.close()
    throw error
  }
  return Object.freeze({ release: () => db.close() })
}

const seal = (db: DatabaseSync): void =>
  db.setAuthorizer((action, arg1, arg2) => {
    if (action === constants.SQLITE_ATTACH || action === constants.SQLITE_DETACH) return constants.SQLITE_DENY
    if (action === constants.SQLITE_FUNCTION && arg2 === "load_extension") return constants.SQLITE_DENY
    if (action === constants.SQLITE_PRAGMA && !ALLOWED_PRAGMAS.has(arg1 ?? "")) return constants.SQLITE_DENY
    return constants.SQLITE_OK
  })

const ALLOWED_PRAGMAS = new Set(["wal_checkpoint", "quick_check", "integrity_check", "page_count", "page_size"])

const copy = (db: DatabaseSync, target: string): void => {
  // SQLite does not flush what it vacuums into; the copy that is kept is written synchronously.
  const draft = `${target}.draft`
  rmSync(draft, { force: true })
  db.prepare("VACUUM INTO ?").run(draft)
  moveDurably(draft, target)
}

interface Kept extends SqliteStatement {
  readonly execute: <R>(parameters: readonly unknown[]) => Executed<R>
}

/** The subset of a SQLite driver that Kysely asks for, over the runtime's own, with prepared statements kept. */
const adapt = (
  db: DatabaseSync,
  close: () => void,
): { readonly database: SqliteDatabase; readonly execute: SqliteConnection["execute"] } => {
  const statements = new Map<string, Kept>()
  let mustBeOpen = false
  const assertOpen = (): void => {
    // A full disk or an I/O error makes SQLite roll the whole transaction back by itself. What follows in the same
    // closure would then be committed statement by statement.
    if (mustBeOpen && !db.isTransaction)
      throw new StoreError({ code: "store-unavailable", detail: "The database ended the transaction by itself." })
  }
  const control: Readonly<Record<string, () => void>> = {
    // A transaction that starts by reading could not be upgraded when another process wrote meanwhile.
    begin: () => {
      db.exec("BEGIN IMMEDIATE")
      mustBeOpen = true
    },
    commit: () => {
      assertOpen()
      db.exec("COMMIT")
      mustBeOpen = false
    },
    rollback: () => {
      mustBeOpen = false
      if (db.isTransaction) db.exec("ROLLBACK")
    },
  }
  const prepare = (sql: string): Kept => {
    const known = statements.get(sql)
    if (known !== undefined) return known
    const command = control[sql]
    const statement = command === undefined ? wrap(db.prepare(sql), assertOpen) : commandStatement(command)
    if (statements.size >= MAX_STATEMENTS) statements.delete(statements.keys().next().value ?? "")
    statements.set(sql, statement)
    return statement
  }
  return {
    database: { close, prepare },
    execute: <R>(sql: string, parameters: readonly unknown[]) => prepare(sql).execute<R>(parameters),
  }
}

const wrap = (statement: StatementSync, assertOpen: () => void): Kept => {
  const reader = statement.columns().length > 0
  const all = (parameters: readonly unknown[]) => {
    assertOpen()
    return statement.all(...(parameters as SQLInputValue[]))
  }
  const run = (parameters: readonly unknown[]) => {
    assertOpen()
    return statement.run(...(parameters as SQLInputValue[]))
  }
  return {
    reader,
    // Rows of the runtime have no prototype; PostgreSQL's do. Both dialects give the same.
    all: (parameters) => all(parameters).map((row) => ({ ...row })),
    run,
    iterate: (parameters) => {
      assertOpen()
      return statement.iterate(...(parameters as SQLInputValue[]))
    },
    execute: <R>(parameters: readonly unknown[]): Executed<R> =>
      reader
        ? { rows: all(parameters) as readonly unknown[] as readonly R[], changes: 0 }
        : { rows: [], changes: Number(run(parameters).changes) },
  }
}

const commandStatement = (command: () => void): Kept => ({
  reader: false,
  all: () => [],
  run: () => {
    command()
    return { changes: 0, lastInsertRowid: 0 }
  },
  iterate: () => [][Symbol.iterator](),
  execute: () => {
    command()
    return { rows: [], changes: 0 }
  },
})
