import { bytesToHex, compareBytes, equalBytes, err, isZero, ok, type Result } from "@keyferry/base"
import {
  decodeLink,
  epochRotateStruct,
  itemsStruct,
  type Leaf,
  leafOfOp,
  OP_PUT,
  openLink,
  type OpenLink,
  parseBody,
  VAULT_EPOCH_ROTATE,
  VAULT_GENESIS,
  VAULT_ITEMS,
  type VaultEpoch,
  vaultGenesisStruct,
} from "@keyferry/chain"
import {
  ctHash,
  decodeRecord,
  decodeWrapEntry,
  type Primitives,
  readRecordHeader,
  sealedHash,
  sealedStruct,
  type WrapEntry,
  wrapsHash,
} from "@keyferry/crypto"
import { type Failure, MAX_PUSH_OPS, type VaultPush } from "@keyferry/protocol"

/*
 * Everything of a push that can be checked without the store: each record is exactly what one put speaks of, and the
 * wraps and the sealed older key are exactly what the link committed to. Nothing here is trusted because of it: the links
 * themselves are verified inside the transaction.
 * Source: spec/feed.md SY60–SY62
 */
export interface PreparedRecord {
  readonly itemId: Uint8Array
  readonly rev: number
  readonly epoch: number
  /** Hash that the header says the revision before had; zeros at revision 1. */
  readonly prevCtHash: Uint8Array
  readonly bytes: Uint8Array
}

export interface PreparedWrap {
  readonly recipient: Uint8Array
  readonly bytes: Uint8Array
}

export interface PreparedOp {
  /** What the op leaves behind. */
  readonly leaf: Leaf
  /** Absent for a delete, and in a repair for a record that is lost. */
  readonly record?: PreparedRecord
}

export interface PreparedLink {
  readonly bytes: Uint8Array
  readonly open: OpenLink
  /** Of an items link, in its order. */
  readonly ops: readonly PreparedOp[]
  /** Of a link that starts an epoch. */
  readonly epoch?: VaultEpoch
}

export interface PreparedPush {
  readonly vaultId: Uint8Array
  readonly links: readonly PreparedLink[]
  readonly wraps: readonly PreparedWrap[]
  readonly prevSealed?: Uint8Array
}

/** How many items links of a push change. */
export const opsOf = (push: Pick<PreparedPush, "links">): number =>
  push.links.reduce((n, link) => n + link.ops.length, 0)

/** The records of a push, in link order. */
export const recordsOf = (links: readonly PreparedLink[]): readonly PreparedRecord[] =>
  links.flatMap((link) => link.ops.flatMap((op) => (op.record === undefined ? [] : [op.record])))

export interface PrepareOptions {
  /** A repair: some records, and the keys of an epoch, may be lost for good. */
  readonly mayMiss?: boolean
}

/** Errors: malformed, chain-invalid (a link that is none, or other wraps than it speaks of), record-mismatch, too-large */
export const preparePush = (
  p: Primitives,
  push: VaultPush,
  options: PrepareOptions = {},
): Result<PreparedPush, Failure> => {
  if (push.links.length === 0) return err({ code: "malformed", detail: "A push without links." })
  const records = readRecords(p, push.records)
  if (!records.ok) return records
  const links: PreparedLink[] = []
  for (const bytes of push.links) {
    const link = prepareLink(p, push.vaultId, bytes, records.value, options.mayMiss === true)
    if (!link.ok) return link
    links.push(link.value)
  }
  if (recordsOf(links).length !== push.records.length) return mismatch("A record that no link speaks of.")
  if (opsOf({ links }) > MAX_PUSH_OPS) return err({ code: "too-large" })
  const keys = prepareKeys(p, push, links, options.mayMiss === true)
  return keys.ok ? ok({ vaultId: push.vaultId, links, ...keys.value }) : keys
}

interface ReadRecord extends PreparedRecord {
  readonly vid: Uint8Array
  readonly byUid: Uint8Array
  readonly by: Uint8Array
  readonly hash: Uint8Array
}

/** By item and revision. */
const readRecords = (p: Primitives, records: readonly Uint8Array[]): Result<Map<string, ReadRecord>, Failure> => {
  const out = new Map<string, ReadRecord>()
  for (const bytes of records) {
    const record = decodeRecord(bytes, "shared")
    if (!record.ok) return mismatch("A record that cannot be read.")
    const header = readRecordHeader(record.value)
    if (!header.ok)
      return header.error === "suite-unknown"
        ? err({ code: "suite-unsupported" })
        : mismatch("A header that cannot be read.")
    const { itemId, rev } = header.value
    out.set(recordName(itemId, rev), { ...header.value, hash: ctHash(p, record.value), bytes })
  }
  return out.size === records.length ? ok(out) : mismatch("Two records of one revision.")
}

const recordName = (itemId: Uint8Array, rev: number): string => `${bytesToHex(itemId)} ${rev}`

const prepareLink = (
  p: Primitives,
  vaultId: Uint8Array,
  bytes: Uint8Array,
  records: ReadonlyMap<string, ReadRecord>,
  mayMiss: boolean,
): Result<PreparedLink, Failure> => {
  const open = openBytes(p, bytes)
  if (!open.ok) return open
  const { payload } = open.value
  if (payload.type === VAULT_GENESIS) {
    const body = parseBody(vaultGenesisStruct, payload.body)
    return body.ok ? ok({ bytes, open: open.value, ops: [], epoch: body.value.epoch }) : invalid
  }
  if (payload.type === VAULT_EPOCH_ROTATE) {
    const body = parseBody(epochRotateStruct, payload.body)
    return body.ok ? ok({ bytes, open: open.value, ops: [], epoch: body.value.epoch }) : invalid
  }
  if (payload.type !== VAULT_ITEMS) return err({ code: "suite-unsupported" })
  const body = parseBody(itemsStruct, payload.body)
  if (!body.ok) return invalid
  const ops: PreparedOp[] = []
  for (const op of body.value.ops) {
    const [kind, itemId, rev, epoch, hash, size] = op
    const leaf = leafOfOp(op)
    if (kind !== OP_PUT) {
      ops.push({ leaf })
      continue
    }
    const record = records.get(recordName(itemId, rev))
    if (record === undefined && mayMiss) {
      ops.push({ leaf })
      continue
    }
    if (record === undefined) return mismatch("A put without its record.")
    const isRight =
      equalBytes(record.hash, hash) &&
      record.bytes.length === size &&
      record.epoch === epoch &&
      equalBytes(record.vid, vaultId) &&
      equalBytes(record.byUid, payload.byAccount) &&
      equalBytes(record.by, payload.byHolder)
    if (!isRight) return mismatch("A record that its link does not describe.")
    ops.push({ leaf, record })
  }
  return ok({ bytes, open: open.value, ops })
}

/** Errors: chain-invalid. */
export const openBytes = (p: Primitives, bytes: Uint8Array): Result<OpenLink, Failure> => {
  const link = decodeLink(bytes)
  const open = link.ok ? openLink(p, link.value) : link
  return open.ok ? open : invalid
}

export const invalid = err<Failure>({ code: "chain-invalid" })
const mismatch = (detail: string): { readonly ok: false; readonly error: Failure } =>
  err({ code: "record-mismatch", detail })
const wrongKeys = (detail: string): { readonly ok: false; readonly error: Failure } =>
  err({ code: "chain-invalid", detail })

const prepareKeys = (
  p: Primitives,
  push: VaultPush,
  links: readonly PreparedLink[],
  mayMiss: boolean,
): Result<Pick<PreparedPush, "wraps" | "prevSealed">, Failure> => {
  const epochs = links.flatMap((link) => (link.epoch === undefined ? [] : [link.epoch]))
  const [epoch] = epochs
  if (epoch === undefined)
    return push.wraps === undefined && push.prevSealed === undefined
      ? ok({ wraps: [] })
      : wrongKeys("Keys that no link speaks of.")
  if (epochs.length > 1) return err({ code: "malformed", detail: "Two key epochs in one push." })
  // The epoch stays without what nobody has any more: who may rotate starts another.
  if (mayMiss && (push.wraps === undefined || (push.prevSealed === undefined && epoch.prevSealedHash !== undefined)))
    return ok({ wraps: [] })
  const wraps = readWraps(p, push.wraps ?? [], epoch.wrapsHash)
  if (!wraps.ok) return wraps
  const recipients = epoch.recipients.map(([id, , kemPkHash]) => ({ id, kemPkHash }))
  if (!isForExactly(wraps.value, recipients)) return wrongKeys("The wraps are not for exactly the members.")
  const prevSealed = checkSealed(p, push.prevSealed, epoch.prevSealedHash)
  return prevSealed.ok ? ok({ wraps: wraps.value, ...prevSealed.value }) : prevSealed
}

/** Entries as sent, whose hash is exactly the one that the link committed to. Errors: chain-invalid. */
export const readWraps = (
  p: Primitives,
  entries: readonly Uint8Array[],
  expected: Uint8Array,
): Result<readonly (PreparedWrap & WrapEntry)[], Failure> => {
  const out: (PreparedWrap & WrapEntry)[] = []
  for (const bytes of entries) {
    const entry = decodeWrapEntry(bytes)
    if (!entry.ok) return wrongKeys("A wrap that cannot be read.")
    out.push({ ...entry.value, bytes })
  }
  out.sort((a, b) => compareBytes(a.recipient, b.recipient))
  const isDoubled = out.some((entry, i) => {
    const before = out[i - 1]
    return before !== undefined && equalBytes(entry.recipient, before.recipient)
  })
  return !isDoubled && equalBytes(wrapsHash(p, out), expected)
    ? ok(out)
    : wrongKeys("The wraps are not those of the link.")
}

/** True if there is one wrap for each of these recipients and their newest key, and none besides. */
export const isForExactly = (
  wraps: readonly WrapEntry[],
  recipients: readonly { readonly id: Uint8Array; readonly kemPkHash: Uint8Array }[],
): boolean =>
  wraps.length === recipients.length &&
  recipients.every(({ id, kemPkHash }) =>
    wraps.some((entry) => equalBytes(entry.recipient, id) && equalBytes(entry.kemPkHash, kemPkHash)),
  )

/** The sealed key of the epoch before, exactly as the link committed to it. Errors: chain-invalid. */
export const checkSealed = (
  p: Primitives,
  bytes: Uint8Array | undefined,
  expected: Uint8Array | undefined,
): Result<{ readonly prevSealed?: Uint8Array }, Failure> => {
  if (bytes === undefined || expected === undefined)
    return bytes === expected ? ok({}) : wrongKeys("The sealed older key is missing, or nobody spoke of it.")
  const sealed = sealedStruct.decode(bytes, 400)
  return sealed.ok && !isZero(expected) && equalBytes(sealedHash(p, sealed.value), expected)
    ? ok({ prevSealed: bytes })
    : wrongKeys("The sealed older key is not that of the link.")
}
