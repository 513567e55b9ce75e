import type { SdkPorts } from "./ports.ts"

/*
 * One thing at a time on a device, in the order of the calls. A sync that runs by itself gives way: somebody who waits behind it is
 * let in after a moment, at its next request or out of one that gets no answer, and the sync begins again afterwards. To the protocol
 * that is an answer that was lost. Source: spec/sync.md, SY99
 */
const FIRST_PATIENCE_MS = 500
/** So that a slow server still gets its turn when somebody types without a pause. */
const MOST_PATIENCE_MS = 16_000

export interface Turns {
  /** Runs when everything before it is done; a failure of one does not stop the next. */
  readonly serial: <T>(work: () => Promise<T>) => Promise<T>
  /** For what changes nothing: behind the calls before it, whose changes it sees, and beside a sync that runs by itself. */
  readonly reading: <T>(work: () => Promise<T>) => Promise<T>
  /** `serial` for work that nobody waits for. `gaveWay` tells whether it ended because somebody else waited. */
  readonly background: <T>(work: () => Promise<T>) => Promise<{ readonly result: T; readonly gaveWay: boolean }>
  /**
   * Sends a request and gives its answer. `undefined`: background work gives way, and whether the request arrived is open; it is not sent
   * at all where somebody has waited through the answers before it.
   */
  readonly answerOrGiveWay: <T>(send: () => Promise<T>) => Promise<T | undefined>
}

export const createTurns = (schedule: SdkPorts["schedule"]): Turns => {
  let tail: Promise<unknown> = Promise.resolve()
  /** The last call of a person. */
  let lastCall: Promise<unknown> = Promise.resolve()
  /** Calls of people that have not begun. */
  let waiting = 0
  let inBackground = false
  let gaveWay = false
  let patienceMs = FIRST_PATIENCE_MS
  /** Requests of the background work that are out. */
  const out = new Set<() => void>()
  let cancel: (() => void) | undefined

  /** From the moment somebody waits behind background work, however often a server answers in the meantime. */
  const watch = (): void => {
    if (cancel !== undefined || waiting === 0 || !inBackground || gaveWay) return
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
      lastCall = next.catch(() => undefined)
      watch()
      return next
    },
    reading: (work) => lastCall.then(work),
    background: (work) =>
      enqueue(async () => {
        inBackground = true
        gaveWay = false
        watch()
        try {
          return { result: await work(), gaveWay }
        } finally {
          inBackground = false
          cancel?.()
          cancel = undefined
        }
      }),
    answerOrGiveWay: async (send) => {
      if (!inBackground) return send()
      if (gaveWay) return undefined
      let giveWay = (): void => undefined
      const turn = new Promise<undefined>((resolve) => (giveWay = () => resolve(undefined)))
      out.add(giveWay)
      try {
        const first = await Promise.race([send(), turn])
        if (first !== undefined) patienceMs = FIRST_PATIENCE_MS
        return first
      } finally {
        out.delete(giveWay)
      }
    },
  })
}
