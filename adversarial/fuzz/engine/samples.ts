import { utf8 } from "@keyferry/base"
import {
  accountAppendReplyStruct,
  accountAppendStruct,
  accountChainReplyStruct,
  accountKeysReplyStruct,
  bootstrapReplyStruct,
  bootstrapRequestStruct,
  feedEventStruct,
  feedRequestStruct,
  historyReplyStruct,
  historyRequestStruct,
  leaseTokenStruct,
  repairReplyStruct,
  repairRequestStruct,
  signedLeaseTokenStruct,
  signupFinishReplyStruct,
  signupFinishStruct,
  syncReplyStruct,
  syncRequestStruct,
} from "@keyferry/protocol"

/*
 * One genuine-looking message of every CBOR shape of the protocol. What is inside is bytes to the shapes, and looked at by
 * the targets of chains and sealed things.
 */
const b16 = new Uint8Array(16).fill(0x16)
const b32 = new Uint8Array(32).fill(0x32)
const place = [7, b32] as const
const blob = utf8("bytes that another layer looks into")
const push = { vaultId: b32, links: [blob, blob], records: [blob], wraps: [blob], prevSealed: blob }
const changes = {
  vaultId: b32,
  links: [blob],
  records: [blob],
  head: place,
  more: false,
  wraps: [[1, blob, [b32]] as const],
}
const result = { vaultId: b32, outcome: 1, code: "revision-conflict", head: place }

export const leaseTokenSample = {
  leaseId: b16,
  deviceId: b16,
  issuedAtS: 1_800_000_000,
  expiresAtS: 1_800_086_400,
  graceS: 86_400,
  maxOfflineUnlocks: 50,
  account: place,
  serial: 3,
}

export const protocolSamples: Readonly<Record<string, Uint8Array>> = {
  syncRequestStruct: syncRequestStruct.encode({
    account: place,
    cursors: [[b32, 3, b32]],
    pushes: [push],
    maxBytes: 4096,
  }),
  syncReplyStruct: syncReplyStruct.encode({
    logId: b16,
    commit: 9,
    accountLinks: [blob],
    results: [result],
    vaults: [changes],
    heads: [[b32, 4, b32]],
  }),
  bootstrapRequestStruct: bootstrapRequestStruct.encode({ vaultId: b32, after: b16, maxBytes: 65_536 }),
  bootstrapReplyStruct: bootstrapReplyStruct.encode({
    authorityLinks: [blob],
    headLink: blob,
    leaves: [[b16, 1, 1, b32, 0]],
    records: [blob],
    next: b16,
    wraps: [[1, blob, [b32]]],
    prevSealed: [[2, blob]],
  }),
  historyRequestStruct: historyRequestStruct.encode({ vaultId: b32, itemId: b16 }),
  historyReplyStruct: historyReplyStruct.encode({ records: [blob, blob] }),
  repairRequestStruct: repairRequestStruct.encode({
    accountLinks: [blob],
    accountWraps: [[1, blob]],
    accountPrevSealed: [[2, blob]],
    vaults: [push],
  }),
  repairReplyStruct: repairReplyStruct.encode({ results: [result] }),
  accountAppendStruct: accountAppendStruct.encode({
    link: blob,
    wraps: [blob],
    prevSealed: blob,
    rotations: [push],
    registrationRecord: blob,
  }),
  accountAppendReplyStruct: accountAppendReplyStruct.encode({
    outcome: 0,
    code: "epoch-stale",
    head: place,
    accountLinks: [blob],
    results: [result],
    state: "active",
  }),
  signupFinishStruct: signupFinishStruct.encode({
    accountUuid: "0f8fad5b-d9cb-469f-a165-70867728950e",
    registrationRecord: blob,
    genesis: blob,
    wraps: [blob, blob, blob],
  }),
  signupFinishReplyStruct: signupFinishReplyStruct.encode({ accountId: b32, state: "pending-first" }),
  accountChainReplyStruct: accountChainReplyStruct.encode({ links: [blob] }),
  accountKeysReplyStruct: accountKeysReplyStruct.encode({ wraps: [[1, blob]], prevSealed: [[2, blob]] }),
  feedRequestStruct: feedRequestStruct.encode({ account: place, cursors: [[b32, 3, b32]] }),
  feedEventStruct: feedEventStruct.encode({
    commit: 4,
    accountLinks: [blob],
    vaults: [changes],
    notice: "device-waits",
  }),
  leaseTokenStruct: leaseTokenStruct.encode(leaseTokenSample),
  signedLeaseTokenStruct: signedLeaseTokenStruct.encode({
    payload: leaseTokenStruct.encode(leaseTokenSample),
    signature: new Uint8Array(64),
  }),
}
