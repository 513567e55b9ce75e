/** Wall clock in milliseconds since 1970. A parameter everywhere, so that tests own time. */
export interface Clock {
  readonly nowMs: () => number
}

/** A clock that never goes back while the process runs, in milliseconds from any origin. */
export interface MonotonicClock {
  readonly monotonicMs: () => number
}

/** Cryptographic randomness. A parameter everywhere, so that vectors are reproducible. */
export interface Random {
  readonly bytes: (length: number) => Uint8Array
}
