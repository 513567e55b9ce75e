import { bytesToHex, equalBytes, err, ok, type Result } from "@keyferry/base"
import {
  accountKeyRecipients,
  type AccountState,
  compareWithKnown,
  encodeLink,
  hashAt,
  newestAccountKey,
  openLink,
} from "@keyferry/chain"
import { decodeWrapEntry } from "@keyferry/crypto"
import { accountChainReplyStruct, type ErrorCode, type Failure, isErrorCode, type SyncReply } from "@keyferry/protocol"

import { deviceCalls } from "./device-calls.ts"
import { rotateAccountKey } from "./account-epoch.ts"
import { decodeLinks, type Device } from "./device.ts"
import type { VaultRow } from "./formats.ts"
import { readKeptKeys, servedAccountKeys } from "./kept.ts"
import { send, uploadVault, vaultName } from "./repair-vault.ts"
import { applyAccountLinks } from "./sync-account.ts"
import { exchange, type SyncScope, syncScope } from "./sync-exchange.ts"
import { applyReply, syncNow } from "./sync.ts"
import { type Vault, vaultStoreRow } from "./vault.ts"

/*
 * After a restore: a device brings back what the server lost of the account and of its vaults, and goes on only when the
 * server's history contains this device's again. A server that only says that it was restored gets back what it gave out
 * before, and nothing else. Source: spec/feed.md SY90–SY98
 */
export interface VaultRepair {
  readonly vault: string
  /** Links that the server had lost. */
  readonly links: number
  /** Items pushed again as a new revision, because their record was lost. */
  readonly anew: number
  readonly state: "in-step" | "thawed" | "frozen"
  /** Why it is frozen still. */
  readonly code?: ErrorCode
}

export interface RepairReport {
  /** Links of the account that the server had lost. */
  readonly accountLinks: number
  readonly vaults: readonly VaultRepair[]
  /** Keys of the newest epoch were lost too, so that this device started another. */
  readonly rotated: boolean
  /** Nobody can sign in until a device registers the password again: `registerPassword`. */
  readonly passwordLost: boolean
  /** The operator gave up what no device had brought back. */
  readonly lossAcceptedAtMs?: number
}

/** A person asked for it. Errors: those of a sync; chain-forked, where the account itself has two histories */
export const repairServer = async (device: Device): Promise<Result<RepairReport, Failure>> => {
  const scope = syncScope(device)
  if (!scope.ok) return scope
  const account = await repairAccount(device, scope.value)
  if (!account.ok) return account
  const uploads: { vault: Vault; links: number; anew: number; code?: ErrorCode }[] = []
  for (const vault of device.vaults.values()) {
    if (vault.row.resumeAfter !== undefined) continue
    const done = await uploadVault(device, scope.value, vault)
    if (!done.ok) return done
    uploads.push({ vault, ...done.value })
  }
  const now = syncScope(device)
  if (!now.ok) return now
  const reply = await exchange(device, now.value, [])
  if (!reply.ok)
    return reply.error.code === "chain-rolled-back"
      ? err({
          code: "chain-rolled-back",
          detail:
            "This device brought back all it has, and the server still misses something: repair on your other devices too. What no device has, only the operator can give up: keyferry loss ls",
        })
      : reply
  const thawed = await thaw(device, now.value, reply.value)
  const applied = await applyReply(device, reply.value)
  if (!applied.ok && !isFrozenWord(device, applied.error)) return applied
  const rotated = await replaceLostKeys(device)
  if (!rotated.ok) return rotated
  // What still contradicts this device freezes its vault again here, with new evidence.
  const synced = await syncNow(device)
  if (!synced.ok && !isFrozenWord(device, synced.error)) return synced
  const status = await accountWords(device)
  if (!status.ok) return status
  const vaults = uploads.map(({ vault, links, anew, code }): VaultRepair => {
    const id = bytesToHex(vault.state.id)
    const frozen = device.vaults.get(id)?.row.frozen
    const why = code ?? (frozen !== undefined && isErrorCode(frozen) ? frozen : undefined)
    const isFrozen = frozen !== undefined || code !== undefined
    return {
      vault: vaultName(vault),
      links,
      anew,
      state: isFrozen ? "frozen" : thawed.has(id) ? "thawed" : "in-step",
      ...(isFrozen && why !== undefined ? { code: why } : {}),
    }
  })
  return ok({ accountLinks: account.value, vaults, rotated: rotated.value, ...status.value })
}

/** A vault that stays frozen is told in the report, by its own code. */
const isFrozenWord = (device: Device, { code }: Failure): boolean =>
  [...device.vaults.values()].some(({ row }) => row.frozen === code)

const accountWords = async (
  device: Device,
): Promise<Result<Pick<RepairReport, "passwordLost" | "lossAcceptedAtMs">, Failure>> => {
  const calls = await deviceCalls(device)
  if (!calls.ok) return calls
  const status = await calls.value.transport.json("account.status", {}, calls.value.as)
  if (!status.ok) return status
  const { passwordLost = false, lossAcceptedAtMs } = status.value
  return ok({ passwordLost, ...(lossAcceptedAtMs === undefined ? {} : { lossAcceptedAtMs }) })
}

/** Brings the account's chain together. Answers how many links the server had lost. Errors: chain-forked, what the server says */
const repairAccount = async (device: Device, scope: SyncScope): Promise<Result<number, Failure>> => {
  const calls = await deviceCalls(device)
  if (!calls.ok) return calls
  const reply = await calls.value.transport.cbor("account.chain", undefined, calls.value.as)
  if (!reply.ok) return reply
  const served = accountChainReplyStruct.decode(reply.value, 80 * 1024 * 1024)
  if (!served.ok) return err({ code: "malformed" })
  const links = decodeLinks(served.value.links)
  if (links === undefined) return err({ code: "chain-invalid" })
  for (const [i, link] of links.entries()) {
    const open = openLink(device.ports.primitives, link)
    const mine = hashAt(scope.account, i + 1)
    if (!open.ok) return err({ code: "chain-invalid" })
    if (mine !== undefined && !equalBytes(mine, open.value.hash)) return err(otherAccount)
  }
  const known = scope.account.head.seq
  if (links.length >= known) {
    const applied = await applyAccountLinks(device, links.slice(known).map(encodeLink))
    return applied.ok ? ok(0) : applied
  }
  const suffix = device.links.slice(links.length)
  const sent = await send(device, [], { links: suffix, keys: await readKeptKeys(device, scope.keys) })
  if (sent.ok) return ok(suffix.length)
  // An account that waits for no repair takes no links: its loss was accepted, or this server only pretends.
  return sent.error.code === "not-allowed" ? err(otherAccount) : sent
}

/** An older or another account is never taken on: somebody who was removed would be in it again. */
const otherAccount: Failure = {
  code: "chain-forked",
  detail:
    "The server's account is not the one this device knows, and it takes nothing back. Everything here stays readable: kf export archive. If the operator accepted a loss, sign this device out, sign in again and import the archive; if nobody did, trust this server with nothing more.",
}

/** Vaults whose whole history the server shows again are read and written as before. A fork never thaws here. */
const thaw = async (device: Device, scope: SyncScope, reply: SyncReply): Promise<ReadonlySet<string>> => {
  const thawed = new Set<string>()
  for (const [id, vault] of device.vaults) {
    const { frozen, ...row } = vault.row
    if (frozen !== "chain-rolled-back" && frozen !== "chain-omission") continue
    const head = reply.heads.find(([vaultId]) => equalBytes(vaultId, vault.state.id))
    const changes = reply.vaults.find((one) => equalBytes(one.vaultId, vault.state.id))
    const links = decodeLinks(changes?.links ?? [])
    if (head === undefined || links === undefined) continue
    const compared = compareWithKnown(
      device.ports.primitives,
      { head: vault.state.head, hashAt: () => undefined },
      { head: { seq: head[1], hash: head[2] }, links },
    )
    // Further than this device, and nothing that follows its head: not yet shown.
    if (!compared.ok || (head[1] > vault.state.head.seq && compared.value.length === 0)) continue
    await writeVault(device, scope, { ...vault, row })
    thawed.add(id)
  }
  return thawed
}

const writeVault = async (
  device: Device,
  scope: SyncScope,
  vault: Vault & { readonly row: VaultRow },
): Promise<void> => {
  await device.ports.store.write([await vaultStoreRow(device, scope.keys, vault.row)])
  device.vaults.set(bytesToHex(vault.state.id), vault)
  device.changed()
}

/** Where a holder's wrap of the newest account key is gone for good, a new epoch takes its place. */
const replaceLostKeys = async (device: Device): Promise<Result<boolean, Failure>> => {
  const { account } = device
  if (account === undefined) return ok(false)
  const served = await servedAccountKeys(device)
  if (!served.ok) return served
  if (hasEveryWrap(device, account, served.value.wraps)) return ok(false)
  const rotated = await rotateAccountKey(device)
  return rotated.ok ? ok(true) : rotated
}

const hasEveryWrap = (
  device: Device,
  account: AccountState,
  wraps: readonly (readonly [number, Uint8Array])[],
): boolean => {
  const { epoch } = newestAccountKey(account)
  const entries = wraps.flatMap(([of, bytes]) => {
    const entry = of === epoch ? decodeWrapEntry(bytes) : undefined
    return entry?.ok === true ? [entry.value] : []
  })
  return accountKeyRecipients(account).every((holder) =>
    entries.some(
      (entry) =>
        equalBytes(entry.recipient, holder.id) &&
        equalBytes(entry.kemPkHash, device.ports.primitives.sha256(holder.kemPk)),
    ),
  )
}
