import type { Transaction } from "kysely"

import { isRetryable, storeFailureOf } from "./errors.ts"
import type { Settled } from "./roll-back.ts"

interface Waiting<DB> {
  readonly run: (tx: Transaction<DB>) => Promise<unknown>
  readonly resolve: (value: unknown) => void
  readonly reject: (error: unknown) => void
}

type Outcome = { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly error: unknown }

interface Deps<DB> {
  readonly run: <R>(fn: (tx: Transaction<DB>) => Promise<R>) => Promise<Settled<R>>
  readonly savepoint: <R>(tx: Transaction<DB>, fn: () => Promise<R>) => Promise<Settled<R>>
  readonly assertOutside: () => void
}

const MAX_GROUP = 64

/**
 * Several closures, one commit. While one group commits, the next gathers, so that the number of disk flushes does not
 * grow with the number of callers. Nobody hears an answer before the commit that holds it has returned.
 */
export const createGroupCommit = <DB>(deps: Deps<DB>) => {
  let waiting: Waiting<DB>[] = []
  let draining = false

  const drain = async (): Promise<void> => {
    while (waiting.length > 0) {
      const group = waiting.slice(0, MAX_GROUP)
      waiting = waiting.slice(MAX_GROUP)
      await commitGroup(deps, group)
    }
    draining = false
  }
  return <R>(fn: (tx: Transaction<DB>) => Promise<R>): Promise<Settled<R>> =>
    new Promise<Settled<R>>((resolve, reject) => {
      deps.assertOutside()
      waiting.push({ run: fn, resolve: resolve as (value: unknown) => void, reject })
      if (draining) return
      draining = true
      // The requests of one turn of the event loop travel together.
      setImmediate(() => void drain())
    })
}

const commitGroup = async <DB>(deps: Deps<DB>, group: readonly Waiting<DB>[]): Promise<void> => {
  const [only] = group
  if (group.length === 1 && only !== undefined) return commitAlone(deps, only)
  let outcomes: readonly Outcome[]
  try {
    outcomes = await deps.run(async (tx) => {
      const results: Outcome[] = []
      for (const member of group) results.push(await runMember(deps, tx, member))
      return results
    })
  } catch (error) {
    // One member may have been the cause, so each gets a transaction of its own before anybody is refused.
    if (storeFailureOf(error) === undefined) for (const member of group) await commitAlone(deps, member)
    else for (const member of group) member.reject(error)
    return
  }
  outcomes.forEach((outcome, i) => {
    if (outcome.ok) group[i]?.resolve(outcome.value)
    else group[i]?.reject(outcome.error)
  })
}

const runMember = async <DB>(deps: Deps<DB>, tx: Transaction<DB>, member: Waiting<DB>): Promise<Outcome> => {
  try {
    return { ok: true, value: await deps.savepoint(tx, () => member.run(tx)) }
  } catch (error) {
    // A broken store or a deadlock ends the whole transaction, everything else only this member.
    if (storeFailureOf(error) !== undefined || isRetryable(error)) throw error
    return { ok: false, error }
  }
}

const commitAlone = async <DB>(deps: Deps<DB>, member: Waiting<DB>): Promise<void> => {
  try {
    member.resolve(await deps.run(member.run))
  } catch (error) {
    member.reject(error)
  }
}
