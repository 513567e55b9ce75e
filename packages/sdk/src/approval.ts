import { bytesToHex, equalBytes, err, formatId, ok, parseId, type Result, secret, type TypeOf } from "@keyferry/base"
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
  deviceKeysHash,
  type Primitives,
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

import { answering } from "./answering.ts"
import { deviceHolder, encodeWraps, openServedKeys, slotSigner, wrapSeed } from "./account-keys.ts"
import { type Device, deviceSigner, transportOf } from "./device.ts"
import { verifyServedChain } from "./enrolment-chain.ts"
import { accountOf, afterJoining, credentialsOf, type EnrolmentBox, publicKeysOf } from "./enrolment.ts"
import type { AuthKey } from "./device-keys.ts"
import type { AccountRecord, Enrolment } from "./formats.ts"
import { answerPairing, beginPairing, type Exchange, mismatch, type PairingWire } from "./pairing.ts"
import { parseScan, scanText } from "./scan-text.ts"
import { type LeaseStart, settle, stage, startLease } from "./staged.ts"
import { acceptAccount } from "./sync-account.ts"
import { syncScope } from "./sync-exchange.ts"
import { isFreshPassword } from "./open-time.ts"
import { keysOf } from "./ports.ts"

/*
 * Approval of a new device N by an active device E: what each of them shows, compares and signs. The messages and how an
 * exchange is kept apart from another stand in pairing.ts.
 * Source: spec/devices.md DV26 to DV29; labels in spec/keys.md KE19
 */
type Done<T> = Promise<Result<T, Failure>>

const POLL_MS = 400

const wireOf = (device: Device, post: PairingWire["post"], read: PairingWire["read"]): PairingWire => ({
  post,
  read,
  nowMs: () => device.ports.clock.monotonicMs(),
  pause: () => new Promise<void>((resolve) => void device.ports.schedule(resolve, POLL_MS, true)),
})

// ── on the new device ────────────────────────────────────────────────────────────────────────────────────────────

/** What the new device keeps between its words and the reply. In memory only: a restart starts the exchange again. */
export interface NewSide {
  readonly exchange: Exchange
  readonly transcript: SasTranscript
  readonly head: { readonly seq: number; readonly hash: Uint8Array }
  readonly holder: Holder
}

/** What this device's QR code says, as soon as it waits. */
export const approvalScan = async (device: Device, box: EnrolmentBox): Done<{ readonly text: string }> => {
  const e = box.current
  if (e === undefined || e.leaseId === undefined) return err({ code: "signed-out" })
  const keys = await publicKeysOf(device, e)
  return ok({ text: scanText(deviceKeysHash(device.ports.primitives, keys), e.deviceId) })
}

export const approvalWords = async (
  device: Device,
  box: EnrolmentBox,
): Done<{ readonly words: readonly string[]; readonly scan: string; readonly side: NewSide }> => {
  const e = box.current
  if (e === undefined || e.leaseId === undefined || e.leasePk === undefined) return err({ code: "signed-out" })
  const p = device.ports.primitives
  const keys = await publicKeysOf(device, e)
  const transport = transportOf(device, e.server.origin)
  const wire = wireOf(
    device,
    (body) => transport.json("enrol.relay-send", { body }, { session: sessionOf(box, e) }),
    (after) => transport.json("enrol.relay-read", {}, { session: sessionOf(box, e) }, `after=${after}`),
  )
  const nonceNew = device.ports.random.bytes(32)
  const begun = await beginPairing(wire, sasCommit(p, keys, nonceNew))
  if (!begun.ok) return begun
  const { exchange } = begun.value
  const { accountId, approver, seq, head, nonce } = begun.value.answer
  if (
    accountId === undefined ||
    approver === undefined ||
    seq === undefined ||
    head === undefined ||
    !equalBytes(accountId, e.accountId)
  ) {
    const stopped = await exchange.send({ type: 9 })
    return stopped.ok ? mismatch : stopped
  }
  const revealed = await exchange.send({
    type: 3,
    ...keysOnly(keys),
    leasePk: e.leasePk,
    leaseId: e.leaseId,
    nonce: nonceNew,
  })
  if (!revealed.ok) return revealed
  const transcript: SasTranscript = { uid: accountId, newKeys: keys, approver, nonceApprover: nonce, nonceNew, head }
  const holder = deviceHolder({ ...keys, leaseId: e.leaseId, leasePk: e.leasePk })
  return ok({
    words: sasWords(p, transcript),
    scan: scanText(deviceKeysHash(p, keys), e.deviceId),
    side: { exchange, transcript, head: { seq, hash: head }, holder },
  })
}

const sessionOf = (box: EnrolmentBox, e: Enrolment): string => box.current?.session ?? e.session
const keysOnly = (k: { readonly sigPk: Uint8Array; readonly kemPk: Uint8Array; readonly authPk: Uint8Array }) => ({
  sigPk: k.sigPk,
  kemPk: k.kemPk,
  authPk: k.authPk,
})

/**
 * The reply words were typed here: checks them and the payload, countersigns, and takes the keys. Waiting for the other device
 * keeps nobody from using this one; what moves the store under other keys runs in its turn, by `inTurn`, because what is
 * written beside that would be lost with the old store.
 */
export const approvalReply = async (
  device: Device,
  box: EnrolmentBox,
  side: NewSide,
  typed: string,
  inTurn: (work: () => Done<void>) => Done<void>,
): Done<void> => {
  const e = box.current
  if (e === undefined || e.password === undefined || e.leaseId === undefined || e.leasePk === undefined)
    return err({ code: "signed-out" })
  const p = device.ports.primitives
  const words = parseWords(typed, 2)
  if (!words.ok || words.value.join(" ") !== sasReplyWords(p, side.transcript).join(" ")) {
    const stopped = await side.exchange.send({ type: 9 })
    return stopped.ok ? mismatch : stopped
  }
  const offered = await side.exchange.next(4)
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
  const sent = await side.exchange.send({ type: 5, countersignature })
  if (!sent.ok) return sent
  const appended = await side.exchange.next(6)
  if (!appended.ok) return appended
  return inTurn(() => takeKeys(device, box, side, { e, account, authSeed, lease: lease.value }))
}

const takeKeys = async (
  device: Device,
  box: EnrolmentBox,
  side: NewSide,
  mine: {
    readonly e: Enrolment
    readonly account: AccountRecord
    readonly authSeed: AuthKey
    readonly lease: LeaseStart
  },
): Done<void> => {
  const { e, account, authSeed, lease } = mine
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
    lease,
    authSeed,
    route: "none",
    body: new Uint8Array(),
  })
  if (!staged.ok) return staged
  const settled = await settle(device, staged.value)
  return settled.ok ? afterJoining(device, box, account, lease) : settled
}

// ── on the approving device ──────────────────────────────────────────────────────────────────────────────────────

export interface ApproverSide {
  readonly deviceId: Uint8Array
  readonly exchange: Exchange
  /** Whether the new device waits for just this one still. */
  readonly isOpen: () => Done<boolean>
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
  if (!deviceId.ok) return err({ code: "not-found" })
  const { account, record } = scope.value
  const signer = await deviceSigner(device, record.deviceId)
  if (signer === undefined) return err({ code: "store-corrupt" })
  const transport = transportOf(device, record.server.origin)
  const as = { signer }
  const wire = wireOf(
    device,
    (body) => transport.json("devices.relay-send", { deviceId: formatId("dev", deviceId.value), body }, as),
    (after) => transport.json("devices.relay-read", {}, as, `device=${formatId("dev", deviceId.value)}&after=${after}`),
  )
  const answered = await answerPairing(wire, record.deviceId, () => ({
    type: 2,
    accountId: account.id,
    approver: record.deviceId,
    seq: account.head.seq,
    head: account.head.hash,
    nonce: device.ports.random.bytes(32),
  }))
  if (!answered.ok) return answered
  const { commit, exchange, isOpen } = answered.value
  const { sigPk, kemPk, authPk, leasePk, leaseId, nonce } = answered.value.revealed
  const newKeys =
    sigPk === undefined || kemPk === undefined || authPk === undefined ? undefined : { sigPk, kemPk, authPk }
  if (
    newKeys === undefined ||
    leasePk === undefined ||
    leaseId === undefined ||
    nonce === undefined ||
    !equalBytes(sasCommit(device.ports.primitives, newKeys, nonce), commit)
  ) {
    const stopped = await exchange.send({ type: 9 })
    return stopped.ok ? mismatch : stopped
  }
  return ok({
    deviceId: deviceId.value,
    exchange,
    isOpen,
    transcript: {
      uid: account.id,
      newKeys,
      approver: record.deviceId,
      nonceApprover: answered.value.nonce,
      nonceNew: nonce,
      head: account.head.hash,
    },
    holder: deviceHolder({ deviceId: deviceId.value, ...newKeys, leasePk, leaseId }),
  })
}

/** What is left of an earlier start on this device can go on: the new device waits for it, and the account stands where it stood. */
export const canGoOn = async (device: Device, side: ApproverSide): Promise<boolean> => {
  const head = device.account?.head.hash
  if (!isFreshPassword(device) || head === undefined || !equalBytes(head, side.transcript.head)) return false
  const open = await side.isOpen()
  return open.ok && open.value
}

/** The three words that the new device shows, or the text of its QR code. */
const isOfThisDevice = (p: Primitives, side: ApproverSide, typed: string): boolean => {
  const scanned = parseScan(typed)
  if (scanned !== undefined)
    return (
      equalBytes(scanned.deviceId, side.deviceId) &&
      equalBytes(scanned.keysHash, deviceKeysHash(p, side.transcript.newKeys))
    )
  const words = parseWords(typed, 3)
  return words.ok && words.value.join(" ") === sasWords(p, side.transcript).join(" ")
}

/** The words were typed here. Compares them, offers the link, and appends it once the new device has countersigned. */
export const approve = async (
  device: Device,
  side: ApproverSide,
  typed: string,
): Done<{ readonly reply: readonly string[]; readonly done: Done<void> }> => {
  const p = device.ports.primitives
  if (!isOfThisDevice(p, side, typed)) {
    const stopped = await side.exchange.send({ type: 9 })
    return stopped.ok ? mismatch : stopped
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
  const offered = await side.exchange.send({ type: 4, payload })
  if (!offered.ok) return offered
  const append = async (countersignature: Uint8Array): Done<void> => {
    const keys = device.full
    if (keys === undefined) return err({ code: "locked" })
    const signer = slotSigner(device, { id: record.deviceId, sigSeed: keys.sigSeed })
    const link = await signPayload(signer, payload, [[side.holder.id, countersignature]])
    const verified = await verifyAccountLink(p, account, link)
    if (!verified.ok) return mismatch
    const requests = await deviceSigner(device, record.deviceId)
    if (requests === undefined) return err({ code: "store-corrupt" })
    const as = { signer: requests }
    const body = accountAppendStruct.encode({ link: encodeLink(link), wraps: [...encodeWraps([wrap])], rotations: [] })
    const sent = await transportOf(device, record.server.origin).cbor("account.append", body, as)
    if (!sent.ok) return sent
    const reply = accountAppendReplyStruct.decode(sent.value, 16 * 1024 * 1024)
    if (!reply.ok) return err({ code: "malformed" })
    if (reply.value.outcome !== PUSH_ACCEPTED)
      return err({
        code: reply.value.code !== undefined && isErrorCode(reply.value.code) ? reply.value.code : "revision-conflict",
      })
    return bytesToHex(device.account?.head.hash ?? new Uint8Array()) === bytesToHex(account.head.hash)
      ? acceptAccount(device, verified.value, [...device.links, encodeLink(link)])
      : ok(undefined)
  }
  const finish = async (): Done<void> => {
    const answer = await side.exchange.next(5)
    if (!answer.ok) return answer
    const { countersignature } = answer.value
    if (countersignature === undefined) return mismatch
    // Minutes may have passed since the words were typed: in a turn nothing locks this device meanwhile.
    const added = await device.serial(() => append(countersignature))
    if (!added.ok) return added
    device.changed()
    return side.exchange.send({ type: 6 })
  }
  return ok({ reply: sasReplyWords(p, side.transcript), done: answering(device.ports, finish) })
}
