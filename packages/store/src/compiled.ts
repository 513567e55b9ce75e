import type { CompiledQuery, QueryExecutor } from "kysely"

import type { Executed, SqliteConnection } from "./sqlite.ts"

/*
 * Statements that were built and compiled before. On SQLite they run at once, where that is as good as waiting for the
 * connection: inside the transaction that holds it, or while nobody does. The query layer takes several times as long for
 * handing a statement through as SQLite takes to run it.
 */
export interface Executing {
  readonly getExecutor: () => QueryExecutor
}

/** How a store tells what may run at once. */
export interface Holder {
  readonly sqlite: SqliteConnection
  /** Set for a transaction: false once it has ended, when the query layer refuses it. */
  readonly mark?: { readonly open: boolean }
}
const holders = new WeakMap<object, Holder>()

export const hold = (db: object, holder: Holder): void => void holders.set(db, holder)

/** Runs a compiled query with its parameters. `db` is a transaction, or the reader that `read` gives. */
export const runCompiled = async <R>(
  db: Executing,
  query: CompiledQuery,
  parameters: readonly unknown[] = query.parameters,
): Promise<Executed<R>> => {
  const holder = holders.get(db)
  if (holder !== undefined && (holder.mark?.open ?? !holder.sqlite.isInTransaction()))
    return holder.sqlite.execute<R>(query.sql, parameters)
  const { rows, numAffectedRows } = await db.getExecutor().executeQuery<R>({ ...query, parameters })
  return { rows, changes: Number(numAffectedRows ?? 0n) }
}
