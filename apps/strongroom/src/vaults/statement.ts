import { Defect } from "@keyferry/base"
import type { Reader as StoreReader } from "@keyferry/store"

import type { Tx } from "../context.ts"
import type { MainTables } from "../store/tables.ts"

/*
 * Statements of the hot path: built and compiled once for each dialect, then run with other values. Building a query
 * costs several times what SQLite needs to run it.
 */
type Executing = Pick<StoreReader<MainTables>, "getExecutor">
interface Compilable<R> {
  readonly compile: () => { readonly sql: string; readonly parameters: readonly unknown[] } & CompiledOf<R>
}
type CompiledOf<R> = Parameters<ReturnType<Tx["getExecutor"]>["executeQuery"]>[0] & { readonly __row?: R }

/** Stands where a value will be. Of type `never`, so that it fits every column. */
export type Place<N extends string> = (name: N) => never

export interface Statement<N extends string, R> {
  readonly rows: (db: Executing, values: Readonly<Record<N, unknown>>) => Promise<readonly R[]>
  /** How many rows it changed. */
  readonly run: (db: Executing, values: Readonly<Record<N, unknown>>) => Promise<number>
}

interface Slot {
  readonly slot: string
}
interface Compiled {
  readonly query: Parameters<ReturnType<Tx["getExecutor"]>["executeQuery"]>[0]
  /** For each parameter its name, or the value itself where it never changes. */
  readonly order: readonly (Slot | { readonly fixed: unknown })[]
}

/** `build` gets the query builder and `$`, which marks where the named values go. */
export const statement = <N extends string, R = unknown>(
  build: (db: Tx, $: Place<N>) => Compilable<R>,
): Statement<N, R> => {
  const compiledFor = new WeakMap<object, Compiled>()
  const compile = (db: Executing): Compiled => {
    const { adapter } = db.getExecutor()
    const known = compiledFor.get(adapter)
    if (known !== undefined) return known
    const place = ((name: N) => ({ slot: name })) as unknown as Place<N>
    const query = build(db as Tx, place).compile()
    const order = query.parameters.map((value) => (isSlot(value) ? value : { fixed: value }))
    const compiled = { query, order }
    compiledFor.set(adapter, compiled)
    return compiled
  }
  const execute = (db: Executing, values: Readonly<Record<string, unknown>>) => {
    const { query, order } = compile(db)
    const parameters = order.map((one) => {
      if ("fixed" in one) return one.fixed
      const value = values[one.slot]
      if (value === undefined) throw new Defect(`statement without ${one.slot}`)
      return value
    })
    return db.getExecutor().executeQuery<R>({ ...query, parameters })
  }
  return Object.freeze({
    rows: async (db: Executing, values: Readonly<Record<N, unknown>>) => (await execute(db, values)).rows,
    run: async (db: Executing, values: Readonly<Record<N, unknown>>) =>
      Number((await execute(db, values)).numAffectedRows ?? 0n),
  })
}

const isSlot = (value: unknown): value is Slot => typeof value === "object" && value !== null && "slot" in value

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
export const inserter = <const C extends string>(
  columns: readonly C[],
  build: (db: Tx, rows: readonly Readonly<Record<C, never>>[]) => Compilable<unknown>,
): ((db: Executing, rows: readonly Readonly<Record<C, unknown>>[]) => Promise<void>) => {
  const bySize = new Map<number, Statement<string, unknown>>()
  const ofSize = (size: number): Statement<string, unknown> => {
    const known = bySize.get(size)
    if (known !== undefined) return known
    const made = statement<string>((db, $) =>
      build(
        db,
        Array.from(
          { length: size },
          (_, i) => Object.fromEntries(columns.map((column) => [column, $(`${i} ${column}`)])) as Record<C, never>,
        ),
      ),
    )
    bySize.set(size, made)
    return made
  }
  return (db, rows) =>
    chunked(rows, (some) => {
      const values: Record<string, unknown> = {}
      for (const [i, row] of some.entries()) for (const column of columns) values[`${i} ${column}`] = row[column]
      return ofSize(some.length).run(db, values)
    })
}
