import {
  bytesOf,
  bytesToHex,
  bytesUpTo,
  equalBytes,
  err,
  ok,
  oneOf,
  optional,
  type Result,
  struct,
  type TypeOf,
  uint,
} from "@keyferry/base"
import type { Failure } from "@keyferry/protocol"

import { b64, fromB64 } from "./wire.ts"

/*
 * The messages between a new device N and the approver E, through the server, which learns nothing it could use:
 *
 *   N → E  1  commit = H(LP("kf1/sas-commit", N keys, nN))
 *   E → N  2  that commit, account id, E's holder id, head, nE
 *   N → E  3  N's keys, nN                    three words on N, typed into E and compared there
 *   E → N  4  the holder.add payload          two words on E, typed into N and compared there
 *   N → E  5  N's countersignature
 *   E → N  6  appended                        9 at any time: stopped
 *
 * An exchange is one commitment with one answer. Everything after the answer names it by nE, so that what is left in the
 * relay of one that ended is never taken for a part of the next.
 * Source: spec/devices.md DV26 to DV28; labels in spec/keys.md
 */
const message = struct({
  type: [1, oneOf(1, 2, 3, 4, 5, 6, 9)],
  commit: [2, optional(bytesOf(32))],
  accountId: [3, optional(bytesOf(32))],
  approver: [4, optional(bytesOf(16))],
  seq: [5, optional(uint)],
  head: [6, optional(bytesOf(32))],
  nonce: [7, optional(bytesOf(32))],
  sigPk: [8, optional(bytesOf(32))],
  kemPk: [9, optional(bytesOf(1216))],
  authPk: [10, optional(bytesOf(32))],
  leasePk: [11, optional(bytesOf(32))],
  leaseId: [12, optional(bytesOf(16))],
  payload: [13, optional(bytesUpTo(8192))],
  countersignature: [14, optional(bytesOf(64))],
  exchange: [15, optional(bytesOf(32))],
})
export type Message = TypeOf<typeof message>
type Done<T> = Promise<Result<T, Failure>>

export const encodeMessage = (m: Message): Uint8Array => message.encode(m)

const WAIT_MS = 10 * 60_000
const MAX_MESSAGE = 16 * 1024
export const mismatch = err({ code: "approval-mismatch" } as const)

/** The relay as one of the two ends reaches it. */
export interface PairingWire {
  readonly post: (body: string) => Done<{ readonly n: number }>
  readonly read: (after: number) => Done<{
    readonly messages: readonly { readonly n: number; readonly from: "new" | "approver"; readonly body: string }[]
  }>
  readonly nowMs: () => number
  /** Until it is worth asking again. */
  readonly pause: () => Promise<void>
}

/** One exchange, after its answer. */
export interface Exchange {
  readonly send: (m: Message) => Done<void>
  /** The next message of the other side in this exchange. Errors: approval-mismatch, where it is another or the end */
  readonly next: (type: Message["type"]) => Done<Message>
}

interface Seen {
  readonly from: "new" | "approver"
  readonly m: Message
}

const openRelay = (wire: PairingWire, peer: Seen["from"]) => {
  let after = 0
  return {
    send: async (m: Message): Done<void> => {
      const sent = await wire.post(b64(message.encode(m)))
      return sent.ok ? ok(undefined) : sent
    },
    /** What is new in the relay, of both sides. */
    poll: async (): Done<readonly Seen[]> => {
      const reply = await wire.read(after)
      if (!reply.ok) return reply
      const seen: Seen[] = []
      for (const { n, from, body } of reply.value.messages) {
        after = Math.max(after, n)
        const decoded = message.decode(fromB64(body) ?? new Uint8Array(), MAX_MESSAGE)
        if (decoded.ok) seen.push({ from, m: decoded.value })
        else if (from === peer) return mismatch
      }
      return ok(seen)
    },
  }
}
type Relay = ReturnType<typeof openRelay>

const exchangeOver = (wire: PairingWire, relay: Relay, peer: Seen["from"], nonce: Uint8Array): Exchange => {
  const queue: Message[] = []
  return {
    send: (m) => relay.send({ ...m, exchange: nonce }),
    next: async (type) => {
      const until = wire.nowMs() + WAIT_MS
      for (;;) {
        const found = queue.shift()
        if (found !== undefined) return found.type === type ? ok(found) : mismatch
        if (wire.nowMs() > until) return err({ code: "device-expired" })
        const seen = await relay.poll()
        if (!seen.ok) return seen
        for (const { from, m } of seen.value) {
          // A new commitment ends the exchange, as the other side has nothing left of it.
          const isOfThis = m.type === 1 || (m.exchange !== undefined && equalBytes(m.exchange, nonce))
          if (from === peer && isOfThis) queue.push(m)
        }
        if (queue.length === 0) await wire.pause()
      }
    },
  }
}

/** The new device's end: sends the commitment and waits for the answer to just this one. */
export const beginPairing = async (
  wire: PairingWire,
  commit: Uint8Array,
): Done<{ readonly answer: Message & { readonly nonce: Uint8Array }; readonly exchange: Exchange }> => {
  const relay = openRelay(wire, "approver")
  const sent = await relay.send({ type: 1, commit })
  if (!sent.ok) return sent
  const until = wire.nowMs() + WAIT_MS
  for (;;) {
    const seen = await relay.poll()
    if (!seen.ok) return seen
    for (const { from, m } of seen.value) {
      if (from !== "approver" || m.type !== 2 || m.commit === undefined || !equalBytes(m.commit, commit)) continue
      if (m.nonce === undefined) return mismatch
      const rest = openRelay(wire, "approver")
      return ok({ answer: { ...m, nonce: m.nonce }, exchange: exchangeOver(wire, rest, "approver", m.nonce) })
    }
    if (wire.nowMs() > until) return err({ code: "device-expired" })
    await wire.pause()
  }
}

export interface Answered {
  readonly commit: Uint8Array
  readonly nonce: Uint8Array
  readonly revealed: Message
  readonly exchange: Exchange
  /** Whether the new device still stands where it stood after revealing. */
  readonly isOpen: () => Done<boolean>
}

/**
 * The approver's end: answers the newest commitment, if nobody answered it before, and waits for what it opens. One that was
 * answered is spent: its exchange may have shown words already. The new device then begins again, and is told so where the
 * answer was this approver's own.
 */
export const answerPairing = async (
  wire: PairingWire,
  approver: Uint8Array,
  make: () => Message & { readonly nonce: Uint8Array },
): Done<Answered> => {
  const relay = openRelay(wire, "new")
  const answers = new Map<string, Message>()
  const stopped = new Set<string>()
  let newest: Uint8Array | undefined
  let mine: { readonly commit: Uint8Array; readonly nonce: Uint8Array } | undefined
  let revealed: Message | undefined
  const until = wire.nowMs() + WAIT_MS
  for (;;) {
    const seen = await relay.poll()
    if (!seen.ok) return seen
    for (const { from, m } of seen.value) {
      if (from === "approver") {
        if (m.type === 2 && m.commit !== undefined) answers.set(bytesToHex(m.commit), m)
        if (m.type === 9 && m.exchange !== undefined) stopped.add(bytesToHex(m.exchange))
      } else if (m.type === 1) {
        if (m.commit === undefined) return mismatch
        newest = m.commit
        revealed = undefined
      } else if (mine !== undefined && m.exchange !== undefined && equalBytes(m.exchange, mine.nonce)) {
        if (m.type !== 3) return mismatch
        revealed = m
      }
    }
    if (newest !== undefined && (mine === undefined || !equalBytes(newest, mine.commit))) {
      const before = answers.get(bytesToHex(newest))
      if (before === undefined) {
        const answer = make()
        mine = { commit: newest, nonce: answer.nonce }
        const sent = await relay.send({ ...answer, type: 2, commit: newest })
        if (!sent.ok) return sent
        continue
      }
      const isOwn = before.approver !== undefined && equalBytes(before.approver, approver)
      if (isOwn && before.nonce !== undefined && !stopped.has(bytesToHex(before.nonce))) {
        stopped.add(bytesToHex(before.nonce))
        const ended = await relay.send({ type: 9, exchange: before.nonce })
        if (!ended.ok) return ended
      }
    } else if (mine !== undefined && revealed !== undefined) {
      const { commit, nonce } = mine
      return ok({
        commit,
        nonce,
        revealed,
        exchange: exchangeOver(wire, relay, "new", nonce),
        isOpen: async () => {
          const now = await openRelay(wire, "new").poll()
          if (!now.ok) return now
          const own = now.value.filter(({ m }) => m.exchange !== undefined && equalBytes(m.exchange, nonce))
          const last = now.value.findLast(({ from, m }) => from === "new" && m.type === 1)
          return ok(
            last?.m.commit !== undefined && equalBytes(last.m.commit, commit) && own.every(({ m }) => m.type === 3),
          )
        },
      })
    }
    if (wire.nowMs() > until) return err({ code: "device-expired" })
    await wire.pause()
  }
}
