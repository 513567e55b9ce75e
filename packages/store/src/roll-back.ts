/** What a closure returns to roll its transaction or savepoint back and still answer. Made by `rollBack`. */
export class RollBack<T> {
  /** Keeps a successful `Result`, which has a `value` too, from being taken for one of these. */
  readonly #isRollBack = true
  readonly value: T

  constructor(value: T) {
    this.value = value
  }

  static is(value: unknown): value is RollBack<unknown> {
    return typeof value === "object" && value !== null && #isRollBack in value
  }
}

/** `return rollBack(err({ code: "…" }))`: nothing of this transaction is kept, the caller gets the value. */
export const rollBack = <T>(value: T): RollBack<T> => new RollBack(value)

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
    if (RollBack.is(value)) throw new Asked(value.value)
    return value as Settled<R>
  },
  valueOrThrow: <R>(error: unknown): Settled<R> => {
    if (error instanceof Asked) return error.value as Settled<R>
    throw error
  },
}
