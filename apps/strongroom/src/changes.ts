import { Defect } from "@keyferry/base"
import type { Clock } from "@keyferry/base"
import type { Settled, Store } from "@keyferry/store"

import type { Change, Changed, Changes, NewEvent, Notice, NoticeFields, Tx } from "./context.ts"
import type { MainTables } from "./store/tables.ts"

/*
 * Commits and their notices. A number is taken as the last statement of its transaction, so numbers are in commit order
 * and have no holes; a notice leaves when all before it have left.
 * Source: spec/strongroom.md ST15–ST18
 */
export interface ChangesOptions {
  readonly store: Store<MainTables>
  readonly clock: Clock
  readonly logId: Uint8Array
  readonly publish: (notice: Notice) => void
  /** The newest number when this process began. */
  readonly lastCommit: number
}

export const COMMIT_COUNTER = "commit"
export const EVENT_COUNTER = "event"
/** A number that never comes belongs to another strongroom on the same database; the server re-reads for that case. */
const GAP_MS = 250

export const createChanges = ({ store, clock, logId, publish, lastCommit }: ChangesOptions): Changes => {
  const line = createLine(publish, lastCommit)

  const run = async <R>(fn: (change: Change) => Promise<R>, isGrouped: boolean): Promise<Changed<R>> => {
    let returned: unknown
    let notice: NoticeFields | undefined
    let eventsTo = 0
    let commit = 0
    const closure = async (tx: Tx): Promise<R> => {
      // May run again after a deadlock: everything starts over.
      notice = undefined
      eventsTo = 0
      commit = 0
      const value = await fn({
        tx,
        event: async (event) => {
          eventsTo = await appendEvent(tx, event)
          notice ??= { accountUuid: event.accountUuid }
        },
        notify: (fields) => {
          notice = { ...notice, ...fields }
        },
        lockAccount: (uuid) =>
          tx
            .selectFrom("account")
            .select(["uuid", "id"])
            .where("uuid", "=", uuid)
            .$call(store.lockRow)
            .executeTakeFirst(),
      })
      returned = value
      if (notice !== undefined) commit = await store.nextNumber(tx, COMMIT_COUNTER)
      return value
    }
    const value: Settled<R> = await (isGrouped ? store.groupCommit(closure) : store.transaction(closure))
    // Only a value that went through unchanged was committed; `rollBack` gives what is inside it.
    if (commit === 0 || notice === undefined || !Object.is(value, returned)) return { value, commit: 0 }
    line.add(noticeOf(commit, notice, eventsTo))
    return { value, commit }
  }

  const appendEvent = async (tx: Tx, event: NewEvent): Promise<number> => {
    const n = await store.nextNumber(tx, EVENT_COUNTER)
    await tx
      .insertInto("event")
      .values({
        n,
        log_id: logId,
        at_ms: clock.nowMs(),
        account_uuid: event.accountUuid,
        kind: event.kind,
        device_id: event.deviceId ?? null,
        account_id: event.accountId ?? null,
        detail: event.detail ?? null,
      })
      .execute()
    return n
  }

  return Object.freeze(
    Object.assign(<R>(fn: (change: Change) => Promise<R>) => run(fn, false), {
      grouped: <R>(fn: (change: Change) => Promise<R>) => run(fn, true),
    }),
  )
}

const noticeOf = (commit: number, fields: NoticeFields, eventsTo: number): Notice => ({
  commit,
  accountUuid: fields.accountUuid,
  ...(fields.by === undefined ? {} : { by: fields.by }),
  audience: fields.audience ?? [],
  event: fields.event?.(commit) ?? new Uint8Array(),
  closed: fields.closed ?? [],
  eventsTo,
})

/** Holds a notice back until every earlier one has left. */
const createLine = (
  publish: (notice: Notice) => void,
  lastCommit: number,
): { readonly add: (notice: Notice) => void } => {
  const waiting = new Map<number, Notice>()
  let left = lastCommit
  let timer: NodeJS.Timeout | undefined
  const release = (): void => {
    for (let next = waiting.get(left + 1); next !== undefined; next = waiting.get(left + 1)) {
      waiting.delete(left + 1)
      left++
      publish(next)
    }
    clearTimeout(timer)
    timer = waiting.size === 0 ? undefined : setTimeout(skip, GAP_MS).unref()
  }
  const skip = (): void => {
    left = Math.min(...waiting.keys()) - 1
    release()
  }
  return {
    add: (notice) => {
      if (notice.commit <= left) {
        if (waiting.has(notice.commit)) throw new Defect("two notices with one commit number")
        // Its turn was given up as a gap: late is better than never, the feed re-reads by number.
        publish(notice)
        return
      }
      waiting.set(notice.commit, notice)
      release()
    },
  }
}
