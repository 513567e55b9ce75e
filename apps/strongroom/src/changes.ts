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
}

export const COMMIT_COUNTER = "commit"
export const EVENT_COUNTER = "event"

export const createChanges = ({ store, clock, logId, publish }: ChangesOptions): Changes => {
  const line = createLine(publish)

  const run = async <R>(fn: (change: Change) => Promise<R>, isGrouped: boolean): Promise<Changed<R>> => {
    let returned: unknown
    let notice: NoticeFields | undefined
    let eventsTo = 0
    const ticket = line.open()
    const closure = async (tx: Tx): Promise<R> => {
      // May run again after a deadlock: everything starts over.
      notice = undefined
      eventsTo = 0
      ticket.number = 0
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
      if (notice !== undefined) ticket.number = await store.nextNumber(tx, COMMIT_COUNTER)
      return value
    }
    try {
      const value: Settled<R> = await (isGrouped ? store.groupCommit(closure) : store.transaction(closure))
      // Only a value that went through unchanged was committed; `rollBack` gives what is inside it.
      const commit = Object.is(value, returned) ? ticket.number : 0
      if (commit !== 0 && notice !== undefined) line.publish(ticket, noticeOf(commit, notice, eventsTo))
      else line.giveUp(ticket)
      return { value, commit }
    } catch (error) {
      line.giveUp(ticket)
      throw error
    }
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

/** A number that a transaction of this process has taken and not yet given up or published. */
interface Ticket {
  number: number
}

interface Line {
  readonly open: () => Ticket
  /** It committed: its notice leaves once every smaller number of this process has left or was given up. */
  readonly publish: (ticket: Ticket, notice: Notice) => void
  readonly giveUp: (ticket: Ticket) => void
}

/** Numbers that nobody here has taken belong to another strongroom on the same database: those are not waited for. */
const createLine = (publish: (notice: Notice) => void): Line => {
  const open = new Set<Ticket>()
  const waiting = new Map<Ticket, Notice>()
  const release = (): void => {
    for (;;) {
      let first: Ticket | undefined
      for (const ticket of open)
        if (ticket.number > 0 && (first === undefined || ticket.number < first.number)) first = ticket
      const notice = first === undefined ? undefined : waiting.get(first)
      if (first === undefined || notice === undefined) return
      open.delete(first)
      waiting.delete(first)
      publish(notice)
    }
  }
  return {
    open: () => {
      const ticket = { number: 0 }
      open.add(ticket)
      return ticket
    },
    publish: (ticket, notice) => {
      waiting.set(ticket, notice)
      release()
    },
    giveUp: (ticket) => {
      open.delete(ticket)
      release()
    },
  }
}
