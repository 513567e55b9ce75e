import { Defect } from "@keyferry/base"
import type { CompiledQuery, Transaction } from "kysely"

import { type Executing, runCompiled } from "./compiled.ts"

/*
 * Statements that run often: built and compiled once for each dialect, then run with other values. Building a query
 * costs several times what SQLite needs to run it.
 */
interface Compilable<R> {
  readonly compile: () => CompiledQuery & { readonly __row?: R }
}

/** Stands where a value will be. Of type `never`, so that it fits every column. */
export type Place<N extends string> = (name: N) => never

export type Insert<C extends string> = (db: Executing, rows: readonly Readonly<Record<C, unknown>>[]) => Promise<void>

export interface Statement<N extends string, R> {
  readonly rows: (db: Executing, values: Readonly<Record<N, unknown>>) => Promise<readonly R[]>
  /** How many rows it changed. */
  readonly run: (db: Executing, values: Readonly<Record<N, unknown>>) => Promise<number>
}

interface Compiled<S> {
  readonly query: CompiledQuery
  /** For each parameter where its value is, or the value itself where it never changes. */
  readonly order: readonly (Slot<S> | { readonly fixed: unknown })[]
}
interface Slot<S> {
  readonly slot: S
}

/** Compiles once for each dialect. `mark` makes what stands where a value will be. */
const compiledOnce = <DB, S>(build: (db: Transaction<DB>, mark: (slot: S) => never) => Compilable<unknown>) => {
  const compiledFor = new WeakMap<object, Compiled<S>>()
  return (db: Executing): Compiled<S> => {
    const { adapter } = db.getExecutor()
    const known = compiledFor.get(adapter)
    if (known !== undefined) return known
    const query = build(db as Transaction<DB>, ((slot: S) => ({ slot })) as (slot: S) => never).compile()
    const order = query.parameters.map((value) => (isSlot<S>(value) ? value : { fixed: value }))
    const compiled = { query, order }
    compiledFor.set(adapter, compiled)
    return compiled
  }
}

/** `build` gets the query builder and `$`, which marks where the named values go. */
const statement = <DB, N extends string, R>(
  build: (db: Transaction<DB>, $: Place<N>) => Compilable<R>,
): Statement<N, R> => {
  const compile = compiledOnce<DB, N>(build)
  const execute = (db: Executing, values: Readonly<Record<N, unknown>>) => {
    const { query, order } = compile(db)
    const parameters = order.map((one) => {
      if ("fixed" in one) return one.fixed
      const value = values[one.slot]
      if (value === undefined) throw new Defect(`statement without ${one.slot}`)
      return value
    })
    return runCompiled<R>(db, query, parameters)
  }
  return Object.freeze({
    rows: async (db: Executing, values: Readonly<Record<N, unknown>>) => (await execute(db, values)).rows,
    run: async (db: Executing, values: Readonly<Record<N, unknown>>) => (await execute(db, values)).changes,
  })
}

const isSlot = <S>(value: unknown): value is Slot<S> => typeof value === "object" && value !== null && "slot" in value

/** How many rows one statement writes: few sizes, so that prepared statements are found again. */
const CHUNKS = [64, 16, 4, 2, 1] as const

/** Cuts a list into pieces of few different sizes. */
export const chunked = async <T>(
  rows: readonly T[],
  write: (rows: readonly T[]) => Promise<unknown>,
): Promise<void> => {
  let at = 0
  for (const size of CHUNKS) for (; rows.length - at >= size; at += size) await write(rows.slice(at, at + size))
}

/** Writes rows of one table, many at a time. `build` gets rows of marks in the order of `columns`. */
const inserter = <DB, const C extends string>(
  columns: readonly C[],
  build: (db: Transaction<DB>, rows: readonly Readonly<Record<C, never>>[]) => Compilable<unknown>,
): Insert<C> => {
  type RowSlot = readonly [row: number, column: C]
  const bySize = new Map<number, (db: Executing) => Compiled<RowSlot>>()
  const ofSize = (size: number): ((db: Executing) => Compiled<RowSlot>) => {
    const known = bySize.get(size)
    if (known !== undefined) return known
    const made = compiledOnce<DB, RowSlot>((db, mark) =>
      build(
        db,
        Array.from(
          { length: size },
          (_, i) => Object.fromEntries(columns.map((column) => [column, mark([i, column])])) as Record<C, never>,
        ),
      ),
    )
    bySize.set(size, made)
    return made
  }
  return (db, rows) =>
    chunked(rows, (some) => {
      const { query, order } = ofSize(some.length)(db)
      const parameters = order.map((one) => {
        if ("fixed" in one) return one.fixed
        const [row, column] = one.slot
        const value = some[row]?.[column]
        if (value === undefined) throw new Defect(`row without ${column}`)
        return value
      })
      return runCompiled(db, query, parameters)
    })
}

/** What makes the statements of one store's tables. */
export interface Statements<DB> {
  readonly statement: <N extends string, R = unknown>(
    build: (db: Transaction<DB>, $: Place<N>) => Compilable<R>,
  ) => Statement<N, R>
  readonly inserter: <const C extends string>(
    columns: readonly C[],
    build: (db: Transaction<DB>, rows: readonly Readonly<Record<C, never>>[]) => Compilable<unknown>,
  ) => Insert<C>
}
export const statementsOf = <DB>(): Statements<DB> => ({ statement, inserter })
