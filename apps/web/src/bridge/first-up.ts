/** One try to get something going that says when it is. */
export interface Try {
  readonly up: Promise<unknown>
  /** Ends it; nothing of it is wanted any more. */
  readonly drop: () => void
}

/** A worker that starts is up within a second or two; one whose script comes over a slow line is waited for as well. */
const FIRST_PATIENCE_MS = 5_000

/**
 * Begins another one beside those that say nothing, each time after twice as long, and keeps the first that is up. None is given up
 * before: the first may only be slow.
 */
export const firstUp = <T extends Try>(begin: () => T): Promise<T> =>
  new Promise((keep) => {
    const begun: T[] = []
    let timer: ReturnType<typeof setTimeout> | undefined
    let isKept = false
    const next = (patienceMs: number): void => {
      const one = begin()
      begun.push(one)
      timer = setTimeout(() => next(2 * patienceMs), patienceMs)
      void one.up.then(() => {
        if (isKept) return
        isKept = true
        clearTimeout(timer)
        for (const other of begun) if (other !== one) other.drop()
        keep(one)
      })
    }
    next(FIRST_PATIENCE_MS)
  })
