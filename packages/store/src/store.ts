import { AsyncLocalStorage } from "node:async_hooks"
import { existsSync, statSync } from "node:fs"
import { setTimeout as sleep } from "node:timers/promises"

import { type Clock, Defect, err, ok, type Result } from "@keyferry/base"
import { CompiledQuery, Kysely, sql, type Transaction } from "kysely"

import { hold, runCompiled } from "./compiled.ts"
import { asStoreError, isRetryable, storeFailureOf, type StoreFailure } from "./errors.ts"
import { createGroupCommit } from "./group-commit.ts"
import { type DialectName, migrate, type Migration, type MigrationRun, type StoreTables } from "./migrations.ts"
import { rolledBack, type Settled } from "./roll-back.ts"
import { openSqlite, type SqliteConnection } from "./sqlite.ts"

/** What reads: a store outside a transaction, or a transaction. */
export type Reader<DB> = Pick<Kysely<DB>, "selectFrom" | "selectNoFrom" | "with" | "getExecutor">

export interface StoreOptions {
  /** `sqlite:/path/file.db`, `sqlite::memory:` or `postgres://…`. */
  readonly url: string
  readonly migrations: readonly Migration[]
  /** Lower-case word: the schema in PostgreSQL and the name in messages. */
  readonly name: string
  readonly clock: Clock
  /** Overwrites deleted content in SQLite, for stores whose rows are keys. */
  readonly secureDelete?: boolean
}

/**
 * One open database behind typed queries. On SQLite all transactions run one after another on the one connection.
 * A closure given to `transaction` or `groupCommit` awaits nothing but its own statements: no network, no other process,
 * no timer. It may run again after a deadlock of PostgreSQL, so its only effects are its statements.
 * A thrown exception or a returned `rollBack(value)` rolls back; every other value commits, also a failed `Result`.
 */
export interface Store<DB> {
  readonly dialect: DialectName
  readonly migrated: MigrationRun
  /** Statements that each see what was committed before them. */
  readonly read: <T>(fn: (db: Reader<DB>) => Promise<T>) => Promise<T>
  /** Statements that all see the same moment. */
  readonly snapshot: <T>(fn: (db: Reader<DB>) => Promise<T>) => Promise<T>
  readonly transaction: <R>(fn: (tx: Transaction<DB>) => Promise<R>) => Promise<Settled<R>>
  /** Like `transaction`, but closures that wait at the same time share one commit; each has its own savepoint. */
  readonly groupCommit: <R>(fn: (tx: Transaction<DB>) => Promise<R>) => Promise<Settled<R>>
  /** A part of a transaction that can be rolled back alone. Nests. */
  readonly savepoint: <R>(tx: Transaction<DB>, fn: () => Promise<R>) => Promise<Settled<R>>
  /** `query.$call(store.lockRow)`: holds the selected rows until commit. SQLite holds everything already. */
  readonly lockRow: <Q>(query: Q & { readonly forUpdate: () => Q }) => Q
  /** The next number of a named counter. Numbers become visible in their order, without holes. */
  readonly nextNumber: (tx: Transaction<DB>, name: string) => Promise<number>
  /** Moves everything into the main file and empties the log beside it (SQLite); nothing elsewhere. */
  readonly checkpoint: () => Promise<void>
  /** All `create` statements in their order (SQLite only), to compare with a committed schema. */
  readonly schemaText: () => string
  readonly sizeBytes: () => Promise<number>
  /** False once another file lies where this one was opened (SQLite): what is written from then on is lost with the process. */
  readonly isInPlace: () => boolean
  readonly close: () => Promise<void>
}

/**
 * Opens a store and brings its schema up to date. An existing SQLite file is first copied beside itself as
 * `<file>.before-<version>.db`.
 * Errors: store-locked, store-corrupt, store-full, store-unavailable, schema-newer, schema-foreign
 */
export const openStore = async <DB>(options: StoreOptions): Promise<Result<Store<DB>, StoreFailure>> => {
  if (!/^[a-z][a-z_]{0,40}$/.test(options.name)) throw new Defect("a store's name is a lower-case word")
  let sqlite: SqliteConnection | undefined
  let db: Kysely<StoreTables> | undefined
  const closeAll = async (): Promise<void> => {
    await db?.destroy()
    if (db === undefined) sqlite?.close()
  }
  try {
    const path = sqlitePath(options.url)
    if (path !== undefined) sqlite = openSqlite({ path, secureDelete: options.secureDelete ?? false })
    // The driver of PostgreSQL is loaded where there is one.
    const dialect = sqlite?.dialect ?? (await import("./postgres.ts")).openPostgres(options.url, options.name)
    db = new Kysely<StoreTables>({ dialect })
    if (sqlite === undefined) await createPostgresSchema(db, options.name)
    const run = await migrate(
      db,
      sqlite === undefined ? "postgres" : "sqlite",
      options.migrations,
      options.clock.nowMs,
      (v) => {
        if (path !== undefined && path !== ":memory:") sqlite?.copyTo(freeName(`${path}.before-${v}`))
      },
    )
    if (!run.ok) {
      await closeAll()
      return run
    }
    sqlite?.seal()
    return ok(createStore(db as unknown as Kysely<DB & StoreTables>, sqlite, path, run.value) as unknown as Store<DB>)
  } catch (error) {
    await closeAll()
    const failure = storeFailureOf(error)
    if (failure !== undefined) return err({ ...failure, detail: `${options.name}: ${failure.detail}` })
    throw error
  }
}

const MAX_ATTEMPTS = 5
const SAVEPOINT = CompiledQuery.raw("savepoint kf")
const ROLLBACK_TO = CompiledQuery.raw("rollback to savepoint kf")
const RELEASE = CompiledQuery.raw("release savepoint kf")

const createStore = <DB extends StoreTables>(
  db: Kysely<DB>,
  sqlite: SqliteConnection | undefined,
  path: string | undefined,
  migrated: MigrationRun,
): Store<DB> => {
  const dialect: DialectName = sqlite === undefined ? "postgres" : "sqlite"
  const current = new AsyncLocalStorage<{ open: boolean }>()

  // With one connection, a second transaction inside the first would wait for itself.
  const assertOutside = (): void => {
    if (current.getStore()?.open === true) throw new Defect("inside a transaction: use its `tx`")
  }
  const mapped = async <T>(run: () => Promise<T>): Promise<T> => {
    try {
      return await run()
    } catch (error) {
      throw asStoreError(error)
    }
  }
  if (sqlite !== undefined) hold(db, { sqlite })
  const inTransaction = async <T>(tx: object, fn: () => Promise<T>): Promise<T> => {
    const mark = { open: true }
    if (sqlite !== undefined) hold(tx, { sqlite, mark })
    try {
      return await current.run(mark, fn)
    } finally {
      mark.open = false
    }
  }
  const once = <R>(fn: (tx: Transaction<DB>) => Promise<R>): Promise<Settled<R>> =>
    db
      .transaction()
      .execute((tx) => inTransaction(tx, async () => rolledBack.throwIfAsked(await fn(tx))))
      .catch(rolledBack.valueOrThrow<R>)
  const run = <R>(fn: (tx: Transaction<DB>) => Promise<R>): Promise<Settled<R>> =>
    mapped(() => withRetries(() => once(fn)))
  const savepoint = async <R>(tx: Transaction<DB>, fn: () => Promise<R>): Promise<Settled<R>> => {
    await runCompiled(tx, SAVEPOINT)
    try {
      const value = rolledBack.throwIfAsked(await fn())
      await runCompiled(tx, RELEASE)
      return value
    } catch (error) {
      await runCompiled(tx, ROLLBACK_TO)
      await runCompiled(tx, RELEASE)
      return rolledBack.valueOrThrow<R>(error)
    }
  }
  return Object.freeze({
    dialect,
    migrated,
    read: async <T>(fn: (reader: Reader<DB>) => Promise<T>) => {
      assertOutside()
      return mapped(() => fn(db))
    },
    snapshot: async <T>(fn: (reader: Reader<DB>) => Promise<T>) => {
      assertOutside()
      const builder = db.transaction()
      const prepared =
        dialect === "postgres" ? builder.setIsolationLevel("repeatable read").setAccessMode("read only") : builder
      return mapped(() => prepared.execute((tx) => inTransaction(tx, () => fn(tx))))
    },
    transaction: async <R>(fn: (tx: Transaction<DB>) => Promise<R>) => {
      assertOutside()
      return run(fn)
    },
    groupCommit: createGroupCommit<DB>({ run, savepoint, assertOutside }),
    savepoint,
    lockRow: <Q>(query: Q & { readonly forUpdate: () => Q }) => (dialect === "postgres" ? query.forUpdate() : query),
    nextNumber: async (tx: Transaction<DB>, name: string) =>
      nextNumber(tx as unknown as Transaction<StoreTables>, name),
    checkpoint: async () => {
      assertOutside()
      // Waits its turn: SQLite refuses while a transaction is open on the one connection.
      if (sqlite !== undefined)
        await mapped(() => db.connection().execute(async () => sqlite.run("PRAGMA wal_checkpoint(TRUNCATE)")))
    },
    schemaText: () =>
      (sqlite?.run("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY rowid") ?? [])
        .map((row) => `${String(row["sql"])};\n`)
        .join(""),
    sizeBytes: async () => {
      if (path !== undefined && path !== ":memory:") return statSync(path).size
      if (path !== undefined) return 0
      const { rows } = await sql<{ n: number }>`select pg_database_size(current_database()) as n`.execute(db)
      return rows[0]?.n ?? 0
    },
    isInPlace: () => sqlite?.isInPlace() ?? true,
    close: () => db.destroy(),
  })
}

const withRetries = async <T>(fn: () => Promise<T>): Promise<T> => {
  for (let attempt = 1; ; attempt++) {
    try {
      return await fn()
    } catch (error) {
      if (attempt === MAX_ATTEMPTS || !isRetryable(error)) throw error
      await sleep(attempt * attempt * 5)
    }
  }
}

// A sequence of PostgreSQL hands out numbers before commit, so a reader could see 8 and later 7. A row cannot.
// Built once for each dialect: every commit takes a number.
const nextNumber = async (tx: Transaction<StoreTables>, name: string): Promise<number> => {
  const { adapter } = tx.getExecutor()
  const known = numberQueries.get(adapter)
  const query = known ?? numberQuery(tx)
  if (known === undefined) numberQueries.set(adapter, query)
  const parameters = query.parameters.map((value) => (value === NAME ? name : value))
  const { rows } = await runCompiled<{ readonly value: number }>(tx, query, parameters)
  const [row] = rows
  if (row === undefined) throw new Defect("a counter did not answer")
  return row.value
}

const NAME = "(name)"
const numberQueries = new WeakMap<object, ReturnType<typeof numberQuery>>()
const numberQuery = (tx: Transaction<StoreTables>) =>
  tx
    .insertInto("counter")
    .values({ name: NAME, value: 1 })
    .onConflict((c) => c.column("name").doUpdateSet((e) => ({ value: e("counter.value", "+", 1) })))
    .returning("value")
    .compile()

const createPostgresSchema = (db: Kysely<StoreTables>, name: string): Promise<unknown> =>
  db.transaction().execute(async (tx) => {
    await sql`select pg_advisory_xact_lock(hashtext(${name}))`.execute(tx)
    await sql`create schema if not exists ${sql.id(name)}`.execute(tx)
  })

const sqlitePath = (url: string): string | undefined => {
  if (url.startsWith("sqlite:")) return url.slice("sqlite:".length)
  if (/^postgres(ql)?:\/\//.test(url)) return undefined
  throw new Defect("a store's url starts with sqlite: or postgres://")
}

const freeName = (base: string): string => {
  for (let n = 0; ; n++) {
    const candidate = n === 0 ? `${base}.db` : `${base}-${n}.db`
    if (!existsSync(candidate)) return candidate
  }
}
