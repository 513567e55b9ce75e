import { bytesToHex, equalBytes, err, ok, type Result } from "@keyferry/base"
import { compareWithKnown, currentEpoch, ROTATE_REMOVAL } from "@keyferry/chain"
import { syncStatus } from "@keyferry/engine"
import {
  type Failure,
  isErrorCode,
  PUSH_ACCEPTED,
  PUSH_CONFLICT,
  type PushResult,
  type SyncReply,
} from "@keyferry/protocol"

import type { OnProgress } from "./api.ts"
import { type Device, settingsStateRow } from "./device.ts"
import type { LocalItem } from "./formats.ts"
import { keepAccountKeys, keptOfPush, keptRows } from "./kept.ts"
import { withEntry } from "./outbox-rows.ts"
import { applyAccountLinks } from "./sync-account.ts"
import { exchange, type SyncScope, syncScope } from "./sync-exchange.ts"
import { adoptHomeless } from "./adopt-homeless.ts"
import { applyChanges, bootstrapVault, freeze } from "./sync-pull.ts"
import { type Prepared, prepareItems } from "./sync-push.ts"
import { findOverdue } from "./rotation-audit.ts"
import { bundleRow } from "./key-bundle.ts"
import { type MadeVault, makeRotation, makeVault, vaultKeyOf, vaultStoreRow, withVaultKey } from "./vault.ts"
import { advance, editsBeside, openRun, randomFraction, type VaultRun } from "./vault-run.ts"

/*
 * Runs the machines of all vaults against the server: what they want to push goes up and everything new comes down, in one request,
 * until none of them wants anything. The engine decides what and when; this file seals, signs, verifies and stores.
 * Source: spec/sync.md, packages/engine/DESIGN.md
 */
const MAX_EMPTY_ROUNDS = 5

export interface SyncOutcome {
  readonly sent: number
  readonly received: number
  /** The person paused the first read; nothing else is done before it goes on. */
  readonly paused: boolean
}

type Runs = Map<string, VaultRun>

/** Sends and receives until nothing is left. Errors: what the server says, busy, or the integrity code that froze a vault. */
export const syncNow = async (device: Device, onProgress?: OnProgress): Promise<Result<SyncOutcome, Failure>> => {
  const runs: Runs = new Map()
  let sent = 0
  let received = 0
  let emptyRounds = 0
  // An account's first vault is made only after the server was asked whether there is one already.
  for (let asked = false; ; asked = true) {
    const scope = syncScope(device)
    if (!scope.ok) return scope
    await startRuns(device, scope.value, runs)
    const prepared = await preparePushes(device, scope.value, runs, asked)
    if (!prepared.ok) return prepared
    const total = waitingItems(device).length + sent
    const reply = await exchange(
      device,
      scope.value,
      prepared.value.map((p) => p.push),
    )
    if (!reply.ok) {
      for (const p of prepared.value) await unanswered(device, runs, p)
      return reply
    }
    const applied = await applyReply(device, reply.value, runs, prepared.value, onProgress)
    if (!applied.ok) return applied
    sent += applied.value.sent
    received += applied.value.received
    if (applied.value.sent > 0) onProgress?.({ step: "uploading", done: sent, total: Math.max(total, sent) })
    if (applied.value.refused !== undefined) return err(applied.value.refused)
    if (device.retrieve?.paused === true) {
      device.changed()
      return ok({ sent, received, paused: true })
    }
    for (const run of runs.values()) {
      const edits = editsBeside(device, run)
      if (edits.length > 0) await advance(device, run, { type: "edits", edits })
      if (syncStatus(run.state) === "busy") return err({ code: "busy" })
    }
    await waitForRuns(device, runs)
    const isWanted = [...runs.values()].some((run) => run.push !== undefined || run.rotate)
    const isFirstVaultDue = device.vaults.size === 0 && waitingItems(device).length > 0
    if (!isWanted && !applied.value.again && !(isFirstVaultDue && !asked)) break
    emptyRounds = applied.value.sent + applied.value.received > 0 ? 0 : emptyRounds + 1
    // A server that always has more and never gives any.
    if (emptyRounds > MAX_EMPTY_ROUNDS + (asked ? 0 : 1)) return err({ code: "busy" })
  }
  const after = syncScope(device)
  if (after.ok) await findOverdue(device, after.value)
  await markSynced(device)
  // Only for a repair one day: what keeps this from being kept now is tried again with the next sync.
  await keepAccountKeys(device)
  const frozen = [...device.vaults.values()].find((v) => v.row.frozen !== undefined)?.row.frozen
  // What was refused stays refused until somebody has looked at it: never a success that leaves a vault behind.
  if (frozen !== undefined)
    return err({
      code: isErrorCode(frozen) ? frozen : "chain-invalid",
      detail: "The vault is frozen since the server contradicted it.",
    })
  return ok({ sent, received, paused: false })
}

const markSynced = async (device: Device): Promise<void> => {
  if (device.local === undefined) return
  device.settings = { ...device.settings, lastSyncMs: device.ports.clock.nowMs() }
  await device.ports.store.write([await settingsStateRow(device, device.local, device.settings)])
  device.changed()
}

export const waitingItems = (device: Device): readonly LocalItem[] =>
  [...device.items.unsettled()]
    .map(([, row]) => row)
    .filter((row) => row.waiting && device.vaults.get(bytesToHex(row.vaultId))?.row.frozen === undefined)

/** A machine for each vault that is whole here, started; with the rotation that the auditor finds due. */
const startRuns = async (device: Device, scope: SyncScope, runs: Runs): Promise<void> => {
  const due = await findOverdue(device, scope)
  for (const [id, vault] of device.vaults) {
    if (vault.row.resumeAfter !== undefined) continue
    const run = runs.get(id) ?? openRun(device, vault)
    if (due.rotate.has(id) && !run.state.rotationDue) await advance(device, run, { type: "rotation-due" })
    if (!runs.has(id)) await advance(device, run, { type: "start" })
    runs.set(id, run)
  }
}

const preparePushes = async (
  device: Device,
  scope: SyncScope,
  runs: Runs,
  asked: boolean,
): Promise<Result<readonly Prepared[], Failure>> => {
  if (device.vaults.size === 0) {
    if (waitingItems(device).length === 0 || !asked) return ok([])
    const made = await makeVault(device, scope.account, scope.full, scope.record.deviceId)
    return ok([withMadeKey(made)])
  }
  const prepared: Prepared[] = []
  for (const [id, run] of runs) {
    const vault = device.vaults.get(id)
    if (vault === undefined) continue
    if (run.rotate) {
      run.rotate = false
      if (vaultKeyOf(scope.full, vault.state.id, currentEpoch(vault.state).epoch) === undefined)
        return err({ code: "key-not-trusted" })
      const made = await makeRotation(device, scope.account, scope.full, vault, scope.record.deviceId, ROTATE_REMOVAL)
      prepared.push(withMadeKey(made))
    } else if (run.push !== undefined) {
      const items = await prepareItems(device, scope, vault, run.push)
      if (!items.ok) return items
      run.push = undefined
      prepared.push(items.value)
    }
  }
  return ok(prepared)
}

const withMadeKey = ({ push, vault, full }: MadeVault): Prepared => {
  const { epoch } = currentEpoch(vault.state)
  const key = vaultKeyOf(full, vault.state.id, epoch)
  if (key === undefined) throw new Error("a vault was made without its key")
  return { push, vault, placed: new Map(), made: { epoch, key } }
}

/** Waits as long as the machines ask for, then lets them go on. */
const waitForRuns = async (device: Device, runs: Runs): Promise<void> => {
  const waiting = [...runs.values()].filter((run) => run.waitMs > 0)
  if (waiting.length === 0) return
  const ms = Math.max(...waiting.map((run) => run.waitMs))
  await new Promise<void>((resolve) => void device.ports.schedule(resolve, ms, true))
  for (const run of waiting) {
    run.waitMs = 0
    await advance(device, run, { type: "timer" })
  }
}

/** No answer: whether it arrived is not known. */
const unanswered = async (device: Device, runs: Runs, { push }: Prepared): Promise<void> => {
  const run = runs.get(bytesToHex(push.vaultId))
  if (run?.state.phase === "pushing")
    await advance(device, run, { type: "failed", pushId: run.state.pushId, random: randomFraction(device) })
  else if (run?.state.phase === "rotating")
    await advance(device, run, { type: "rotation-failed", random: randomFraction(device) })
}

// ── the answer ───────────────────────────────────────────────────────────────────────────────────────────────────

interface Applied {
  readonly sent: number
  readonly received: number
  readonly again: boolean
  readonly refused?: Failure
}

/** Applies one answer of the server, or an event of the feed. Errors: the integrity code that froze a vault, key-not-trusted */
export const applyReply = async (
  device: Device,
  reply: SyncReply,
  runs: Runs = new Map(),
  pushes: readonly Prepared[] = [],
  onProgress?: OnProgress,
): Promise<Result<Applied, Failure>> => {
  const account = await applyAccountLinks(device, reply.accountLinks)
  if (!account.ok) return account
  let sent = 0
  let received = 0
  let again = false
  let refused: Failure | undefined
  const lost = new Set<string>()
  for (const prepared of pushes) {
    const id = bytesToHex(prepared.push.vaultId)
    const result = reply.results.find((r) => equalBytes(r.vaultId, prepared.push.vaultId))
    const run = runs.get(id)
    if (result?.outcome === PUSH_ACCEPTED) {
      sent += await acceptPush(device, run, prepared)
      again ||= run === undefined
    } else if (result?.outcome === PUSH_CONFLICT && run?.state.phase === "pushing") {
      lost.add(id)
    } else {
      refused = (await notAccepted(device, runs, prepared, result)) ?? refused
      again ||= run === undefined
    }
  }
  for (const changes of reply.vaults) {
    const id = bytesToHex(changes.vaultId)
    const vault = device.vaults.get(id)
    if (vault === undefined) continue
    const run = runs.get(id) ?? openRun(device, vault)
    const { pushId } = run.state
    const wasLost = lost.delete(id)
    const applied = await applyChanges(device, run, changes, (news, inStep) =>
      wasLost
        ? { type: "conflict", pushId, news, inStep, random: randomFraction(device) }
        : { type: "pulled", news, inStep },
    )
    if (!applied.ok) return applied
    received += applied.value
    again ||= changes.more
    if (received > 0) onProgress?.({ step: "retrieving", done: received, total: received })
  }
  for (const id of lost) {
    const run = runs.get(id)
    if (run === undefined) continue
    await advance(device, run, {
      type: "conflict",
      pushId: run.state.pushId,
      news: new Map(),
      inStep: false,
      random: randomFraction(device),
    })
  }
  for (const [vaultId, seq, hash] of reply.heads) {
    const known = device.vaults.get(bytesToHex(vaultId))
    if (known === undefined || (known.row.resumeAfter !== undefined && known.row.frozen === undefined)) {
      const first = await bootstrapVault(device, vaultId, onProgress)
      if (!first.ok) return first
      received += first.value
      again = true
      if (device.retrieve?.paused === true) break
      continue
    }
    const servedHead = { seq, hash }
    const compared = compareWithKnown(
      device.ports.primitives,
      { head: known.state.head, hashAt: () => undefined },
      { head: servedHead, links: [] },
    )
    if (!compared.ok) return freeze(device, known, compared.error)
    const run = runs.get(bytesToHex(vaultId))
    if (run !== undefined && seq === known.state.head.seq)
      await advance(device, run, { type: "pulled", news: new Map(), inStep: true })
  }
  device.changed()
  return ok({ sent, received, again, ...(refused === undefined ? {} : { refused }) })
}

/** What was pushed is the server's newest now: the vault's state, its rows and a new key become durable together. */
const acceptPush = async (device: Device, run: VaultRun | undefined, prepared: Prepared): Promise<number> => {
  const { local } = device
  if (local === undefined || device.full === undefined) return 0
  const id = bytesToHex(prepared.vault.state.id)
  const { made } = prepared
  const full =
    made === undefined ? device.full : withVaultKey(device.full, prepared.vault.state.id, made.epoch, made.key)
  const rows = [
    await vaultStoreRow(device, local, prepared.vault.row),
    ...(await keptRows(device, local, keptOfPush(prepared.push))),
  ]
  if (full !== device.full) rows.push(await bundleRow(device, full, local))
  if (run === undefined) {
    const changed: LocalItem[] = []
    rows.push(...(await adoptHomeless(device, local, prepared.vault.state.id, changed)))
    await device.ports.store.write(rows)
    for (const item of changed) device.items.set(bytesToHex(item.itemId), item)
  } else {
    const { pushId, phase } = run.state
    await advance(device, run, phase === "rotating" ? { type: "rotated" } : { type: "accepted", pushId }, (outbox) => ({
      items: [...prepared.placed].map(([itemId, row]) => withEntry(row, outbox.get(itemId))),
      rows,
    }))
  }
  device.full = full
  device.vaults.set(id, prepared.vault)
  return prepared.placed.size
}

/** Tells the machine why. Answers the refusal that time alone does not change. */
const notAccepted = async (
  device: Device,
  runs: Runs,
  prepared: Prepared,
  result: PushResult | undefined,
): Promise<Failure | undefined> => {
  const run = runs.get(bytesToHex(prepared.push.vaultId))
  if (result === undefined) {
    await unanswered(device, runs, prepared)
    return { code: "malformed", detail: "The server did not say what became of a change." }
  }
  const code = result.code !== undefined && isErrorCode(result.code) ? result.code : "internal"
  if (run?.state.phase === "pushing") {
    const { pushId } = run.state
    await advance(
      device,
      run,
      code === "epoch-stale" ? { type: "epoch-stale", pushId } : { type: "refused", pushId, code },
    )
    return code === "epoch-stale" ? undefined : { code }
  }
  if (run !== undefined) await advance(device, run, { type: "rotation-failed", random: randomFraction(device) })
  return result.outcome === PUSH_CONFLICT || code === "epoch-stale" ? undefined : { code }
}
