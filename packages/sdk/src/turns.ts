import type { SdkPorts } from "./ports.ts"

/*
 * One thing at a time on a device, in the order of the calls. A sync that runs by itself gives way: somebody who waits behind a
 * request that gets no answer is let in after a moment, and the sync begins again afterwards. To the protocol that is an answer that was
 * lost. Source: spec/sync.md, SY99
 */
const FIRST_PATIENCE_MS = 500
/** So that a slow server still gets its turn when somebody types without a pause. */
const MOST_PATIENCE_MS = 16_000

export interface Turns {
  /** Runs when everything before it is done; a failure of one does not stop the next. */
  readonly serial: <T>(work: () => Promise<T>) => Promise<T>
  /** The same for work that nobody waits for. `gaveWay` tells whether it ended because somebody else waited. */
  readonly background: <T>(work: () => Promise<T>) => Promise<{ readonly result: T; readonly gaveWay: boolean }>
  /** The answer to a request. `undefined`: background work gives way; whether the request arrived is open then. */
  readonly answerOrGiveWay: <T>(answer: Promise<T>) => Promise<T | undefined>
}

export const createTurns = (schedule: SdkPorts["schedule"]): Turns => {
  let tail: Promise<unknown> = Promise.resolve()
  /** Calls of people that have not begun. */
  let waiting = 0
  let inBackground = false
  let gaveWay = false
  let patienceMs = FIRST_PATIENCE_MS
  /** Requests of the background work that are out. */
  const out = new Set<() => void>()
  let cancel: (() => void) | undefined

  const watch = (): void => {
    if (cancel !== undefined || waiting === 0 || out.size === 0) return
    cancel = schedule(
      () => {
        cancel = undefined
        patienceMs = Math.min(2 * patienceMs, MOST_PATIENCE_MS)
        gaveWay = true
        for (const giveWay of out) giveWay()
      },
      patienceMs,
      true,
    )
  }
  const enqueue = <T>(work: () => Promise<T>): Promise<T> => {
    const next = tail.then(work, work)
    tail = next.catch(() => undefined)
    return next
  }

  return Object.freeze<Turns>({
    serial: (work) => {
      waiting++
      const next = enqueue(() => {
        waiting--
        return work()
      })
      watch()
      return next
    },
    background: (work) =>
      enqueue(async () => {
        inBackground = true
        gaveWay = false
        try {
          return { result: await work(), gaveWay }
        } finally {
          inBackground = false
        }
      }),
    answerOrGiveWay: async (answer) => {
      if (!inBackground) return answer
      let giveWay = (): void => undefined
      const turn = new Promise<undefined>((resolve) => (giveWay = () => resolve(undefined)))
      out.add(giveWay)
      watch()
      try {
        const first = await Promise.race([answer, turn])
        if (first !== undefined) patienceMs = FIRST_PATIENCE_MS
        return first
      } finally {
        out.delete(giveWay)
        if (out.size === 0) {
          cancel?.()
          cancel = undefined
        }
      }
    },
  })
}
