const BRAND: unique symbol = Symbol("rollBack")

/**
 * What a closure returns to roll its transaction or savepoint back and still answer. Made by `rollBack`. The brand keeps a
 * successful `Result`, which has a `value` too, from being taken for one of these.
 */
export interface RollBack<T> {
  readonly [BRAND]: true
  readonly value: T
}

/** `return rollBack(err({ code: "…" }))`: nothing of this transaction is kept, the caller gets the value. */
export const rollBack = <T>(value: T): RollBack<T> => ({ [BRAND]: true, value })

const isRollBack = (value: unknown): value is RollBack<unknown> =>
  typeof value === "object" && value !== null && BRAND in value

/** What a transaction gives for a closure that returns `R`. */
export type Settled<R> = R extends RollBack<infer V> ? V : R

/** Carries the answer through the query layer, which rolls back only on an exception. */
class Asked extends Error {
  readonly value: unknown

  constructor(value: unknown) {
    super("rolled back on request")
    this.value = value
  }
}

export const rolledBack = {
  throwIfAsked: <R>(value: R): Settled<R> => {
    if (isRollBack(value)) throw new Asked(value.value)
    return value as Settled<R>
  },
  valueOrThrow: <R>(error: unknown): Settled<R> => {
    if (error instanceof Asked) return error.value as Settled<R>
    throw error
  },
}
