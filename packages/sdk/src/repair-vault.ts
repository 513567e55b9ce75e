import { bytesToHex, equalBytes, err, formatId, ok, type Result } from "@keyferry/base"
import { ctHash, decodeRecord } from "@keyferry/crypto"
import type { PushOp } from "@keyferry/engine"
import {
  type ErrorCode,
  type Failure,
  isErrorCode,
  MAX_PUSH_OPS,
  PUSH_ACCEPTED,
  type PushResult,
  repairReplyStruct,
  repairRequestStruct,
  type VaultPush,
} from "@keyferry/protocol"

import { deviceCalls } from "./device-calls.ts"
import type { ServedKeys } from "./account-keys.ts"
import type { Device } from "./device.ts"
import { itemRow } from "./items.ts"
import { type Kept, keptLinks, keptOfPush, keptRows } from "./kept.ts"
import { type Body, committedOf } from "./outbox-rows.ts"
import type { Row } from "./ports.ts"
import type { SyncScope } from "./sync-exchange.ts"
import { type Prepared, prepareItems } from "./sync-push.ts"
import { type Vault, vaultStoreRow } from "./vault.ts"

/*
 * One vault of a server that was restored: what it lost of the chain goes up again, link by link, with the records that this
 * device has kept; an item whose record nobody kept is pushed anew from its copy here. Source: spec/feed.md SY91, SY92, SY95
 */
const MAX_LINKS = 64
const MAX_BYTES = 3 * 1024 * 1024
const ANEW_OPS = 200
const ZERO32 = new Uint8Array(32)

export interface VaultUpload {
  readonly links: number
  /** Items whose record was lost, pushed again as a new revision. */
  readonly anew: number
  /** Why the server's history and this device's do not become one; absent where the server has all of it now. */
  readonly code?: ErrorCode
}

/** Brings one vault's lost suffix back. Errors: what the server says to the request as a whole */
export const uploadVault = async (
  device: Device,
  scope: SyncScope,
  vault: Vault,
): Promise<Result<VaultUpload, Failure>> => {
  const { head } = vault.state
  const kept = await keptLinks(device, scope.keys, vault.state.id)
  const newest = kept.at(-1)
  // A device that has kept nothing of this vault cannot tell; the sync that follows compares the heads.
  if (newest === undefined || newest.seq !== head.seq || !equalBytes(newest.hash, head.hash))
    return ok({ links: 0, anew: 0 })
  const probe = await send(device, [pushOf(vault.state.id, [newest])])
  if (!probe.ok) return probe
  const found = resultOf(probe.value, vault.state.id)
  if (found.outcome === PUSH_ACCEPTED) return ok({ links: 0, anew: 0 })
  const [seq, hash] = found.head
  const code = codeOf(found)
  if (code !== "chain-forked" && code !== "vault-not-found") return ok({ links: 0, anew: 0, code })
  // The server stands at a place of this device's own history, or its history is another one.
  const mine = kept.find((one) => one.seq === seq)
  if (seq >= head.seq || (mine !== undefined && !equalBytes(mine.hash, hash)))
    return ok({ links: 0, anew: 0, code: "chain-forked" })
  const suffix = kept.filter((one) => one.seq > seq)
  // More is lost than thirty days of links.
  if ((seq > 0 && mine === undefined) || suffix[0]?.seq !== seq + 1 || suffix.length !== head.seq - seq)
    return ok({ links: 0, anew: 0, code: "chain-rolled-back" })
  const anew = await pushAnew(device, scope, vault, suffix)
  if (!anew.ok) return anew
  for (const push of chunksOf(vault.state.id, [...suffix, ...anew.value.flatMap((made) => unitOf(made))])) {
    const sent = await send(device, [push])
    if (!sent.ok) return sent
    const result = resultOf(sent.value, vault.state.id)
    if (result.outcome !== PUSH_ACCEPTED) return ok({ links: 0, anew: 0, code: codeOf(result) })
  }
  for (const made of anew.value) await settle(device, scope, made)
  return ok({ links: suffix.length, anew: anew.value.reduce((n, made) => n + made.placed.size, 0) })
}

/** One repair request. Errors: what the server says, malformed */
export const send = async (
  device: Device,
  vaults: readonly VaultPush[],
  account?: { readonly links: readonly Uint8Array[]; readonly keys: ServedKeys },
): Promise<Result<readonly PushResult[], Failure>> => {
  const calls = await deviceCalls(device)
  if (!calls.ok) return calls
  const body = repairRequestStruct.encode({
    accountLinks: account?.links ?? [],
    accountWraps: account?.keys.wraps ?? [],
    accountPrevSealed: account?.keys.prevSealed ?? [],
    vaults,
  })
  const reply = await calls.value.transport.cbor("repair", body, calls.value.as)
  if (!reply.ok) return reply
  const decoded = repairReplyStruct.decode(reply.value, 1024 * 1024)
  return decoded.ok ? ok(decoded.value.results) : err({ code: "malformed" })
}

const resultOf = (results: readonly PushResult[], vaultId: Uint8Array): PushResult =>
  results.find((one) => equalBytes(one.vaultId, vaultId)) ?? { vaultId, outcome: 2, head: [0, ZERO32] }

const codeOf = ({ code }: PushResult): ErrorCode => (code !== undefined && isErrorCode(code) ? code : "internal")

/** A link as a part of a request. */
type Unit = Pick<Kept, "link" | "records" | "wraps" | "prevSealed" | "ops" | "startsEpoch">

const unitOf = ({ push, placed }: Prepared): readonly Unit[] =>
  push.links.map((link) => ({ link, records: push.records, ops: placed.size, startsEpoch: false }))

const pushOf = (vaultId: Uint8Array, units: readonly Unit[]): VaultPush => {
  const epoch = units.find(({ startsEpoch }) => startsEpoch)
  return {
    vaultId,
    links: units.map(({ link }) => link),
    records: units.flatMap(({ records }) => records),
    ...(epoch?.wraps === undefined ? {} : { wraps: epoch.wraps }),
    ...(epoch?.prevSealed === undefined ? {} : { prevSealed: epoch.prevSealed }),
  }
}

/** As few requests as the limits of one allow; a request starts at most one epoch. */
const chunksOf = (vaultId: Uint8Array, units: readonly Unit[]): readonly VaultPush[] => {
  const chunks: Unit[][] = []
  let current: Unit[] = []
  let ops = 0
  let bytes = 0
  for (const unit of units) {
    const size = unit.link.length + unit.records.reduce((n, record) => n + record.length, 0)
    const isFull =
      current.length >= MAX_LINKS ||
      ops + unit.ops > MAX_PUSH_OPS ||
      bytes + size > MAX_BYTES ||
      (unit.startsEpoch && current.some(({ startsEpoch }) => startsEpoch))
    if (isFull && current.length > 0) {
      chunks.push(current)
      current = []
      ops = 0
      bytes = 0
    }
    current.push(unit)
    ops += unit.ops
    bytes += size
  }
  if (current.length > 0) chunks.push(current)
  return chunks.map((chunk) => pushOf(vaultId, chunk))
}

/** New revisions of the items whose newest record was in the lost part and is not kept here. */
const pushAnew = async (
  device: Device,
  scope: SyncScope,
  vault: Vault,
  suffix: readonly Kept[],
): Promise<Result<readonly Prepared[], Failure>> => {
  const { primitives: p } = device.ports
  const wanted: PushOp<Body>[] = []
  for (const { puts, records } of suffix) {
    const held = new Set(
      records.flatMap((bytes) => {
        const record = decodeRecord(bytes)
        return record.ok ? [bytesToHex(ctHash(p, record.value))] : []
      }),
    )
    for (const [id, rev, hash] of puts) {
      const itemId = bytesToHex(id)
      const row = device.items.get(itemId)
      if (held.has(bytesToHex(hash)) || row?.rev !== rev || !equalBytes(row.ctHash, hash)) continue
      const body = committedOf(row)?.body
      if (body === undefined || body === "deleted" || body.length === 0) continue
      wanted.push({ itemId, rev: rev + 1, body })
    }
  }
  const made: Prepared[] = []
  let current = vault
  for (let i = 0; i < wanted.length; i += ANEW_OPS) {
    const prepared = await prepareItems(device, scope, current, wanted.slice(i, i + ANEW_OPS))
    if (!prepared.ok) return prepared
    made.push(prepared.value)
    current = prepared.value.vault
  }
  return ok(made)
}

/** The server has them: rows, vault state and kept links become durable together. */
const settle = async (device: Device, scope: SyncScope, { vault, placed, push }: Prepared): Promise<void> => {
  const rows: Row[] = [
    await vaultStoreRow(device, scope.keys, vault.row),
    ...(await keptRows(device, scope.keys, keptOfPush(push))),
  ]
  for (const row of placed.values()) rows.push(itemRow(scope.keys, row))
  await device.ports.store.write(rows)
  for (const [itemId, row] of placed) device.items.set(itemId, row)
  device.vaults.set(bytesToHex(vault.state.id), vault)
}

export const vaultName = (vault: Vault): string => formatId("vlt", vault.state.id)
