import { bytesToBase32, type Clock, type Random } from "@keyferry/base"
import type { Logger } from "pino"

import { claimMail, finishMail, insertMail, listDueMail, type MailRow } from "../store/mail-queue.ts"
import type { ServerStore, Tx } from "../store/tables.ts"
import type { MailFields, MailTemplate } from "./template.ts"
import { writeLetter } from "./templates/index.ts"
import type { MailTransport } from "./transport.ts"

export interface MailQueue {
  readonly mode: MailTransport["mode"]
  /** Adds a mail in the transaction of its cause. It leaves after the commit, never inside a request. */
  readonly add: <F extends MailFields>(
    tx: Tx,
    mail: {
      readonly template: MailTemplate<F>
      readonly to: string
      readonly accountUuid: string | null
      readonly fields: F
    },
  ) => Promise<void>
  /** Looks for due mails soon; called after a commit that added one. */
  readonly wake: () => void
  /** Time and outcome of the last attempt, for the readiness page. */
  readonly lastOutcome: () => { readonly atMs: number; readonly sent: boolean } | undefined
  readonly stop: () => Promise<void>
}

interface Deps {
  readonly store: ServerStore
  readonly transport: MailTransport
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
}

const PERIOD_MS = 1_000
const STOP_PATIENCE_MS = 3_000
const RETRY_MS = [5_000, 30_000, 120_000, 600_000, 1_800_000, 3_600_000, 3_600_000 * 4, 3_600_000 * 8] as const
const BATCH = 20

export const createMailQueue = ({ store, transport, clock, random, log }: Deps): MailQueue => {
  let running: Promise<void> | undefined
  let again = false
  let stopped = false
  let last: { atMs: number; sent: boolean } | undefined

  const sendOne = async (row: MailRow): Promise<void> => {
    const waitMs = RETRY_MS[row.tries]
    const claimed = await store.transaction((tx) => claimMail(tx, row, clock.nowMs() + (waitMs ?? 60_000)))
    if (!claimed) return
    const letter = writeLetter(row.template, JSON.parse(row.fields) as MailFields)
    const sent = letter !== undefined && (await trySend(row, letter))
    last = { atMs: clock.nowMs(), sent }
    if (sent) await store.transaction((tx) => finishMail(tx, row.id, "sent", clock.nowMs()))
    else if (waitMs === undefined || letter === undefined)
      await store.transaction((tx) => finishMail(tx, row.id, "failed", clock.nowMs()))
  }
  const trySend = async (row: MailRow, letter: { subject: string; body: string }): Promise<boolean> => {
    try {
      await transport.send({ id: row.id, to: row.recipient, ...letter })
      return true
    } catch (error) {
      // The mailer's message may hold the address, so only its code is logged.
      const code = error instanceof Error && "code" in error ? String(error.code) : "unknown"
      log.warn({ mail: row.template, tries: row.tries + 1, code }, "mail not taken")
      return false
    }
  }
  const drain = async (): Promise<void> => {
    do {
      again = false
      const due = await store.read((db) => listDueMail(db, clock.nowMs(), BATCH))
      for (const row of due) {
        if (stopped) return
        await sendOne(row)
      }
      if (due.length === BATCH) again = true
    } while (again && !stopped)
  }
  const wake = (): void => {
    if (stopped || transport.mode === "off") return
    again = true
    running ??= drain()
      .catch((error: unknown) => log.error({ err: error }, "mail queue"))
      .finally(() => {
        running = undefined
      })
  }
  const timer = setInterval(wake, PERIOD_MS)
  timer.unref()

  return Object.freeze<MailQueue>({
    mode: transport.mode,
    add: async (tx, { template, to, accountUuid, fields }) => {
      if (transport.mode === "off") return
      await insertMail(tx, {
        id: `mail_${bytesToBase32(random.bytes(16))}`,
        account_uuid: accountUuid,
        template: template.name,
        recipient: to,
        fields: JSON.stringify(fields),
        state: "waiting",
        tries: 0,
        next_ms: clock.nowMs(),
        created_ms: clock.nowMs(),
        done_ms: null,
      })
    },
    wake,
    lastOutcome: () => last,
    stop: async () => {
      stopped = true
      clearInterval(timer)
      // A mail server that takes the connection and says nothing must not keep this one: its mail stays in its row.
      const patience = Promise.withResolvers<void>()
      const limit = setTimeout(patience.resolve, STOP_PATIENCE_MS)
      await Promise.race([running, patience.promise])
      clearTimeout(limit)
      transport.close()
    },
  })
}
