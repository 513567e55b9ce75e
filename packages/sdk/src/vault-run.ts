import { bytesToHex, equalBytes } from "@keyferry/base"
import {
  createVaultSync,
  type Edit,
  type Outbox,
  type PushOp,
  startVaultSync,
  type SyncCommand,
  type SyncInput,
  type SyncState,
} from "@keyferry/engine"
import { MAX_PUSH_OPS } from "@keyferry/protocol"

import type { Device } from "./device.ts"
import type { LocalItem } from "./formats.ts"
import { itemRow, removedItemRow } from "./items.ts"
import { mergeRows } from "./merge-item.ts"
import { type Body, entryOf, outboxOf, withEntry } from "./outbox-rows.ts"
import type { Row } from "./ports.ts"
import type { Vault } from "./vault.ts"

/*
 * Runs the engine's machine for one vault: its outbox comes out of the rows, and what a step decides is written back into them,
 * together with the vault state it belongs to. Source: packages/engine/DESIGN.md
 */

/** What a link carries at most; a request holds the links of several vaults. */
const LIMITS = { maxOps: MAX_PUSH_OPS, maxBytes: 3 * 1024 * 1024 }

export interface VaultRun {
  readonly vaultId: Uint8Array
  state: SyncState<Body>
  /** Commands that wait to be carried out with the next request. */
  push: readonly PushOp<Body>[] | undefined
  rotate: boolean
  waitMs: number
}

/** Rows as a step leaves them. Rows that are `gone` are taken out. */
export interface RowChange {
  readonly items: readonly LocalItem[]
  readonly gone?: readonly LocalItem[]
  /** Written in the same batch. */
  readonly rows?: readonly Row[]
}

/** A run that merges news and sends nothing yet. A frozen vault does neither. */
export const openRun = (device: Device, vault: Vault): VaultRun => {
  const idle = startVaultSync(outboxOf(device, vault.state.id))
  const { frozen } = vault.row
  const state = frozen === undefined ? idle : machineOf(device).step(idle, { type: "froze", code: frozen }).state
  return { vaultId: vault.state.id, state, push: undefined, rotate: false, waitMs: 0 }
}

/** One step, made durable before anything else happens. `change` gives the rows that the input itself is about. */
export const advance = async (
  device: Device,
  run: VaultRun,
  input: SyncInput<Body>,
  change: (outbox: Outbox<Body>) => RowChange | Promise<RowChange> = () => ({ items: [] }),
): Promise<void> => {
  const { local } = device
  if (local === undefined) return
  const { state, commands } = machineOf(device).step(run.state, input)
  const { items, gone = [], rows: more = [] } = await change(state.outbox)
  const about = new Set([...items, ...gone].map((item) => bytesToHex(item.itemId)))
  const others = touchedBy(commands)
    .filter((itemId) => !about.has(itemId))
    .flatMap((itemId) => {
      const row = device.items.get(itemId)
      return row === undefined ? [] : [withEntry(row, state.outbox.get(itemId))]
    })
  const all = [...items, ...others]
  const rows: Row[] = [...more, ...gone.map(removedItemRow)]
  for (const item of all) rows.push(itemRow(local, item))
  if (rows.length > 0) await device.ports.store.write(rows)
  for (const item of gone) device.items.delete(bytesToHex(item.itemId))
  for (const item of all) device.items.set(bytesToHex(item.itemId), item)
  run.state = state
  for (const command of commands) {
    if (command.type === "push") run.push = command.ops
    else if (command.type === "rotate") run.rotate = true
    else if (command.type === "wait") run.waitMs = command.ms
  }
}

/** Rows that something else than the machine made wait, or stopped waiting, since its last step: as edits. */
export const editsBeside = (device: Device, run: VaultRun): readonly Edit<Body>[] => {
  const edits: Edit<Body>[] = []
  const rows = new Map(device.items.unsettled())
  for (const itemId of run.state.outbox.keys()) {
    const row = device.items.get(itemId)
    if (row !== undefined) rows.set(itemId, row)
  }
  for (const [itemId, row] of rows) {
    if (!equalBytes(row.vaultId, run.vaultId)) continue
    const known = run.state.outbox.get(itemId)
    const entry = entryOf(row, 0)
    if (entry === undefined && known === undefined) continue
    const mine = entry?.mine ?? "deleted"
    if (known !== undefined && isSameSide(known.mine, mine)) continue
    edits.push({
      itemId,
      mine,
      sizeBytes: entry?.sizeBytes ?? 0,
      ...(entry?.base === undefined ? {} : { base: entry.base }),
    })
  }
  return edits
}

/** In [0, 1). */
export const randomFraction = (device: Device): number => {
  const [high = 0, low = 0] = device.ports.random.bytes(2)
  return (high * 256 + low) / 65_536
}

const isSameSide = (a: Body | "deleted", b: Body | "deleted"): boolean =>
  a === "deleted" || b === "deleted" ? a === b : equalBytes(a, b)

const machineOf = (device: Device) => createVaultSync<Body>({ merge: mergeRows(device), limits: LIMITS })

const touchedBy = (commands: readonly SyncCommand<Body>[]): readonly string[] =>
  commands.flatMap((command) =>
    command.type === "persist" ? [...command.put.map((entry) => entry.itemId), ...command.drop] : [],
  )
