import { describe, expect, test } from "vitest"

import { err, ok } from "@keyferry/base"

import { answerPairing, beginPairing, encodeMessage, type Message, type PairingWire } from "./pairing.ts"
import { deviceOfScan, parseScan, scanText } from "./scan-text.ts"
import { b64 } from "./wire.ts"

/* The relay between a new device and its approver, in memory; each end reads when the test lets it. */

const bytes = (n: number, length = 32): Uint8Array => new Uint8Array(length).fill(n)
const APPROVER = bytes(77, 16)
const OTHER_APPROVER = bytes(78, 16)

const createRelay = () => {
  const rows: { readonly n: number; readonly from: "new" | "approver"; readonly body: string }[] = []
  let time = 0
  const waiting: (() => void)[] = []
  const end = (from: "new" | "approver"): PairingWire => {
    let read = 0
    return {
      post: async (body) => {
        rows.push({ n: rows.length + 1, from, body })
        for (const go of waiting.splice(0)) go()
        return ok({ n: rows.length })
      },
      read: async (after) => {
        read = rows.length
        return ok({ messages: rows.filter((row) => row.n > after) })
      },
      nowMs: () => time,
      // Waits for the next message; nobody asks twice for nothing.
      pause: () => (rows.length > read ? Promise.resolve() : new Promise((resolve) => void waiting.push(resolve))),
    }
  }
  const put = (from: "new" | "approver", m: Message): void =>
    void rows.push({ n: rows.length + 1, from, body: b64(encodeMessage(m)) })
  return {
    rows,
    newEnd: end("new"),
    approverEnd: end("approver"),
    put,
    /** Ten minutes later, for everybody who waits. */
    giveUp: () => {
      time += 11 * 60_000
      for (const go of waiting.splice(0)) go()
    },
  }
}

let nonces = 100
const makeAnswer =
  (approver = APPROVER) =>
  (): Message & { readonly nonce: Uint8Array } => ({
    type: 2,
    accountId: bytes(1),
    approver,
    seq: 1,
    head: bytes(2),
    nonce: bytes(nonces++),
  })
const opening = (n: number): Message => ({ type: 3, nonce: bytes(n) })

describe("[DV26] [DV27] an exchange is one commitment with one answer", () => {
  test("the approver's second attempt leaves the older commitment alone and answers the new one", async () => {
    const relay = createRelay()
    const first = beginPairing(relay.newEnd, bytes(10))
    const approving = answerPairing(relay.approverEnd, APPROVER, makeAnswer())
    const begun = await first
    if (!begun.ok) throw new Error(begun.error.code)
    await begun.value.exchange.send(opening(11))
    const answered = await approving
    if (!answered.ok) throw new Error(answered.error.code)
    await answered.value.exchange.send({ type: 9 })

    // The approver is first; the new device begins again only after the approver has read everything of the first attempt.
    const approvingAgain = answerPairing(relay.approverEnd, APPROVER, makeAnswer())
    await new Promise((resolve) => setImmediate(resolve))
    const second = await beginPairing(relay.newEnd, bytes(20))
    if (!second.ok) throw new Error(second.error.code)
    await second.value.exchange.send(opening(21))
    const again = await approvingAgain
    expect(again).toMatchObject({ ok: true, value: { commit: bytes(20), revealed: { nonce: bytes(21) } } })
    expect(again.ok && again.value.nonce).toEqual(second.value.answer.nonce)
  })

  test("an answer of its own that led nowhere is ended, so that the new device begins again", async () => {
    const relay = createRelay()
    const first = beginPairing(relay.newEnd, bytes(10))
    void answerPairing(relay.approverEnd, APPROVER, makeAnswer())
    const begun = await first
    if (!begun.ok) throw new Error(begun.error.code)
    await begun.value.exchange.send(opening(11))
    const next = begun.value.exchange.next(4)
    const restarted = answerPairing(relay.approverEnd, APPROVER, makeAnswer())
    expect(await next).toEqual(err({ code: "approval-mismatch" }))
    relay.giveUp()
    expect(await restarted).toEqual(err({ code: "device-expired" }))
    expect(relay.rows.filter((row) => row.from === "approver")).toHaveLength(2)
  })

  test("what another approver answered is passed over, and is not this one's to end", async () => {
    const relay = createRelay()
    relay.put("new", { type: 1, commit: bytes(10) })
    relay.put("approver", { ...makeAnswer(OTHER_APPROVER)(), commit: bytes(10) })
    const approving = answerPairing(relay.approverEnd, APPROVER, makeAnswer())
    await new Promise((resolve) => setImmediate(resolve))
    relay.giveUp()
    expect(await approving).toEqual(err({ code: "device-expired" }))
    expect(relay.rows).toHaveLength(2)
  })

  test("a new device that begins again while the approver waits for its opening is answered anew", async () => {
    const relay = createRelay()
    relay.put("new", { type: 1, commit: bytes(10) })
    const approving = answerPairing(relay.approverEnd, APPROVER, makeAnswer())
    await new Promise((resolve) => setImmediate(resolve))
    const second = await beginPairing(relay.newEnd, bytes(20))
    if (!second.ok) throw new Error(second.error.code)
    await second.value.exchange.send(opening(21))
    expect(await approving).toMatchObject({ ok: true, value: { commit: bytes(20) } })
  })

  test("the new device passes over answers to another commitment and messages of another exchange", async () => {
    const relay = createRelay()
    relay.put("approver", { ...makeAnswer()(), commit: bytes(9) })
    const beginning = beginPairing(relay.newEnd, bytes(10))
    await new Promise((resolve) => setImmediate(resolve))
    relay.put("approver", { ...makeAnswer()(), commit: bytes(9) })
    await relay.approverEnd.post(b64(encodeMessage({ ...makeAnswer()(), nonce: bytes(5), commit: bytes(10) })))
    const begun = await beginning
    if (!begun.ok) throw new Error(begun.error.code)
    expect(begun.value.answer.nonce).toEqual(bytes(5))
    relay.put("approver", { type: 9, exchange: bytes(6) })
    relay.put("approver", { type: 9 })
    relay.put("approver", { type: 4, payload: bytes(1), exchange: bytes(5) })
    expect(await begun.value.exchange.next(4)).toMatchObject({ ok: true, value: { payload: bytes(1) } })
    relay.put("approver", { type: 9, exchange: bytes(5) })
    expect(await begun.value.exchange.next(6)).toEqual(err({ code: "approval-mismatch" }))
  })

  test("an approver that was shut by a new commitment cannot go on, and sees that it cannot", async () => {
    const relay = createRelay()
    const first = beginPairing(relay.newEnd, bytes(10))
    const approving = answerPairing(relay.approverEnd, APPROVER, makeAnswer())
    const begun = await first
    if (!begun.ok) throw new Error(begun.error.code)
    await begun.value.exchange.send(opening(11))
    const answered = await approving
    if (!answered.ok) throw new Error(answered.error.code)
    expect(await answered.value.isOpen()).toEqual(ok(true))
    void beginPairing(relay.newEnd, bytes(20))
    await new Promise((resolve) => setImmediate(resolve))
    expect(await answered.value.isOpen()).toEqual(ok(false))
    expect(await answered.value.exchange.next(5)).toEqual(err({ code: "approval-mismatch" }))
  })
})

test("[DV29] the text of the QR code is read back, and nothing else is one", () => {
  const text = scanText(bytes(7), bytes(8, 16))
  expect(parseScan(` ${text}\n`)).toEqual({ deviceId: bytes(8, 16), keysHash: bytes(7) })
  expect(deviceOfScan(text)).toBe(text.split(" ")[1])
  for (const other of ["able acid aged", text.slice(0, -1), `${text} x`, text.replace("keyferry", "other"), ""])
    expect(deviceOfScan(other)).toBeUndefined()
})
