import { err, ok, type Result } from "@keyferry/base"
import { type Failure, failure } from "@keyferry/protocol"

import { touchAccount } from "../store/accounts.ts"
import { findSession, insertSession, replaceSession, type SessionRow, touchSession } from "../store/sessions.ts"
import type { Tx } from "../store/tables.ts"
import type { Context } from "./context.ts"
import { hashToken, makeToken } from "./tokens.ts"

export interface OpenedSession {
  readonly token: string
  readonly level: number
}

const ABSOLUTE_MS = 30 * 24 * 3_600_000
const IDLE_WEB_MS = 30 * 60_000
const IDLE_MS = 12 * 3_600_000
const TOUCH_MS = 60_000

/** Opens a session at level 1, and does `also` in the same commit. `client` is what the program calls itself: a browser idles out sooner. */
export const openSession = async (
  { store, clock, random }: Pick<Context, "store" | "clock" | "random">,
  who: { readonly accountUuid: string; readonly accountId: Uint8Array; readonly authPk: Uint8Array | null },
  client: string,
  also: (tx: Tx) => Promise<void>,
): Promise<OpenedSession> => {
  const token = makeToken(random)
  const nowMs = clock.nowMs()
  await store.transaction(async (tx) => {
    await insertSession(tx, {
      token_hash: token.hash,
      account_uuid: who.accountUuid,
      account_id: who.accountId,
      level: 1,
      auth_pk: who.authPk,
      device_id: null,
      idle_ms: client.startsWith("web/") ? IDLE_WEB_MS : IDLE_MS,
      created_ms: nowMs,
      used_ms: nowMs,
      ends_ms: nowMs + ABSOLUTE_MS,
    })
    await touchAccount(tx, who.accountUuid, nowMs)
    await also(tx)
  })
  return { token: token.text, level: 1 }
}

/** Errors: signed-out, for a token that is unknown, replaced, idle or over. */
export const readSession = async (
  { store, clock }: Pick<Context, "store" | "clock">,
  token: string,
): Promise<Result<SessionRow, Failure>> => {
  const hash = hashToken(token)
  if (hash === undefined) return err(failure("signed-out"))
  const row = await store.read((db) => findSession(db, hash))
  const nowMs = clock.nowMs()
  if (row === undefined || row.ends_ms <= nowMs || row.used_ms + row.idle_ms <= nowMs) return err(failure("signed-out"))
  if (nowMs - row.used_ms > TOUCH_MS) await store.transaction((tx) => touchSession(tx, hash, nowMs))
  return ok(row)
}

/** A new token at a higher level; the old one is dead. Errors: signed-out, when it was raised or ended meanwhile. */
export const raiseSession = async (
  context: Pick<Context, "store" | "clock" | "random">,
  old: SessionRow,
  level: number,
  also: (tx: Tx) => Promise<void> = async () => undefined,
): Promise<Result<OpenedSession, Failure>> => {
  const token = makeToken(context.random)
  const raised = await context.store.transaction(async (tx) => {
    await also(tx)
    return replaceSession(tx, old, { ...old, token_hash: token.hash, level, used_ms: context.clock.nowMs() })
  })
  return raised ? ok({ token: token.text, level }) : err(failure("signed-out"))
}
