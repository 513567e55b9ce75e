import { bool, bytesOf, bytesUpTo, listOf, optional, struct, textUpTo, tuple, type TypeOf, uint } from "@keyferry/base"

/*
 * What travels as CBOR: links, wraps and records, always as the bytes that were signed or sealed.
 * Source: spec/sync.md
 */
export const MAX_PUSH_OPS = 1000
export const MAX_SYNC_BYTES = 4 * 1024 * 1024
export const MAX_RECORD_BYTES = 70 * 1024
export const MAX_LINK_BYTES = 256 * 1024

const id32 = bytesOf(32)
const id16 = bytesOf(16)
const position = tuple(uint, bytesOf(32))
const linkBytes = bytesUpTo(MAX_LINK_BYTES)
const recordBytes = bytesUpTo(MAX_RECORD_BYTES)
/** CBOR of a wrap entry: 1 recipient, 2 H(kem_pk), 3 enc(1120), 4 ct(48). */
const wrapBytes = bytesUpTo(1400)
const sealedBytes = bytesUpTo(400)

/** Links of one vault with everything they speak of. All or nothing. `wraps` and `prevSealed` belong to a genesis or a rotation. */
export const vaultPushStruct = struct({
  vaultId: [1, id32],
  links: [2, listOf(linkBytes, 64)],
  records: [3, listOf(recordBytes, MAX_PUSH_OPS)],
  wraps: [4, optional(listOf(wrapBytes, 256))],
  prevSealed: [5, optional(sealedBytes)],
})
export type VaultPush = TypeOf<typeof vaultPushStruct>

/** Push and pull in one request. A cursor names the last link this device has verified. */
export const syncRequestStruct = struct({
  account: [1, position],
  cursors: [2, listOf(tuple(id32, uint, bytesOf(32)), 256)],
  pushes: [3, listOf(vaultPushStruct, 64)],
  /** Soft limit of the answer, in bytes. */
  maxBytes: [4, uint],
})
export type SyncRequest = TypeOf<typeof syncRequestStruct>

/** New links of one vault after the cursor and the newest records of what they put, in link order. */
export const vaultChangesStruct = struct({
  vaultId: [1, id32],
  links: [2, listOf(linkBytes, 4096)],
  records: [3, listOf(recordBytes, 100_000)],
  head: [4, position],
  /** The answer was cut; ask again from the last link. */
  more: [5, bool],
  /** Wraps addressed to this account of the epochs that these links start: [epoch, entry, hashes of all entries]. */
  wraps: [6, optional(listOf(tuple(uint, wrapBytes, listOf(bytesOf(32), 256)), 64))],
  /** Sealed older keys of the same epochs: [epoch, sealed key of the epoch before it]. Kept by devices for a repair. */
  prevSealed: [7, optional(listOf(tuple(uint, sealedBytes), 64))],
})
export type VaultChanges = TypeOf<typeof vaultChangesStruct>

export const PUSH_ACCEPTED = 0
export const PUSH_CONFLICT = 1
export const PUSH_REFUSED = 2

/** One result per pushed vault. After a conflict `changes` of that vault hold what won. */
export const pushResultStruct = struct({
  vaultId: [1, id32],
  outcome: [2, uint],
  code: [3, optional(textUpTo(64))],
  head: [4, position],
})
export type PushResult = TypeOf<typeof pushResultStruct>

export const syncReplyStruct = struct({
  logId: [1, bytesOf(16)],
  commit: [2, uint],
  accountLinks: [3, listOf(linkBytes, 4096)],
  results: [4, listOf(pushResultStruct, 64)],
  vaults: [5, listOf(vaultChangesStruct, 256)],
  /** Every vault of the account: [id, seq, hash] of its head. */
  heads: [6, listOf(tuple(id32, uint, bytesOf(32)), 256)],
})
export type SyncReply = TypeOf<typeof syncReplyStruct>

/** First read of a vault, in pages ordered by item id. Links, leaves and keys come with the first page (after absent). */
export const bootstrapRequestStruct = struct({
  vaultId: [1, id32],
  after: [2, optional(id16)],
  maxBytes: [3, uint],
})
export const bootstrapReplyStruct = struct({
  authorityLinks: [1, listOf(linkBytes, 4096)],
  headLink: [2, linkBytes],
  /** [item id, rev, epoch, ct_hash, 1 if deleted] of every leaf, sorted by item id. */
  leaves: [3, listOf(tuple(id16, uint, uint, bytesOf(32), uint), 1_000_000)],
  records: [4, listOf(recordBytes, 100_000)],
  /** Absent on the last page. */
  next: [5, optional(id16)],
  /** Of every epoch: [epoch, wrap entry for this account, hashes of all entries]. Only the first page. */
  wraps: [6, listOf(tuple(uint, wrapBytes, listOf(bytesOf(32), 256)), 4096)],
  /** [epoch, sealed key of the epoch before it]. Only the first page. */
  prevSealed: [7, listOf(tuple(uint, sealedBytes), 4096)],
})

/** Superseded records of one item, newest first, 30 days back. */
export const historyRequestStruct = struct({ vaultId: [1, id32], itemId: [2, id16] })
export const historyReplyStruct = struct({ records: [1, listOf(recordBytes, 1000)] })

/** A suffix that the server lost, from a device that has it (after a restore). */
export const repairRequestStruct = struct({
  accountLinks: [1, listOf(linkBytes, 4096)],
  accountWraps: [2, listOf(tuple(uint, wrapBytes), 4096)],
  accountPrevSealed: [3, listOf(tuple(uint, sealedBytes), 4096)],
  vaults: [4, listOf(vaultPushStruct, 64)],
})
export const repairReplyStruct = struct({ results: [1, listOf(pushResultStruct, 64)] })

/** One account link with what it needs; commits first and alone. Rotations of vaults follow in the same request. */
export const accountAppendStruct = struct({
  link: [1, linkBytes],
  wraps: [2, listOf(wrapBytes, 256)],
  prevSealed: [3, optional(sealedBytes)],
  rotations: [4, listOf(vaultPushStruct, 64)],
  /** A new OPAQUE record, where the link replaces the password slot. */
  registrationRecord: [5, optional(bytesUpTo(1024))],
})
export const accountAppendReplyStruct = struct({
  outcome: [1, uint],
  code: [2, optional(textUpTo(64))],
  head: [3, position],
  /** After a conflict: the links that won. */
  accountLinks: [4, listOf(linkBytes, 4096)],
  results: [5, listOf(pushResultStruct, 64)],
  state: [6, textUpTo(32)],
})

/** Sign-up: everything of the one transaction. */
export const signupFinishStruct = struct({
  accountUuid: [1, textUpTo(64)],
  registrationRecord: [2, bytesUpTo(1024)],
  genesis: [3, linkBytes],
  wraps: [4, listOf(wrapBytes, 3)],
})
export const signupFinishReplyStruct = struct({ accountId: [1, id32], state: [2, textUpTo(32)] })

export const accountChainReplyStruct = struct({ links: [1, listOf(linkBytes, 65_536)] })

/** All wraps of the account key and all sealed older epochs; public to devices of the account, kept by them for repair. */
export const accountKeysReplyStruct = struct({
  wraps: [1, listOf(tuple(uint, wrapBytes), 65_536)],
  prevSealed: [2, listOf(tuple(uint, sealedBytes), 4096)],
})

/** Query of the feed: the positions to start from; the first event is an ordinary sync reply. */
export const feedRequestStruct = struct({
  account: [1, position],
  cursors: [2, listOf(tuple(id32, uint, bytesOf(32)), 256)],
})

/** One event of the feed (`data:` is base64url of these bytes). `device` says that a device waits or that one was decided. */
export const feedEventStruct = struct({
  commit: [1, uint],
  accountLinks: [2, listOf(linkBytes, 64)],
  vaults: [3, listOf(vaultChangesStruct, 64)],
  notice: [4, optional(textUpTo(64))],
})
export type FeedEvent = TypeOf<typeof feedEventStruct>

/** What a lease answer proves to this device; signed over LP("kf1/lease-token", payload). Times in seconds. */
export const leaseTokenStruct = struct({
  leaseId: [1, id16],
  deviceId: [2, id16],
  issuedAtS: [3, uint],
  expiresAtS: [4, uint],
  graceS: [5, uint],
  maxOfflineUnlocks: [6, uint],
  account: [7, position],
  serial: [8, uint],
})
export type LeaseToken = TypeOf<typeof leaseTokenStruct>
export const signedLeaseTokenStruct = struct({ payload: [1, bytesUpTo(512)], signature: [2, bytesOf(64)] })
