import { equalBytes, err, ok, type Result, utf8 } from "@keyferry/base"
import { type Failure, failure } from "@keyferry/protocol"

import { findIdempotency, insertIdempotency } from "../store/idempotency.ts"
import type { Context } from "./context.ts"
import { sha256 } from "./tokens.ts"

export interface RepeatableRequest {
  readonly accountUuid: string
  readonly route: string
  /** As the client sent it; undefined where it sent none. */
  readonly key: string | undefined
  readonly body: Uint8Array
}

export interface RepeatedAnswer {
  readonly value: unknown
  readonly replayed: boolean
}

const running = new WeakMap<Context["store"], Set<string>>()

/**
 * Carries a request out once for each key: asked again within 24 hours with the same body, it gives the first answer.
 * Errors: idempotency-mismatch, idempotency-in-progress, and those of the request, which are not kept
 */
export const answerOnce = async (
  { store, clock }: Pick<Context, "store" | "clock">,
  request: RepeatableRequest,
  carryOut: () => Promise<Result<unknown, Failure>>,
): Promise<Result<RepeatedAnswer, Failure>> => {
  const { accountUuid, route, key, body } = request
  if (key === undefined || key.length > 100) return asFirst(await carryOut())
  const requestKey = `${route} ${key}`
  const fingerprint = sha256(Uint8Array.from([...utf8(`${route}\n`), ...body]))
  // The mark comes before the look: otherwise the other one could finish between the two.
  const active = running.get(store) ?? new Set()
  running.set(store, active)
  const mark = `${accountUuid} ${requestKey}`
  if (active.has(mark)) return err(failure("idempotency-in-progress"))
  active.add(mark)
  try {
    const known = await store.read((db) => findIdempotency(db, accountUuid, requestKey))
    if (known !== undefined)
      return equalBytes(known.fingerprint, fingerprint)
        ? ok({ value: JSON.parse(known.reply) as unknown, replayed: true })
        : err(failure("idempotency-mismatch"))
    const done = await carryOut()
    if (done.ok)
      await store.transaction((tx) =>
        insertIdempotency(tx, {
          account_uuid: accountUuid,
          request_key: requestKey,
          fingerprint,
          reply: JSON.stringify(done.value),
          created_ms: clock.nowMs(),
        }),
      )
    return asFirst(done)
  } finally {
    active.delete(mark)
  }
}

const asFirst = (done: Result<unknown, Failure>): Result<RepeatedAnswer, Failure> =>
  done.ok ? ok({ value: done.value, replayed: false }) : done
