import {
  bytesOf,
  bytesToHex,
  bytesUpTo,
  equalBytes,
  err,
  formatId,
  ok,
  oneOf,
  optional,
  parseId,
  type Result,
  secret,
  struct,
  type TypeOf,
  uint,
} from "@keyferry/base"
import {
  ACCOUNT_HOLDER_ADD,
  accountPayload,
  checkOwnAddition,
  countersignPayload,
  encodeLink,
  holderAddStruct,
  type Holder,
  HOW_DEVICE,
  newestAccountKey,
  signPayload,
  verifyAccountLink,
} from "@keyferry/chain"
import {
  sasCommit,
  sasReplyWords,
  type SasTranscript,
  sasTranscriptHash,
  sasWords,
  parseWords,
  wrapsHash,
} from "@keyferry/crypto"
import {
  accountAppendReplyStruct,
  accountAppendStruct,
  accountKeysReplyStruct,
  type Failure,
  isErrorCode,
  PUSH_ACCEPTED,
} from "@keyferry/protocol"

import { deviceHolder, encodeWraps, openServedKeys, slotSigner, wrapSeed } from "./account-keys.ts"
import { type Device, loadAuthSeed, requestSigner, transportOf } from "./device.ts"
import { verifyServedChain } from "./enrolment-chain.ts"
import { accountOf, afterJoining, credentialsOf, type EnrolmentBox, publicKeysOf } from "./enrolment.ts"
import type { Enrolment } from "./formats.ts"
import { settle, stage, startLease } from "./staged.ts"
import { acceptAccount } from "./sync-account.ts"
import { syncScope } from "./sync-exchange.ts"
import { isFreshPassword } from "./unlock.ts"
import { b64, fromB64, keyIdOf } from "./wire.ts"
import { keysOf } from "./ports.ts"

/*
 * Approval of a new device N by an active device E, relayed by the server, which learns nothing it could use:
 *
 *   N → E  1  commit = H(LP("kf1/sas-commit", N keys, nN))
 *   E → N  2  account id, E's holder id, head, nE
 *   N → E  3  N's keys, nN                    three words on N, typed into E and compared there
 *   E → N  4  the holder.add payload          two words on E, typed into N and compared there
 *   N → E  5  N's countersignature
 *   E → N  6  appended                        9 at any time: stopped
 *
 * Source: spec/devices.md; labels in spec/keys.md
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
})
type Message = TypeOf<typeof message>
type Done<T> = Promise<Result<T, Failure>>

const WAIT_MS = 10 * 60_000
const POLL_MS = 400
const mismatch = err({ code: "approval-mismatch" } as const)

/** The two ends of the relay look alike: send, and wait for the next message of the other side. */
interface Relay {
  readonly send: (m: Message) => Done<void>
  readonly next: (type: Message["type"]) => Done<Message>
}

const createRelay = (
  device: Device,
  post: (body: string) => Done<{ readonly n: number }>,
  read: (after: number) => Done<{
    readonly messages: readonly { readonly n: number; readonly from: "new" | "approver"; readonly body: string }[]
  }>,
  peer: "new" | "approver",
): Relay => {
  let after = 0
  const pending: Message[] = []
  return {
    send: async (m) => {
      const sent = await post(b64(message.encode(m)))
      if (!sent.ok) return sent
      // The new device's commitment begins an attempt: answers to an earlier one are not its own.
      if (m.type === 1) after = Math.max(after, sent.value.n)
      return ok(undefined)
    },
    next: async (type) => {
      const until = device.ports.clock.monotonicMs() + WAIT_MS
      for (;;) {
        const found = pending.shift()
        if (found !== undefined) {
          if (found.type === type) return ok(found)
          // Whoever waits for a beginning passes over what is left of an attempt that ended; else out of turn is the end.
          if (type === 1) continue
          return mismatch
        }
        if (device.ports.clock.monotonicMs() > until) return err({ code: "device-expired" })
        const reply = await read(after)
        if (!reply.ok) return reply
        for (const m of reply.value.messages) {
          after = Math.max(after, m.n)
          const bytes = m.from === peer ? fromB64(m.body) : undefined
          if (bytes === undefined) continue
          const decoded = message.decode(bytes, 16 * 1024)
          if (!decoded.ok) return mismatch
          // A commitment opens a new attempt: nothing before it counts.
          if (decoded.value.type === 1) pending.length = 0
          pending.push(decoded.value)
        }
        if (pending.length === 0) await new Promise<void>((resolve) => device.ports.schedule(resolve, POLL_MS, true))
      }
    },
  }
}

// ── on the new device ────────────────────────────────────────────────────────────────────────────────────────────

/** What the new device keeps between its words and the reply. In memory only: a restart starts the exchange again. */
export interface NewSide {
  readonly relay: Relay
  readonly transcript: SasTranscript
  readonly head: { readonly seq: number; readonly hash: Uint8Array }
  readonly holder: Holder
}

export const approvalWords = async (
  device: Device,
  box: EnrolmentBox,
): Done<{ readonly words: readonly string[]; readonly side: NewSide }> => {
  const e = box.current
  if (e === undefined || e.leaseId === undefined || e.leasePk === undefined) return err({ code: "signed-out" })
  const p = device.ports.primitives
  const keys = await publicKeysOf(device, e)
  const transport = transportOf(device, e.server.origin)
  const relay = createRelay(
    device,
    (body) => transport.json("enrol.relay-send", { body }, { session: sessionOf(box, e) }),
    (after) => transport.json("enrol.relay-read", {}, { session: sessionOf(box, e) }, `after=${after}`),
    "approver",
  )
  const nonceNew = device.ports.random.bytes(32)
  const sent = await relay.send({ type: 1, commit: sasCommit(p, keys, nonceNew) })
  if (!sent.ok) return sent
  const answer = await relay.next(2)
  if (!answer.ok) return answer
  const { accountId, approver, seq, head, nonce } = answer.value
  if (
    accountId === undefined ||
    approver === undefined ||
    seq === undefined ||
    head === undefined ||
    nonce === undefined
  )
    return mismatch
  if (!equalBytes(accountId, e.accountId)) return mismatch
  const revealed = await relay.send({
    type: 3,
    ...keysOnly(keys),
    leasePk: e.leasePk,
    leaseId: e.leaseId,
    nonce: nonceNew,
  })
  if (!revealed.ok) return revealed
  const transcript: SasTranscript = { uid: accountId, newKeys: keys, approver, nonceApprover: nonce, nonceNew, head }
  const holder = deviceHolder({ ...keys, leaseId: e.leaseId, leasePk: e.leasePk })
  return ok({ words: sasWords(p, transcript), side: { relay, transcript, head: { seq, hash: head }, holder } })
}

const sessionOf = (box: EnrolmentBox, e: Enrolment): string => box.current?.session ?? e.session
const keysOnly = (k: { readonly sigPk: Uint8Array; readonly kemPk: Uint8Array; readonly authPk: Uint8Array }) => ({
  sigPk: k.sigPk,
  kemPk: k.kemPk,
  authPk: k.authPk,
})

/** The reply words were typed here: checks them and the payload, countersigns, and takes the keys. */
export const approvalReply = async (device: Device, box: EnrolmentBox, side: NewSide, typed: string): Done<void> => {
  const e = box.current
  if (e === undefined || e.password === undefined || e.leaseId === undefined || e.leasePk === undefined)
    return err({ code: "signed-out" })
  const p = device.ports.primitives
  const words = parseWords(typed, 2)
  if (!words.ok || words.value.join(" ") !== sasReplyWords(p, side.transcript).join(" ")) {
    await side.relay.send({ type: 9 })
    return mismatch
  }
  const offered = await side.relay.next(4)
  if (!offered.ok) return offered
  const payload = offered.value.payload
  if (payload === undefined) return mismatch
  const checked = checkOwnAddition(payload, {
    accountId: side.transcript.uid,
    head: side.head,
    approver: side.transcript.approver,
    holder: side.holder,
    transcript: sasTranscriptHash(p, side.transcript),
  })
  if (!checked.ok)
    return checked.error.code === "chain-out-of-order"
      ? err({ code: "revision-conflict", detail: "The account changed meanwhile; start the approval again." })
      : mismatch
  const account = accountOf(e, e.leaseId, e.leasePk)
  const authSeed = secret<"AuthKey">(e.authSeed.slice())
  const lease = await startLease(device, account, e.password, authSeed)
  if (!lease.ok) return lease
  const own = slotSigner(device, { id: e.deviceId, sigSeed: secret<"SigSeed">(e.sigSeed.slice()) })
  const [, countersignature] = await countersignPayload(own, payload)
  const sent = await side.relay.send({ type: 5, countersignature })
  if (!sent.ok) return sent
  const appended = await side.relay.next(6)
  if (!appended.ok) return appended

  // In the chain now: read it as a device, check that it ends where the words said, and take the own wrap.
  const transport = transportOf(device, e.server.origin)
  const as = credentialsOf(device, e)
  const chainBytes = await transport.cbor("account.chain", undefined, as)
  if (!chainBytes.ok) return chainBytes
  const chain = await verifyServedChain(device, chainBytes.value, side.transcript.uid)
  if (!chain.ok) return chain
  const at = chain.value.state.hashes[side.head.seq - 1]
  if (at === undefined || !equalBytes(at, side.head.hash)) return err({ code: "chain-forked" })
  const keysBytes = await transport.cbor("account.keys", undefined, as)
  if (!keysBytes.ok) return keysBytes
  const served = accountKeysReplyStruct.decode(keysBytes.value, 80 * 1024 * 1024)
  if (!served.ok) return err({ code: "malformed" })
  const seeds = await openServedKeys(
    device,
    chain.value.state,
    { id: e.deviceId, kem: await keysOf(device.ports).kemPair(secret<"KemSeed">(e.kemSeed.slice())) },
    served.value,
    new Map(),
  )
  if (!seeds.ok) return seeds
  const staged = await stage(device, {
    account,
    keys: {
      sigSeed: e.sigSeed,
      kemSeed: e.kemSeed,
      accountSeeds: [...seeds.value].map(([epoch, seed]) => [epoch, seed.reveal()] as const),
    },
    links: chain.value.links,
    lease: lease.value,
    authSeed,
    route: "none",
    body: new Uint8Array(),
  })
  if (!staged.ok) return staged
  const settled = await settle(device, staged.value)
  return settled.ok ? afterJoining(device, box, account, lease.value) : settled
}

// ── on the approving device ──────────────────────────────────────────────────────────────────────────────────────

export interface ApproverSide {
  readonly deviceId: Uint8Array
  readonly relay: Relay
  readonly transcript: SasTranscript
  readonly holder: Holder
}

/** Answers the waiting device; it shows its words after this. */
export const approveStart = async (device: Device, id: string): Done<ApproverSide> => {
  const scope = syncScope(device)
  if (!scope.ok) return scope
  if (!isFreshPassword(device))
    return err({ code: "reauth-required", detail: "Approving needs the password of this device within five minutes." })
  const deviceId = parseId("dev", id)
  const authSeed = await loadAuthSeed(device.ports)
  if (!deviceId.ok || authSeed === undefined) return err({ code: "not-found" })
  const { account, record } = scope.value
  const transport = transportOf(device, record.server.origin)
  const as = { signer: requestSigner(device.ports, keyIdOf(record.deviceId), "kf1-dev" as const, authSeed) }
  const relay = createRelay(
    device,
    (body) => transport.json("devices.relay-send", { deviceId: formatId("dev", deviceId.value), body }, as),
    (after) => transport.json("devices.relay-read", {}, as, `device=${formatId("dev", deviceId.value)}&after=${after}`),
    "new",
  )
  const first = await relay.next(1)
  if (!first.ok) return first
  const commit = first.value.commit
  if (commit === undefined) return mismatch
  const nonceApprover = device.ports.random.bytes(32)
  const sent = await relay.send({
    type: 2,
    accountId: account.id,
    approver: record.deviceId,
    seq: account.head.seq,
    head: account.head.hash,
    nonce: nonceApprover,
  })
  if (!sent.ok) return sent
  const revealed = await relay.next(3)
  if (!revealed.ok) return revealed
  const { sigPk, kemPk, authPk, leasePk, leaseId, nonce } = revealed.value
  if (
    sigPk === undefined ||
    kemPk === undefined ||
    authPk === undefined ||
    leasePk === undefined ||
    leaseId === undefined ||
    nonce === undefined
  )
    return mismatch
  const newKeys = { sigPk, kemPk, authPk }
  if (!equalBytes(sasCommit(device.ports.primitives, newKeys, nonce), commit)) return mismatch
  return ok({
    deviceId: deviceId.value,
    relay,
    transcript: {
      uid: account.id,
      newKeys,
      approver: record.deviceId,
      nonceApprover,
      nonceNew: nonce,
      head: account.head.hash,
    },
    holder: deviceHolder({ deviceId: deviceId.value, ...newKeys, leasePk, leaseId }),
  })
}

/** The words were typed here. Compares them, offers the link, and appends it once the new device has countersigned. */
export const approve = async (
  device: Device,
  side: ApproverSide,
  typed: string,
): Done<{ readonly reply: readonly string[]; readonly done: Done<void> }> => {
  const p = device.ports.primitives
  const words = parseWords(typed, 3)
  if (!words.ok || words.value.join(" ") !== sasWords(p, side.transcript).join(" ")) {
    await side.relay.send({ type: 9 })
    return mismatch
  }
  const scope = syncScope(device)
  if (!scope.ok) return scope
  const { account, record, full } = scope.value
  if (!equalBytes(account.head.hash, side.transcript.head))
    return err({ code: "revision-conflict", detail: "The account changed meanwhile; start the approval again." })
  const { epoch } = newestAccountKey(account)
  const seed = full.accountSeeds.get(epoch)
  if (seed === undefined) return err({ code: "key-not-trusted" })
  const place = {
    chainId: account.id,
    byUid: account.id,
    by: record.deviceId,
    seq: account.head.seq + 1,
    prev: account.head.hash,
  }
  const wrap = await wrapSeed(device, seed, epoch, place, side.holder)
  const addition: TypeOf<typeof holderAddStruct> = {
    holder: side.holder,
    how: HOW_DEVICE,
    transcript: sasTranscriptHash(p, side.transcript),
    wrapsHash: wrapsHash(p, [wrap]),
  }
  const payload = accountPayload(account, ACCOUNT_HOLDER_ADD, holderAddStruct, addition, {
    byHolder: record.deviceId,
    ts: device.ports.clock.nowMs(),
  })
  const offered = await side.relay.send({ type: 4, payload })
  if (!offered.ok) return offered
  const finish = async (): Done<void> => {
    const answer = await side.relay.next(5)
    if (!answer.ok) return answer
    const { countersignature } = answer.value
    if (countersignature === undefined) return mismatch
    const signer = slotSigner(device, { id: record.deviceId, sigSeed: full.sigSeed })
    const link = await signPayload(signer, payload, [[side.holder.id, countersignature]])
    const verified = await verifyAccountLink(p, account, link)
    if (!verified.ok) return mismatch
    const authSeed = await loadAuthSeed(device.ports)
    if (authSeed === undefined) return err({ code: "store-corrupt" })
    const as = { signer: requestSigner(device.ports, keyIdOf(record.deviceId), "kf1-dev" as const, authSeed) }
    const body = accountAppendStruct.encode({ link: encodeLink(link), wraps: [...encodeWraps([wrap])], rotations: [] })
    const sent = await transportOf(device, record.server.origin).cbor("account.append", body, as)
    if (!sent.ok) return sent
    const reply = accountAppendReplyStruct.decode(sent.value, 16 * 1024 * 1024)
    if (!reply.ok) return err({ code: "malformed" })
    if (reply.value.outcome !== PUSH_ACCEPTED)
      return err({
        code: reply.value.code !== undefined && isErrorCode(reply.value.code) ? reply.value.code : "revision-conflict",
      })
    const accepted = await device.serial(async () =>
      bytesToHex(device.account?.head.hash ?? new Uint8Array()) === bytesToHex(account.head.hash)
        ? acceptAccount(device, verified.value, [...device.links, encodeLink(link)])
        : ok(undefined),
    )
    if (!accepted.ok) return accepted
    device.changed()
    return side.relay.send({ type: 6 })
  }
  return ok({ reply: sasReplyWords(p, side.transcript), done: finish() })
}
