import { bytesToHex, equalBytes, err, ok, type Result } from "@keyferry/base"
import {
  type Failure,
  MAX_PUSH_OPS,
  MAX_SYNC_BYTES,
  PUSH_ACCEPTED,
  PUSH_REFUSED,
  type PushResult,
  type SyncRequest,
  type VaultPush,
} from "@keyferry/protocol"

import type { StrongroomContext } from "../context.ts"
import type { Handler } from "../execute.ts"
import { opsOf, type PreparedPush, preparePush, type PrepareOptions } from "./prepared.ts"
import { type Cursor, headsByVault, pull } from "./pull.ts"
import { behind, isBehind } from "./behind.ts"
import { commitPush, type Pushed, type PushParts, type PushRules, type SealedPush, sealPush } from "./push.ts"

type Prepared =
  | { readonly ok: true; readonly value: PreparedPush }
  | { readonly ok: false; readonly error: Failure; readonly vaultId: Uint8Array }

/**
 * Pushes and pull in one request: one result for each vault, then everything that the device has not seen, without what
 * it has just sent itself.
 * Errors: malformed (one vault twice), too-large, kms-unavailable (nothing was written), and those of `pull`
 * Source   spec/feed.md SY60, SY65, SY70
 */
export const sync =
  (parts: PushParts): Handler<"sync"> =>
  async (ctx, { device, limits }, body) => {
    if (isBehind(parts, device)) return behind
    const prepared = prepareAll(ctx, body.pushes)
    if (!prepared.ok) return prepared
    const pushed = await pushAll(ctx, parts, prepared.value, { device, limits, why: "sync" })
    if (!pushed.ok) return pushed
    const results = pushed.value.map(({ result }) => result)
    const pulled = await pull(ctx, parts.states, device, {
      accountSeq: body.account[0],
      cursors: cursorsAfter(body, results, prepared.value),
      maxBytes: body.maxBytes,
    })
    if (!pulled.ok) return pulled
    const { commit, accountLinks, vaults, heads } = pulled.value
    const headOf = headsByVault(heads)
    return ok({
      reply: {
        logId: ctx.logId,
        commit,
        accountLinks,
        results: results.map((result) => withHead(result, headOf.get(bytesToHex(result.vaultId)))),
        vaults,
        heads: heads.map(({ id, seq, hash }) => [id, seq, hash] as const),
      },
      commit: Math.max(0, ...pushed.value.map((one) => one.commit)),
    })
  }

/** The first event of a stream: what is missing since the cursors. Source   spec/feed.md FD1 */
export const feed =
  (parts: PushParts): Handler<"feed"> =>
  async (ctx, { device }, body) => {
    if (isBehind(parts, device)) return behind
    const cursors = body.cursors.map(([vaultId, seq, hash]) => ({ vaultId, seq, hash }))
    const request = { accountSeq: body.account[0], cursors, maxBytes: MAX_SYNC_BYTES }
    const pulled = await pull(ctx, parts.states, device, request)
    if (!pulled.ok) return pulled
    const { heads, ...rest } = pulled.value
    return ok({
      reply: {
        logId: ctx.logId,
        ...rest,
        results: [],
        heads: heads.map(({ id, seq, hash }) => [id, seq, hash] as const),
      },
    })
  }

/** Errors: malformed, too-large. What is wrong with one vault's push is in its place of the list. */
export const prepareAll = (
  ctx: Pick<StrongroomContext, "primitives">,
  pushes: readonly VaultPush[],
  options: PrepareOptions = {},
): Result<readonly Prepared[], Failure> => {
  if (new Set(pushes.map((push) => bytesToHex(push.vaultId))).size !== pushes.length)
    return err({ code: "malformed", detail: "One vault twice in one request." })
  const bytes = pushes.reduce((n, { links, records }) => n + total(links) + total(records), 0)
  if (bytes > MAX_SYNC_BYTES) return err({ code: "too-large" })
  const prepared = pushes.map((push): Prepared => {
    const done = preparePush(ctx.primitives, push, options)
    return done.ok ? done : { ...done, vaultId: push.vaultId }
  })
  const ops = prepared.reduce((n, one) => n + (one.ok ? opsOf(one.value) : 0), 0)
  return ops > MAX_PUSH_OPS ? err({ code: "too-large" }) : ok(prepared)
}

const total = (parts: readonly Uint8Array[]): number => parts.reduce((n, part) => n + part.length, 0)

/** Every outer layer first, so that a key service that is away stops the request before anything is written. */
export const pushAll = async (
  ctx: StrongroomContext,
  parts: PushParts,
  prepared: readonly Prepared[],
  rules: PushRules,
): Promise<Result<readonly Pushed[], Failure>> => {
  const sealed: (SealedPush | PushResult)[] = []
  for (const one of prepared) {
    if (!one.ok) {
      sealed.push({ vaultId: one.vaultId, outcome: PUSH_REFUSED, code: one.error.code, head: [0, new Uint8Array(32)] })
      continue
    }
    const done = await sealPush(ctx, parts, rules.device.accountId, one.value)
    if (!done.ok) return done
    sealed.push(done.value)
  }
  // Together, so that all vaults share one commit.
  return ok(
    await Promise.all(
      sealed.map((one) =>
        "push" in one ? commitPush(ctx, parts, one, rules) : Promise.resolve({ result: one, commit: 0 }),
      ),
    ),
  )
}

/** A device does not need to be told what it has just pushed on top of what it knew. */
const cursorsAfter = (
  body: SyncRequest,
  results: readonly PushResult[],
  prepared: readonly Prepared[],
): readonly Cursor[] => {
  const cursors = new Map<string, Cursor>(
    body.cursors.map(([vaultId, seq, hash]) => [bytesToHex(vaultId), { vaultId, seq, hash }]),
  )
  for (const [i, one] of prepared.entries()) {
    if (!one.ok) continue
    const { vaultId, links } = one.value
    const [first] = links
    const last = links.at(-1)
    if (first === undefined || last === undefined) continue
    const { seq, prev } = first.open.payload
    const name = bytesToHex(vaultId)
    // Without a cursor the link itself says what the device had seen.
    const cursor = cursors.get(name) ?? { vaultId, seq: seq - 1, hash: prev }
    const isOnTop = cursor.seq === seq - 1 && (seq === 1 || equalBytes(cursor.hash, prev))
    const isAccepted = results[i]?.outcome === PUSH_ACCEPTED
    cursors.set(name, isAccepted && isOnTop ? { vaultId, seq: last.open.payload.seq, hash: last.open.hash } : cursor)
  }
  return [...cursors.values()]
}

const withHead = (
  result: PushResult,
  head: { readonly seq: number; readonly hash: Uint8Array } | undefined,
): PushResult => (result.head[0] !== 0 || head === undefined ? result : { ...result, head: [head.seq, head.hash] })
